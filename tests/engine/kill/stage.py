"""Where runs are killed: a process that has everything imported, and forks for each run.

    stdin   {"folder": ..., "shape": ..., "verb": "execute", ...}     one line an order
    stdout  the pid of the process that performs it
    stdin   reap PID
    stdout  how that ended, as `waitpid` has it

The child performs a run with `nb.execute` or `nb.recover`, exactly as a script would, and is killed
as a script would be: by whoever has its pid, or by itself at a point that the order names. It lasts
as long as its run; importing would last ten times longer.

Points at which a child kills itself (`"die": [kind, n]`), the first being 0:

    statement   before and after each statement that sqlite3 executes
    turn        before and after each turn of the driver, and each batch for an executor
    line        each line of the engine's own code, on the engine's thread
    write       each write to a file by the C library, and (torn) in the middle of it: needs the
                preloaded `dying.c`
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import gc
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import jinja2
import plans_to_kill

import orch_nb as nb
from orch_nb import phases
from orch_nb.engine import driver, journal, schema
from orch_nb.errors import RunExists, RunHeld
from orch_nb.executors import inline, local, processes, shell, threads
from orch_nb.graph import expressions
from orch_nb.planners import binding

# Imported here, for all children.
READY = (binding, cloudpickle, expressions, inline, jinja2, phases, processes, shell, threads)
ENGINE = str(Path(driver.__file__).parent)


# -- points to die at


class Points:
    """Counts the points that are passed; the one with the number `fatal` is the last."""

    def __init__(self, fatal: int) -> None:
        self.passed, self.fatal = 0, fatal

    def here(self) -> None:
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


def at_statements(points: Points) -> None:
    class Cursor(sqlite3.Cursor):
        def execute(self, *args):
            points.here()
            try:
                return super().execute(*args)
            finally:
                points.here()

    class Connection(sqlite3.Connection):
        def cursor(self):
            return super().cursor(Cursor)

        def execute(self, *args):
            return self.cursor().execute(*args)

    connect = functools.partial(sqlite3.connect, factory=Connection)
    schema.sqlite3 = SimpleNamespace(**{**vars(sqlite3), "connect": connect})


def at_turns(points: Points) -> None:
    for owner, name in ((driver.Driver, "_turn"), (local.LocalExecutor, "submit")):
        setattr(owner, name, _between(getattr(owner, name), points))


def _between(function, points):
    @functools.wraps(function)
    def counted(*args):
        points.here()
        found = function(*args)
        points.here()
        return found

    return counted


def at_lines(points: Points) -> None:
    def line(frame, event, _):
        if event == "line":
            points.here()
        return line

    def call(frame, event, _):
        return line if frame.f_code.co_filename.startswith(ENGINE) else None

    def only_engine(frame, event, _):
        sys.settrace(call if threading.current_thread().name == "orch_nb-engine" else None)
        return

    threading.settrace(only_engine)


def at_writes(points: Points) -> None:
    """Counted in C, by `dying.c`; `passed` is asked for at the end."""
    shim = ctypes.CDLL(None)
    shim.dying_passed.restype = ctypes.c_long
    shim.dying_arm(ctypes.c_long(points.fatal))
    type(points).passed = property(lambda self: shim.dying_passed(), lambda self, value: None)


KINDS = {
    "statement": at_statements, "turn": at_turns, "line": at_lines, "write": at_writes,
}  # fmt: skip


# -- a run


def perform(order: dict) -> dict:
    plan = plans_to_kill.plan_of(order["shape"])
    kind, fatal = order.get("die") or (None, -1)
    points = Points(fatal)
    if kind is not None:
        KINDS[kind](points)
    if "at" in order:  # several are to begin at the same moment
        while time.time() < order["at"]:
            pass
    try:
        if order["verb"] == "recover":
            run = nb.recover("r", plan, journal="j.db", **order.get("options", {}))
        elif order["verb"] == "warm":
            run = nb.execute(plans_to_kill.WARM(), journal="j.db", run_id="warm")
        elif order["verb"] == "open":
            journal.SqliteJournal("j.db").close()
            return {"passed": points.passed}
        elif order["verb"] == "neighbour":  # runs of its own in the same file, one after another
            return {"runs": list(_neighbours(plan, order["runs"]))}
        else:
            run = nb.execute(plan, journal="j.db", run_id="r", **order.get("options", {}))
    except (RunExists, RunHeld) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"passed": points.passed, **outcome(run)}


def _neighbours(plan: nb.Plan, count: int) -> Iterator[str]:
    home = Path.cwd()
    for number in range(count):
        folder = home / f"neighbour-{number}"
        folder.mkdir()
        os.chdir(folder)  # their effects are their own
        yield str(nb.execute(plan, journal=home / "j.db", run_id=folder.name).status)


def outcome(run: nb.Run) -> dict:
    """How a run ended, in what has to be the same however often it was cut off."""
    every = [*run.tasks, *run.derived]
    return {
        "status": str(run.status),
        "tasks": {task.task: str(task.status) for task in every},
        "results": {
            task.task: _shown(run, task)
            for task in every
            if task.status in ("succeeded", "compensated")
        },
    }


def _shown(run: nb.Run, task: nb.TaskRun) -> str:
    """What a task gave; only the process that made it has what no journal can keep."""
    if task.result is not None and task.result.format == "unstored":
        return "(not kept)"
    return repr(run.results[task.task])


def child(order: dict) -> None:
    os.chdir(order["folder"])
    nothing = os.open(os.devnull, os.O_RDWR)
    told = os.open(f"told-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
    os.dup2(nothing, 0)
    os.dup2(told, 1)
    os.dup2(told, 2)
    faulthandler.register(signal.SIGUSR1)
    code = 0
    try:
        found = json.dumps(perform(order))
        Path(order["folder"], f"outcome-{os.getpid()}.json").write_text(found)
    except BaseException:  # noqa: BLE001  # told in the exit code
        traceback.print_exc()
        code = 1
    os._exit(code)


def main() -> None:
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.startswith("reap "):
            _, status = os.waitpid(int(line.split()[1]), 0)
            print(status, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
