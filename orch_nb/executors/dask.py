"""Attempts on a Dask cluster: where a person outgrows one machine.

    DaskExecutor      the cluster: an address or a client, connected in words or not at all
      └► Session      the attempts of one run on their way there and back (`dask_session`)
           └► attempt     what runs on a worker (`attempt_elsewhere`)

Retries, rules and timeouts stay with our engine: Dask's retries are off, an exception of the task
is told as a `Failure` by the worker, and what Dask itself reports (a worker that was killed too
often, a scheduler that is gone) fails the attempt in words. A worker that is lost is Dask's to make
up for: it runs the attempt elsewhere, so an attempt may run more than once.

Functions run on copies of what they are given. A worker needs orch_nb and what the task imports;
functions of `__main__`, a notebook's, and modules that only this machine has, are sent along.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Sequence
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Report
from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.executors.dask_session import Session

__all__ = ["DaskExecutor"]

_CONNECT_S = 5.0


class DaskExecutor:
    """`cluster`: the scheduler's address ("tcp://...") or a `distributed.Client`.

    Raises MissingExtra, and UsageError for what is neither. `start` connects to an address, and
    raises BackendUnavailable when nothing answers within `timeout_s` seconds; a client that was
    made here is closed by `stop`, one that was given is left as it is.
    """

    name = "dask"

    def __init__(self, cluster: Any, *, timeout_s: float = _CONNECT_S) -> None:
        self._distributed = _distributed()
        self._timeout_s = timeout_s
        self._address, self._given = _place(self._distributed, cluster)
        self._session: Session | None = None

    def start(self, clock: Clock, workers: int) -> None:
        """`workers` bounds what the engine gives at once; how many run is the cluster's matter."""
        if self._session is None:
            client = self._given if self._given is not None else self._connected()
            if client.status != "running":
                raise BackendUnavailable(
                    f"The Dask client that was given is {client.status}: give one that is connected"
                )
            self._session = Session(client, clock, owned=self._given is None)

    def _connected(self) -> Any:
        """A client of our own. In a thread: what answers at an address and is no scheduler can
        hold up Dask's handshake for ever."""
        made: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def connect() -> None:
            try:
                made.put(
                    self._distributed.Client(
                        self._address, timeout=self._timeout_s, set_as_default=False
                    )
                )
            except BaseException as error:  # noqa: BLE001  # whatever a foreign server's bytes lead to
                made.put(error)

        threading.Thread(target=connect, name="orch_nb-dask-connect", daemon=True).start()
        try:
            client = made.get(timeout=self._timeout_s + 1)
        except queue.Empty:
            client = TimeoutError("what is there does not speak as a scheduler does")
        if isinstance(client, BaseException):
            why = str(client) or type(client).__name__
            raise BackendUnavailable(
                f"No Dask scheduler answers at {self._address} ({why}). "
                "Start one with `dask scheduler` and its workers with `dask worker ADDRESS`, "
                "or correct the address."
            ) from None
        return client

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        assert self._session is not None
        self._session.submit(attempts, report)

    def cancel(self, key: AttemptKey) -> bool:
        """True for an attempt that had not begun on a worker: it never will.

        Dask cannot stop code that runs. Such an attempt is forgotten, so that it is not run again
        elsewhere when its worker is lost, and False tells the engine to wait for it no longer.
        """
        return self._session is not None and self._session.cancel(key)

    def stop(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._session = None


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra("dask with distributed", "dask", "The executor `dask`") from error


def _place(distributed: Any, cluster: Any) -> tuple[str, Any]:
    """The address or the client. Raises UsageError."""
    if isinstance(cluster, distributed.Client):
        if cluster.asynchronous:
            raise UsageError(
                "The executor `dask` needs a Client made without asynchronous=True, "
                "since the engine is not on that client's loop."
            )
        return "", cluster
    if not isinstance(cluster, str):
        raise UsageError(
            "The executor `dask` takes the address of a scheduler or a distributed.Client, "
            f"not {type(cluster).__name__}. Of a cluster object, give `Client(cluster)`."
        )
    addressing = importlib.import_module("distributed.comm.addressing")
    registry = importlib.import_module("distributed.comm.registry")
    try:
        scheme, location = addressing.parse_address(cluster)
        registry.get_backend(scheme)
        if scheme in ("tcp", "tls"):
            addressing.parse_host_port(location)
    except ValueError as error:
        raise UsageError(
            f"`{cluster}` is not the address of a Dask scheduler ({error}). "
            "It looks like tcp://host:8786."
        ) from None
    return cluster, None
