"""A run that another system owns goes on there when nobody here looks on: it was not cut off."""

from __future__ import annotations

import pytest

from orch_nb.cli import main
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus
from orch_nb.model.task import Task
from orch_nb.render.listing import runs_bundle

PLAN = Plan(goal="g", tasks=(Task(id="a", run="m:a"),))
URL = "temporal://127.0.0.1:7233"


@pytest.fixture(params=[SqliteJournal, lambda _: MemoryJournal()], ids=["file", "memory"])
def journal(request, tmp_path):
    """Two runs that nobody holds: one begun here, and one given to another system."""
    made = request.param(tmp_path / "j.db")
    for name, on in (("here", ""), ("there", URL)):
        options = ev.RunOptions(on=on)
        made.create(name, ev.RunStarted(at=1.0, run_id=name, plan=PLAN, options=options))
        made.release(name)
    return made


def test_a_journal_knows_who_owns_a_run(journal):
    rows = {row.run_id: row for row in journal.runs()}
    assert (rows["there"].on, rows["there"].unfollowed, rows["there"].cut_off) == (URL, True, False)
    assert (rows["here"].on, rows["here"].unfollowed, rows["here"].cut_off) == ("", False, True)


def test_it_is_neither_once_somebody_follows_it_or_it_has_ended(journal):
    journal.claim("there")
    assert not any(row.unfollowed for row in journal.runs())
    journal.append("there", [ev.RunEnded(at=2.0, status=RunStatus.SUCCEEDED)])
    journal.release("there")
    assert not any(row.unfollowed for row in journal.runs())


def test_the_list_of_runs_says_where_it_goes_on_and_what_follows_it(journal):
    text = runs_bundle(journal.runs())["text/plain"]
    assert "cut off" in text
    assert f"running on {URL}, followed by nobody" in text
    assert "%orchestrate open there" in text


def test_the_command_line_says_it_as_a_shell_would(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = SqliteJournal(tmp_path / ".orch_nb" / "journal.db")
    options = ev.RunOptions(on="temporal://127.0.0.1:1")
    made.create("r", ev.RunStarted(at=1.0, run_id="r", plan=PLAN, options=options))
    made.release("r")
    main(["runs"])
    assert "orch-nb recover r" in capsys.readouterr().out
    main(["status", "r"])
    told = capsys.readouterr()
    assert "followed by nobody: orch-nb recover r" in told.out
    assert "cut off" not in told.out
