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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from orch_nb.model.event import Event, Failure, ResultRef
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.preview import Rich
from orch_nb.model.task import Task

__all__ = [
    "AttemptKey", "AttemptRequest", "Blob", "Cached", "Clock", "Current", "Echo", "Executor",
    "Journal", "LogLine", "Observer", "Outcome", "Printed", "QueueingExecutor", "Report", "Request",
    "RunRow", "Setting", "Timer", "current", "entered",
]  # fmt: skip

AttemptKey = tuple[str, int]


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """What a running task can know of itself: `orch_nb.current()`.

    `idempotency_key` is the same across all attempts of the task in this run: give it to a service
    so that doing something twice does it once. Shell tasks find these as `ORCH_TASK`,
    `ORCH_ATTEMPT`, `ORCH_RUN_ID`, `ORCH_IDEMPOTENCY_KEY`, each parameter as `ORCH_PARAM_<NAME>`.
    An instance of a `foreach` task also has its `index` and `item` (`ORCH_INDEX`, `ORCH_ITEM`).
    """

    task: str
    attempt: int
    run_id: str
    params: Mapping[str, Any]
    index: int | None = None
    item: Any = None

    @property
    def idempotency_key(self) -> str:
        return f"{self.run_id}:{self.task}"


#: Set to the attempt around its function. A request, since not every attempt asks for a `Current`.
entered: contextvars.ContextVar[AttemptRequest | Current | None] = contextvars.ContextVar(
    "orch_nb_current", default=None
)


def current() -> Current:
    """The task that is running here. Raises LookupError outside of a task."""
    found = entered.get()
    if found is None:
        raise LookupError("orch_nb.current() is known only inside a running task")
    return found if isinstance(found, Current) else found.current


