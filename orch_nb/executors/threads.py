"""Attempts in daemon threads of our own, fed by one queue.

No futures: a thread takes the next attempt, runs it, reports it, takes the next, until the queue is
empty; then it sleeps. Whoever finds more in the queue than it can take wakes one other thread,
which, once it runs, does the same, and no second one while the first is on its way: attempts that
wait for something soon have a thread each. Where attempts have proved to take no time at all, the
one thread that is awake is left alone with them, since Python runs one at a time anyway, and waking
another costs as much as ten of them; the loop looks once a millisecond whether it got stuck.

A thread that runs a function past its timeout cannot be stopped: it is left behind, its slot goes
to another, and it ends with its function. Threads run in a copy of the context that `start` was
called in, so that what a task prints lands in the cell that started the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.executors.calling import call
from orch_nb.executors.slots import Slots
from orch_nb.executors.waiting import Waiting

__all__ = ["ThreadExecutor"]

_SHORT_S = 0.0001  # an attempt that takes less is not worth another thread
_LOOK_S = 0.001
_TOGETHER_S = 0.002


class ThreadExecutor:
    name = "threads"
    ahead = 256  # a batch costs two changes of thread: some 100 us, shared by all of it
    anywhere = True

    def __init__(self) -> None:
        self.slots = Slots()
        self._pool: _Pool | None = None

    def start(self, clock: Clock, workers: int) -> None:
        if self._pool is None:
            self._pool = _Pool(clock, self.slots)
        self.slots.resize(workers)

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        assert self._pool is not None
        self._pool.waiting.add(attempts, report)
        self._pool.more()

    def withdraw(self) -> list[AttemptKey]:
        return self._pool.waiting.withdraw() if self._pool is not None else []

    def cancel(self, key: AttemptKey) -> bool:
        """False for one that has begun, since a thread cannot be stopped from outside; it no longer
        counts as one of the workers."""
        return self._pool is not None and self._pool.cancel(key)

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool = None


class _Thread:
    """What others may know of a thread at work."""

    def __init__(self) -> None:
        self.request: AttemptRequest | None = None
        self.abandoned = False
        self.report: Report | None = None
        self.ended: deque[Outcome] = deque()  # and not reported yet

    def run(self, request: AttemptRequest, report: Report, clock: Clock) -> Outcome:
        self.report = report
        self.request = request
        outcome = call(request, clock)
        self.request = None
        self.ended.append(outcome)
        return outcome

    def tell(self) -> None:
        """Report what has ended. From this thread, or the loop's."""
        ended = []
        with contextlib.suppress(IndexError):  # another thread was quicker
            while self.ended:
                ended.append(self.ended.popleft())
        if ended and self.report is not None:
            self.report(ended)


