"""A plan that goes to Airflow and comes back is the plan that it was."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, given, seed, settings

from orch_nb.formats.airflow import export, read, recognises
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan
from orch_nb.model.task import Foreach, Task
from orch_nb.planners.yaml import plan_from_yaml

from .dag_plans import looks, plans


@given(plans())
def test_what_is_exported_is_read_as_the_same_plan(plan):
    if check(plan):
        return
    made = export(plan)
    found = read(made.text, "dags/shop.py")
    assert looks(found.plan) == looks(plan)
    assert recognises(made.text, "dags/shop.py")
    assert check(found.plan) == []


@given(plans())
def test_a_file_is_python_of_at_most_a_hundred_columns(plan):
    if check(plan):
        return
    text = export(plan).text
    ast.parse(text)
    code = [line for line in text.splitlines() if '"' not in line and "'" not in line]
    assert max(map(len, code)) <= 100
    assert text.endswith("()\n")
    assert "\t" not in text


@given(plans())
def test_what_was_read_is_exported_as_it_was(plan):
    if check(plan):
        return
    text = export(plan).text
    again = export(read(text, "shop.py").plan).text
    # The order of arrows, and of what stands at one end of them, means nothing.
    assert _said(again) == _said(text)


def _said(text):
    return sorted(line.strip() for line in text.splitlines() if "=" in line or ":" in line)


SAGA = """\
goal: A saga
params: {region: eu}
tasks:
  book: {sh: make book, compensate: {sh: "undo {{ book }}", retry: 3, timeout: 5s}}
  pay: {sh: make pay, needs: [book], compensate: {sh: "back {{ pay }} {{ book }}", pool: db}}
  ship: {run: "shop:ship", needs: [pay], compensate: {run: "shop:unship", with: {region: eu}}}
  opt: {sh: make extra, required: false}
pools: {db: 1}
on_failure: {sh: tell $ORCH_TASK}
"""


def test_a_saga_comes_back_with_all_that_undoes_it():
    plan = plan_from_yaml(SAGA)
    found = read(export(plan).text, "shop.py").plan
    assert found.on_failure == plan.on_failure
    assert {task.id: task.compensate for task in found} == {
        task.id: task.compensate for task in plan
    }


@pytest.mark.parametrize(
    "task",
    [
        "foreach: {n: src}, sh: 'echo {{ n }} {{ index }} {{ src }}'",
        "foreach: [1, 2], sh: 'echo {{ item }}', max_active: 1",
        "foreach: 'src | list', sh: 'echo {{ item }}'",
        "foreach: 'range(3)', sh: 'echo {{ item }}'",
        "when: src is none, sh: x",
        "when: src is not none and src | length > 2, sh: x",
        "when: not src, sh: run.sh",
        "when: 'src not in [1]', run: 'shop:sales'",
        "sh: 'bash {{ src | unquoted }}.sh'",
        'sh: "echo \\"it\'s\\" ünï {% raw %}{{ x }}{% endraw %} {{ src }}"',
        "todo: '{{ x }} \"it''s\"', trigger: one_failed",
    ],
)
def test_what_a_task_says_comes_back(task):
    plan = plan_from_yaml(f"goal: g\ntasks: {{src: {{sh: x}}, a: {{{task}, needs: [src]}}}}")
    assert looks(read(export(plan).text, "shop.py").plan) == looks(plan)


def test_a_linter_and_a_formatter_leave_files_as_they_are(tmp_path):
    @seed(4)
    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(plans())
    def written(plan):
        if not check(plan):
            text = export(plan).text
            (tmp_path / f"d{len(list(tmp_path.iterdir()))}.py").write_text(text, encoding="utf-8")

    written()
    (tmp_path / "saga.py").write_text(export(plan_from_yaml(SAGA)).text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", "--no-cache", "--line-length=100", "--target-version=py310"]
    lint = [
        *ruff,
        "check",
        *rules,
        "--select=E,W,F,I,UP,B,SIM,C4,RET,PIE,AIR",
        "--ignore=E501,AIR001",
    ]
    # AIR001 wants variables called like tasks, whose ids need be no names of Python.
    for command in (lint, [*ruff, "format", *rules, "--diff"]):
        done = subprocess.run([*command, tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]


BY_POSITION = """\
goal: By position
params: {n: 3, many: [1, 2]}
tasks:
  a: {run: "operator:sub", with: {"*": [1, 2]}}
  b: {run: "operator:sub", needs: [a], with: {"*": ["{{ a }}", "{{ params.n }}"]}}
  c: {run: "math:hypot", needs: [a, b], with: {"*": ["{{ b }}"]}}
  d: {run: "math:hypot", needs: [a, b, c], with: {"*": "{{ [a, b] }}"}}
  e: {run: "math:hypot", needs: [d], with: {"*": "{{ params.many }}"}}
  f: {run: "operator:sub", foreach: [[1, 2], [3, 4]], with: {"*": "{{ item }}"}}
