"""What takes our attempts out of a BullMQ queue and runs them: `orch-nb worker bullmq`.

Payloads are pickles: a Redis that strangers can write to gives them the workers.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orch_nb.errors import UsageError
from orch_nb.executors.attempt_elsewhere import attempt
from orch_nb.executors.sender import has_gone

__all__ = ["JOB", "PREFIX", "QUEUE", "work"]

JOB = "orch_nb.attempt"
QUEUE, PREFIX = "orch_nb", "bull"
_STALLS = 2
_AGAIN_MS = 1000  # between two tries where Redis does not answer
_LOOKED_AT = 20  # jobs of a queue, before one serves it


async def work(
    address: str, queue: str = QUEUE, concurrency: int = 4, *, prefix: str = PREFIX,
    patience_s: float = 10.0, ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Take jobs until SIGTERM or SIGINT; what runs then is ended first, at a second one it is not.
    A job whose worker is silent for `patience_s` goes to another. Raises UsageError for a queue
    with jobs of somebody else, which it would take and could not run."""
    import bullmq

    await _see_whose(address, queue, prefix)

    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="orch_nb-bullmq")
    loop = asyncio.get_running_loop()

    async def perform(job: Any, token: str) -> str:
        if has_gone(str(job.id).partition("@")[2]):
            return ""  # to nobody
        payload = base64.b64decode(job.data["payload"])
        python = job.data.get("python", "")
        told = await loop.run_in_executor(threads, attempt, payload, python)
        return base64.b64encode(told).decode("ascii")

    lock_ms = int(patience_s * 1000)
    worker = bullmq.Worker(
        queue,
        perform,
        {
            "connection": address, "prefix": prefix, "concurrency": concurrency,
            "runRetryDelay": _AGAIN_MS, "lockDuration": lock_ms,
            "stalledInterval": lock_ms // 5, "maxStalledCount": _STALLS,
        },
    )  # fmt: skip
    over = asyncio.Event()

    def end() -> None:
        if over.is_set():
            os._exit(130)  # another worker has what ran here, once it is missed
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if ready is not None:
        ready(f"bullmq worker: queue {queue}, {concurrency} at once")
    await over.wait()
    await worker.close()
    threads.shutdown()


async def _see_whose(address: str, queue: str, prefix: str) -> None:
    from bullmq import Queue

    looked = Queue(queue, {"connection": address, "prefix": prefix})
    try:
        jobs = await looked.getJobs([], 0, _LOOKED_AT)
    finally:
        await looked.close()
    foreign = next((job.name for job in jobs if job.name != JOB), None)
    if foreign is not None:
        raise UsageError(
            f"The BullMQ queue `{queue}` has jobs of somebody else (`{foreign}`), which this "
            "worker would take and could not run. Give orch_nb a queue of its own: --queue NAME."
        )
