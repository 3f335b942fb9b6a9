"""The harness's side of `stage.py`: children that perform runs, their deaths, what they leave.

    stage = Stage()
    scene = Scene(stage, folder, "chain")
    child = scene.begin("execute"); sleep; scene.kill(child)     a Cut: the journal as it was then
    child = scene.begin("recover"); scene.finish(child)          what it told of the run's end

Only the process that runs the engine is killed, as by `kill -9` or for want of memory; what it had
started lives on or not, as it would.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import RunNotFound
from orch_nb.model import event as ev

__all__ = ["Child", "Cut", "Effect", "Scene", "Stage", "effects_of"]

HERE = Path(__file__).parent
PATIENCE_S = 60  # for a run of a second: a hang is a failure, not a reason to wait


class Effect(NamedTuple):
    """A line that a task left."""

    what: str
    task: str
    attempt: int
    pid: int
    at: float
    value: str


class Cut(NamedTuple):
    """A run that was cut off: its history as the journal had it then, how far effects had come."""

    history: list[ev.Event]
    effects: int
    journal: Path


def effects_of(folder: Path) -> list[Effect]:
    path = folder / "effects"
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        what, task, attempt, pid, at, value = line.split("\t")
        found.append(Effect(what, task, int(attempt), int(pid), float(at), value))
    return found


class Stage:
    """The process that children are forked from."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "stage.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert self._process.stdout.readline() == "ready\n", "the stage does not start"

    def fork(self, **order: object) -> int:
        return int(self._ask(json.dumps(order)))

    def reap(self, pid: int) -> int:
        """Waits for its end; until then its pid is nobody else's. The exit code, or -signal."""
        return os.waitstatus_to_exitcode(int(self._ask(f"reap {pid}")))

    def _ask(self, line: str) -> str:
        self._process.stdin.write(line + "\n")
        told = self._process.stdout.readline()
        if not told:
            raise AssertionError("the stage itself has ended; see its stderr")
        return told

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Child(NamedTuple):
    pid: int
    stage: Stage

    def ended(self, within_s: float) -> bool:
        """Whether it ends within that time (a zombie has ended)."""
        handle = os.pidfd_open(self.pid)
        try:
            return bool(select.select([handle], [], [], within_s)[0])
        finally:
            os.close(handle)

    def kill(self) -> bool:
        """True if that is what it died of."""
        os.kill(self.pid, signal.SIGKILL)
        return self.stage.reap(self.pid) == -signal.SIGKILL


class Scene:
    """One run of a shape in a folder, through all of its deaths."""

    def __init__(self, stage: Stage, folder: Path, shape: str, **options: object) -> None:
        self.stage, self.folder, self.shape, self.options = stage, folder, shape, options
        self.cuts: list[Cut] = []
        self.alone = True  # nobody else writes to the journal
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, verb: str = "", **more: object) -> Child:
        """A child that performs the run, or goes on with it if the journal has it."""
        verb = verb or ("recover" if self.history() else "execute")
        options = {**self.options, **more.pop("options", {})}
        order = {"folder": str(self.folder), "shape": self.shape, "verb": verb, **more}
        return Child(self.stage.fork(**order, options=options), self.stage)

    def kill(self, child: Child, after_s: float = 0.0) -> bool:
        """Kill it then, if it still lives: the cut is kept. False if its run was quicker."""
        time.sleep(after_s)
        if child.kill():
            self.cut()
            return True
        self.told(child)
        return False

    def cut(self) -> None:
        """Keep the journal as it is now, before anybody looks at it."""
        if not self.alone:
            effects = len(effects_of(self.folder))
            self.cuts.append(Cut(self.history(), effects, self.folder / "j.db"))
            return
        kept = self.folder / f"cut-{len(self.cuts)}"
        kept.mkdir()
        for file in self.folder.glob("j.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, kept)
        effects = len(effects_of(self.folder))
        self.cuts.append(Cut(history_of(kept / "j.db"), effects, kept / "j.db"))

    def finish(self, child: Child) -> dict:
        """Wait for its end: what it told of the run."""
        assert not self.died(child), f"{self} was killed by itself"
        return self.told(child)

    def died(self, child: Child) -> bool:
        """Wait for its end: whether it was killed. Fails for a hang, and for any other end."""
        if not child.ended(PATIENCE_S):
            os.kill(child.pid, signal.SIGUSR1)
            time.sleep(1)
            child.kill()
            pytest.fail(f"{self} does not end:\n{self._said(child)}")
        code = self.stage.reap(child.pid)
        assert code in (0, -signal.SIGKILL), f"{self} ended with {code}:\n{self._said(child)}"
        return code != 0

    def told(self, child: Child) -> dict:
        return json.loads((self.folder / f"outcome-{child.pid}.json").read_text())

    def _said(self, child: Child) -> str:
        path = self.folder / f"told-{child.pid}"
        return path.read_text() if path.exists() else "(nothing)"

    def history(self) -> list[ev.Event]:
        return history_of(self.folder / "j.db")

    def __str__(self) -> str:
        return f"{self.shape} in {self.folder}"


def history_of(path: Path) -> list[ev.Event]:
    """Every event of the run; none where it had not begun."""
    if not path.exists():
        return []
    journal = SqliteJournal(path)
    try:
        return journal.history("r")
    except RunNotFound:
        return []
    finally:
        journal.close()
