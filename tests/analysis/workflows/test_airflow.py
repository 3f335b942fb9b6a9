"""Airflow DAGs as their own parse sees them: tasks, groups, mapped tasks, and their edges."""

from __future__ import annotations

import json

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows
from orch_nb.formats.airflow.read import read
from orch_nb.graph import topology

HEAD = """
from airflow.sdk import DAG, TaskGroup, dag, task, task_group, setup, teardown
from airflow.sdk import chain, cross_downstream, Label
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
        ("rest = [b, c]\nchain(a, *rest)", ["a>b", "b>c"]),
        ("chain(*[a, [b, c]])", ["a>b", "a>c"]),
        ("first, last = [a, b], [b, c]\nchain(first, last)", ["a>b", "b>c"]),
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


def test_tasks_of_a_list_are_taken_apart_one_by_one(edges):
    body = "x, y = [Bash(task_id=f't{n}') for n in (1, 2)]\nx >> y"
    assert edges(body) == ["t1>t2"]


def test_what_stands_between_a_setup_and_its_teardown_comes_between_them(edges):
    body = (
        "@setup\ndef up(): ...\n"
        "@teardown\ndef down(x): ...\n"
        "with down(up()):\n"
        "    Bash(task_id='x') >> Bash(task_id='y')"
    )
    assert set(edges(body)) == {"up>down", "up>x", "x>y", "y>down"}


def test_a_task_joins_a_dag_by_an_edge_that_stands_behind_it(repository):
    text = HEAD + (
        "with DAG('d') as d:\n    a = Bash(task_id='a')\n"
        "b = Bash(task_id='b')\nc = Bash(task_id='c', dag=other)\nb >> a\nc >> a\n"
    )
    assert dags(repository({"d.py": text}))["d"].edges == (("b", "a"),)


def test_a_dag_may_be_called_as_its_file_is(repository):
    text = HEAD + "with DAG(Path(__file__).stem):\n    Bash(task_id='a')\n"
    found = dags(repository({"sales.py": text}))["sales"]
    assert (found.tasks, found.confidence) == (("a",), 1.0)


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


# -- beside Airflow's own parse, and what an import makes of the same files


@pytest.fixture(scope="module")
def examples(airflow_python, tmp_path_factory):
    """The example DAGs that come with Airflow, by file and name: what is found, and the text."""
    (packages,) = airflow_python.parents[1].glob("lib/python3*/site-packages")
    root = tmp_path_factory.mktemp("repository")
    texts = {}
    for path in sorted(packages.glob("airflow/**/example_dags/*.py")):
        name = path.relative_to(packages).as_posix()
        texts[name] = path.read_text(encoding="utf-8")
        copy = root / name.replace("example_dags", "dags")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(texts[name], encoding="utf-8")
    found = {}
    for flow in workflows(scan(root, budget_s=120)):
        name = flow.evidence.path.replace("dags/", "example_dags/")
        if flow.system == "airflow" and name in texts:
            found[name, flow.name] = flow
    return found, texts


def order(flow):
    return {task: {one for one, other in flow.edges if other == task} for task in flow.tasks}


def test_airflows_examples_are_what_airflow_makes_of_them(examples, corpus):
    """The tasks and edges of every example that the oracle has."""
    found, _ = examples
    known = json.loads((corpus / "oracles" / "airflow_dags.json").read_text())
    assert len(known) == 19
    for seen in known:
        assert order(found[seen["file"], seen["dag"]]) == {
            task["id"]: set(task["up"]) for task in seen["task_list"]
        }, seen["dag"]


def test_what_is_found_of_an_example_is_what_an_import_makes_of_it(examples):
    """Two readers know how DAGs are written: one of codebases, one of plans."""
    found, texts = examples
    assert len(found) > 90
    for (file, name), flow in found.items():
        up = topology.upstream(read(texts[file], file, dag=name).plan)
        assert order(flow) == {task: set(before) for task, before in up.items()}, (file, name)
