"""A worker for Restate, and the one workflow that the package ships: it interprets any plan.

It decides by the scheduler of every other run (`engine.interpreter`) and acts by what Restate has:

    an attempt              a journaled step `fetch #2`, done in this process
    the wait before a retry a durable sleep
    what people do          durable promises `ask-0`, `ask-1` ..., resolved by the handler `ask`
    cancel                  Restate's own, or `ask`; the steps that run are stopped here
    a lost worker           Restate calls the handler again: it replays, and steps in flight begin
                            anew; those that are in its journal do not

What happened stands in the workflow's state, a batch at each place, for the kernel to ask for.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

from orch_nb.backends.places import Place
from orch_nb.backends.restate import NOT_UNDERSTOOD, SERVICE, register
from orch_nb.engine.acts import Arm
from orch_nb.engine.away import ASK, Done, Errand, Hands, Job, Seed, plain, shaped, version
from orch_nb.engine.interpreter import Interpreter, Work
from orch_nb.engine.ports import AttemptKey, Request
from orch_nb.errors import UsageError
from orch_nb.model.plan import encode
from orch_nb.model.status import RunStatus

__all__ = ["work"]

_LISTEN = "127.0.0.1:9080"
_LONG = timedelta(days=1)  # a step may take that long without a word between it and Restate
_KEPT = timedelta(days=30)  # what a run did can be asked for after its end
_CANCELLED = 409
_BACK_S = 20.0  # what has begun goes on for so long while Restate is away
#: What Restate does by itself where the worker, not the task, is at fault.
_AGAIN = restate.RunOptions[str](
    initial_retry_interval=timedelta(milliseconds=200), max_retry_interval=timedelta(seconds=5)
)


async def work(
    where: Place, hands: Hands, *, queue: str = "", listen: str = _LISTEN, most: int = 16,
    ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Work until cancelled, called by Restate at `listen`. Raises BackendUnavailable."""
    _can_listen(listen)
    config = Config()
    config.bind, config.accesslog, config.errorlog = [listen], None, None
    config.graceful_timeout = 0.0
    over = asyncio.Event()
    served = asyncio.create_task(
        serve(restate.app([_workflow(_Steps(hands, most))]), config, shutdown_trigger=over.wait)
    )
    with hands.ready():
        try:
            await register(where, f"http://{listen}")
            if ready is not None:
                ready(f"restate worker: {where}, called at {listen}")
            await asyncio.wait({served})  # to await it would be to wait for its own end, too
            await served
        finally:
            asyncio.get_running_loop().set_exception_handler(_cut_short)
            over.set()
            served.cancel()


def _can_listen(listen: str) -> None:
    """Raises UsageError for an address that is none, or that another has."""
    host, _, port = listen.rpartition(":")
    try:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host or "127.0.0.1", int(port)))
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            f"A worker cannot be called at `{listen}` ({getattr(error, 'strerror', None) or error}"
            "): if another worker is there, choose another place with --listen 127.0.0.1:9081."
        ) from None


