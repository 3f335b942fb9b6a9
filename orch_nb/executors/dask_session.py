"""The attempts of one run on their way to a Dask cluster and back.

    submit ─► inbox ─► one thread of ours ─► client.map: one graph for all that waited
    report ◄─ outcomes ◄─ one gather for all that ended meanwhile ◄─┘

A graph and a gather for each attempt would add half as much again to what Dask itself costs (some
2 ms a task); one thread that takes whatever came in pays them once a batch, and keeps pickling, and
a scheduler that is slow to answer, off the engine's loop.
"""

from __future__ import annotations

import contextvars
import functools
import importlib
import logging
import pickle
import queue
import threading
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.executors.attempt_elsewhere import Told
from orch_nb.executors.dask_flight import Flight
from orch_nb.executors.own_modules import own_modules
from orch_nb.executors.remote import say

__all__ = ["Session"]

_ASK_S = 3.0  # how long a cancel waits to hear whether the attempt has begun
_LOOK_S = 0.5  # how often it is looked whether the client is still there
_GRAPH = 8_000_000  # bytes of one graph; Dask warns of 10 MB
_BATCH = 500  # attempts of one graph: a cancel may have to wait until it is sent
_IDLE = "The Dask cluster has no worker yet. Start one: dask worker {}"
_GATHERS = 2  # at once: those that end meanwhile are fetched together
_STOP = object()


_Ended = tuple[Flight, Outcome]