class Echo(Protocol):
    """Takes what attempts print in this process; gives what of it may be shown, and when."""

    def echo(self, task: str, attempt: int, stream: str, text: str) -> str: ...

    def flush(self, task: str, attempt: int, stream: str) -> str: ...


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What all attempts of a run share.

    `log(task, attempt, stream, text)` takes output as it comes ("stdout" or "stderr"), from any
    thread; `process(task, attempt, pid)` says which process group an attempt runs as, before it
    does its work. `echo` takes what is printed in this process. `mask(text)` gives a text without
    the run's secrets, for what an executor itself writes down.
    """

    run_id: str = ""
    params: Mapping[str, Any] = {}
    workspace: str = ""
    log: Callable[[str, int, str, str], None] = lambda task, attempt, stream, text: None
    process: Callable[[str, int, int], None] = lambda task, attempt, pid: None
    echo: Echo | None = None
    mask: Callable[[str], str] = lambda text: text


class AttemptRequest(msgspec.Struct, frozen=True, gc=False):
    """One attempt for an executor: the task, its id in the run, the arguments for its callable.

    `id` is the task's, or `fetch[3]` for an instance of a `foreach` task and `compensate(fetch)`
    for what undoes one; `task.id` is then not what the run knows it by. `command` is a shell
    task's, its templates filled in. `item` is what an instance is for, `index` its place.
    """

    task: Task
    id: str
    attempt: int
    setting: Setting
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    command: str = ""
    index: int | None = None
    item: Any = None

    @property
    def key(self) -> AttemptKey:
        return (self.id, self.attempt)

    @property
    def current(self) -> Current:
        """What the task sees of itself as `orch_nb.current()`."""
        return Current(
            task=self.id, attempt=self.attempt, run_id=self.setting.run_id,
            params=self.setting.params, index=self.index, item=self.item,
        )  # fmt: skip

    def log(self, stream: str, text: str) -> None:
        self.setting.log(self.id, self.attempt, stream, text)

    def started_process(self, pid: int) -> None:
        self.setting.process(self.id, self.attempt, pid)


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

    def start(self, clock: Clock, workers: int) -> None:
        """Called once, on the engine's loop, before the first `submit`; at most `workers` attempts
        are to run at once. Called again when a person changes that number."""

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        """Begin each attempt and return; call `report` for each, once, from any thread."""

    def cancel(self, key: AttemptKey) -> bool:
        """Try to stop an attempt; its outcome is still reported. False: it cannot be stopped."""

    def stop(self) -> None:
        """Called once at the end; attempts that cannot be stopped are left behind."""


@runtime_checkable
class QueueingExecutor(Executor, Protocol):
    """An executor that may be given more attempts than run at once, while they are short.

    A hand-over and a commit for each attempt cost more than a short attempt, so the driver gives up
    to `ahead` more while attempts take less than a millisecond, and takes back with `withdraw` what
    did not begin soon.

    An executor that has `anywhere = True` besides has a `submit` that may be called from the
    threads which it calls `report` from: then the driver takes turns there. Others are called on
    the loop's thread only.
    """

    ahead: int

    def withdraw(self) -> list[AttemptKey]:
        """Give back what was submitted and has not begun; nothing is reported of it."""


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
    """A result's bytes, on the way into a journal, and those of its `rich` preview. `data` is empty
    for a value that cannot be kept."""

    ref: ResultRef
    data: bytes
    rich: bytes = b""

    @property
    def rows(self) -> list[tuple[str, bytes]]:
        """What is to be kept, by content hash."""
        named = ((self.ref.hash, self.data), (self.ref.rich, self.rich))
        return [(key, data) for key, data in named if data]


class Request(msgspec.Struct, frozen=True):
    """What a person asked for from another process: approve, reject, cancel, retry, skip, pause,
    resume or workers (`note` is the number)."""

    verb: str
    task: str | None = None
    by: str = ""
    note: str = ""


class Cached(msgspec.Struct, frozen=True):
    """A result that may be used again: under which key, whose it is, and what the key is made of.

    `parts` maps what a result depends on (source, arguments, each upstream task) to its hash, so
    that a person can be told what changed.
    """

    key: str
    task: str
    run_id: str
    ref: ResultRef
    parts: Mapping[str, str]


#: Whole lines of a task's output on their way into a journal: task, attempt, stream, text, at.
Printed = tuple[str, int, str, str, float]


class LogLine(msgspec.Struct, frozen=True):
    """A line that a task printed, without its end. `seq` grows from line to line of a journal.

    `stream` is "stdout" or "stderr", or "" for a line that says how many were left out here. `at`
    is when it was printed, to a quarter of a second, in seconds since the epoch; 0 if unknown.
    """

    seq: int
    task: str
    attempt: int
    stream: str
    text: str
    at: float = 0.0


class RunRow(msgspec.Struct, frozen=True):
    """A run in a journal's list. `held`: a live process works on it. Times: seconds since epoch.
    `on`: the system that owns it, told of runs that have not ended and that nobody holds."""

    run_id: str
    name: str
    goal: str
    status: str
    started: float
    finished: float | None
    plan_hash: str
    held: bool
    on: str = ""

    @property
    def cut_off(self) -> bool:
        """Whether it has not ended and nobody performs it."""
        return self.status == "running" and not self.held and not self.on

    @property
    def unfollowed(self) -> bool:
        """Whether it goes on, as far as is known, on a system that owns it, and nobody looks on."""
        return self.status == "running" and not self.held and bool(self.on)


class Journal(Protocol):
    """The memory of runs. All methods are called from one thread, the driver's, except those that
    read: what tasks printed is followed from other threads and processes."""

    path: str

    def create(self, run_id: str, event: Event) -> None: ...

    def claim(self, run_id: str) -> None: ...

    def release(self, run_id: str) -> None: ...

    def append(self, run_id: str, events: Sequence[Event], blobs: Sequence[Blob] = ()) -> None: ...

    def position(self, run_id: str) -> int: ...

    def history(self, run_id: str, plan: Plan | None = None) -> list[Event]:
        """All events of a run. `plan`: where it is the run's own, this very object stands for it,
        and another has not to be made. Raises RunNotFound."""

    def news(self, run_id: str, after: int = 0) -> tuple[list[Event], int]:
        """The events committed since `after`, which an earlier call gave (0: all), and the next."""

    def store(self, value: Any) -> tuple[ResultRef, Blob | None]: ...

    def load(self, ref: ResultRef) -> Any: ...

    def load_rich(self, ref: ResultRef) -> Rich | None:
        """What a result looks like, without loading it; None where nothing is kept of that."""

    def write_log(self, run_id: str, lines: Sequence[Printed]) -> None: ...

    def read_log(self, run_id: str, task: str) -> str: ...

    def read_lines(
        self, run_id: str, *, after: int = 0, task: str | None = None, most: int = 2000
    ) -> list[LogLine]:
        """What a run's tasks printed, or one of them, in order: the first `most` lines after the
        one whose `seq` is `after` (from the first on, if that is negative); without it the newest
        `most`. Cheap to ask often."""

    def write_note(self, run_id: str, body: bytes) -> None: ...

    def read_note(self, run_id: str) -> bytes | None: ...

    def take_requests(self, run_id: str) -> list[Request]: ...

    def content_hash(self, ref: ResultRef) -> str | None: ...

    def remember(self, entries: Sequence[Cached]) -> None: ...

    def recall(self, key: str) -> Cached | None: ...

    def last_cached(self, task: str) -> Cached | None: ...

    def known_unstored(self, tasks: Iterable[str], goal: str | None = None) -> dict[str, str]: ...

    def runs(self) -> list[RunRow]: ...

    def close(self) -> None: ...