def _cut_short(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Connections that Restate keeps open are cancelled when the worker ends: no fault of any."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def _workflow(steps: _Steps) -> restate.Workflow:
    made = restate.Workflow(
        SERVICE, inactivity_timeout=_LONG, abort_timeout=_LONG, journal_retention=_KEPT
    )

    @made.main(workflow_retention=_KEPT)
    async def run(ctx: restate.WorkflowContext, told: Any) -> str:
        return str(await _Running(ctx, steps, _understood(told)).to_the_end())

    @made.handler(enable_lazy_state=True, journal_retention=timedelta(0))
    async def news(ctx: restate.WorkflowSharedContext, after: int) -> Any:
        # Whose worker answers now is no part of what the run's journal keeps.
        return {**(await ctx.get(f"after-{after}") or {}), "version": version()}

    @made.handler(enable_lazy_state=True, journal_retention=timedelta(0))
    async def ask(ctx: restate.WorkflowSharedContext, told: Any) -> None:
        number = 0
        promise: restate.DurablePromise[Any] = ctx.promise("ask-0")
        while await promise.peek() is not None:
            number += 1
            promise = ctx.promise(f"ask-{number}")
        await promise.resolve(told)

    return made


def _understood(told: Any) -> Seed:
    try:
        seed = shaped(told, Seed)
        _ = seed.history
    except msgspec.MsgspecError as error:
        told = f"this worker, of orch_nb {version()}, {NOT_UNDERSTOOD}: {error}"
        raise restate.TerminalError(told) from None
    return seed


class _Steps:
    """The attempts that this process is at, of all runs."""

    def __init__(self, hands: Hands, most: int) -> None:
        self._hands, self._slots = hands, asyncio.Semaphore(most)
        self._jobs: dict[tuple[str, AttemptKey], Job] = {}
        self._stopped: set[tuple[str, AttemptKey]] = set()
        self._begun: dict[tuple[str, AttemptKey], asyncio.Task[str]] = {}
        self._asking: Counter[tuple[str, AttemptKey]] = Counter()

    async def perform(self, run: str, errand: Errand) -> str:
        """One attempt. Where Restate goes in the midst of it, it goes on, and is not done twice: it
        is what Restate is told when it calls again, if that is soon."""
        key = (run, errand.key)
        begun = self._begun.get(key)
        if begun is None or (begun.done() and (begun.cancelled() or begun.exception())):
            self._begun[key] = asyncio.create_task(self._perform(key, errand))
        self._asking[key] += 1
        told = ""
        try:
            told = await asyncio.shield(self._begun[key])
        finally:
            self._asking[key] -= 1
            if told:
                self._forget(key)
            elif not self._asking[key]:
                asyncio.get_running_loop().call_later(_BACK_S, self._forget, key)
        return told

    def _forget(self, key: tuple[str, AttemptKey]) -> None:
        """Restate has heard of it, or asks for it no more."""
        if not self._asking[key]:
            del self._asking[key]
            attempt = self._begun.pop(key, None)
            if attempt is not None:
                attempt.cancel()

    async def _perform(self, key: tuple[str, AttemptKey], errand: Errand) -> str:
        async with self._slots:
            self._jobs[key] = job = self._hands.begin(errand)
            if key in self._stopped:
                job.stop()
            try:
                done = await job.done
            except asyncio.CancelledError:  # Restate has gone for long, or the worker ends
                job.stop()
                raise
            finally:
                del self._jobs[key]
                self._stopped.discard(key)
        return encode(done).decode()

    def stop(self, run: str, key: AttemptKey) -> None:
        """Stop an attempt, if it is here: now, or as soon as it begins."""
        if (run, key) in self._jobs:
            self._jobs[run, key].stop()
        else:
            self._stopped.add((run, key))


class _Running:
    """One run, from its start or replayed: the same turns, since all that comes from outside is
    journaled."""

    def __init__(self, ctx: restate.WorkflowContext, steps: _Steps, seed: Seed) -> None:
        self._ctx, self._steps, self._mind = ctx, steps, Interpreter(seed)
        self._name = ctx.key()
        self._told = len(seed.history)
        self._asked = 0
        #: What is waited for, by what it is: an errand, a timer, the next thing that people ask.
        self._open: dict[Any, tuple[restate.RestateDurableFuture[Any], Any]] = {}
        self._over: RunStatus | None = None

    async def to_the_end(self) -> RunStatus:
        self._do(self._mind.begin(await self._now()))
        self._listen()
        while self._over in (None, RunStatus.WAITING):
            self._publish()
            try:
                futures = [future for future, _ in self._open.values()]
                done, _ = await restate.wait_completed(*futures)
                await self._taken(done)
            except restate.TerminalError as error:
                if error.status_code != _CANCELLED:
                    raise
                self._ask(await self._now(), [Request("cancel", by="Restate")])
        self._publish()
        return self._over or RunStatus.FAILED

    async def _now(self) -> float:
        return float(await self._ctx.time())

    async def _taken(self, done: list[Any]) -> None:
        """A turn for each thing that has come."""
        ready = [(key, *one) for key, one in self._open.items() if one[0] in done]
        for key, future, what in ready:
            value = await future
            if self._open.get(key, (None,))[0] is future:  # a timer may have been set anew
                del self._open[key]
                self._turn(await self._now(), what, value)

    def _turn(self, at: float, what: Any, value: Any) -> None:
        if self._over not in (None, RunStatus.WAITING):
            return
        if isinstance(what, Errand):
            done = msgspec.json.decode(value, type=Done)
            self._do(self._mind.done(at, what.key, done))
        elif isinstance(what, Arm):
            self._do(self._mind.due(at, what))
        else:
            self._ask(at, shaped(value, list[Request]))
            self._listen()

    def _ask(self, at: float, requests: list[Request]) -> None:
        self._over = None
        self._do(self._mind.asked(at, *requests))

    def _listen(self) -> None:
        promise: restate.DurablePromise[Any] = self._ctx.promise(f"ask-{self._asked}")
        self._asked += 1
        self._open["ask"] = (promise.value(), None)

    def _do(self, work: Work) -> None:
        self._over = work.ended or self._over
        for errand in work.errands:
            name = (
                f"{errand.task} ?" if errand.attempt == ASK else f"{errand.task} #{errand.attempt}"
            )
            step = self._ctx.run_typed(name, self._steps.perform, _AGAIN, self._name, errand)
            self._open[errand.key] = (step, errand)
        for key in work.stops:
            self._steps.stop(self._name, key)
        for arm in work.timers:
            self._ctx_sleep(arm)

    def _ctx_sleep(self, arm: Arm) -> None:
        wait = timedelta(seconds=max(0.0, arm.at - self._mind.clock.now()))
        self._open[arm.kind.__name__, arm.task] = (self._ctx.sleep(wait), arm)

    def _publish(self) -> None:
        while self._told < self._mind.told():
            news = self._mind.news(self._told)
            self._ctx.set(f"after-{self._told}", plain(news))
            self._told += len(msgspec.json.decode(bytes(news.events), type=list[msgspec.Raw]))
