"""Failures by cause: which are alike, what is known of each, and the lines that act on them."""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.integration.causes import causes, ways
from orch_nb.integration.integrate import report
from orch_nb.model.plan import Plan, Story
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, nothing, perform


def failing(history, *errors, **task):
    """A plan of a task for each error, every one of which failed with it."""
    plan = Plan(goal="g", tasks=[Task(id=f"t{n}", **task) for n in range(len(errors))])
    run = history(plan)
    for n, (kind, message) in enumerate(errors):
        run.broke(f"t{n}", 0, 1, kind, message).ended(f"t{n}", 1, Status.FAILED)
    return report(run.run(RunStatus.FAILED))


# -- which are alike


def test_errors_that_differ_in_numbers_names_and_paths_only_are_one_cause(history):
    told = failing(
        history,
        ("OSError", "cannot read '/data/a.csv' at 0x7f1, line 12"),
        ("OSError", "cannot read '/data/b.csv' at 0x8f2, line 7"),
        ("OSError", "no space left"),
        ("ValueError", "cannot read '/data/b.csv' at 0x8f2, line 7"),
    )
    assert [cause.tasks for cause in told.causes] == [("t0", "t1"), ("t2",), ("t3",)]


def test_a_cause_has_all_owners_all_that_was_kept_and_all_attempts(history):
    plan = Plan(
        goal="g", stories=[Story(id="S", owner="cleo")],
        tasks=[
            Task(id="a", owner="ana"), Task(id="b", story="S"), Task(id="x", needs=["a"]),
            Task(id="y", needs=["b"]),
        ],
    )  # fmt: skip
    run = history(plan)
    for task, after in (("a", "x"), ("b", "y")):
        run.broke(task, 0, 1, "E", "5").broke(task, 2, 3, "E", "6").ended(task, 3, Status.FAILED)
        run.ended(after, 3, Status.UPSTREAM_FAILED, "", task)
    (cause,) = report(run.run(RunStatus.FAILED)).causes
    assert (cause.owners, cause.kept, cause.attempts) == (("ana", "cleo"), ("x", "y"), 4)


def test_of_a_fan_out_all_are_counted_and_the_first_are_named():
    plan = Plan(goal="g", tasks=[Task(id="f", run=nothing, foreach=list(range(40)))])
    script = {f"f[{n}]": [ValueError(f"page {n}")] for n in range(30)}
    told = nb.integrate(perform(plan, executor=FakeExecutor(script)))
    cause = max(told.causes, key=lambda one: one.total)
    assert len(cause.tasks) == 5
    assert cause.total == 30


# -- what is known


@pytest.mark.parametrize(
    ("kind", "message", "outlook"),
    [
        ("ConnectionError", "refused", "may pass by itself"),
        ("requests.exceptions.ConnectTimeout", "", "may pass by itself"),
        ("HTTPError", "503 Service Unavailable", "may pass by itself"),
        ("sqlite3.OperationalError", "database is locked", "may pass by itself"),
        ("NameError", "name 'x' is not defined", "until the code or its input changes"),
        ("ValueError", "bad row", ""),
    ],
)
def test_whether_it_may_pass_by_itself_is_told_as_far_as_its_kind_says(
    history, kind, message, outlook
):
    (cause,) = failing(history, (kind, message)).causes
    assert outlook in cause.outlook
    assert bool(cause.outlook) is bool(outlook)


def test_the_same_error_each_time_does_not_seem_to_pass(history):
    run = history(Plan(goal="g", tasks=[Task(id="a")]))
    for at in (0, 2, 4):
        run.broke("a", at, at + 1, "ValueError", f"row {at}")
    (cause,) = report(run.ended("a", 5, Status.FAILED).run(RunStatus.FAILED)).causes
    assert cause.outlook == "the same error 3 times: it does not seem to pass by itself"


def test_nobody_says_of_a_persons_no_that_it_may_pass(history):
    plan = Plan(goal="g", tasks=[Task(id="gate", approval="?")])
    run = perform(plan, interactive=True, at={1.0: lambda driver: driver.reject("gate", "ana")})
    (cause,) = report(run).causes
    assert (cause.error.type, cause.outlook) == ("Rejected", "")


def test_a_timeout_and_a_fault_on_purpose_are_told_as_what_they_are():
    slow = Plan(goal="g", tasks=[Task(id="a", sh="sleep 60", timeout="0.1s")])
    (cause,) = nb.integrate(nb.execute(slow, journal="memory")).causes
    assert cause.how == "stopped by its timeout"
    plan = Plan(goal="g", tasks=[Task(id="a", run=nothing)])
    (cause,) = nb.integrate(perform(plan, faults=("a=1",))).causes
    assert cause.how == "on purpose, by a fault that was asked for"
    assert cause.outlook == ""


def test_the_last_lines_that_a_task_printed_are_at_hand(tmp_path):
    script = "for i in $(seq 50); do echo line $i; done; exit 3"
    plan = Plan(goal="g", tasks=[Task(id="a", sh=script)])
    (cause,) = nb.integrate(nb.execute(plan, journal=tmp_path / "j.db")).causes
    lines = cause.last_lines.splitlines()
    assert lines[-1] == "line 50"
    assert len(lines) == 12


# -- the lines that act


def test_what_failed_is_retried_or_skipped_in_a_notebook_or_a_shell(history):
    (failure,) = failing(history, ("E", "no")).failures
    assert [(way.verb, way.line, way.command) for way in failure.ways] == [
        ("retry", "%orchestrate retry t0 --run nightly-7", "orch-nb retry nightly-7 t0"),
        ("skip", "%orchestrate skip t0 --run nightly-7", "orch-nb skip nightly-7 t0"),
    ]


def test_an_instance_is_quoted_for_the_shell():
    plan = Plan(goal="g", tasks=[Task(id="f", run=nothing, foreach=[1, 2])])
    told = nb.integrate(perform(plan, executor=FakeExecutor({"f[1]": [ValueError()]})))
    (way, _) = next(f for f in told.failures if f.task == "f[1]").ways
    assert (way.line, way.command) == (
        "%orchestrate retry f[1] --run run",
        "orch-nb retry run 'f[1]'",
    )


def test_what_could_not_be_undone_is_compensated_by_hand():
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="pay", run=nothing, compensate={"run": nothing}),
            Task(id="ship", run=nothing, needs=["pay"]),
        ],
        on_failure={"run": nothing},
    )
    script = {"ship": [OSError()], "compensate(pay)": [OSError()], "on_failure": [OSError()]}
    run = perform(plan, executor=FakeExecutor(script))
    told = report(run)
    by_task = {failure.task: failure for failure in told.failures}
    (way,) = by_task["compensate(pay)"].ways
    assert (way.verb, way.line) == ("compensate", "%orchestrate compensate pay --run run")
    assert by_task["on_failure"].ways == ()
    assert told.causes[0].undo
    assert causes(run, ()) == ()
    assert ways(run, by_task["ship"])[1].line == "%orchestrate skip ship --run run"