"""


def test_arguments_by_position_are_written_as_such_and_read_back():
    plan = plan_from_yaml(BY_POSITION)
    text = export(plan).text
    calls = [line.split("return ")[1] for line in text.splitlines() if "return " in line]
    assert calls == [
        "sub(1, 2)", 'sub(a, params["n"])', "hypot(*[b])", "hypot(*[a, b])",
        'hypot(*params["many"])', "sub(*item)",
    ]  # fmt: skip
    found = read(text, "dags/shop.py").plan
    given = {task.id: task.with_ for task in plan.tasks}
    given["c"] = {"*": "{{ [b] }}"}
    assert {task.id: task.with_ for task in found.tasks} == given


def shown(value, step):
    """A function whose parameters are known."""


def test_results_by_position_are_written_under_the_names_of_the_parameters():
    tasks = [Task(id="a", run="json:dumps", with_={"obj": 1}),
             Task(id="b", run=shown, needs=["a"], with_={"*": ["{{ a }}", "{{ a }}"]})]  # fmt: skip
    assert "shown(value=a, step=a)" in export(Plan(goal="g", tasks=tasks)).text


def test_an_argument_may_be_made_of_the_item():
    tasks = [Task(id="a", run=textwrap.dedent, with_={"text": "{{ item[0] }}"},
                  foreach=Foreach([["a"], ["b"]]))]  # fmt: skip
    text = export(Plan(goal="g", tasks=tasks)).text
    assert "        return dedent(text=item[0])\n" in text
    assert read(text, "shop.py").plan.tasks[0].with_ == {"text": "{{ item[0] }}"}


def test_a_template_by_position_that_python_does_not_know_is_not_left_out():
    tasks = [Task(id="a", run="math:hypot", with_={"*": "{{ [1] | map('abs') }}"})]
    made = export(Plan(goal="g", tasks=tasks))
    assert "raise NotImplementedError(" in made.text
    assert ("with", "a") in {(loss.what, loss.task) for loss in made.losses}


FOREIGN = """
from airflow.sdk import dag, task

@dag
def shop():
    @task
    def rows():
        from shop.etl import fetch
        return fetch()
    @task
    def load(data, table):
        from shop.etl import store
        return store(data[0], table, 5, mode="fast")
    @task
    def told(data):
        from shop.etl import store
        return store(str.upper(data), 1)
    load(rows(), "sales")
    told(rows())
shop()
"""


def test_a_call_by_position_of_a_file_of_others_is_read_whole_or_told():
    found = read(FOREIGN, "shop.py")
    load, told = found.plan["load"], found.plan["told"]
    assert load.run == "shop.etl:store"
    assert load.with_ == {"*": ["{{ rows[0] }}", "sales", 5], "mode": "fast"}
    assert told.run == "shop:told"
    assert [loss.task for loss in found.losses if loss.what == "run"] == ["told"]
