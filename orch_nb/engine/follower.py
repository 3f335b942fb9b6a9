"""The kernel's side of a run that another system owns: its events are kept here as they come.

It has what `Driver` has for those who watch and steer, and performs nothing:

    news ─► journal.append ─► fold ─► observers         people's words ─► Backend.ask

Since all events but the first come from there, the number of those that the journal has is the
place to go on from: a kernel that died finds the run again, and nothing is kept twice.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orch_nb.engine.audience import Audience
from orch_nb.engine.away import Backend, News, Seed, version
from orch_nb.engine.ports import Blob, Journal, Observer, Request
from orch_nb.engine.results import store
from orch_nb.engine.results_view import Results
from orch_nb.engine.scheduler import Scheduler
from orch_nb.errors import BackendUnavailable, RunExists
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.masked import masked, whole
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN, Mask
from orch_nb.model.status import RunStatus

__all__ = ["Follower"]

_SOON_S, _LATER_S = 0.05, 0.3  # between two looks at what is new
_HINT_S = 5.0
_PATIENCE_S = 120.0  # how long a server that has gone is waited for


class Follower:
    """One run there, followed. Make it on the loop that follows it; `await drive()` is the run."""

    follows = True

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str,
        journal: Journal,
        backend: Backend,
        options: ev.RunOptions,
        name: str = "",
        observers: Sequence[Observer] = (),
        history: Sequence[ev.Event] = (),
        state: RunState | None = None,
        requests: Sequence[Request] = (),
        next_id: Callable[[], str] | None = None,
        mask: Mask = PLAIN,
        once: bool = False,
    ) -> None:
        self.plan, self.run_id, self.name = whole(plan), run_id, name
        self.journal, self.backend, self.options = journal, backend, options
        self.seen = masked(self.plan, mask)
        self.state = state or RunState(threading.RLock())
        self.results = Results(self.state, journal, mask)
        self.executor: Any = self  # what is to be stopped where a person cannot wait
        self.begun = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()
        self.audience = Audience(observers, self.state, self._loop, self._lock)
        self._history, self._next_id = list(history), next_id
        self._mind = Scheduler(self.seen)
        self._count = len(history)
        self._wishes: deque[Request] = deque(requests)
        self._held, self._left = bool(history), False
        self._attached = False
        self._once = once  # take what is new, and leave it at that
        self._silent: float | None = None
        self._since, self._hinted = 0.0, False
        self._theirs = ""
        #: What keeps anything new from being heard now, in words: no server, no worker; or nothing.
        self.trouble = ""

    # -- following -----------------------------------------------------------------------------

    async def drive(self, *, alone: bool = False) -> Run:
        """Follow the run to its end. Raises BackendUnavailable, JournalError."""
        try:
            await self.backend.reach()
            await self._begin()
            self._attached = True
            await self._follow(alone)
        finally:
            self.audience.catch_up()
            if self._held:
                self._leave_wishes()
                self.journal.release(self.run_id)
            await self.backend.close()
        return self._snapshot(final=True)

    def _leave_wishes(self) -> None:
        """What people asked for and nobody there has heard yet, for whoever follows the run next.
        What this following began with is asked for anew by who begins it anew."""
        if not self._attached or self.state.status not in (RunStatus.RUNNING, RunStatus.WAITING):
            return
        for wish in self._wishes:
            if wish.verb != "recover":
                self.journal.ask(self.run_id, wish)  # type: ignore[attr-defined]

    async def _begin(self) -> None:
        if not self._history:
            first = self._created()
            self._fold([first])
            self.begun.set()
            await self.backend.start(self.options.handle, _seed([first]))
            return
        with self._lock:
            if not self.state.run_id:
                self.state.apply_all(self._history)
            self._mind.observe_all(self._history)
        self.state.plan = self.state.whole = self.plan
        self.begun.set()
        if not self._once:
            await self._attach()

    def _created(self) -> ev.RunStarted:
        """The run's first event, committed, with what it will be called there."""
        while True:
            handle = f"{self.run_id}-{uuid.uuid4().hex[:8]}"
            self.options = msgspec.structs.replace(self.options, handle=handle)
            first = ev.RunStarted(
                at=time.time(),
                run_id=self.run_id,
                plan=self.seen,
                name=self.name,
                options=self.options,
            )
            try:
                self.journal.create(self.run_id, first)
            except RunExists:
                if self._next_id is None:
                    raise
                self.run_id = self._next_id()
                continue
            self._held = True
            return first

    async def _attach(self) -> None:
        """Find the run again. One that was cut off before it began there begins; one that has ended
        goes on as another there, with what it has."""
        status, handle = self.state.status, self.options.handle
        if status not in (RunStatus.RUNNING, RunStatus.WAITING):
            base = handle.partition("+")[0]
            handle = f"{base}+{self.state.resumed + 1}"
            self.options = msgspec.structs.replace(self.options, handle=handle)
            await self.backend.start(handle, self._regrown())
        elif len(self._history) == 1:
            await self.backend.start(handle, _seed(self._history))
        note = msgspec.json.encode(self.options).decode()
        by = next((wish.by for wish in self._wishes), "")
        self._wishes.appendleft(Request("recover", None, by, note))
        self._history = []

    def _regrown(self) -> Seed:
        """The run so far, with its results, for a system that has let go of it."""
        blobs: dict[str, Blob] = {}
        items: dict[str, tuple[Blob, ...]] = {}
        for event in self._history:
            for name in ("result", "items"):
                ref = getattr(event, name, None)
                if ref is not None and ref.format not in ("none", "unstored"):
                    blob = store(self.journal.load(ref))[1]
                    blobs[ref.hash] = Blob(ref, b"" if blob is None else blob.data)
            if type(event) is ev.Expanded:
                parts = [store(item) for item in self.journal.load(event.items)]
                items[event.task] = tuple(blob or Blob(ref, b"") for ref, blob in parts)
        return _seed(self._history, tuple(blobs.values()), items)

    async def _follow(self, alone: bool) -> None:
        wait = _SOON_S
        while not self._left:
            try:
                over, some = await self._look()
                if over or (self._once and not some):
                    return
                wait = _SOON_S if some else min(_LATER_S, wait * 1.5)
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                if not alone:
                    raise

    async def _look(self) -> tuple[bool, bool]:
        """Hand in what people ask, take what is new: whether that was the end, or anything."""
        try:
            self._wishes += self.journal.take_requests(self.run_id)
            if wishes := list(self._wishes):
                await self.backend.ask(self.options.handle, wishes)
                for _ in wishes:
                    self._wishes.popleft()
            news = await self.backend.news(self.options.handle, self._count)
            if self._silent is not None:
                self._silent, self.trouble = None, ""
        except BackendUnavailable as error:
            if self._once:
                raise
            now = self._loop.time()
            self._silent = self._silent or now
            self.trouble = (
                f"{str(error).rstrip('.')}. What is shown is how run {self.run_id} stood then: it "
                "goes on there, and what you ask for is handed in as soon as it answers."
            )
            if now > self._silent + _PATIENCE_S:
                raise BackendUnavailable(
                    f"{error} Run `{self.run_id}` goes on there; follow it again with "
                    f"recover({self.run_id!r}), in a notebook %orchestrate open {self.run_id}."
                ) from None
            return False, False
        self._compare(news.version)
        events = ev.decode_events(bytes(news.events))
        if news.gone:
            events = self._ended_from_outside(news.gone)
        if not events and (news.mute or self._count == 1):
            await self._hint()
        elif self._since:
            self._since, self._hinted, self.trouble = 0.0, False, ""
        if events:
            self._take(events, news)
        return bool(events) and type(events[-1]) is ev.RunEnded, bool(events)

    def _compare(self, theirs: str) -> None:
        """Say, once, that the worker is of another version: what one of the two does not know, it
        cannot tell the other."""
        if theirs and theirs not in (version(), self._theirs):
            self._theirs = theirs
            _say(
                f"The worker at {self.backend.url} is of orch_nb {theirs}, and this is "
                f"{version()}: install the same version for both."
            )

    def _ended_from_outside(self, by: str) -> list[ev.Event]:
        """A run that its system was told to end has no account of its own of that."""
        now = time.time()
        lost: list[ev.Event] = [
            ev.AttemptLost(at=now, task=task, attempt=attempt)
            for task, attempt in self._mind.in_flight()
        ]
        told = ev.CancelRequested(at=now, by=by)
        return [told, *lost, ev.RunEnded(at=now, status=RunStatus.CANCELLED)]

    async def _hint(self) -> None:
        """Say, once, why nothing has begun for some seconds."""
        self._since = self._since or self._loop.time()
        if not self._hinted and self._loop.time() > self._since + _HINT_S:
            self._since = self._loop.time()  # and if nothing is amiss, some seconds later again
            try:
                hint = await self.backend.hint()
            except BackendUnavailable:
                return  # the next look finds that out, and waits
            if hint:
                self._hinted = True
                self.trouble = hint
                _say(hint)

    def _take(self, events: list[ev.Event], news: News) -> None:
        if news.lines:
            self.journal.write_log(self.run_id, news.lines)
        self.journal.append(self.run_id, events, news.blobs)
        self._fold(events)
        self.audience.tell(events)

    def _fold(self, events: Sequence[ev.Event]) -> None:
        with self._lock:
            for event in events:
                if type(event) is ev.RunResumed:
                    self.options = event.options
                self.state.apply_all([event])
            self._mind.observe_all(events)
            if self._count == 0:
                self.state.whole = self.plan
            self._count += len(events)

    # -- people, from any thread ---------------------------------------------------------------

    def _wish(self, verb: str, task: str | None = None, by: str = "", note: str = "") -> None:
        self._wishes.append(Request(verb, task, by, note))

    def cancel(self, task: str | None = None, by: str = "") -> None:
        self._wish("cancel", task, by)

    def approve(self, task: str, by: str = "", note: str = "") -> None:
        self._wish("approve", task, by, note)

    def reject(self, task: str, by: str = "", note: str = "") -> None:
        self._wish("reject", task, by, note)

    def retry(self, task: str, by: str = "") -> None:
        self._wish("retry", task, by)

    def skip(self, task: str, by: str = "", note: str = "") -> None:
        self._wish("skip", task, by, note)

    def pause(self, by: str = "") -> None:
        self._wish("pause", None, by)

    def resume(self, by: str = "") -> None:
        self._wish("resume", None, by)

    def set_workers(self, workers: int, by: str = "") -> None:
        self._wish("workers", None, by, str(workers))

    def stop(self) -> None:
        """Follow it no more; it goes on there."""
        self._left = True

    abandon = stop

    @property
    def observers(self) -> list[Observer]:
        return self.audience.observers

    def snapshot(self) -> Run:
        """The run as it is known here; from any thread."""
        return self._snapshot(why=self.why)

    def _snapshot(self, **how: Any) -> Run:
        told = functools.partial(self.journal.history, self.run_id, self.plan)
        return self.state.snapshot(self.results, journal=self.journal.path, history=told, **how)

    def why(self, task: str) -> str:
        """In words what a task waits for; empty if it does not wait."""
        try:
            ended = self.state.task(task).status.ended
            return "" if ended else self._mind.why(task, time.time())
        except (KeyError, IndexError):  # it changed while another thread looked
            return ""


def _say(text: str) -> None:
    """A warning that is nobody's line of code."""
    warnings.warn_explicit(text, RuntimeWarning, "orch_nb", 1)


def _seed(
    history: Sequence[ev.Event],
    blobs: tuple[Blob, ...] = (),
    items: dict[str, tuple[Blob, ...]] | None = None,
) -> Seed:
    return Seed(events=msgspec.Raw(ev.encode_events(history)), blobs=blobs, items=items or {})
