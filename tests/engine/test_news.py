"""Following a run of another process: what was committed since one looked last."""

from __future__ import annotations

import pytest

from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.errors import RunNotFound
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

BEGUN = ev.RunStarted(at=1.0, run_id="r", plan=Plan(goal="g", tasks=(Task(id="a"), Task(id="b"))))


def started(task, at):
    return ev.AttemptStarted(at=at, task=task, attempt=1)


def succeeded(task, at):
    return ev.AttemptSucceeded(at=at, task=task, attempt=1, started=at - 0.5)


@pytest.fixture(params=["file", "memory"])
def journals(request, tmp_path):
    """One that is written, one that is read; of a memory the same."""
    if request.param == "memory":
        made = MemoryJournal()
        yield made, made
        return
    writer, reader = SqliteJournal(tmp_path / "j.db"), SqliteJournal(tmp_path / "j.db")
    yield writer, reader
    writer.close()
    reader.close()


def test_each_event_is_told_once_in_the_order_of_the_commits(journals):
    writer, reader = journals
    writer.create("r", BEGUN)
    writer.append("r", [started("a", 2.0)])
    first, place = reader.news("r")
    assert [type(event) for event in first] == [ev.RunStarted, ev.AttemptStarted]
    assert reader.news("r", place) == ([], place), "nothing is new"
    writer.append("r", [succeeded("a", 3.0), started("b", 3.0)])
    writer.append("r", [succeeded("b", 4.0)])
    later, place = reader.news("r", place)
    assert [event.at for event in later] == [3.0, 3.0, 4.0]
    assert reader.news("r", place)[0] == []
    assert [*first, *later] == reader.history("r")


def test_another_run_of_the_journal_is_no_news(journals):
    writer, reader = journals
    writer.create("r", BEGUN)
    _, place = reader.news("r")
    writer.create("s", ev.RunStarted(at=2.0, run_id="s", plan=BEGUN.plan))
    writer.append("s", [started("a", 3.0)])
    assert reader.news("r", place) == ([], place)
    assert len(reader.news("s")[0]) == 2


def test_a_run_that_is_not_there_is_an_error(journals):
    _, reader = journals
    with pytest.raises(RunNotFound):
        reader.news("nothing")
