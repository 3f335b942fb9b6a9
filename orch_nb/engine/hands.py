"""A worker's hands: an errand of a run that another system owns is performed here.

It is done by the very parts that perform a run of one's own: the same arguments, executors,
timeouts and checks; only the scheduler is elsewhere. Each errand has an executor for itself, since
errands of many runs meet in one worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import platform
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orch_nb.engine import holder, tee
from orch_nb.engine.acts import Go
from orch_nb.engine.arguments import Inputs
from orch_nb.engine.attempts import Attempts
from orch_nb.engine.away import ASK, MOST, Done, Errand
from orch_nb.engine.cache import Cache
from orch_nb.engine.clock import SystemClock
from orch_nb.engine.faults import Faults, without_kill
from orch_nb.engine.launch import masking
from orch_nb.engine.logs import within
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.output import Output
from orch_nb.engine.ports import Blob, Executor, Outcome, Setting
from orch_nb.engine.prelude import Prelude
from orch_nb.engine.results import restore, store, unsecret
from orch_nb.engine.results_view import Results
from orch_nb.errors import OrchestrationError
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import Mask
from orch_nb.model.status import Status
from orch_nb.model.task_state import TaskState

__all__ = ["WorkerHands"]

_MOST = 1_000_000  # bytes of a result that a system's history takes
_END_S = 1.0  # for what is cancelled when the worker ends
_PRINTED = 400_000  # of what an attempt prints, as JSON: with a result, what a system takes


class WorkerHands:
    """Performs errands. `executor` makes one, `bind` gives a plan with its callables.

    They have a loop of their own, in a thread: an async function that blocks its loop keeps the
    worker neither from telling its system that it lives, nor from hearing of a cancel.
    """

    def __init__(
        self, executor: Callable[[], Executor], bind: Callable[[Plan], Plan], folder: Path
    ) -> None:
        self._executor, self._bind = executor, bind
        self._groups = _Groups(folder)

    @contextlib.contextmanager
    def ready(self) -> Iterator[WorkerHands]:
        """While it is entered, errands are performed, and what tasks print is told apart."""
        with tee.standing(), _beside() as self._loop:
            yield self

    def begin(self, errand: Errand) -> _Beside:
        """Begin an errand; to be called on the loop that waits for it."""
        return _Beside(self._loop, functools.partial(self._begun, errand))

    def _begun(self, errand: Errand) -> _Job:
        job = _Job(errand, self._executor(), self._groups)
        try:
            job.begin(self._bind(errand.plan))
        except (OrchestrationError, LookupError) as error:
            # A function or a secret that is not here, a result that cannot be read here.
            told = (
                f"{str(error).rstrip('.')}. This is the worker on {platform.node()}, started in "
                f"{Path.cwd().name}/: start it where that is to be had (its folder, PYTHONPATH, "
                "its environment), then retry the task."
            )
            job.fail(ev.Failure(type(error).__name__, told, kinds=("Exception",)))
        return job


@contextlib.contextmanager
def _beside() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread. What it is at when this is left is cancelled."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="orch_nb hands", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)


class _Beside:
    """An errand that is performed on another loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begin: Callable[[], _Job]) -> None:
        self._loop, self._begin = loop, begin
        self._job: _Job | None = None
        self._stopped = False
        self._done = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._perform(), loop))

    @property
    def done(self) -> Awaitable[Done]:
        return asyncio.shield(self._done)

    async def _perform(self) -> Done:
        self._job = self._begin()
        if self._stopped:
            self._job.stop()
        return await self._job.done

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._stopped = True
        if self._job is not None:
            self._job.stop()