class Session:
    """`submit`, `cancel` and `stop` are for any thread; all else is done in one of its own."""

    def __init__(self, client: Any, clock: Clock, *, owned: bool) -> None:
        self._client, self._clock, self._owned = client, clock, owned
        self._context = contextvars.copy_context()  # of the cell that began the run
        self._flights: dict[AttemptKey, Flight] = {}
        self._lock = threading.Lock()  # over `_flights` and each flight's state
        self._sending = threading.Lock()  # held while flights get their futures
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._token = uuid.uuid4().hex
        self._count = 0
        self._missing: set[str] = set()  # modules that the cluster was found not to have
        self._finished: dict[AttemptKey, Flight] = {}  # and not yet fetched
        self._fetching = 0
        self._mute = False  # the scheduler did not answer in time: it is not asked again
        self._thread = threading.Thread(target=self._work, name="orch_nb-dask", daemon=True)
        self._thread.start()

    # -- from any thread -----------------------------------------------------------------------

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        flights = [Flight(request, report, self._clock) for request in attempts]
        with self._lock:
            self._flights.update((flight.request.key, flight) for flight in flights)
        self._inbox.put((self._send, flights))

    def cancel(self, key: AttemptKey) -> bool:
        with self._lock:
            flight = self._flights.get(key)
            if flight is None or flight.cancelled:
                return False
            flight.cancelled = True
            leaving = flight.leaving
        if not leaving:
            return True
        with self._sending:  # a quick task may begin before we are given its future
            future = flight.future
        if future is None:  # it could not be sent
            return True
        begun = True
        if not self._mute:
            try:
                begun = self._client.sync(self._begun, future, callback_timeout=_ASK_S)
            except Exception:  # noqa: BLE001  # no answer, or no client: nobody can tell
                self._mute = True
        self._inbox.put((self._forget, [flight]))
        return not begun

    async def _begun(self, future: Any) -> bool:
        """On the client's loop: whether a worker runs it now, or has. If not, it never will."""
        try:
            stacks = await self._client.scheduler.call_stack(keys=[future.key])
        except KeyError:  # the scheduler has not come to know it yet
            stacks = {}
        begun = bool(stacks) or future.status != "pending"
        if not begun:
            await self._client.cancel([future], asynchronous=True)
        return begun

    def stop(self) -> None:
        self._inbox.put(_STOP)
        self._thread.join(timeout=2)

    # -- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        while self._turn(self._drained()):
            pass
        self._close()

    def _drained(self) -> list[Any]:
        try:
            came = [self._inbox.get(timeout=_LOOK_S)]
        except queue.Empty:
            return []
        while True:
            try:
                came.append(self._inbox.get_nowait())
            except queue.Empty:
                return came

    def _turn(self, came: Sequence[Any]) -> bool:
        """Whatever came in, by kind and all at once; False for the end."""
        if _STOP in came:
            return False
        kinds: dict[Any, list[Any]] = {}
        for handle, items in came:
            kinds.setdefault(handle, []).extend(items)
        try:
            for handle, items in kinds.items():
                handle(items)
        except Exception as error:  # noqa: BLE001  # nothing may leave attempts without an end
            self._land([(flight, flight.failed(error)) for flight in self._left()])
        if self._client.status in ("closing", "closed"):  # then Dask calls nobody back
            self._land([(flight, flight.explained()) for flight in self._left()])
        return True

    def _left(self) -> list[Flight]:
        with self._lock:
            return list(self._flights.values())

    def _send(self, flights: Iterable[Flight]) -> None:
        ended: list[_Ended] = []
        batch: list[tuple[Flight, bytes]] = []
        size = 0
        idle = self._count == 0 and self._idle()
        for flight in flights:
            if idle:
                where = self._client.scheduler.address
                self._context.copy().run(say, flight.request, _IDLE.format(where))
                idle = False
            if flight.cancelled:
                ended.append((flight, flight.explained()))
                continue
            try:
                payload = flight.payload(self._missing)
            except TypeError as error:
                ended.append((flight, flight.failed(error)))
                continue
            if batch and (size + len(payload) > _GRAPH or len(batch) == _BATCH):
                ended += self._submitted(batch)
                batch, size = [], 0
            batch.append((flight, payload))
            size += len(payload)
        if batch:
            ended += self._submitted(batch)
        self._land(ended)

    def _submitted(self, batch: Sequence[tuple[Flight, bytes]]) -> list[_Ended]:
        """One graph for all of them; what cannot be sent has ended."""
        with self._sending:
            with self._lock:
                for flight, _ in batch:
                    flight.leaving = not flight.cancelled
            going = [(flight, payload) for flight, payload in batch if flight.leaving]
            ended = [(flight, flight.explained()) for flight, _ in batch if not flight.leaving]
            if self._client.status != "running":
                return ended + [(flight, flight.lost()) for flight, _ in going]
            try:
                if going:
                    self._map(going)
            except Exception as error:  # noqa: BLE001  # the client was closed meanwhile
                return ended + [(flight, flight.failed(error)) for flight, _ in going]
        for flight, _ in going:
            flight.future.add_done_callback(functools.partial(self._done, flight))
        return ended

    def _map(self, going: Sequence[tuple[Flight, bytes]]) -> None:
        keys = [self._key(flight) for flight, _ in going]
        payloads = [payload for _, payload in going]
        with _quietly(large=any(len(payload) > _GRAPH for payload in payloads)):
            # `pickle.loads` calls `attempt`: see `dask_flight`.
            futures = self._client.map(pickle.loads, payloads, key=keys, pure=False, retries=0)
        for (flight, _), future in zip(going, futures, strict=True):
            flight.future = future

    def _idle(self) -> bool:
        """Whether there is nobody to run the first attempts. Later ones can tell no more."""
        try:
            asked = self._client.scheduler.identity
            return not self._client.sync(asked, callback_timeout=_ASK_S)["workers"]
        except Exception:  # noqa: BLE001  # what is wrong is told when they are sent
            return False

    def _key(self, flight: Flight) -> str:
        """Unique in the cluster. What stands before the number is the kind of task to Dask."""
        self._count += 1
        return f"{flight.kind}-{self._count}-{self._token}"

    def _done(self, flight: Flight, future: Any) -> None:
        """In Dask's callback thread."""
        if future is flight.future:  # not one that was sent again under another key
            self._inbox.put((self._settle, [flight]))

    def _settle(self, flights: Sequence[Flight]) -> None:
        """Of those that ended: fetch what they tell, all at once; explain the others."""
        ended: list[_Ended] = []
        for flight in flights:
            if flight.future.status in ("error", "cancelled"):
                ended.append((flight, flight.explained()))
            else:
                self._finished[flight.request.key] = flight
        self._fetch()
        self._land(ended)

    def _fetch(self) -> None:
        """What finished while others were fetched goes together; a slow one holds up few."""
        if self._finished and self._fetching < _GATHERS:
            self._fetching += 1
            self._client.loop.add_callback(self._gather, self._finished)
            self._finished = {}

    async def _gather(self, flights: dict[AttemptKey, Flight]) -> None:
        """On the client's loop, since a result that was lost meanwhile is computed once more."""
        futures = {key: flight.future for key, flight in flights.items()}
        try:
            data = await self._client.gather(futures, errors="skip", asynchronous=True)
        except Exception:  # noqa: BLE001  # the scheduler went away in between
            data = {}
        self._inbox.put((self._fetched, [None]))
        self._inbox.put((self._arrived, [(f, data.get(key)) for key, f in flights.items()]))

    def _fetched(self, gathers: Sequence[None]) -> None:
        self._fetching -= len(gathers)
        self._fetch()

    def _arrived(self, gathered: Iterable[tuple[Flight, bytes | None]]) -> None:
        ended: list[_Ended] = []
        again: list[Flight] = []
        for flight, data in gathered:
            if data is None:
                ended.append((flight, flight.explained()))
                continue
            told: Told = pickle.loads(data)  # noqa: S301  # from a worker that we sent work to
            if self._supplied(flight, told.missing):
                with self._lock:
                    flight.leaving, flight.future = False, None
                again.append(flight)
            else:
                ended.append((flight, flight.ended(told)))
        self._land(ended)
        if again:
            self._send(again)

    def _supplied(self, flight: Flight, missing: str) -> bool:
        """Whether a module that a worker lacks is here to be sent, and was not sent before."""
        found = [name for name in own_modules(missing) if name not in flight.by_value]
        if not missing or not found:
            return False
        self._missing.update(found)
        return True

    def _land(self, ended: Iterable[_Ended]) -> None:
        """Report, once each, in as few calls as there are takers."""
        reports: dict[Report, list[Outcome]] = {}
        with self._lock:
            for flight, outcome in ended:
                if self._flights.get(flight.request.key) is flight:
                    del self._flights[flight.request.key]
                    reports.setdefault(flight.report, []).append(outcome)
        for report, outcomes in reports.items():
            report(outcomes)

    def _forget(self, flights: Sequence[Flight]) -> None:
        """The scheduler lets go of them; Dask then calls `_done`."""
        futures = [flight.future for flight in flights if flight.future is not None]
        if futures and self._client.status == "running":
            self._client.loop.add_callback(self._client.cancel, futures, asynchronous=True)

    def _close(self) -> None:
        futures = [flight.future for flight in self._left() if flight.future is not None]
        self._flights.clear()
        try:
            if futures and self._client.status == "running":
                self._client.cancel(futures)
            if self._owned:
                self._client.close(timeout=2)
        except Exception:  # most often it is gone already
            logging.getLogger("orch_nb").debug("the Dask client did not close", exc_info=True)


def _quietly(*, large: bool) -> Any:
    """Dask warns whoever sends a large graph to load the data there. Here it is an argument."""
    config = importlib.import_module("dask").config
    return config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"} if large else {})
