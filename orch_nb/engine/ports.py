"""What the rooms above know of the engine: who runs an attempt, who watches, who remembers.

A port is one method and has a tiny fake beside it (`orch_nb.testing`):

    Executor.submit(attempts, report)     runs a batch somewhere, reports outcomes from any thread
    Observer(events, state)               is told what was committed, after it was
    Journal.append(run_id, events, blobs) keeps, in one transaction

The Executor also has `cancel`, which DESIGN's one method left out: without it a timeout or a cancel
could only be recorded, never done (a shell command's process group has to be killed by whom
started it).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from orch_nb.model.event import Event, Failure, ResultRef
from orch_nb.model.run import RunState
from orch_nb.model.task import Task

__all__ = [
    "AttemptKey", "AttemptRequest", "Blob", "Clock", "Current", "Executor", "Journal", "Observer",
    "Outcome", "Report", "Request", "RunRow", "Timer", "current", "entered",
]  # fmt: skip

AttemptKey = tuple[str, int]


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """What a running task can know of itself: `orch_nb.current()`.

    `idempotency_key` is the same across all attempts of the task in this run: give it to a service
    so that doing something twice does it once. Shell tasks find these as `ORCH_TASK`,
    `ORCH_ATTEMPT`, `ORCH_RUN_ID`, `ORCH_IDEMPOTENCY_KEY`, each parameter as `ORCH_PARAM_<NAME>`.
    """

    task: str
    attempt: int
    run_id: str
    params: Mapping[str, Any]

    @property
    def idempotency_key(self) -> str:
        return f"{self.run_id}:{self.task}"


entered: contextvars.ContextVar[Current | None] = contextvars.ContextVar(
    "orch_nb_current", default=None
)


def current() -> Current:
    """The task that is running here. Raises LookupError outside of a task."""
    found = entered.get()
    if found is None:
        raise LookupError("orch_nb.current() is known only inside a running task")
    return found


class AttemptRequest(msgspec.Struct, frozen=True):
    """One attempt for an executor: the task, the arguments for its callable, who it is.

    `log(stream, text)` takes output as it comes ("stdout" or "stderr"), from any thread;
    `started_process(pid)` says which process group it runs as, before it does its work.
    """

    task: Task
    attempt: int
    current: Current
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    log: Callable[[str, str], None] = lambda stream, text: None
    started_process: Callable[[int], None] = lambda pid: None
    workspace: str = ""

    @property
    def key(self) -> AttemptKey:
        return (self.task.id, self.attempt)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended: `failure` None means success with `value`. Times: `Clock.now()`.

    `exception` is the live object, for `raise ... from` in the same process; never journaled.
    """

    key: AttemptKey
    started: float
    finished: float
    value: Any = None
    failure: Failure | None = None
    exit_code: int | None = None
    cancelled: bool = False


Report = Callable[[Sequence[Outcome]], None]


class Executor(Protocol):
    """Where attempts run."""

    name: str

    def start(self, clock: Clock) -> None:
        """Called once, on the engine's loop, before the first `submit`."""

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        """Begin each attempt and return; call `report` for each, once, from any thread."""

    def cancel(self, key: AttemptKey) -> bool:
        """Try to stop an attempt; its outcome is still reported. False: it cannot be stopped."""

    def stop(self) -> None:
        """Called once at the end; attempts that cannot be stopped are left behind."""


class Observer(Protocol):
    """Is told of each committed batch. One that raises is dropped with a warning, as in trio."""

    def __call__(self, events: Sequence[Event], state: RunState) -> None: ...


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as the driver knows it: seconds since the epoch, UTC, never running backwards."""

    def now(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer: ...


class Blob(msgspec.Struct, frozen=True):
    """A result's bytes, on the way into a journal."""

    ref: ResultRef
    data: bytes


class Request(msgspec.Struct, frozen=True):
    """What a person asked for from another process: approve, reject, cancel or retry."""

    verb: str
    task: str | None = None
    by: str = ""
    note: str = ""


class RunRow(msgspec.Struct, frozen=True):
    """A run in a journal's list. `held`: a live process works on it. Times: seconds since epoch."""

    run_id: str
    name: str
    goal: str
    status: str
    started: float
    finished: float | None
    plan_hash: str
    held: bool


class Journal(Protocol):
    """The memory of runs. All methods are called from one thread, the driver's."""

    path: str

    def create(self, run_id: str, event: Event, plan_hash: str) -> None: ...

    def claim(self, run_id: str) -> None: ...

    def release(self, run_id: str) -> None: ...

    def append(self, run_id: str, events: Sequence[Event], blobs: Sequence[Blob] = ()) -> None: ...

    def history(self, run_id: str) -> list[Event]: ...

    def store(self, value: Any) -> tuple[ResultRef, Blob | None]: ...

    def load(self, ref: ResultRef) -> Any: ...

    def write_log(self, run_id: str, lines: Sequence[tuple[str, int, str, str]]) -> None: ...

    def read_log(self, run_id: str, task: str) -> str: ...

    def take_requests(self, run_id: str) -> list[Request]: ...

    def runs(self) -> list[RunRow]: ...

    def close(self) -> None: ...
