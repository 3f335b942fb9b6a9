"""Histories that older versions wrote: replayed by today's code, and gone on with.

`histories/vN.db` is a journal of version N, `vN.json` how the engine of that day said that each run
went (see `histories/record.py`). A file is copied, opened (and so brought up to date), and has to
tell the same of every run; what had not ended has to be brought to its end, and nothing that had
succeeded may run again.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

import orch_nb as nb
from orch_nb.engine import schema
from orch_nb.engine.journal import SqliteJournal
from orch_nb.model import event as ev

HERE = Path(__file__).parent / "histories"


def _module(name, file=None):
    """Under its own name: a history names the functions of a plan as `recorded_plans:name`."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{file or name}.py")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


SCENARIOS = _module("recorded_plans").SCENARIOS
_record = _module("record_histories", "record")  # `record` alone is that of tests/systems
outcome, past, every = _record.outcome, _record.past, _record.every
STORED = {
    (file.stem, name): told
    for file in sorted(HERE.glob("v*.json"))
    for name, told in json.loads(file.read_text()).items()
}


def _each(stored):
    return pytest.mark.parametrize(("version", "name"), stored, ids=map("-".join, stored))


EVERY = _each(list(STORED))
UNFINISHED = _each([stored for stored in STORED if SCENARIOS[stored[1]].then is not None])
VERSIONS = pytest.mark.parametrize("version", sorted({version for version, _ in STORED}))


@pytest.fixture
def file(tmp_path, version, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shutil.copy(HERE / f"{version}.db", tmp_path / "j.db")


def test_every_version_has_its_histories():
    assert {version for version, _ in STORED} >= {"v1"}
    for version in {version for version, _ in STORED}:
        db = sqlite3.connect(f"file:{HERE / version}.db?mode=ro&immutable=1", uri=True)
        assert db.execute("PRAGMA user_version").fetchone() == (int(version[1:]),)
        db.close()


@EVERY
def test_a_history_tells_what_it_told_when_it_was_recorded(file, version, name):
    journal = SqliteJournal(file)
    assert outcome(past(journal, name)) == STORED[version, name]
    assert journal._db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


@EVERY
def test_the_list_of_runs_tells_the_same(file, version, name):
    (row,) = [row for row in SqliteJournal(file).runs() if row.run_id == name]
    told = STORED[version, name]
    assert (row.status, row.name) == (told["status"], told["name"])
    assert not row.held
    assert row.finished is None or told["status"] != "running"


@UNFINISHED
def test_a_run_that_had_not_ended_is_known_by_its_plan_of_today(file, version, name):
    (row,) = [row for row in SqliteJournal(file).runs() if row.run_id == name]
    if STORED[version, name]["status"] in ("running", "waiting"):
        assert row.plan_hash == SCENARIOS[name].plan().hash


@UNFINISHED
@pytest.mark.parametrize("by_name", [True, False], ids=["by-name", "by-plan"])
def test_a_run_that_had_not_ended_is_brought_to_its_end(file, version, name, by_name):
    scenario, before = SCENARIOS[name], STORED[version, name]["tasks"]
    plan = None if by_name else scenario.plan()
    run = nb.recover(name, plan, journal=file, **scenario.then_options)
    expected = dict.fromkeys(before, "succeeded") | dict(scenario.then)
    now = {task.task: str(task.status) for task in every(run)}
    assert now == dict.fromkeys(now, "succeeded") | expected
    kept = SqliteJournal(file)
    assert outcome(past(kept, name))["tasks"] == outcome(run)["tasks"], "memory and journal differ"
    started = [e.task for e in kept.history(name) if isinstance(e, ev.AttemptStarted)]
    for task, told in before.items():
        again = started.count(task) > len(told.get("attempts", ()))
        lost = told.get("result", [""])[0] == "unstored"
        if told["status"] == "succeeded":
            assert again == lost, f"{task} succeeded and ran again"


@VERSIONS
def test_a_new_run_goes_into_the_same_file(file, version):
    scenario, told = SCENARIOS["chain"], STORED[version, "chain"]["tasks"]
    run = nb.execute(scenario.plan(), journal=file, run_id="new", **scenario.options)
    assert {task: how.get("value") for task, how in outcome(run)["tasks"].items()} == {
        task: how.get("value") for task, how in told.items()
    }
    assert SqliteJournal(file).runs()[0].run_id == "new"
    assert outcome(past(SqliteJournal(file), "chain"))["tasks"] == told


@VERSIONS
def test_what_tasks_printed_is_still_there(file, version):
    assert SqliteJournal(file).read_log("chain", "shell") == "eu shell\n"
