"""Attempts on the workers of a Celery app: the person's own app, broker and result backend.

    execute(plan, executor="celery", address="proj.celery:app")
    execute(plan, executor="celery", address="proj.celery:app?queue=reports")
    execute(plan, executor=app)
    orch-nb worker celery --app proj.celery:app

    PENDING ──► RECEIVED ──► STARTED ──► SUCCESS, FAILURE, REVOKED      as its worker says
       │            └────────────┴── its worker does not answer any more: it is sent again
       └── in no queue any more, and nobody has it: it is sent again

Cancelling revokes what has not begun; what runs is stopped where the worker's pool is prefork.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from orch_nb.executors.attempt_elsewhere import PYTHON
from orch_nb.executors.celery_app import Workers, app_of, check, queue_of, serializer_of
from orch_nb.executors.celery_worker import TASK, register
from orch_nb.executors.remote import Ended, RemoteExecutor
from orch_nb.executors.sender import this_sender

__all__ = ["CeleryExecutor"]

_PING_S, _ANSWER_S, _MISSES = 2.0, 1.0, 3
_ENDS = ("SUCCESS", "FAILURE", "REVOKED", "REJECTED")
_HAD = ("RECEIVED", "STARTED")
_AT_ONCE = 500  # results of one question


class CeleryExecutor(RemoteExecutor):
    """`app`: a `celery.Celery`, or where one is ("module:name", with the `queue` as a parameter).
    Raises MissingExtra, UsageError."""

    def __init__(self, app: Any, *, queue: str = "") -> None:
        if isinstance(app, str) and "?" in app:
            app, _, asked = app.partition("?")
            queue = queue or parse_qs(asked).get("queue", [""])[0]
        super().__init__("celery", _Courier(app_of(app), queue))


class _Having(msgspec.Struct, frozen=True):
    """The worker that has an attempt. `heard`: it answers while it works."""

    host: str
    pool: str
    heard: bool
    begun: bool


class _Courier:
    whose = "Celery workers"

    def __init__(self, app: Any, queue: str) -> None:
        self._app, self._queue = app, queue
        self._workers = Workers(app, queue)
        self._had: dict[str, _Having] = {}  # by id
        self._missed: dict[str, int] = {}  # how often a host did not answer, one time after another
        self._vanished: dict[str, int] = {}  # how often an id was in no queue, likewise
        self._asked = time.monotonic()
        register(app)

    def open(self) -> None:
        check(self._app, self._queue)
        self._workers.check()

    def lacking(self) -> str:
        return "" if self._had else self._workers.lacking()

    def send(self, packets: deque[tuple[str, str, str]]) -> None:
        options = {"queue": self._queue} if self._queue else {}
        serializer = serializer_of(self._app)
        while packets:
            name, task, payload = packets[0]
            self._app.send_task(
                TASK, args=(payload,), task_id=name, serializer=serializer,
                kwargs={"task": task, "python": PYTHON, "sender": this_sender()},
                shadow=f"orch_nb: {task}", **options,
            )  # fmt: skip
            packets.popleft()

    def ended(self, ids: Sequence[str]) -> Iterable[Ended]:
        for name, meta in self._metas(ids):
            state, result = meta.get("status"), meta.get("result")
            if state in _HAD and isinstance(result, dict) and "host" in result:
                self._had[name] = _Having(
                    str(result["host"]), str(result.get("pool")), bool(result.get("heard")),
                    state == "STARTED",
                )  # fmt: skip
            if state not in _ENDS:
                continue
            self._had.pop(name, None)
            with contextlib.suppress(NotImplementedError):
                self._app.backend.forget(name)
            if state == "SUCCESS":
                yield Ended(name, told=str(result))
            elif state == "REVOKED":
                yield Ended(name, revoked=True)
            else:  # not of the task, whose errors its worker tells: of the worker
                what = f"its worker could not run it ({_said(result)})"
                yield Ended(name, error=what, died=type(result).__name__ == "WorkerLostError")
        if time.monotonic() > self._asked + _PING_S:
            yield from self._gone()
            yield from self._lost([name for name in ids if name not in self._had])
            self._asked = time.monotonic()

    def _metas(self, ids: Sequence[str]) -> Iterable[tuple[str, Any]]:
        """Of each what the backend has of it; those that can give many at once are asked so."""
        backend = self._app.backend
        many = getattr(backend, "mget", None)
        for at in range(0, len(ids), _AT_ONCE):
            some = ids[at : at + _AT_ONCE]
            if many is None or len(some) == 1:
                yield from ((name, backend.get_task_meta(name)) for name in some)
                continue
            try:
                found = many([backend.get_key_for_task(name) for name in some])
            except NotImplementedError:
                many = None
                yield from ((name, backend.get_task_meta(name)) for name in some)
                continue
            values = (
                [found.get(backend.get_key_for_task(name)) for name in some]
                if hasattr(found, "items") else found
            )  # fmt: skip
            yield from (
                (name, backend.decode_result(value))
                for name, value in zip(some, values, strict=True) if value
            )  # fmt: skip

    def _gone(self) -> Iterable[Ended]:
        """What was had by workers that have not answered three times."""
        hosts = {one.host for one in self._had.values() if one.heard}
        if not hosts:
            return
        answers = self._app.control.ping(timeout=_ANSWER_S, limit=len(hosts), destination=[*hosts])
        heard = {host for answer in answers or () for host in answer}
        self._missed = {host: self._missed.get(host, 0) + 1 for host in hosts - heard}
        for name, one in list(self._had.items()):
            if self._missed.get(one.host, 0) >= _MISSES:
                yield self._let_go(name, begun=one.begun)

    def _lost(self, pending: Sequence[str]) -> Iterable[Ended]:
        """What nobody has, and is in no queue any more: its worker died before it could say that
        it had it, or the broker forgot it."""
        missing = pending if pending and not self._queued() else ()
        self._vanished = {name: self._vanished.get(name, 0) + 1 for name in missing}
        for name, times in list(self._vanished.items()):
            if times >= _MISSES:
                yield self._let_go(name, begun=False)

    def _queued(self) -> int:
        name = queue_of(self._app, self._queue)
        with self._app.connection_for_write() as connection, connection.channel() as channel:
            try:
                return int(channel.queue_declare(name, passive=True).message_count)
            except connection.channel_errors:  # Redis has no empty lists
                return 0

    def _let_go(self, name: str, *, begun: bool) -> Ended:
        """The broker may deliver it again: then it is not to run."""
        self._had.pop(name, None)
        self._vanished.pop(name, None)
        self._taken_back(name)
        return Ended(name, gone=True, begun=begun)

    def revoke(self, name: str) -> bool:
        meta = self._app.backend.get_task_meta(name)
        state, told = meta.get("status"), meta.get("result")
        if state in ("PENDING", "RECEIVED"):
            self._taken_back(name)
            return True
        if state == "STARTED" and isinstance(told, dict) and told.get("pool") == "prefork":
            self._app.control.revoke(name, terminate=True, signal="SIGTERM")
            return True
        return False

    def _taken_back(self, name: str) -> None:
        """For the workers that are there, and for those that come and find it in the queue."""
        # rpc:// has no place where it would stand; Celery calls what its client has deprecated.
        with contextlib.suppress(RuntimeError, DeprecationWarning):
            self._app.backend.mark_as_revoked(name, "taken back")
        self._app.control.revoke(name)

    def close(self) -> None:
        """Nothing is held open: the app is its owner's."""


def _said(result: Any) -> str:
    text = str(result).partition("\n")[0]
    if type(result).__name__ == "NotRegistered":
        return (
            f"it has not got the task {text}: say `register(app)` of "
            "orch_nb.executors.celery_worker in the module of the app, and start it anew"
        )
    return f"{type(result).__name__}: {text}" if isinstance(result, BaseException) else text
