"""What a Celery worker is told of an attempt whose process has gone. Loaded by workers alone.

Celery keeps of each process of its prefork pool whether it was told to end, for a task that was
revoked, and takes whatever ends with it as revoked. A process can outlive that: its task caught the
SystemExit, or it came where Python only prints what is raised. It goes on with other tasks, and the
one that it dies of is not revoked: it has lost its worker, and may be tried again.
"""

from __future__ import annotations

from typing import Any

from billiard.common import human_status  # type: ignore[import-untyped]
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[import-untyped]
from billiard.exceptions import Terminated  # type: ignore[import-untyped]
from celery.exceptions import WorkerLostError
from celery.worker import state
from celery.worker.request import Request

__all__ = ["AttemptRequest"]


class AttemptRequest(Request):  # type: ignore[misc]  # celery has no types
    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, Terminated) and not self._was_revoked():
            exc_info = _lost(error)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _was_revoked(self) -> bool:
        return self._already_revoked or self._already_cancelled or self.id in state.revoked


def _lost(error: Any) -> Any:
    number = error.args[0] if error.args else 0  # of the signal
    try:
        raise WorkerLostError(  # noqa: TRY301  # the information is of one that was raised
            f"Worker exited prematurely: {human_status(-number)}."
        )
    except WorkerLostError:
        return ExceptionInfo()
