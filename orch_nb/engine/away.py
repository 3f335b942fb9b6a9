"""The ports of a run that another system owns: Temporal, Restate.

    kernel                          the system                      a worker of orch_nb
    Follower ── start, ask ──►  Interpreter (decides) ── Errand ──►  Hands (performs)
             ◄── news ─────────   its events          ◄── Done ───

The system keeps the run: the kernel may go and come again, the worker may be killed. What is sent
is JSON; results travel as the bytes that a journal would keep.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import msgspec

from orch_nb.engine.ports import AttemptKey, Blob, Printed, Request
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan, encode
from orch_nb.model.translation import Loss

__all__ = [
    "ASK", "MOST", "Backend", "Done", "Errand", "Hands", "Job", "News", "Seed", "plain",
    "shaped", "version",
]  # fmt: skip

#: Bytes that go in one piece: Temporal takes 2 MB, as text a third more.
MOST = 1_300_000

#: The number of the attempt that is none: the question whether a task runs, and how often.
ASK = 0

T = TypeVar("T")


class Errand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt of a task for a worker that knows nothing else of the run.

    `plan` has the task and what it needs, `results` what these returned. `attempt` `ASK`: judge the
    task's `when`, work out its `foreach`. An instance has its `index` and `item`.
    """

    run_id: str
    task: str
    attempt: int
    plan: Plan
    options: ev.RunOptions
    begun: float
    at: float
    results: dict[str, Blob | list[Blob | None] | None] = {}
    index: int | None = None
    item: Blob | None = None
    failures: dict[str, str] = {}

    @property
    def key(self) -> AttemptKey:
        return (self.task, self.attempt)

    @property
    def size(self) -> int:
        """The bytes of all results that it carries."""
        sent = [one for given in self.results.values()
                for one in (given if isinstance(given, list) else [given])]  # fmt: skip
        return sum(len(one.data) for one in (*sent, self.item) if one is not None)


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of an errand: the event, None where nothing is in the way of the task. `blobs` are
    the results' bytes, `items` those of each item of a `foreach`, `lines` what was printed."""

    event: ev.AttemptSucceeded | ev.AttemptFailed | ev.TaskEnded | ev.Expanded | None = None
    blobs: tuple[Blob, ...] = ()
    items: tuple[Blob, ...] = ()
    lines: tuple[Printed, ...] = ()


class Seed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run begins with there: its events so far, the first of which is `RunStarted`, as a
    JSON array, the results that these speak of, and the items of its `foreach` tasks."""

    events: msgspec.Raw
    blobs: tuple[Blob, ...] = ()
    items: dict[str, tuple[Blob, ...]] = {}

    @property
    def history(self) -> list[ev.Event]:
        return ev.decode_events(bytes(self.events))


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened in a run after the place that was asked for; `events` is a JSON array. `mute`:
    no worker is there who could tell. `gone`: who ended the run there, from outside of it.
    `version`: which orch_nb the worker is that tells."""

    events: msgspec.Raw = msgspec.Raw(b"[]")
    blobs: tuple[Blob, ...] = ()
    lines: tuple[Printed, ...] = ()
    mute: bool = False
    gone: str = ""
    version: str = ""


class Backend(Protocol):
    """A system that owns whole runs. Each run there has a `handle`, which the journal keeps."""

    name: str
    url: str

    def losses(self, plan: Plan, options: ev.RunOptions) -> tuple[Loss, ...]:
        """What of the plan this system cannot do, or does in another way."""

    async def reach(self) -> None:
        """Raises BackendUnavailable, with how to start it, where nobody answers."""

    async def hint(self) -> str:
        """What keeps a run from beginning there, in words: that no worker listens; or nothing."""

    async def start(self, handle: str, seed: Seed) -> None:
        """Begin a run, or go on with one that has ended; nothing if it has begun already. Raises
        BackendUnavailable, PlanError for one that is too large."""

    async def news(self, handle: str, after: int) -> News:
        """The events after the first `after`. Raises BackendUnavailable where nobody answers."""

    async def ask(self, handle: str, requests: Sequence[Request]) -> None:
        """Hand in what people ask for, to be taken in one turn. Raises BackendUnavailable."""

    async def close(self) -> None: ...


class Job(Protocol):
    """An errand that is being done."""

    @property
    def done(self) -> Awaitable[Done]: ...

    def stop(self) -> None:
        """Have it end; what comes of that is `done`."""


class Hands(Protocol):
    """What performs errands in a worker's process."""

    def begin(self, errand: Errand) -> Job:
        """Begin it, on the loop that performs it."""

    def ready(self) -> AbstractContextManager[Any]:
        """To be entered while errands are performed."""


def version() -> str:
    """Which orch_nb this process has."""
    return str(sys.modules["orch_nb"].__version__)


def plain(value: msgspec.Struct) -> Any:
    """A value of the model as dicts and lists, which any system can show."""
    return msgspec.json.decode(encode(value))


def shaped(told: Any, kind: type[T]) -> T:
    """What `plain` gave, as what it was."""
    return msgspec.json.decode(msgspec.json.encode(told), type=kind)
