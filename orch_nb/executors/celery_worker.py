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
from typing import Any

from orch_nb.executors.attempt_elsewhere import attempt

__all__ = ["TASK", "register"]

TASK = "orch_nb.attempt"
_pool = ""
_POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")


def register(app: Any) -> Any:
    """Give `app` the task. Its own tasks and settings stay as they are."""
    from celery.signals import worker_init

    worker_init.connect(_began, weak=False, dispatch_uid="orch_nb")
    app.conf.broker_connection_retry_on_startup = True

    @app.task(  # type: ignore[untyped-decorator]  # celery has no types
        bind=True, name=TASK, acks_late=True, reject_on_worker_lost=False, max_retries=0,
        ignore_result=False, track_started=True, serializer="json",
    )  # fmt: skip
    def perform(self: Any, payload: str, task: str = "") -> str:
        self.update_state(state="STARTED", meta={"pool": _pool, "host": self.request.hostname})
        return base64.b64encode(attempt(base64.b64decode(payload))).decode("ascii")

    return perform


def _began(sender: Any = None, **_: Any) -> None:
    global _pool  # noqa: PLW0603  # one a process; children of a pool have it by the fork
    found = str(getattr(sender, "pool_cls", ""))
    _pool = next((name for name in _POOLS if name in found), "")
