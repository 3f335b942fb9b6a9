"""One attempt on a Dask cluster: the bytes that are sent for it, and what its end means.

payload() ─► the cluster ─┬─► ended(told)     its worker could say how it ended
                          └─► explained()     it could not: Dask says why, here in words
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from orch_nb.engine.ports import AttemptRequest, Clock, Outcome, Report
from orch_nb.errors import BackendUnavailable
from orch_nb.executors.attempt_elsewhere import Told, attempt
from orch_nb.executors.failure import failure_of, with_source
from orch_nb.executors.worker_pickles import dumps
from orch_nb.model.event import Failure
from orch_nb.model.quantity import count

__all__ = ["Flight"]


class _Work:
    """Unpickling it is doing it: `pickle.loads(data)` calls `attempt(payload)`, on a worker.

    So that what Dask sends is a function that every Python has. A worker that cannot import the
    function of a graph closes its connection, comes back, is sent the same again, and no task ever
    ends; thus a worker without orch_nb raises in the task, where it can be told.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def __reduce__(self) -> tuple[Callable[[bytes], bytes], tuple[bytes]]:
        return attempt, (self._payload,)


class Flight:
    """An attempt from `submit` to its outcome.

    `leaving` says that it is on its way to the cluster, `future` that it is there.
    """

    def __init__(self, request: AttemptRequest, report: Report, clock: Clock) -> None:
        self.request, self.report = request, report
        self.future: Any = None
        self.cancelled = self.leaving = False
        self.by_value: list[str] = []  # modules that the cluster has not, and that were sent along
        self._clock, self._sent = clock, clock.now()

    @property
    def kind(self) -> str:
        """The name of its function: Dask learns how long each kind of task takes."""
        name = getattr(self.request.task.run, "__name__", "")
        return name if name.isidentifier() else "call"

    def payload(self, by_value: Iterable[str]) -> bytes:
        """For `pickle.loads` on a worker. Raises TypeError for what cannot be pickled."""
        request = self.request
        work = (request.task.run, request.args, dict(request.kwargs), request.current)
        self.by_value = sorted(by_value)
        try:
            return pickle.dumps(_Work(dumps(work, self.by_value)), protocol=5)
        except Exception as error:  # noqa: BLE001  # whatever a value's own pickling raises
            what = "its function or its arguments cannot be sent to the cluster"
            raise TypeError(f"{what}: {error}") from None

    def ended(self, told: Told) -> Outcome:
        """As its worker tells it, with the times of our clock: the worker's may be another."""
        now = self._clock.now()
        started = max(self._sent, now - told.took_s)
        for stream, text in told.printed:
            self.request.log(stream, text)
        failure, value = told.failure, None
        if failure is None:
            try:
                value = pickle.loads(told.value)  # noqa: S301  # from a worker that we sent work to
            except Exception as error:  # noqa: BLE001
                what = "its result cannot be read here"
                failure = failure_of(TypeError(f"{what}: {type(error).__name__}: {error}"))
        elif told.missing:
            failure = _saying(failure, "on a worker of the cluster: install it there")
        else:
            failure = msgspec.structs.replace(failure, traceback=with_source(failure.traceback))
        return Outcome(self.request.key, started, now, value, failure)

    def explained(self) -> Outcome:
        """When the worker could not tell. Raises nothing, whatever has become of the client."""
        if self.cancelled:
            return Outcome(self.request.key, self._sent, self._clock.now(), cancelled=True)
        try:
            error = self.future.exception(timeout=1) if self.future is not None else None
        except Exception:  # noqa: BLE001  # the client was closed, or answers no more
            error = None
        if error is None or getattr(error, "reason", "") == "scheduler-connection-lost":
            return self.lost()
        failure = failure_of(error)
        if failure.type == "KilledWorker":
            failure = msgspec.structs.replace(failure, message=_killed(error))
        elif isinstance(error, ImportError) and "orch_nb" in str(error):
            failure = _saying(failure, "the cluster's workers need orch_nb, in this version")
        return self.failed(failure)

    def lost(self) -> Outcome:
        why = "The connection to the Dask cluster was lost, and with it what ran there"
        return self.failed(BackendUnavailable(f"{why}. See whether its scheduler is still up."))

    def failed(self, why: BaseException | Failure) -> Outcome:
        failure = why if isinstance(why, Failure) else failure_of(why)
        return Outcome(self.request.key, self._sent, self._clock.now(), failure=failure)


def _saying(failure: Failure, more: str) -> Failure:
    return msgspec.structs.replace(failure, message=f"{failure.message} ({more})")


def _killed(error: Any) -> str:
    """What Dask's text of four lines and three links comes to."""
    workers = count(getattr(error, "allowed_failures", 0) + 1, "worker")
    worker = getattr(getattr(error, "last_worker", None), "address", "")
    last = f", the last of them {worker}" if worker else ""
    return (
        f"{workers} died running it{last}. "
        "Did it use more memory than a worker has, or end its process? Their logs may tell."
    )
