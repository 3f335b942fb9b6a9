"""Plans of other systems and for them: which file is whose, and that none is lost."""

from __future__ import annotations

import pickle

import pandas
import pytest

import orch_nb as nb
from orch_nb.errors import PlanError, UsageError

PLAN = "goal: Release\ntasks: {build: {sh: make}, ship: {sh: make ship, needs: [build]}}\n"
SYSTEMS = ("airflow", "bullmq", "celery", "xstate")


@pytest.fixture
def plan():
    return nb.decompose(PLAN)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("suffix", ["", ".txt", ".bak"])
def test_a_file_is_known_by_what_it_says_whatever_it_is_called(plan, system, suffix, tmp_path):
    made = nb.export(plan, system, tmp_path / f"release{suffix}")
    found = nb.import_(tmp_path / f"release{suffix}")

    assert found.system == system == made.system
    assert list(found.plan.by_id) == ["build", "ship"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("change", [lambda raw: b"\xef\xbb\xbf" + raw,
                                    lambda raw: raw.replace(b"\n", b"\r\n")])  # fmt: skip
def test_a_mark_at_the_beginning_and_the_line_ends_of_windows_change_nothing(
    plan, system, change, tmp_path
):
    file = tmp_path / f"release{nb.export(plan, system).suffix}"
    file.write_bytes(change(nb.export(plan, system).text.encode()))

    assert list(nb.import_(file).plan.by_id) == ["build", "ship"]


def test_a_python_file_says_itself_how_it_is_written(plan, tmp_path):
    head = b"# -*- coding: latin-1 -*-\n# caf\xe9\n"
    (tmp_path / "dag.py").write_bytes(head + nb.export(plan, "airflow").text.encode())

    assert len(nb.import_(tmp_path / "dag.py").plan) == 2


@pytest.mark.parametrize(
    ("name", "raw", "told"),
    [
        ("empty.py", b" \n", "is empty"),
        ("noise.bin", bytes(range(256)), "is a binary file"),
        ("latin.json", b'{"name":\n "caf\xe9"}', "no text in UTF-8: byte 0xe9 in line 2"),
        ("plain.py", b"print(1)\n", "is of no system that is known here"),
        ("plan.yaml", PLAN.encode(), "looks like a plan document: orch-nb run FILE"),
        ("large.py", b"#" * 5_000_001, "more than 5,000,000 bytes"),
    ],
)
def test_what_is_no_plan_of_another_system_says_so(name, raw, told, tmp_path):
    (tmp_path / name).write_bytes(raw)

    with pytest.raises(UsageError, match=told):
        nb.import_(tmp_path / name)


def test_a_file_that_is_not_there_is_told_with_the_nearest(tmp_path):
    (tmp_path / "release.py").touch()

    with pytest.raises(UsageError, match=r"is not there. Did you mean `release.py`"):
        nb.import_(tmp_path / "relaese.py")
    with pytest.raises(UsageError, match="is not there either"):
        nb.import_(tmp_path / "nowhere" / "release.py")
    with pytest.raises(UsageError, match="is a folder"):
        nb.import_(tmp_path)


def test_a_system_that_is_not_there_is_told_with_the_nearest(plan, tmp_path):
    with pytest.raises(UsageError, match="Did you mean `airflow`"):
        nb.export(plan, "airfow")
    with pytest.raises(UsageError, match="Did you mean `bullmq`"):
        nb.import_(tmp_path, "bulmq")


#: A canvas beside a DAG: both systems have something to read.
BOTH = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from celery import Celery, chain

app = Celery("both")

@app.task
def one(): ...

@app.task
def two(): ...

canvas = chain(one.si(), two.si())

with DAG("both") as dag:
    BashOperator(task_id="a", bash_command="ls") >> BashOperator(task_id="b", bash_command="ls")
"""


def test_a_file_that_could_be_of_two_systems_asks_which(tmp_path):
    (tmp_path / "both.py").write_text(BOTH)

    with pytest.raises(UsageError, match=r"could be of airflow or celery\. Say which"):
        nb.import_(tmp_path / "both.py")
    assert list(nb.import_(tmp_path / "both.py", "airflow").plan.by_id) == ["a", "b"]
    assert len(nb.import_(tmp_path / "both.py", "celery").plan) == 2


def test_a_file_that_mentions_another_system_is_of_the_one_that_it_has_a_plan_of(tmp_path):
    dag = BOTH.replace("canvas = chain(one.si(), two.si())", "# no chain is sent here")
    (tmp_path / "dag.py").write_text(dag)

    assert nb.import_(tmp_path / "dag.py").system == "airflow"


def test_the_wrong_system_is_no_silent_success(plan, tmp_path):
    nb.export(plan, "bullmq", tmp_path / "flow.json")

    with pytest.raises(PlanError):
        nb.import_(tmp_path / "flow.json", "airflow")


def test_an_export_replaces_its_file_and_leaves_another_of_a_further_name_alone(plan, tmp_path):
    nb.export(plan, "xstate", tmp_path / "m.json")
    nb.export(plan, "xstate", tmp_path / "m.json")
    driver = (tmp_path / "drive.mjs").read_text()
    (tmp_path / "drive.mjs").write_text(driver.partition("\n")[0] + "\n// an older one\n")
    nb.export(plan, "xstate", tmp_path / "m.json")
    assert (tmp_path / "drive.mjs").read_text() == driver

    (tmp_path / "drive.mjs").write_text("mine")
    (tmp_path / "m.json").write_text("kept")
    with pytest.raises(UsageError, match=r"drive\.mjs` is there already and says something else"):
        nb.export(plan, "xstate", tmp_path / "m.json")
    assert (tmp_path / "drive.mjs").read_text() == "mine"
    assert (tmp_path / "m.json").read_text() == "kept"


def test_a_folder_that_is_not_there_is_told(plan, tmp_path):
    with pytest.raises(UsageError, match=r"the folder `.*nowhere` does not exist"):
        nb.export(plan, "celery", tmp_path / "nowhere" / "x.py")
    with pytest.raises(UsageError, match="is a folder"):
        nb.export(plan, "celery", tmp_path)


def test_the_reasons_of_losses_are_whole_in_the_frame(plan):
    made = nb.export(nb.decompose(PLAN.replace("sh: make}", "sh: make, timeout: 5s}")), "celery")

    assert list(made.df.why) == [loss.why for loss in made.losses]
    assert all(loss.why in repr(made.df) for loss in made.losses)
    assert all(loss.why in made.df._repr_html_() for loss in made.losses)
    copied = pickle.loads(pickle.dumps(made.df))
    assert type(copied) is type(made.df.query("severity == 'changed'")) is pandas.DataFrame
    assert copied.equals(pandas.DataFrame(made.df))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_plan_that_goes_round_is_exported_nowhere(system):
    tasks = [nb.Task(id="a", run=print, needs=["b"]), nb.Task(id="b", run=print, needs=["a"])]

    with pytest.raises(PlanError, match="is a cycle"):
        nb.export(nb.Plan(goal="g", tasks=tasks), system)
    with pytest.raises(PlanError, match="is a cycle"):
        nb.systems(nb.Plan(goal="g", tasks=tasks))


@pytest.mark.parametrize("fault", [1, ["build"], nb.Task(id="build", sh="make")])
def test_a_fault_that_is_no_name_is_told_what_one_looks_like(plan, fault):
    kind = type(fault).__name__
    with pytest.raises(UsageError, match=f"name of a task, such as 'build', not a {kind}"):
        nb.systems(plan, fault)


TOKEN = "ghp_" + "0aB1" * 9


@pytest.mark.parametrize("system", ["airflow", "bullmq", "celery"])
def test_a_command_with_a_secret_in_it_goes_into_no_file(system, tmp_path):
    plan = nb.Plan(goal="g", tasks=[nb.Task(id="push", sh=f"curl -H 'Auth: {TOKEN}' https://x")])
    with pytest.raises(PlanError, match=r"`push`.*‹secret.*environment variable"):
        nb.export(plan, system, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("system", ["airflow", "bullmq", "celery"])
def test_a_command_that_reads_a_secret_where_it_runs_is_exported(system):
    task = nb.Task(id="push", sh='curl -H "Auth: $TOKEN" https://x')
    assert "$TOKEN" in nb.export(nb.Plan(goal="g", tasks=[task]), system).text


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_value_of_a_secret_parameter_is_in_no_file(system):
    plan = nb.decompose(
        f"goal: g\nparams: {{tok: {TOKEN}}}\nsecrets: [tok]\ntasks: {{a: {{sh: x}}}}"
    )
    text = nb.export(plan, system).text
    assert TOKEN not in text
    assert "‹secret" not in text


@pytest.mark.parametrize("made", [nb.systems, lambda given: nb.export(given, "airflow")])
def test_what_is_no_plan_is_refused_with_the_way_to_one(made):
    with pytest.raises(UsageError, match=r"A Plan is wanted, not a str: `nb.decompose"):
        made("goal: g\ntasks: {a: {sh: 'true'}}")
