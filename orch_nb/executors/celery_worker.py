"""What makes a Celery app run our attempts: one task, `orch_nb.attempt`.

    from orch_nb.executors.celery_worker import register
    register(app)                        in the module of the app, or by `orch-nb worker celery`

A message is acknowledged when its attempt has ended. A worker that dies is noticed by whoever sent
the attempt, within some ten seconds, who sends it to another: Redis itself would deliver it again
only when its `visibility_timeout` has gone, which has to be longer than the longest task.

Payloads are pickles: a broker that strangers can write to gives them the workers, as with any
Celery whose serializer is pickle.
"""

from __future__ import annotations

import base64
import os
import socket
import weakref
from collections.abc import Callable
from typing import Any

from orch_nb.executors.attempt_elsewhere import attempt

__all__ = ["TASK", "register", "work"]

TASK = "orch_nb.attempt"
_pool = ""
_registered: weakref.WeakSet[Any] = weakref.WeakSet()
_POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")


def register(app: Any) -> None:
    """Give `app` the task, if it has not got it. Its own tasks and settings stay as they are."""
    from celery.signals import worker_init

    if app in _registered:
        return
    _registered.add(app)
    worker_init.connect(_began, weak=False, dispatch_uid="orch_nb")
    app.conf.broker_connection_retry_on_startup = True

    @app.task(  # type: ignore[untyped-decorator]  # celery has no types
        bind=True, name=TASK, acks_late=True, reject_on_worker_lost=False, max_retries=0,
        ignore_result=False, track_started=True, serializer="json",
    )  # fmt: skip
    def perform(self: Any, payload: str, task: str = "") -> str:
        self.update_state(state="STARTED", meta={"pool": _pool, "host": self.request.hostname})
        return base64.b64encode(attempt(base64.b64decode(payload))).decode("ascii")


def _began(sender: Any = None, **_: Any) -> None:
    global _pool  # noqa: PLW0603  # one a process; children of a pool have it by the fork
    found = str(getattr(sender, "pool_cls", ""))
    _pool = next((name for name in _POOLS if name in found), "")


def work(
    app: Any, *, queue: str = "", concurrency: int | None = None, pool: str = "prefork",
    ready: Callable[[str], None] | None = None,
) -> int:  # fmt: skip
    """Be a worker of `app` until SIGTERM or SIGINT; what runs then is ended first, at a second one
    it is not. Gives the exit code. `queue` "" is what the app's own settings say.
    """
    from celery.signals import worker_ready, worker_shutting_down

    register(app)
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
