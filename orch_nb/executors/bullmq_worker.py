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

from orch_nb.executors.attempt_elsewhere import attempt

__all__ = ["JOB", "QUEUE", "work"]

JOB = "orch_nb.attempt"
QUEUE = "orch_nb"
_STALLS = 2


async def work(
    address: str, queue: str = QUEUE, concurrency: int = 4, *, patience_s: float = 10.0,
    ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Take jobs until SIGTERM or SIGINT; what runs then is ended first, at a second one it is not.
    A job whose worker is silent for `patience_s` goes to another."""
    import bullmq

    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="orch_nb-bullmq")
    loop = asyncio.get_running_loop()

    async def perform(job: Any, token: str) -> str:
        payload = base64.b64decode(job.data["payload"])
        told = await loop.run_in_executor(threads, attempt, payload)
        return base64.b64encode(told).decode("ascii")

    lock_ms = int(patience_s * 1000)
    worker = bullmq.Worker(
        queue,
        perform,
        {
            "connection": address, "concurrency": concurrency, "lockDuration": lock_ms,
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
