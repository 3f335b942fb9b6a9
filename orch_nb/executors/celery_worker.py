"""What makes a Celery app run our attempts: one task, `orch_nb.attempt`.

    from orch_nb.executors.celery_worker import register
    register(app)                        in the module of the app, or by `orch-nb worker celery`

Its worker says in the result backend which attempts it has, from the moment it takes them from the
broker. Who sent them asks it whether it is there, and sends them to another some ten seconds after
it has died. So a message is acknowledged when its attempt begins: the broker's own redelivery,
after its `visibility_timeout` (on Redis an hour), would begin each longer attempt a second time.
Only a worker that cannot be asked (of the pool `solo`, or without remote control) acknowledges at
the end, and leaves it to the broker.

Payloads are pickles: a broker that strangers can write to gives them the workers, as with any
Celery whose serializer is pickle.
"""

from __future__ import annotations

import base64
import os
import socket
import time
import weakref
from collections.abc import Callable
from typing import Any

import msgspec

from orch_nb.executors.attempt_elsewhere import attempt
from orch_nb.executors.sender import has_gone

__all__ = ["TASK", "listens", "register", "work"]

TASK = "orch_nb.attempt"
_registered: weakref.WeakSet[Any] = weakref.WeakSet()
_POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")
_OVER = ("SUCCESS", "FAILURE", "REVOKED")
_WAITS_S, _PAUSE_S = 20.0, 0.5


class _Here(msgspec.Struct):
    """The worker that this process is, or is a child of. `heard`: it answers while it works."""

    host: str = ""
    pool: str = ""
    heard: bool = False


_here = _Here()


def listens(app: Any) -> bool:
    """Whether the workers of an app can be asked anything."""
    asked_in_json = any("json" in str(one) for one in app.conf.accept_content or ["json"])
    if not (app.conf.worker_enable_remote_control and asked_in_json):
        return False
    with app.connection_for_write() as connection:
        return bool(connection.supports_exchange_type("fanout"))


def register(app: Any) -> None:
    """Give `app` the task, if it has not got it. Its own tasks and settings stay as they are."""
    from celery.exceptions import Ignore
    from celery.signals import task_received, worker_init

    if app in _registered:
        return
    _registered.add(app)
    worker_init.connect(_begun, weak=False, dispatch_uid="orch_nb")
    task_received.connect(_received, weak=False, dispatch_uid="orch_nb")

    @app.task(  # type: ignore[untyped-decorator]  # celery has no types
        bind=True, name=TASK, shared=False, acks_late=True, reject_on_worker_lost=False,
        max_retries=0, ignore_result=False, track_started=False, serializer=None,
        Request="orch_nb.executors.celery_request:AttemptRequest",
    )  # fmt: skip
    def perform(self: Any, payload: str, task: str = "", python: str = "", sender: str = "") -> str:
        if has_gone(sender) or not _may_begin(self):
            raise Ignore
        told = attempt(base64.b64decode(payload), python, leave=_terminated)
        _waited(lambda: self.backend.get_task_meta(self.request.id))  # it is to take what is told
        return base64.b64encode(told).decode("ascii")


def _may_begin(task: Any) -> bool:
    """Say that this worker begins it; False if it has ended, or was sent to another, meanwhile."""
    if _waited(lambda: task.backend.get_task_meta(task.request.id)).get("status") in _OVER:
        return False
    _waited(lambda: task.update_state(state="STARTED", meta=msgspec.structs.asdict(_here)))
    return True


def _waited(ask: Callable[[], Any]) -> Any:
    """What the result backend answers, once it does: one that is started anew costs no attempt."""
    until = time.monotonic() + _WAITS_S
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)


def _terminated(error: BaseException) -> bool:
    """Whether Celery ends the process of a task, for its time limit or since it was revoked. It
    has told why by then: what came of the task is not to stand in its place."""
    return type(error) is SystemExit and error.code in (-241, -247)  # 256 less SIGTERM or SIGKILL


def _begun(sender: Any = None, **_: Any) -> None:
    """A worker of this process begins. Children of a pool have what is set here by the fork."""
    found = str(getattr(sender, "pool_cls", ""))
    _here.pool = next((name for name in _POOLS if name in found), "")
    _here.host = str(sender.hostname)
    _here.heard = _here.pool not in ("", "solo") and listens(sender.app)
    task = sender.app.tasks.get(TASK)
    if task is not None:
        task.acks_late = not _here.heard


def _received(request: Any = None, **_: Any) -> None:
    """In the worker's own process: it has this one now, if only to run it later."""
    if request.name != TASK:
        return
    backend = request.task.backend
    if backend.get_task_meta(request.id).get("status") not in _OVER:
        meta = msgspec.structs.asdict(_here)
        backend.store_result(request.id, meta, "RECEIVED", request=request)


def work(
    app: Any, *, queue: str = "", concurrency: int | None = None, pool: str = "prefork",
    ready: Callable[[str], None] | None = None,
) -> int:  # fmt: skip
    """Be a worker of `app` until SIGTERM or SIGINT; what runs then is ended first, at a second one
    it is not. Gives the exit code. `queue` "" is what the app's own settings say.
    """
    from celery.signals import worker_ready, worker_shutting_down

    register(app)
    if app.conf.broker_connection_retry_on_startup is None:  # Celery warns of whoever says nothing
        app.conf.broker_connection_retry_on_startup = True
    asked: list[str] = []
    host = f"orch_nb-{os.getpid()}@{socket.gethostname()}"  # nobody else is called so

    def told(**_: Any) -> None:
        if ready is not None:
            ready(f"celery worker: {app.main or 'app'}, queue {queue or 'of the app'}, {pool}")

    def ends(sender: Any = None, how: str = "", **_: Any) -> None:
        asked.append(how)

    worker_ready.connect(told, weak=False)
    worker_shutting_down.connect(ends, weak=False)
    try:
        made = app.Worker(
            hostname=host, pool=pool, concurrency=concurrency, queues=[queue] if queue else None,
            loglevel="WARNING", quiet=True, redirect_stdouts=False,
        )  # fmt: skip
        made.start()
    finally:
        worker_ready.disconnect(told)
        worker_shutting_down.disconnect(ends)
    return 0 if asked == ["Warm"] else int(made.exitcode or 0)  # Celery says 1 for Ctrl-C
