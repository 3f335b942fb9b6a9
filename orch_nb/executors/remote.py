"""Attempts that go by a queue to workers elsewhere: what Celery and BullMQ have in common.

    submit ─► inbox ─► one thread of ours ─► Courier.send        the broker ─► a worker: `attempt`
    report ◄─ outcomes ◄─ Courier.ended, asked again and again ◄─ the broker ◄─┘

A courier knows one broker: it sends text and says which of what it sent has ended. Retries, rules
and timeouts stay with our engine. An attempt may run more than once: what a worker that died had
taken, or what a broker forgot, is sent again.
"""

from __future__ import annotations

import base64
import contextvars
import pickle
import queue
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report, entered
from orch_nb.errors import BackendUnavailable
from orch_nb.executors.attempt_elsewhere import Told
from orch_nb.executors.failure import failure_of, with_source
from orch_nb.executors.own_modules import own_modules
from orch_nb.executors.worker_pickles import dumps
from orch_nb.model.event import Failure

__all__ = ["Courier", "Ended", "RemoteExecutor", "say"]

_SOONEST_S, _LATEST_S = 0.005, 0.1  # between two looks at what has ended
_DEATHS = 2  # of workers that an attempt outlives
_LOSSES = 5  # on its way to a worker
_PATIENCE_S = 15.0  # a broker that does not answer for so long has gone
_QUIET_S, _WATCH_S = 2.0, 5.0  # nothing ended for so long: is anybody there? And again
_STOP = object()


class Ended(msgspec.Struct, frozen=True):
    """What a broker tells of one attempt: what its worker told, or why that could not. `gone`: it
    is to be sent again, since the worker that had it does not answer any more (`begun`: it may have
    been at it), or the broker does not know it any more. `died`: it has ended, with its worker."""

    id: str
    told: str = ""
    error: str = ""
    revoked: bool = False
    gone: bool = False
    begun: bool = False
    died: bool = False


class Courier(Protocol):
    """Called on one thread, except `open`."""

    #: How a person knows it: "the Celery workers".
    whose: str

    def open(self) -> None:
        """Connect. Raises BackendUnavailable, with how to start what is not there."""

    def send(self, packets: deque[tuple[str, str, str]]) -> None:
        """Send (id, task, payload) of each, and take out what is sent."""

    def ended(self, ids: Sequence[str]) -> Iterable[Ended]:
        """Those of `ids` that have ended."""

    def revoke(self, name: str) -> bool:
        """Take back, or stop, what was sent. False: it runs, and cannot be stopped."""

    def lacking(self) -> str:
        """Why nobody takes what was sent, and the line that helps; "" where somebody does."""

    def close(self) -> None: ...


class _Flight:
    """An attempt on its way."""

    def __init__(self, request: AttemptRequest, report: Report, sent: float) -> None:
        self.request, self.report, self.sent = request, report, sent
        self.id = uuid.uuid4().hex
        self.cancelled = False
        self.by_value: list[str] = []
        self.deaths = self.losses = 0  # of workers that had it, and on its way to one