class _Groups:
    """The process groups of commands, each in a file while it runs: whoever does an attempt again,
    since its worker was killed, ends first what is left of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, errand: Errand) -> Path:
        name = f"{errand.run_id}\0{errand.begun}\0{errand.task}\0{errand.attempt}"
        return self._folder / hashlib.sha256(name.encode()).hexdigest()[:32]

    def began(self, errand: Errand, pid: int) -> None:
        """Before it does its work."""
        with contextlib.suppress(holder.Gone):  # it has ended already
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path(errand).write_text(f"{pid} {holder.born(pid)!r}", encoding="ascii")

    def clear(self, errand: Errand) -> None:
        try:
            pid, born = self._path(errand).read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):  # it was killed while it wrote that
            return
        holder.kill_group(int(pid), float(born))

    def ended(self, errand: Errand) -> None:
        self._path(errand).unlink(missing_ok=True)


class _Sent(Results):
    """Results that came with an errand."""

    sent: Mapping[str, Any] = {}

    @property
    def given(self) -> Mapping[str, Any]:
        return self.sent


class _Told(Inputs):
    told: Mapping[str, str] = {}

    def failures(self) -> dict[str, str]:
        return dict(self.told)


class _Parcels(MemoryJournal):
    """What an errand returns goes elsewhere, so it is bytes at once."""

    def store(self, value: Any) -> tuple[ev.ResultRef, Blob | None]:
        return store(value)

    def load(self, ref: ev.ResultRef) -> Any:
        return restore(ref, None)


class _Job:
    def __init__(self, errand: Errand, executor: Executor, groups: _Groups) -> None:
        self._errand, self._executor, self._groups = errand, executor, groups
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[Done] = self._loop.create_future()
        self.clock = SystemClock()
        self._attempts: Attempts | None = None
        self._prelude: Prelude | None = None

    @property
    def done(self) -> Awaitable[Done]:
        return asyncio.shield(self._done)

    def stop(self) -> None:
        if self._attempts is not None:
            self._attempts.stop(self._errand.key, "cancelled")
        elif not self._done.done():
            self._finish(Done())

    def begin(self, plan: Plan) -> None:
        errand = self._errand
        mask = masking(plan, errand.options.secrets)
        self._mask = mask
        state = RunState()
        state.apply(
            ev.RunStarted(at=errand.begun, run_id=errand.run_id, plan=plan, options=errand.options)
        )
        state.apply_all(())
        if errand.index is not None:
            of = errand.task.rpartition("[")[0]
            task = TaskState(errand.task, of=of, index=errand.index)
            state.derived[errand.task] = task
        self._results = _Sent(state, _Parcels(), mask, here=True)
        self._results.sent = {name: _value(sent) for name, sent in errand.results.items()}
        self._inputs = _Told(state, self._results)
        self._inputs.told = errand.failures
        if errand.index is not None and errand.item is not None:
            here: list[Any] = [None] * errand.index
            self._inputs.keep_items(task.of or "", [*here, _value(errand.item)])
        if errand.attempt == ASK:
            self._ask(state)
        else:
            self._try(state, plan, mask)

    def _ask(self, state: RunState) -> None:
        cache = Cache(state, self._inputs, _Parcels())
        self._prelude = Prelude(
            state, self._results, self._inputs, cache, self.clock, threaded=True
        )
        self._prelude.answer(
            self._errand.task, lambda make: self._there(functools.partial(self._answered, make))
        )

    def _answered(self, make: Callable[[], Any]) -> None:
        event = make()
        if type(event) is Go:
            self._finish(Done())
            return
        blobs = tuple(self._results.take_blobs())
        items: tuple[Blob, ...] = ()
        if type(event) is ev.Expanded:
            try:
                items = self._items(blobs)
            except _TooMuch as error:
                blobs = ()
                event = ev.TaskEnded(
                    at=event.at, task=event.task, status=Status.FAILED,
                    reason=f"its `foreach` cannot be sent: {error}",
                )  # fmt: skip
        self._finish(Done(event=event, blobs=blobs, items=items))

    def _items(self, blobs: Sequence[Blob]) -> tuple[Blob, ...]:
        """Each item of the task's `foreach`, as what it is sent as. Raises _TooMuch."""
        items = tuple(self._sent(item) for item in self._inputs.items(self._errand.task))
        size = sum(len(blob.data) + len(blob.rich) for blob in (*items, *blobs))
        if size > MOST:
            raise _TooMuch(f"its items have {size:,} bytes in all, and {MOST:,} can be sent")
        return items

    def _try(self, state: RunState, plan: Plan, mask: Mask) -> None:
        errand = self._errand
        self._output = Output(mask, self.clock.now)
        setting = Setting(
            run_id=errand.run_id, params=plan.params, workspace=errand.options.workspace,
            mask=mask.text, log=self._output.write, process=self._began, echo=self._output,
        )  # fmt: skip
        faults = Faults(without_kill(errand.options.faults), errand.run_id, errand.begun, 1)
        self._attempts = Attempts(
            state, self._results, self._inputs, executor=self._executor, clock=self.clock,
            setting=setting, faults=faults, mask=mask,
            report=lambda outcomes: self._there(functools.partial(self._reported, outcomes)),
        )  # fmt: skip
        self._groups.clear(errand)
        self._executor.start(self.clock, 1)
        start = ev.AttemptStarted(at=self.clock.now(), task=errand.task, attempt=errand.attempt)
        state.apply(start)
        requests = self._attempts.requests([start])
        if requests:
            self._executor.submit(
                requests, lambda outcomes: self._there(functools.partial(self._reported, outcomes))
            )

    def _began(self, task: str, attempt: int, pid: int) -> None:
        self._groups.began(self._errand, pid)

    def _there(self, call: Callable[[], None]) -> None:
        """On the loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it
            self._loop.call_soon_threadsafe(call)

    def _reported(self, outcomes: Sequence[Outcome]) -> None:
        assert self._attempts is not None
        for ended in self._attempts.ended(outcomes):
            tee.show(self._output.ended())
            lines = within(self._output.take(), _PRINTED)
            blobs = tuple(self._results.take_blobs())
            event = _keepable(ended, blobs)
            if type(event) is not ev.AttemptSucceeded:
                blobs = ()
            self._finish(Done(event=event, blobs=blobs, lines=lines))  # type: ignore[arg-type]

    def _sent(self, value: Any) -> Blob:
        ref, blob = unsecret(value, *store(value), self._mask)
        if ref.format == "unstored" or ref.size > _MOST:
            raise _TooMuch(ref.reason or f"an item has {ref.size:,} bytes")
        return blob or Blob(ref, b"")

    def fail(self, error: ev.Failure) -> None:
        """It cannot be begun here."""
        now, errand = self.clock.now(), self._errand
        event: ev.TaskEnded | ev.AttemptFailed
        if errand.attempt == ASK:
            event = ev.TaskEnded(at=now, task=errand.task, status=Status.FAILED,
                                 reason=str(error))  # fmt: skip
        else:
            event = ev.AttemptFailed(
                at=now, task=errand.task, attempt=errand.attempt, started=now, error=error
            )
        self._finish(Done(event=event))

    def _finish(self, done: Done) -> None:
        if self._done.done():
            return
        self._done.set_result(done)
        if self._attempts is not None:
            self._attempts.close()
            self._groups.ended(self._errand)
            self._executor.stop()
        if self._prelude is not None:
            self._prelude.close()


class _TooMuch(Exception):
    """A value that cannot be sent."""


def _value(sent: Blob | list[Blob | None] | None) -> Any:
    if isinstance(sent, list):
        return [_value(one) for one in sent]
    return None if sent is None else restore(sent.ref, sent.data or None)


def _keepable(event: ev.Event, blobs: Sequence[Blob]) -> ev.Event:
    """A success whose result cannot be sent on is none: what comes after it would not have it."""
    if type(event) is not ev.AttemptSucceeded:
        return event
    size = sum(len(blob.data) + len(blob.rich) for blob in blobs)
    if event.result.format != "unstored" and size <= _MOST:
        return event
    told = event.result.reason or (
        f"its result has {size:,} bytes, and a history takes {_MOST:,}: write it to a file or a "
        "store, and return where it is"
    )
    return ev.AttemptFailed(
        at=event.at, task=event.task, attempt=event.attempt, started=event.started,
        error=ev.Failure("ResultNotSent", told, kinds=("ResultNotSent", "Exception")),
        exit_code=event.exit_code,
    )  # fmt: skip
