"""Faults on purpose: for teaching, and for testing a plan. Marked in every output, never silent.

    fetch=2           the first two attempts of fetch fail
    fetch=20%         one attempt in five fails (which ones depends on run, task and attempt only)
    api=down:30s      what runs in the first 30 seconds of the run fails: task `api`, or the tasks
                      that hold slots of the pool `api`
    kill              the process is killed, once half of the tasks have ended
    kill=fetch        the process is killed when fetch first starts

A fault fails an attempt before its function is called. A kill is a SIGKILL: what `recover` finds is
what a crash leaves. It happens once: a run that goes on is not killed again.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Sequence

import msgspec

from orch_nb.engine.retry import spread
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model import event as ev
from orch_nb.model.duration import parse_duration
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

__all__ = ["Fault", "Faults", "checked_faults", "parse_fault", "without_kill"]

_FORMS = "Write TASK=2, TASK=20%, TASK=down:30s, kill or kill=TASK."
_KIND = "InjectedFault"


class Fault(msgspec.Struct, frozen=True):
    """One fault; of `attempts`, `share`, `down_s` and `kill` one is set."""

    text: str
    task: str = ""
    attempts: int = 0
    share: float = 0.0
    down_s: float = 0.0
    kill: bool = False


def parse_fault(text: str) -> Fault:
    """A fault as it is written. Raises UsageError."""
    task, equals, what = (part.strip() for part in text.partition("="))
    if task == "kill":
        return Fault(text, what, kill=True)
    if not equals or not task or not what:
        raise UsageError(f"`--fault {text}` is no fault. {_FORMS}")
    if re.fullmatch(r"\d+", what) and int(what) > 0:
        return Fault(text, task, attempts=int(what))
    if re.fullmatch(r"\d+(\.\d+)?%", what) and 0 < float(what[:-1]) <= 100:
        return Fault(text, task, share=float(what[:-1]) / 100)
    if what.startswith("down:"):
        try:
            return Fault(text, task, down_s=parse_duration(what[5:]))
        except (TypeError, ValueError):
            raise UsageError(
                f"`--fault {text}`: `{what[5:]}` is not a duration. {_FORMS}"
            ) from None
    raise UsageError(f"`--fault {text}` is no fault: `{what}` says not how it fails. {_FORMS}")


def checked_faults(plan: Plan, faults: Iterable[str]) -> tuple[str, ...]:
    """`faults`, each of a task or pool of the plan. Raises UsageError with the nearest name."""
    texts = (faults,) if isinstance(faults, str) else tuple(faults)
    for text in texts:
        fault = parse_fault(text)
        if fault.task and fault.task not in plan and fault.task not in plan.pools:
            near = did_you_mean(fault.task, [*plan.by_id, *plan.pools])
            raise UsageError(
                f"`--fault {text}`: `{fault.task}` is no task of this plan. {near}".rstrip()
            )
        runs = fault.task in plan and plan[fault.task].kind in ("python", "shell", "notebook")
        if fault.task in plan and not runs:
            raise UsageError(f"`--fault {text}`: `{fault.task}` runs nothing that could fail.")
    return texts


def without_kill(faults: Iterable[str]) -> tuple[str, ...]:
    """The faults that hold for a run which goes on: it is not killed again."""
    return tuple(text for text in faults if not parse_fault(text).kill)


class Faults:
    """The faults of one run; false if there are none."""

    def __init__(self, texts: Sequence[str], run_id: str, started: float, tasks: int) -> None:
        self._faults = [parse_fault(text) for text in texts]
        self._run_id, self._started, self._half = run_id, started, (tasks + 1) // 2

    def __bool__(self) -> bool:
        return bool(self._faults)

    def judge(self, event: ev.AttemptStarted, task: Task) -> ev.Failure | None:
        """The failure of this attempt, or None. A kill does not return."""
        for fault in self._faults:
            if fault.task not in (task.id, event.task) and fault.task not in (task.pool or ()):
                continue
            if fault.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            told = self._of(fault, event)
            if told:
                message = f"{told} on purpose (--fault {fault.text})"
                return ev.Failure(_KIND, message, kinds=(_KIND, "Exception"))
        return None

    def _of(self, fault: Fault, event: ev.AttemptStarted) -> str:
        if event.attempt <= fault.attempts:
            return f"attempt {event.attempt} fails"
        u = spread(f"{self._run_id}:{fault.text}", event.task, event.attempt)
        if u < fault.share:
            return f"attempt {event.attempt} fails"
        if event.at < self._started + fault.down_s:
            return f"`{fault.task}` is down for {fault.down_s:g} s"
        return ""

    def ended(self, tasks: int) -> None:
        """So many tasks have ended, and that is committed. A kill does not return."""
        if tasks >= self._half and any(f.kill and not f.task for f in self._faults):
            os.kill(os.getpid(), signal.SIGKILL)
