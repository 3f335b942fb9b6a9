"""Does it need orchestration at all: a gallery of goals by hand, and what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.analysis.need import need

GOALS = yaml.safe_load((Path(__file__).parent / "data/goals.yaml").read_text("utf-8"))


@pytest.mark.parametrize("part", ["seen", "held_out"])
def test_at_least_95_of_100_goals_are_told_right(part: str):
    rows = [(text, kind == "many") for kind, texts in GOALS[part].items() for text in texts]
    wrong = [text for text, many in rows if need(text).orchestrate != many]
    assert len(wrong) <= 0.05 * len(rows), wrong


def test_the_gallery_is_large_and_even():
    assert sum(len(texts) for part in GOALS.values() for texts in part.values()) >= 200
    assert all(len(part["one"]) == len(part["many"]) for part in GOALS.values())


def test_one_doubt_is_enough_to_plan():
    assert need("Frobnicate the wug").orchestrate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Lint the code, then publish it", "2 things to do"),
        ("Add logging to every service", "“every service”"),
        ("Rename the table while the shop is running", "“while the shop is running”"),
        ("Copy Redis to Postgres", "Redis and PostgreSQL"),
        ("Change the primary key in production", "“in production”"),
    ],
)
def test_the_reason_for_a_plan_quotes_the_goal(text: str, reason: str):
    assert any(reason in told for told in need(text).reasons)


def test_the_command_that_does_it_is_told_where_the_workspace_shows_it(repository):
    root = repository({"Makefile": "build:\n\tcc a.c\ntest:\n\tpytest\n", "a.c": ""})
    analysis = analyze_goal("Run the tests", root)
    assert not analysis.orchestrate
    assert "Run `make test` (`Makefile:3`)" in analysis.advice


def test_a_script_of_npm_is_told_as_it_is_typed(repository):
    root = repository({"web/package.json": '{"name": "web", "scripts": {"lint": "eslint ."}}'})
    assert "`npm --prefix web run lint`" in analyze_goal("Run the linter", root).advice


def test_a_command_that_several_places_have_is_told_as_one_of_them(repository):
    script = '{"name": "web", "scripts": {"test": "vitest"}}'
    root = repository({"web/package.json": script, "admin/package.json": script})
    assert "one of 2 places that have it" in analyze_goal("Run the tests", root).advice


def test_a_question_is_answered_by_a_look_at_the_right_place(repository):
    root = repository({"src/retry_policy.py": "class RetryPolicy: ...\n", "src/a.py": ""})
    advice = analyze_goal("What does the retry policy do?", root).advice
    assert "Begin with `src/retry_policy.py:1`" in advice


def test_the_file_is_told_where_the_goal_names_it(repository):
    root = repository({"docs/README.md": "# a\n", "README.md": "# b\n"})
    assert "Open `README.md`" in analyze_goal("Fix the typo in README", root).advice


def test_no_command_is_invented(repository):
    advice = analyze_goal("Run the tests", repository({"a.txt": ""})).advice
    assert "Do it directly" in advice


def test_a_goal_of_one_step_is_asked_nothing():
    assert analyze_goal("Fix the typo in README").questions == ()
