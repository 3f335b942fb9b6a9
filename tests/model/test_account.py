"""What happened in a run beyond each task by itself."""

from __future__ import annotations

import pytest

from orch_nb.model import event as ev
from orch_nb.model.account import (
    account,
    control_line,
    failed_instances,
    left_undone,
    on_purpose,
)
from orch_nb.model.fold import replay
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.notebook.options import split


def tried(task: str, at: float, *, error: str = "", attempt: int = 1, **fields: object):
    """An attempt of a second."""
    began = ev.AttemptStarted(at=at, task=task, attempt=attempt)
    if not error:
        return [began, ev.AttemptSucceeded(at=at + 1, task=task, attempt=attempt, started=at)]
    failure = ev.Failure(error)
    return [
        began,
        ev.AttemptFailed(
            at=at + 1, task=task, attempt=attempt, started=at, error=failure, **fields
        ),
    ]


def ended(task: str, status: Status = Status.FAILED, **fields: object) -> ev.Event:
    return ev.TaskEnded(at=9, task=task, status=status, **fields)


def run_of(plan: Plan, *events: ev.Event, status: RunStatus | None = RunStatus.FAILED, **options):
    start = ev.RunStarted(at=0, run_id="r", plan=plan, options=ev.RunOptions(**options))
    last = [ev.RunEnded(at=10, status=status)] if status is not None else []
    return replay([start, *events, *last]).snapshot()


@pytest.fixture
def plan() -> Plan:
    """a and b, which can be undone, and f, one an item"""
    undo = Task(id="", sh="undo")
    return Plan(
        goal="g",
        tasks=(
            Task(id="a", sh="a", compensate=undo),
            Task(id="b", sh="b", compensate=undo),
            Task(id="f", sh="f", foreach=[1, 2, 3]),
        ),
        on_failure=Task(id="", sh="tell"),
    )


@pytest.fixture
def spread() -> list[ev.Event]:
    """f became f[0] (cancelled), f[1] and f[2] (failed, f[2] ended it)"""
    return [
        ev.Expanded(at=0, task="f", count=3, items=ev.ResultRef()),
        ended("f[0]", Status.CANCELLED),
        *tried("f[1]", 0, error="E"), ended("f[1]"),
        *tried("f[2]", 0, error="E"), ended("f[2]"),
        ended("f", cause="f[2]"),
    ]  # fmt: skip


def test_instances_stand_under_their_task_in_order(plan, spread):
    run = run_of(plan, *spread)
    assert [done.task for done in account(run).instances["f"]] == ["f[0]", "f[1]", "f[2]"]
    assert account(run).spread == "3 instances (2 failed)"


def test_of_failed_instances_the_cause_comes_first_and_the_cancelled_last(plan, spread):
    found = failed_instances(run_of(plan, *spread), "f")
    assert [done.task for done in found] == ["f[2]", "f[1]", "f[0]"]


def test_compensations_stand_in_the_order_in_which_they_ran_and_last_what_ran_last(plan):
    run = run_of(
        plan, *tried("a", 0), *tried("b", 1), *tried("compensate(b)", 3),
        *tried("compensate(a)", 4), *tried("on_failure", 5),
    )  # fmt: skip
    found = account(run)
    assert [done.task for done in found.undoing] == ["compensate(b)", "compensate(a)"]
    assert found.last is not None
    assert found.last.task == "on_failure"
    assert found.compensated == 2


def test_retries_count_instances_and_compensations_and_no_attempt_that_was_lost(plan):
    run = run_of(
        plan,
        ev.Expanded(at=0, task="f", count=1, items=ev.ResultRef()),
        *tried("f[0]", 0, error="E"), *tried("f[0]", 2, attempt=2),
        ev.AttemptStarted(at=0, task="a", attempt=1), ev.AttemptLost(at=1, task="a", attempt=1),
        *tried("a", 2, attempt=2),
        *tried("compensate(a)", 4, error="E"), *tried("compensate(a)", 6, attempt=2),
    )  # fmt: skip
    assert account(run).retries == 2


def test_what_an_earlier_run_had_left_is_told_by_run(plan):
    kept = {"status": Status.SUCCEEDED, "result": ev.ResultRef()}
    run = run_of(plan, ended("a", cached="r1", **kept), ended("b", cached="r1", **kept))
    assert account(run).cached == {"r1": ("a", "b")}


def stuck(plan: Plan, status: RunStatus | None, *more: ev.Event) -> Run:
    """`a` succeeded and could not be undone."""
    rest = [ended("b"), ended("f", Status.SKIPPED)]
    undo = [*tried("compensate(a)", 3, error="E"), ended("compensate(a)")]
    return run_of(plan, *tried("a", 0), *rest, *undo, *more, status=status)


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED, None])
def test_a_compensation_that_failed_leaves_something_undone(plan, status):
    assert [done.task for done in left_undone(stuck(plan, status))] == ["compensate(a)"]


def test_after_a_success_or_while_tasks_are_open_nothing_is_left_undone(plan):
    assert left_undone(stuck(plan, RunStatus.SUCCEEDED)) == ()
    again = ev.RetryRequested(at=9, task="b", reset=("b",))
    assert left_undone(stuck(plan, None, again)) == ()


@pytest.mark.parametrize(
    ("faults", "hits", "words"),
    [
        ((), 0, ""),
        (("a=2",), 0, "`a=2`; none has struck"),
        (("a=2",), 1, "`a=2`; 1 attempt failed by them"),
        (("a=2", "b=20%"), 2, "`a=2` and `b=20%`; 2 attempts failed by them"),
        ((), 1, "asked for before it went on; 1 attempt failed by them"),
    ],
)
def test_faults_on_purpose_are_told_with_how_often_they_struck(plan, faults, hits, words):
    events = [
        event
        for n in range(1, hits + 1)
        for event in tried("a", n, error="E", attempt=n, injected=True)
    ]
    assert on_purpose(run_of(plan, *events, faults=faults)) == words


def test_a_process_killed_on_purpose_has_left_no_attempt_that_says_so(plan):
    resumed = ev.RunResumed(at=2, options=ev.RunOptions(faults=("kill=a",)))
    run = run_of(plan, ev.AttemptStarted(at=1, task="a", attempt=1), resumed, faults=("kill=a",))
    assert on_purpose(run) == "`kill=a`; the process was cut off"
    assert on_purpose(run_of(plan, faults=("kill",))) == "`kill`; none has struck"


@pytest.mark.parametrize(
    "task", ["sdist", "fetch[3]", "compensate(pay)", "two words", "größe", "a.b-c_d"]
)
def test_a_line_that_goes_on_names_its_task_as_lines_are_read(task):
    line = control_line(run_of(Plan(goal="g")), "retry", task)
    assert split(line.removeprefix("%orchestrate ")) == ["retry", task, "--run", "r"]


def test_the_line_for_an_instance_is_plain():
    line = control_line(run_of(Plan(goal="g")), "retry", "fetch[3]")
    assert line == "%orchestrate retry fetch[3] --run r"


def test_a_name_that_a_shell_would_act_on_is_quoted_for_it():
    line = control_line(run_of(Plan(goal="g")), "retry", "a;$(rm x)")
    assert line == "%orchestrate retry 'a;$(rm x)' --run r"