class RemoteExecutor:
    """An executor by a courier. `start` connects, and raises BackendUnavailable."""

    def __init__(self, name: str, courier: Courier) -> None:
        self.name = name
        self._courier = courier
        self._flights: dict[str, _Flight] = {}  # by id
        self._by_key: dict[AttemptKey, _Flight] = {}
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._packets: deque[tuple[str, str, str]] = deque()  # that are still to be sent
        self._missing: set[str] = set()
        self._lacked = ""

    def start(self, clock: Clock, workers: int) -> None:
        """`workers` bounds what the engine gives at once; how many run is the workers' matter."""
        self._clock = clock
        self._context = contextvars.copy_context()  # of the cell that began the run
        if self._thread is None:
            self._courier.open()
            self._thread = threading.Thread(
                target=self._work, name=f"orch_nb-{self.name}", daemon=True
            )
            self._thread.start()

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        now = self._clock.now()
        flights = [_Flight(request, report, now) for request in attempts]
        with self._lock:
            for flight in flights:
                self._flights[flight.id] = self._by_key[flight.request.key] = flight
        self._inbox.put((self._send, flights))

    def cancel(self, key: AttemptKey) -> bool:
        """True for one that had not begun, or whose worker could be made to stop it."""
        with self._lock:
            flight = self._by_key.get(key)
            if flight is None or flight.cancelled:
                return False
            flight.cancelled = True
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._inbox.put((self._revoke, [(flight, answer)]))
        try:
            return answer.get(timeout=3.0)
        except queue.Empty:  # the broker is slow: nobody waits for what it says
            return False

    def stop(self) -> None:
        if self._thread is not None:
            self._inbox.put(_STOP)
            self._thread.join(timeout=3)
            self._thread = None

    # -- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        pause, silent = _SOONEST_S, 0.0
        quiet = time.monotonic()
        watched = quiet - _WATCH_S
        while True:
            came = self._drained(pause if self._flights else None)
            if _STOP in came:
                break
            found = False
            try:
                for handle, items in came:
                    handle(items)
                self._courier.send(self._packets)
                found = self._look()
                silent = 0.0
                now = time.monotonic()
                if came or found:
                    quiet = now
                elif now > quiet + _QUIET_S and now > watched + _WATCH_S:
                    self._watch()
                    watched = time.monotonic()
            except Exception as error:  # noqa: BLE001  # whatever a broker's client raises
                silent += max(pause, 0.1)
                if silent >= _PATIENCE_S or not _may_pass(error):
                    self._lost(error)
            pause = _SOONEST_S if came or found else min(_LATEST_S, pause * 1.5)
        self._close()

    def _watch(self) -> None:
        """Tell it, once, where nobody takes what was sent."""
        lacked, self._lacked = self._lacked, self._courier.lacking()
        with self._lock:
            first = next(iter(self._flights.values()), None)
        if self._lacked not in ("", lacked) and first is not None:
            self._context.copy().run(say, first.request, self._lacked)

    def _drained(self, pause: float | None) -> list[Any]:
        try:
            came = [self._inbox.get(timeout=pause)]
        except queue.Empty:
            return []
        while True:
            try:
                came.append(self._inbox.get_nowait())
            except queue.Empty:
                return came

    def _send(self, flights: Sequence[_Flight]) -> None:
        for flight in flights:
            if flight.cancelled:
                self._land(flight, self._stopped(flight))
                continue
            try:
                payload = self._payload(flight)
            except TypeError as error:
                self._land(flight, self._failed(flight, error))
                continue
            self._packets.append((flight.id, flight.request.id, payload))

    def _payload(self, flight: _Flight) -> str:
        """Text for the worker. Raises TypeError for what cannot be pickled."""
        request = flight.request
        flight.by_value = sorted(self._missing)
        work = (request.task.run, request.args, dict(request.kwargs), request.current)
        try:
            return base64.b64encode(dumps(work, flight.by_value)).decode("ascii")
        except Exception as error:  # noqa: BLE001  # whatever a value's own pickling raises
            what = f"its function or its arguments cannot be sent to the {self._courier.whose}"
            raise TypeError(f"{what}: {error}") from None

    def _look(self) -> bool:
        with self._lock:
            ids = list(self._flights)
        found = False
        for end in self._courier.ended(ids) if ids else ():
            flight = self._flights.get(end.id)
            if flight is not None:
                found = True
                self._arrived(flight, end)
        return found

    def _arrived(self, flight: _Flight, end: Ended) -> None:
        if end.revoked or (flight.cancelled and not end.told):
            self._land(flight, self._stopped(flight))
            return
        if end.gone and self._goes_again(flight, begun=end.begun):
            return
        if end.gone:
            what = f"{flight.deaths} workers died running it"
            if flight.losses > _LOSSES:
                what = f"it was lost {flight.losses} times on its way to a worker"
            end = Ended(end.id, error=what, died=flight.losses <= _LOSSES)
        if not end.told and end.died:
            failure = Failure("WorkerDied", end.error, "", ("WorkerDied", "Exception"))
            self._land(flight, self._failed(flight, failure))
            return
        if not end.told:
            self._land(flight, self._failed(flight, RuntimeError(end.error)))
            return
        try:
            told: Told = pickle.loads(base64.b64decode(end.told))  # noqa: S301  # of our own worker
            told.failure, told.missing, told.took_s, told.printed  # noqa: B018  # of another version?
        except Exception as error:  # noqa: BLE001
            what = (
                "what its worker tells cannot be read here. The worker needs orch_nb in this "
                f"version ({type(error).__name__}: {error})"
            )
            self._land(flight, self._failed(flight, RuntimeError(what)))
            return
        lacking = [name for name in own_modules(told.missing) if name not in flight.by_value]
        if told.missing and lacking:  # a module that only this machine has is sent along
            self._missing.update(lacking)
            self._again(flight)
            return
        self._land(flight, self._told(flight, told))

    def _goes_again(self, flight: _Flight, *, begun: bool) -> bool:
        """One that was only waiting with a worker that died has not been tried by it."""
        flight.deaths += begun
        flight.losses += not begun
        if flight.deaths > _DEATHS or flight.losses > _LOSSES:
            return False
        why = "Its worker has gone" if begun else "It was lost on its way to a worker"
        note = f"{why}: it is sent to the {self._courier.whose} again\n"
        flight.request.log("stderr", note)
        self._again(flight)
        return True

    def _again(self, flight: _Flight) -> None:
        """Sent anew, by another id: whatever comes of the first is not listened to."""
        with self._lock:
            del self._flights[flight.id]
            flight.id = uuid.uuid4().hex
            self._flights[flight.id] = flight
        self._send([flight])

    def _told(self, flight: _Flight, told: Told) -> Outcome:
        """As its worker tells it, with the times of our clock: the worker's may be another."""
        now = self._clock.now()
        for stream, text in told.printed:
            flight.request.log(stream, text)
        failure, value = told.failure, None
        if failure is None:
            try:
                value = pickle.loads(told.value)  # noqa: S301  # from a worker that we sent work to
            except Exception as error:  # noqa: BLE001
                what = "its result cannot be read here"
                failure = failure_of(TypeError(f"{what}: {type(error).__name__}: {error}"))
        elif told.missing:
            where = f"{failure.message} (on one of the {self._courier.whose}: install it there)"
            failure = msgspec.structs.replace(failure, message=where)
        else:
            failure = msgspec.structs.replace(failure, traceback=with_source(failure.traceback))
        return Outcome(flight.request.key, max(flight.sent, now - told.took_s), now, value, failure)

    def _revoke(self, asked: Sequence[tuple[_Flight, queue.SimpleQueue[bool]]]) -> None:
        for flight, answer in asked:
            stopped = flight.id not in self._flights
            try:
                stopped = stopped or self._unsent(flight) or self._courier.revoke(flight.id)
            finally:
                answer.put(stopped)
            if stopped:
                self._land(flight, self._stopped(flight))

    def _unsent(self, flight: _Flight) -> bool:
        """Take it out of what is still to be sent, if it is there."""
        packet = next((one for one in self._packets if one[0] == flight.id), None)
        if packet is not None:
            self._packets.remove(packet)
        return packet is not None

    def _stopped(self, flight: _Flight) -> Outcome:
        return Outcome(flight.request.key, flight.sent, self._clock.now(), cancelled=True)

    def _failed(self, flight: _Flight, why: BaseException | Failure) -> Outcome:
        failure = why if isinstance(why, Failure) else failure_of(why)
        return Outcome(flight.request.key, flight.sent, self._clock.now(), failure=failure)

    def _land(self, flight: _Flight, outcome: Outcome) -> None:
        with self._lock:
            if self._flights.pop(flight.id, None) is None:
                return
            self._by_key.pop(flight.request.key, None)
        flight.report((outcome,))

    def _lost(self, error: Exception) -> None:
        why = BackendUnavailable(
            f"The broker of the {self._courier.whose} does not answer ({type(error).__name__}: "
            f"{error}), and what was sent to it is not known. See whether it is still up."
        )
        self._packets.clear()
        with self._lock:
            flights = list(self._flights.values())
        for flight in flights:
            self._land(flight, self._failed(flight, why))

    def _close(self) -> None:
        for flight in list(self._flights.values()):
            try:
                self._courier.revoke(flight.id)
            except Exception:  # noqa: BLE001  # most often the broker is gone already
                break
        self._courier.close()


def say(request: AttemptRequest, text: str) -> None:
    """As if its task printed it: to its log, and to who looks on."""
    entered.set(request)
    sys.stderr.write(f"{text}\n")


def _may_pass(error: Exception) -> bool:
    """Whether a connection may come back by itself."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"ConnectionError", "OperationalError", "TimeoutError", "OSError"})
