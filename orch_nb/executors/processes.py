"""Attempts in worker processes: for functions that compute, that may crash, that must be killable.

    waiting ──► as many at once to a worker as take some milliseconds ──► worker ──► outcomes
       ▲                                                                    │
       └──── what it has not begun, when one takes long, or it dies ◄───────┘

The first worker starts with the first attempt, others only when attempts prove to take longer than
a worker takes to start. When one dies, the attempt that it had in hand fails, and the others that
it was given are run elsewhere; one that ended in the last half millisecond before may run again.
Everything here happens on the engine's loop.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.errors import UsageError
from orch_nb.executors import worker
from orch_nb.executors.failure import failure_of
from orch_nb.executors.slots import Slots
from orch_nb.executors.waiting import Waiting
from orch_nb.executors.worker_death import death
from orch_nb.executors.worker_parcels import Parcels, unsendable
from orch_nb.executors.worker_process import WorkerProcess
from orch_nb.executors.worker_state import WorkerState, outcome_of
from orch_nb.model.event import Failure

__all__ = ["ProcessExecutor"]

_BATCH_S = 0.004  # how much work a worker is given at once
_MOST = 256  # and how many attempts
_OWN_S = 5e-6  # what an attempt costs beside its body
_START_S = 0.05  # what a worker takes to start, roughly
_LOOK_S = (0.005, 0.2)  # how soon after a change, and how rarely, the workers are looked at
_STUCK_S = 0.03  # attempts behind one that takes longer are given to others
_LONG_S = 0.05  # an attempt that takes longer has its process in the journal
_ASKED_S = 0.2  # how long a worker may take to give attempts back before it is killed
_EXIT_S = 1.0  # what idle workers have for their end
_UNEXPLAINED = 3
_STILLBORN = 3  # so many workers died at their start: there is no use in more


class _Pace:
    """What attempts take, of late."""

    def __init__(self) -> None:
        self._seconds, self._count = 0.0, 0

    def add(self, seconds: float, count: int = 1) -> None:
        if self._count > 2 * _MOST:  # of late
            self._seconds, self._count = self._seconds / 2, self._count // 2
        self._seconds += seconds
        self._count += count

    def fit(self, seconds: float) -> int:
        """How many run in this time; one while nothing is known."""
        return int(seconds * self._count / (self._seconds + _OWN_S * self._count or 1.0))

    def of(self, count: int) -> float:
        """Seconds that so many take; 0 while too little is known."""
        return count * self._seconds / self._count if self._seconds > _START_S else 0.0


class ProcessExecutor:
    """Functions and their arguments travel by pickle, and by cloudpickle where they are defined in
    a notebook. At most `workers` processes run attempts at once."""

    name = "processes"
    ahead = 256

    def __init__(self) -> None:
        if os.name != "posix":
            raise UsageError("The executor `processes` needs Linux or macOS; `threads` runs here.")
        self.slots = Slots()
        self._waiting = Waiting()
        self._workers: dict[WorkerProcess, WorkerState] = {}
        self._serials = itertools.count(1)
        self._parcels = Parcels()
        self._pace = _Pace()
        self._stillborn = 0
        self._unexplained = 0  # deaths in a row of workers that had nothing in hand
        self._spare = 0  # slots that we have and nobody uses yet
        self._look: asyncio.TimerHandle | None = None
        self._look_s = _LOOK_S[0]

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.slots.resize(workers)

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        self._waiting.add(attempts, report)
        self._feed()

    # -- giving work ---------------------------------------------------------------------------

    def _feed(self) -> None:
        """Give what waits to workers that have little left; begin another if that is worth it."""
        waiting = self._waiting.items
        if waiting and not self._workers:
            self._begin(1)
        if waiting:
            most = max(1, min(_MOST, self._pace.fit(_BATCH_S)))
            fit = [one for one in self._workers.values() if self._takes_more(one, most)]
            for n, one in enumerate(fit):
                if not waiting:
                    break
                if not one.has_slot and not self._take_slot():
                    break
                one.has_slot = True
                share = -(-len(waiting) // (len(fit) - n))  # evenly, rounded up
                self._give(one, min(share, most - len(one.given)))
        for one in self._workers.values():
            if one.has_slot and not one.given:
                one.has_slot = False
                self.slots.give()
        for _ in range(self._spare):
            self._spare -= 1
            self.slots.give()
        if waiting:
            self._grow()

    def _take_slot(self) -> bool:
        if self._spare:
            self._spare -= 1
            return True
        hungry = not any(one.has_slot for one in self._workers.values())
        return self.slots.take(self._granted, hungry=hungry)

    def _takes_more(self, one: WorkerState, most: int) -> bool:
        if one.condemned or one.asked or one.process.ends or len(one.given) * 2 > most:
            return False
        if one.age > _STUCK_S or (one.has_slot and self.slots.crowded):
            return False
        # One that starts would have its attempts wait, which others could run meanwhile.
        return one.up or len(self._workers) == 1

    def _give(self, one: WorkerState, count: int) -> None:
        waiting, parcels = self._waiting.items, self._parcels
        functions: dict[int, bytes] = {}
        attempts: list[tuple[Any, ...]] = []
        setting = None
        idle = not one.given
        while waiting and len(attempts) < count:
            request, report = waiting[0]
            if request.setting is not one.setting:
                if attempts:  # a frame has one setting
                    break
                setting = one.setting = request.setting
            waiting.popleft()
            try:
                function, parcel = parcels.packed(request)
            except BaseException as error:  # noqa: BLE001  # whatever a value's way of being pickled raises
                self._fail(request, report, unsendable(request, error))
                continue
            if function not in one.functions:
                one.functions.add(function)
                functions[function] = parcels.function(function)
            serial = next(self._serials)
            one.given[serial] = (request, report, parcels.generation)
            attempts.append((serial, function, *parcel))
        if attempts:
            told = None if setting is None else parcels.setting(setting)
            hello, one.hello = one.hello, None
            one.process.send((hello, told, functions, attempts))
            if idle:
                one.since = time.monotonic()
            self._look_within(_LOOK_S[0])

    def _granted(self) -> None:
        """A slot is ours. Called from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._use_slot)
        except RuntimeError:  # the loop is closed
            self.slots.give()

    def _use_slot(self) -> None:
        self._spare += 1
        self._feed()

    def _grow(self) -> None:
        """Begin more workers if what waits takes longer than they take to start."""
        workers = self._workers.values()
        free = min(len(self._waiting.items), self.slots.total - len(workers))
        if free <= 0 or not all(one.up for one in workers) or self._stillborn >= _STILLBORN:
            return
        known = len(self._waiting.items) + sum(len(one.given) for one in workers)
        worth = int(self._pace.of(known) / _START_S) - len(workers)
        if all(one.age > _START_S for one in workers):
            worth = free
        if worth > 0:  # in waves, since one long attempt may be the only one
            self._begin(min(free, worth, 3 * len(workers)))

    def _begin(self, count: int) -> None:
        hello = ([str(path) for path in sys.path], self._clock.now() - time.monotonic())
        try:
            for _ in range(count):
                process = WorkerProcess(self._loop, self)
                self._workers[process] = WorkerState(process, hello)
        except OSError as error:  # no more processes or files to be had
            if not self._workers:
                for request, report in self._waiting.take_all():
                    self._fail(request, report, failure_of(error))
            self._stillborn = _STILLBORN

    # -- hearing of it -------------------------------------------------------------------------

    def told(self, process: WorkerProcess, messages: list[tuple[Any, ...]]) -> None:
        one = self._workers[process]
        outcomes: list[Outcome] = []
        whose: Report | None = None
        for message in messages:
            kind = message[0]
            if kind == worker.LOGGED:
                _, serial, stream, text = message
                one.log(stream, text, serial)
            elif kind == worker.GAVE_BACK:
                self._gave_back(one, message[1])
            elif kind == worker.UP:
                one.up, one.since, self._stillborn = True, time.monotonic(), 0
            else:
                request, report, generation = one.given.pop(message[1])
                one.last = request
                one.stopping.discard(message[1])
                if kind == worker.UNKNOWN and self._parcels.take_along(
                    request, generation, *message[4:6]
                ):
                    self._waiting.items.appendleft((request, report))
                    continue
                if report != whose and whose is not None:
                    whose(outcomes)
                    outcomes = []
                whose = report
                outcomes.append(outcome_of(request, message))
        if whose is not None:
            self._ended(one, outcomes)
            whose(outcomes)
        self._feed()

    def _ended(self, one: WorkerState, outcomes: Sequence[Outcome]) -> None:
        one.since = time.monotonic()
        self._unexplained = 0
        took = sum(outcome.finished - outcome.started for outcome in outcomes)
        self._pace.add(took, len(outcomes))

    def _gave_back(self, one: WorkerState, serials: Sequence[int]) -> None:
        one.asked = False
        back = []
        for serial in serials:
            request, report, _ = one.given.pop(serial)
            if serial in one.stopping:
                one.stopping.discard(serial)
                self._cancelled(request, report)
            else:
                back.append((request, report))
        self._waiting.items.extendleft(reversed(back))
        self._kill_if_stopping(one)

    def printed(self, process: WorkerProcess, stream: str, text: str, serial: int) -> None:
        self._workers[process].log_below(stream, text, serial)

    def died(self, process: WorkerProcess, code: int) -> None:
        one = self._workers.pop(process)
        self._stillborn += not one.up
        blamed = self._blamed(one)
        back = []
        for serial, (request, report, _) in one.given.items():
            if serial in one.stopping:
                self._cancelled(request, report)
            elif serial == blamed:
                self._fail(request, report, death(code, process.last_words, began=one.up))
            else:
                back.append((request, report))
        self._waiting.items.extendleft(reversed(back))
        if one.has_slot:
            self.slots.give()
        if self._stillborn >= _STILLBORN and not self._workers:
            for request, report in self._waiting.take_all():
                self._fail(request, report, death(code, process.last_words, began=False))
        self._feed()

    def _blamed(self, one: WorkerState) -> int:
        """Which attempt a worker died of. None, if it was killed by us, or while it had none in
        hand; but that must not go on for ever."""
        if one.condemned:
            return 0
        if one.up and one.process.current not in one.given and self._unexplained < _UNEXPLAINED:
            self._unexplained += 1
            return 0
        return one.head

    def _fail(self, request: AttemptRequest, report: Report, failure: Failure) -> None:
        now = self._clock.now()
        report((Outcome(request.key, now, now, failure=failure),))

    def _cancelled(self, request: AttemptRequest, report: Report) -> None:
        now = self._clock.now()
        report((Outcome(request.key, now, now, cancelled=True),))

    # -- looking after them --------------------------------------------------------------------

    def _look_within(self, delay_s: float) -> None:
        at = self._loop.time() + delay_s
        if self._look is None or self._look.when() > at:
            if self._look is not None:
                self._look.cancel()
            self._look_s = delay_s
            self._look = self._loop.call_at(at, self._look_around)

    def _look_around(self) -> None:
        """What no message tells: an attempt that takes long, a process that is gone."""
        self._look = None
        for one in list(self._workers.values()):
            if one.process.exited() or not one.given:
                continue
            age, head = one.age, one.head
            if len(one.given) > 1 and age > _STUCK_S:
                one.ask_back()
            if age > _LONG_S and one.journaled != head:
                one.journaled = head
                one.given[head][0].started_process(one.process.pid)
        self._feed()
        if self._waiting.items or any(one.given for one in self._workers.values()):
            rarely = _START_S if self._waiting.items else _LOOK_S[1]
            self._look_within(min(self._look_s * 2, rarely))

    # -- ending attempts -----------------------------------------------------------------------

    def withdraw(self) -> list[AttemptKey]:
        return self._waiting.withdraw()

    def cancel(self, key: AttemptKey) -> bool:
        """A process can be stopped: what runs the attempt is killed, with all it started."""
        if self._waiting.cancel(key, self._clock):
            return True
        for one in self._workers.values():
            serial = one.serial(key)
            if serial:
                one.stopping.add(serial)
                if len(one.given) > 1:  # first, what must not be killed along with it
                    one.ask_back()
                    self._loop.call_later(_ASKED_S, self._kill_if_stopping, one)
                else:
                    self._kill_if_stopping(one)
                return True
        return False

    def _kill_if_stopping(self, one: WorkerState) -> None:
        if one.head in one.stopping and not one.condemned:
            one.condemned = True
            one.process.terminate()

    def stop(self) -> None:
        """Workers that are idle end by themselves, the others are killed; none is left."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._waiting.take_all()
        workers, self._workers = list(self._workers.values()), {}
        for one in workers:
            if one.given or not one.up:
                one.process.kill()
            one.process.close()
        until = time.monotonic() + _EXIT_S
        for one in workers:
            one.process.bury(max(0.0, until - time.monotonic()))
            if one.has_slot:
                self.slots.give()
