"""Record the runs of `recorded_plans` with the engine that is importable here.

    python tests/engine/histories/record.py            writes vN.db and vN.json beside this file
    PYTHONPATH=/an/older/tree python .../record.py     the same, by an older engine

`vN.db` is a journal as that engine leaves it, one for all scenarios, `vN.json` how that engine says
each run went, N the version of its journal. A stored history is never recorded again: it is what an
older version wrote, and every later one must replay it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorded_plans import SCENARIOS

import orch_nb as nb
from orch_nb.engine.ports import Request
from orch_nb.errors import RunNotFound
from orch_nb.model.run import Run

HERE = Path(__file__).parent
_PATIENCE_S = 30.0
_PLAIN = (str, int, float, bool, type(None), list, dict, tuple)


_TOLD = ("reason", "cause", "decided_by", "note", "of", "index", "instances", "cached")


def outcome(run: Run) -> dict[str, Any]:
    """What has to be the same for ever: statuses, attempts, errors, results."""
    tasks = {}
    for task in every(run):
        told: dict[str, Any] = {"status": str(task.status)}
        if task.attempts:
            told["attempts"] = [
                [
                    a.number,
                    str(a.status),
                    a.error and str(a.error),
                    a.exit_code,
                    a.timed_out,
                    *(["injected"] if getattr(a, "injected", False) else []),
                ]
                for a in task.attempts
            ]
        told |= {
            name: str(value)
            for name in _TOLD
            if (value := getattr(task, name, None)) not in (None, "")
        }
        if not task.status.ended and str(task.status) != "waiting":
            told.pop("reason", None)  # what it waits for is said in the words of the day
        if task.result is not None:
            told["result"] = [task.result.format, task.result.hash, task.result.preview]
            if task.result.format != "unstored" and str(task.status) == "succeeded":
                value = run.results[task.task]
                told["value"] = repr(value) if type(value) in _PLAIN else type(value).__name__
        tasks[task.task] = told
    return {"status": str(run.status), "name": run.name, "resumed": run.resumed, "tasks": tasks}


def every(run: Run) -> list[Any]:
    """The tasks of a run, and what came to be in it: instances, compensations."""
    return [*run, *getattr(run, "derived", ())]


def past(journal: nb.SqliteJournal, run_id: str) -> Run:
    """As its events tell it, whoever works on it or not."""
    from orch_nb.engine import launch

    return launch.past(run_id, journal).run


def _until(when: Callable[[list[Any]], bool], journal: nb.SqliteJournal, run_id: str) -> None:
    """Wait until `when` holds for what is in the journal."""
    limit = time.monotonic() + _PATIENCE_S
    while time.monotonic() < limit:
        try:
            if when(journal.history(run_id)):
                return
        except RunNotFound:
            pass
        time.sleep(0.002)
    raise TimeoutError(f"{run_id}: what it waits for did not happen")


def perform(name: str, path: str) -> None:
    """Run one scenario, in this process."""
    scenario = SCENARIOS[name]
    if scenario.asks:
        threading.Thread(target=_ask, args=(name, path), daemon=True).start()
    nb.execute(scenario.plan(), journal=path, run_id=name, **scenario.options)


def _ask(name: str, path: str) -> None:
    journal = nb.SqliteJournal(path)
    for when, verb, task, note in SCENARIOS[name].asks:
        _until(when, journal, name)
        journal.ask(name, Request(verb, task, "the recorder", note))
    journal.close()


def record(name: str, path: str) -> None:
    """Have a process of its own run a scenario, kill it if that is the scenario, go on with it."""
    scenario = SCENARIOS[name]
    process = subprocess.Popen([sys.executable, __file__, name, path])
    if scenario.kill:
        journal = nb.SqliteJournal(path)
        assert scenario.when is not None
        _until(scenario.when, journal, name)
        process.kill()
        process.wait()
        _end_processes(journal, name)
        journal.close()
    elif process.wait(_PATIENCE_S):
        raise RuntimeError(f"{name}: the recorded process failed")
    if scenario.go_on is not None:
        nb.recover(name, scenario.plan(), journal=path, **scenario.go_on)


def _end_processes(journal: nb.SqliteJournal, run_id: str) -> None:
    """What a killed engine left running is not part of the history."""
    for event in journal.history(run_id):
        pid = getattr(event, "pid", None)
        if pid is not None:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _kept(path: str, target: Path) -> None:
    """The journal as one file, without the name of the machine that recorded it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE run SET holder='recorder' || substr(holder, instr(holder, ':')) "
               "WHERE holder<>''")  # fmt: skip
    if _version(path) >= 2:  # and as if it were long ago
        db.execute("UPDATE worked SET seen=1")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copy(path, target)


def _version(path: str) -> int:
    db = sqlite3.connect(path)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return int(version)


def _text(told: dict[str, Any]) -> str:
    """JSON with a line a task."""
    runs = []
    for name, run in told.items():
        tasks = run.pop("tasks")
        head = json.dumps(run, ensure_ascii=False)[1:-1]
        lines = [
            f"  {json.dumps(task)}: {json.dumps(how, ensure_ascii=False)}"
            for task, how in tasks.items()
        ]
        runs.append(f'"{name}": {{{head}, "tasks": {{\n' + ",\n".join(lines) + "}}")
    return "{\n" + ",\n".join(runs) + "\n}\n"


def main(arguments: list[str]) -> None:
    if arguments:
        perform(*arguments)
        return
    # From a copy: tracebacks in a journal name the file of a task, with its folder.
    with tempfile.TemporaryDirectory(prefix="histories") as folder:
        for module in ("record.py", "recorded_plans.py"):
            shutil.copy(HERE / module, folder)
        told = subprocess.run(
            [sys.executable, "record.py", "all", str(HERE)], cwd=folder, check=True
        )
    sys.exit(told.returncode)


def record_all(target: Path) -> None:
    path = "j.db"
    nb.SqliteJournal(path).close()
    version = _version(path)
    names = [name for name, scenario in SCENARIOS.items() if scenario.since <= version]
    for name in names:
        record(name, path)
    journal = nb.SqliteJournal(path)
    told = {name: outcome(past(journal, name)) for name in names}
    (target / f"v{version}.json").write_text(_text(told))
    journal.close()
    _kept(path, target / f"v{version}.db")
    print(f"v{version}.db: {len(names)} histories by {Path(nb.__file__).parent}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["all"]:
        record_all(Path(sys.argv[2]))
    else:
        main(sys.argv[1:])
