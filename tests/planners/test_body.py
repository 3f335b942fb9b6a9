"""Which body a cell has: the person's word, else YAML, Python or a goal by its first lines."""

from __future__ import annotations

import pytest

from orch_nb.errors import PlanError, UsageError
from orch_nb.planners.body import body_kind


@pytest.mark.parametrize(
    "text",
    [
        "goal: Release\ntasks: {}",
        "\n\n# a comment\n  tasks:\n    a: {}",
        "- id: a\n  sh: ls",
        "-\n  id: a",
        "stories:\n\tbroken",
        "defaults: [",
        '{"goal": "x", "tasks": {}}',
        "{tasks: {}}",
        "'goal' : x",
        "---\ngoal: x",
        "\ufeffgoal: x",
        "pools: {}",
        "goal: write\ndef f(): ...",
    ],
)
def test_a_key_of_a_plan_or_a_list_marker_means_yaml(text):
    assert body_kind(text) == "yaml"


@pytest.mark.parametrize(
    "text",
    [
        "@task\ndef a(): ...",
        "import pandas as pd\n\nasync def a(): ...",
        "if True:\n    def a(): ...",
        "class A:\n    def f(self): ...",
        "# comment\nx = await y\ndef a(): ...",
        "@task\ndef a(:\n",
        "@nb.task(retry=3)\ndef a() ...",
        "def a(x\n",
    ],
)
def test_a_function_means_python_even_where_it_does_not_parse(text):
    assert body_kind(text) == "python"


@pytest.mark.parametrize(
    "text",
    [
        "Move the carts of this shop from Redis to Postgres without downtime.",
        "Goal: ship it",
        "goals: many",
        "release",
        "x = 1",
        "Define the default and ship",
        "-5 degrees is too cold",
        "the task def is unclear (see @task)",
        "(" * 10_000 + " def",
        "def\0",
        r"a def with \d in it",
    ],
)
def test_anything_else_is_a_goal(text):
    assert body_kind(text) == "goal"


@pytest.mark.parametrize("asked", ["python", "yaml", "goal"])
def test_the_persons_own_word_decides(asked):
    assert body_kind("goal: x", asked) == asked


def test_another_word_is_refused():
    with pytest.raises(UsageError, match="a body is read as python, yaml or goal"):
        body_kind("goal: x", "toml")


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ufeff", "# only\n# comments"])
@pytest.mark.parametrize("asked", [None, "goal"])
def test_nothing_at_all_is_an_error_with_the_way_out(text, asked):
    with pytest.raises(PlanError, match=r"The cell is empty\. Write a goal in words, a YAML plan"):
        body_kind(text, asked)


def test_ten_megabytes_are_refused():
    with pytest.raises(PlanError, match=r"The cell has 10\.0 MB; at most 5 MB is read"):
        body_kind("x" * 10_000_000)
