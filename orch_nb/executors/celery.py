"""Attempts on the workers of a Celery app: the person's own app, broker and result backend.

    execute(plan, executor="celery", address="proj.celery:app")
    execute(plan, executor="celery", address="proj.celery:app?queue=reports")
    execute(plan, executor=app)
    orch-nb worker celery --app proj.celery:app

Cancelling revokes what has not begun; what runs is stopped where the worker's pool is prefork.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs

from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.executors.celery_worker import TASK, register
from orch_nb.executors.remote import Ended, RemoteExecutor

__all__ = ["CeleryExecutor", "app_of", "check"]

_CONNECT_S = 5.0
_PING_S, _ANSWER_S, _MISSES = 2.0, 1.0, 3
#: Pools whose workers answer while they work.
_HEARD = ("prefork", "threads", "gevent", "eventlet")
_ENDS = ("SUCCESS", "FAILURE", "REVOKED", "REJECTED")


class CeleryExecutor(RemoteExecutor):
    """`app`: a `celery.Celery`, or where one is ("module:name", with the `queue` as a parameter).
    Raises MissingExtra, UsageError."""

    def __init__(self, app: Any, *, queue: str = "") -> None:
        if isinstance(app, str) and "?" in app:
            app, _, asked = app.partition("?")
            queue = queue or parse_qs(asked).get("queue", [""])[0]
        super().__init__("celery", _Courier(app_of(app), queue))


def app_of(app: Any) -> Any:
    """The Celery app that is meant. Raises MissingExtra, UsageError."""
    try:
        celery = importlib.import_module("celery")
    except ImportError as error:
        raise MissingExtra("celery with redis", "celery", "The executor `celery`") from error
    if isinstance(app, celery.Celery):
        return app
    if not isinstance(app, str) or not app:
        raise UsageError(
            'The executor `celery` needs a Celery app, or where it is: address="proj.celery:app".'
        )
    module, _, name = app.partition(":")
    try:
        found = importlib.import_module(module)
        for part in (name or "app").split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"There is no Celery app `{app}` ({error}). It is `module:name`, as in proj.celery:app."
        ) from None
    if not isinstance(found, celery.Celery):
        raise UsageError(f"`{app}` is a {type(found).__name__}, no Celery app.")
    return found


def check(app: Any) -> None:
    """See that attempts can be sent by an app, and their ends heard of. Raises UsageError,
    BackendUnavailable."""
    disabled = importlib.import_module("celery.backends.base").DisabledBackend
    if isinstance(app.backend, disabled):
        raise UsageError(
            "The Celery app has no result backend, so nobody would hear how tasks end. "
            'Give it one: Celery(..., backend="redis://...").'
        )
    where = _bare(str(app.conf.broker_url or "amqp://"))
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=_CONNECT_S)
    except Exception as error:  # noqa: BLE001  # each transport raises its own
        raise BackendUnavailable(
            f"No Celery broker answers at {where} ({error}). Start it (for Redis: "
            "`orch-nb dev redis`, or redis-server), and workers with `orch-nb worker celery`."
        ) from None


class _Courier:
    whose = "Celery workers"

    def __init__(self, app: Any, queue: str) -> None:
        self._app, self._queue = app, queue
        self._hosts: dict[str, str] = {}  # of what has begun, by id
        self._missed: dict[str, int] = {}  # how often a host did not answer, one time after another
        self._asked = time.monotonic()
        register(app)

    def open(self) -> None:
        check(self._app)

    def idle(self) -> bool:
        try:
            return not self._app.control.ping(timeout=0.5, limit=1)
        except Exception:  # noqa: BLE001  # what is wrong is told when they are sent
            return False

    def send(self, packets: Sequence[tuple[str, str, str]]) -> None:
        options = {"queue": self._queue} if self._queue else {}
        for name, task, payload in packets:
            self._app.send_task(
                TASK, args=(payload,), kwargs={"task": task}, task_id=name, serializer="json",
                shadow=f"orch_nb: {task}", **options,
            )  # fmt: skip

    def ended(self, ids: Sequence[str]) -> Iterable[Ended]:
        for name in ids:
            meta = self._app.backend.get_task_meta(name)
            state, result = meta.get("status"), meta.get("result")
            if state not in _ENDS:
                if state == "STARTED" and isinstance(result, dict) and result.get("pool") in _HEARD:
                    self._hosts[name] = str(result.get("host"))
                continue
            self._hosts.pop(name, None)
            self._app.backend.forget(name)
            if state == "SUCCESS":
                yield Ended(name, told=str(result))
            elif state == "REVOKED":
                yield Ended(name, revoked=True)
            else:  # not of the task, whose errors its worker tells: of the worker
                yield Ended(name, error=f"its worker could not run it ({_said(result)})")

        if self._hosts and time.monotonic() > self._asked + _PING_S:
            yield from self._gone()

    def _gone(self) -> Iterable[Ended]:
        """What ran on workers that have not answered three times."""
        hosts = set(self._hosts.values())
        answers = self._app.control.ping(timeout=_ANSWER_S, limit=len(hosts), destination=[*hosts])
        self._asked = time.monotonic()
        heard = {host for answer in answers or () for host in answer}
        self._missed = {host: self._missed.get(host, 0) + 1 for host in hosts - heard}
        for name, host in list(self._hosts.items()):
            if self._missed.get(host, 0) >= _MISSES:
                del self._hosts[name]
                self._app.control.revoke(name)  # the broker may deliver it again, too
                yield Ended(name, gone=True)

    def revoke(self, name: str) -> bool:
        meta = self._app.backend.get_task_meta(name)
        state, told = meta.get("status"), meta.get("result")
        if state == "PENDING":
            self._app.control.revoke(name)
            return True
        if state == "STARTED" and isinstance(told, dict) and told.get("pool") == "prefork":
            self._app.control.revoke(name, terminate=True, signal="SIGTERM")
            return True
        return False

    def close(self) -> None:
        """Nothing is held open: the app is its owner's."""


def _bare(url: str) -> str:
    """An address without who connects and by which password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _said(result: Any) -> str:
    text = str(result).partition("\n")[0]
    return f"{type(result).__name__}: {text}" if isinstance(result, BaseException) else text
