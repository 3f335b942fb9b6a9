"""Airflow DAGs as their own parse sees them: tasks, groups, mapped tasks, and their edges."""

from __future__ import annotations

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows

HEAD = """
from airflow.sdk import DAG, TaskGroup, dag, task, task_group, chain, cross_downstream, Label
from airflow.providers.standard.operators.bash import BashOperator as Bash

"""


def dags(root):
    return {flow.name: flow for flow in workflows(scan(root)) if flow.system == "airflow"}


@pytest.fixture
def edges(repository):
    """The edges of the one DAG whose body is given, as `a>b` in order."""

    def read(body):
        text = (
            HEAD + "with DAG('d') as dag:\n" + "".join(f"    {line}\n" for line in body.split("\n"))
        )
        return [f"{a}>{b}" for a, b in dags(repository({"d.py": text}))["d"].edges]

    return read


THREE = "a, b, c = Bash(task_id='a'), Bash(task_id='b'), Bash(task_id='c')\n"


@pytest.mark.parametrize(
    ("wiring", "seen"),
    [
        ("a >> b >> c", ["a>b", "b>c"]),
        ("a << b", ["b>a"]),
        ("a >> [b, c]", ["a>b", "a>c"]),
        ("[a, b] >> c", ["a>c", "b>c"]),
        ("chain(a, [b, c])", ["a>b", "a>c"]),
        ("cross_downstream([a, b], [c])", ["a>c", "b>c"]),
        ("c.set_upstream([a, b])", ["a>c", "b>c"]),
        ("a.set_downstream(b)", ["a>b"]),
        ("a >> Label('yes') >> b", ["a>b"]),
    ],
)
def test_every_way_to_wire_two_tasks(edges, wiring, seen):
    assert edges(THREE + wiring) == seen


def test_a_result_that_is_passed_on_is_an_edge(repository):
    text = HEAD + (
        "@dag(schedule='@daily')\n"
        "def sales():\n"
        "    @task\n"
        "    def extract(): ...\n"
        "    @task(task_id='sum')\n"
        "    def total(x): ...\n"
        "    total(extract())\n"
        "sales()\n"
    )
    flow = dags(repository({"d.py": text}))["sales"]
    assert flow.tasks == ("extract", "sum")
    assert flow.edges == (("extract", "sum"),)
    assert ("@daily", "schedule") in [(part.name, part.kind) for part in flow.parts]


def test_a_group_begins_with_its_first_tasks_and_ends_with_its_last(edges):
    body = (
        "start, end = Bash(task_id='start'), Bash(task_id='end')\n"
        "with TaskGroup('g') as g:\n"
        "    Bash(task_id='x') >> Bash(task_id='y')\n"
        "start >> g >> end"
    )
    assert set(edges(body)) == {"g.x>g.y", "start>g.x", "g.y>end"}


def test_a_loop_over_a_literal_is_unrolled(repository):
    text = HEAD + (
        "with DAG('d'):\n"
        "    last = Bash(task_id='last')\n"
        "    for name in ['a', 'b']:\n"
        "        Bash(task_id=f'load_{name}') >> last\n"
    )
    flow = dags(repository({"d.py": text}))["d"]
    assert flow.tasks == ("last", "load_a", "load_b")
    assert flow.edges == (("load_a", "last"), ("load_b", "last"))
    assert flow.confidence == 1.0


def test_a_loop_over_what_only_a_run_knows_is_read_once_and_is_less_sure(repository):
    text = HEAD + (
        "with DAG('d'):\n    for name in tables():\n        Bash(task_id=f'load_{name}')\n"
    )
    flow = dags(repository({"d.py": text}))["d"]
    assert flow.tasks == ("load_{name}",)
    assert flow.confidence < 1.0


def test_a_mapped_task_follows_what_it_is_mapped_over(repository):
    text = HEAD + (
        "with DAG('d'):\n"
        "    @task\n    def files(): ...\n"
        "    @task\n    def load(file): ...\n"
        "    load.expand(file=files())\n"
    )
    assert dags(repository({"d.py": text}))["d"].edges == (("files", "load"),)


def test_a_dag_that_is_made_and_handed_to_its_tasks(repository):
    text = HEAD + "NAME = 'old'\nd = DAG(NAME)\na = Bash(task_id='a', dag=d)\n"
    assert dags(repository({"d.py": text}))["old"].tasks == ("a",)


def test_a_dbt_group_stands_for_its_models(repository):
    text = (
        "from airflow import DAG\nfrom cosmos import DbtTaskGroup\n"
        "from airflow.operators.empty import EmptyOperator\n"
        "with DAG('d'):\n"
        "    EmptyOperator(task_id='pre') >> DbtTaskGroup(group_id='models')\n"
    )
    assert dags(repository({"d.py": text}))["d"].edges == (("pre", "models"),)


@pytest.mark.parametrize(
    "text",
    [
        "from airflow import DAG\n\ndef task(): ...\n",
        'from airflow import DAG\nEXAMPLE = """\nwith DAG(\'no\'): ...\n"""\n',
        "from airflow import DAG\n# with DAG('no'): ...\n",
        "from mine import DAG  # not airflow\nwith DAG('no'): ...\n",
    ],
)
def test_what_only_looks_like_a_dag_is_none(repository, text):
    assert dags(repository({"d.py": text})) == {}
