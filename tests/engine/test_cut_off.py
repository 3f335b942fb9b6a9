"""A run that has not ended and that nobody performs any more is told as cut off."""

from __future__ import annotations

import threading

import pytest

import orch_nb as nb
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.launch import past_run
from orch_nb.errors import JournalError
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task

PLAN = Plan(
    goal="g",
    tasks=(
        Task(id="a", run="m:a"), Task(id="b", run="m:b", needs=("a",)),
        Task(id="f", run="m:f", foreach=[1, 2]), Task(id="z", run="m:z", needs=("b",)),
    ),
)  # fmt: skip
EVENTS = [
    ev.AttemptStarted(at=2.0, task="a", attempt=1, ready=1.0),
    ev.AttemptSucceeded(at=3.0, task="a", attempt=1, started=2.0, result=ev.ResultRef()),
    ev.AttemptStarted(at=3.0, task="b", attempt=1, ready=3.0),
    ev.Expanded(at=3.5, task="f", count=2, items=ev.ResultRef()),
    ev.AttemptStarted(at=4.0, task="f[0]", attempt=1, ready=3.5),
]


@pytest.fixture
def journal(tmp_path):
    made = SqliteJournal(tmp_path / "j.db")
    made.create("r", ev.RunStarted(at=1.0, run_id="r", plan=PLAN, options=ev.RunOptions()))
    made.append("r", EVENTS)
    return made


def told(journal):
    return past_run(journal.history("r"), journal)


def test_while_its_process_holds_it_it_runs(journal):
    run = told(journal)
    assert run.status is RunStatus.RUNNING
    assert run["b"].status is Status.RUNNING


def test_when_nobody_holds_it_what_was_under_way_is_lost_and_nothing_runs(journal):
    journal.release("r")
    run = told(journal)
    assert run.status is RunStatus.CUT_OFF
    assert run.finished == nb.model.run.utc(4.0), "the last moment that is known of it"
    statuses = {task.task: task.status.value for task in (*run, *run.derived)}
    assert statuses == {
        "a": "succeeded", "b": "pending", "f": "pending", "z": "pending", "f[0]": "pending",
        "f[1]": "pending",
    }  # fmt: skip
    assert [task.task for task in (*run, *run.derived) if task.lost] == ["b", "f[0]"]
    assert run["b"].attempts[0].status == "lost"


def test_the_journal_is_told_nothing_of_that(journal):
    journal.release("r")
    before = journal.position("r")
    assert told(journal).history[-1] == ev.RunEnded(at=4.0, status=RunStatus.CUT_OFF)
    assert journal.position("r") == before
    assert journal.history("r")[1:] == EVENTS


def test_a_run_that_has_ended_is_never_cut_off(journal):
    journal.append("r", [ev.RunEnded(at=5.0, status=RunStatus.CANCELLED)])
    journal.release("r")
    assert told(journal).status is RunStatus.CANCELLED


def test_a_report_of_it_says_how_to_go_on_and_keeps_that_through_a_file(journal, tmp_path):
    journal.release("r")
    from orch_nb import archive

    found = archive.past_operation("r", journal)
    assert found.report.outcome == (
        "Cut off: its process has gone, last heard of after 3 s; 1 of 4 tasks succeeded, "
        "2 instances."
    )
    assert found.report.next_lines == ("%orchestrate recover r",)
    archive.write_report(found, tmp_path / "r.html")
    again = nb.load(tmp_path / "r.html")
    assert again.run.status is RunStatus.CUT_OFF
    assert again.run["b"].lost


def test_a_journal_that_is_deleted_under_a_run_ends_it_with_an_error_that_says_so(tmp_path):
    path, over = tmp_path / "j.db", threading.Event()

    def gone():
        path.unlink()
        over.wait(30)

    plan = Plan(goal="g", tasks=(Task(id="a", run=gone),))
    with pytest.raises(JournalError, match=r"j\.db was deleted or replaced while run `r` was"):
        nb.execute(plan, journal=path, run_id="r")
    over.set()