class _Pool:
    """The threads of one run. Those that are awake (`active`) have a slot each; others sleep."""

    def __init__(self, clock: Clock, slots: Slots) -> None:
        self.waiting = Waiting()
        self._clock, self._slots = clock, slots
        self._context = contextvars.copy_context()
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()  # each wakes one; False ends it
        self._lock = threading.Lock()
        self._active: set[_Thread] = set()
        self._asleep = 0
        self._coming = False  # a thread has a slot and does not run yet
        self._full = False  # there was no slot to be had; `_granted` is called when there is
        self._stopped = False
        self._short = False  # attempts take no time, of late
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._looking = False  # a look is due
        self._seen: list[AttemptRequest | None] = []  # what ran at the last look

    def more(self) -> None:
        """There are more attempts. Called on the loop's thread, or one of ours."""
        if not (self._short and self._active):
            self.rouse()
        if not self._looking:
            if threading.get_ident() == self._thread:
                self._look_soon([])
            else:
                self._looking = True
                self._loop.call_soon_threadsafe(self._look_soon, [])

    def _look_soon(self, now: list[AttemptRequest | None]) -> None:
        self._looking, self._seen = True, now
        self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """While attempts wait, or their ends are held: wake another thread if one has not got on
        since the last look."""
        self._looking = False
        with self._lock:
            threads = list(self._active)
        if self._stopped or not (self.waiting.items or any(one.ended for one in threads)):
            return
        now = [thread.request for thread in threads]
        if any(one is old for one in now for old in self._seen if old is not None):
            self._short = False
            for thread in threads:
                thread.tell()  # what ended before the one that takes long
        if not self._short:
            self.rouse()
        self._look_soon(now)

    def rouse(self) -> None:
        """Have one more thread look at the queue, unless one is on its way or there is no slot."""
        with self._lock:
            if self._coming or self._stopped or not self.waiting.items:
                return
            if self._full and self._active:  # they go on with what waits
                return
            if not self._slots.take(self._granted, hungry=not self._active):
                self._full = True
                return
            self._coming = True
        self._wake()

    def _granted(self) -> None:
        """A slot is ours. Called from any thread."""
        with self._lock:
            self._full = False
            wanted = not self._coming and not self._stopped and bool(self.waiting.items)
            self._coming = self._coming or wanted
        if wanted:
            self._wake()
        else:
            self._slots.give()

    def _wake(self) -> None:
        """Send a thread with the slot that was taken: one that sleeps, or a new one."""
        with self._lock:
            sleeps = self._asleep > 0
            self._asleep -= sleeps
        if sleeps:
            self._tokens.put(True)
            return
        context = self._context.copy()
        thread = threading.Thread(
            target=context.run, args=(self._live,), name="orch_nb-worker", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those there are do the work
            with self._lock:
                self._coming, self._full = False, True
                alone = not self._active
            self._slots.give()
            if alone:
                raise

    def _live(self) -> None:
        """What a thread does: work, sleep, and again."""
        me = _Thread()
        while True:
            with self._lock:
                self._coming = False
                self._active.add(me)
            if not self._work(me):
                return
            self._slots.give()
            self.rouse()  # there may be work that was left for want of a slot
            if self._stopped or not self._tokens.get():
                return

    def _work(self, me: _Thread) -> bool:
        """Attempts until there are no more, or others need the slot; False if it is lost.

        Ends of short ones are reported together, when the queue is empty, or has one left: a turn
        of the driver for each would cost more than they do. `_look` sees to it where one of them
        proves to take long.
        """
        queue, clock, slots = self.waiting.items, self._clock, self._slots
        ended, until = me.ended, 0.0
        while True:
            try:
                request, report = queue.popleft()
            except IndexError:
                if ended:  # others have been taken back
                    me.tell()
                    continue
            else:
                if ended and (not queue or report is not me.report):
                    me.tell()
                if queue and not (self._short or self._coming or self._full):
                    self.rouse()
                outcome = me.run(request, report, clock)
                self._short = short = outcome.finished - outcome.started < _SHORT_S
                if not (short and queue) or outcome.finished > until or slots.crowded:
                    me.tell()
                    until = outcome.finished + _TOGETHER_S
                if me.abandoned:
                    return False
                if not slots.crowded:
                    continue
            with self._lock:
                if me.abandoned:
                    return False
                if queue and not slots.crowded and not self._stopped:
                    continue
                self._active.discard(me)
                self._asleep += not self._stopped
                return True

    def cancel(self, key: AttemptKey) -> bool:
        with self._lock:
            threads = list(self._active)
        for thread in threads:
            thread.tell()  # it may have ended, and then was not left behind
        if self._abandon(key):
            return False
        found = self.waiting.cancel(key, self._clock)
        self.rouse()  # a thread may have found nothing while it was looked for
        return found

    def _abandon(self, key: AttemptKey) -> bool:
        with self._lock:
            for thread in self._active:
                request = thread.request
                if request is not None and request.key == key:
                    thread.abandoned = True
                    self._active.discard(thread)
                    break
            else:
                return False
        self._slots.give()
        self.rouse()
        return True

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self.waiting.take_all()
            asleep, self._asleep = self._asleep, 0
        for _ in range(asleep):
            self._tokens.put(False)
