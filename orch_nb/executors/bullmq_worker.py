"""What takes our attempts out of a BullMQ queue and runs them: `orch-nb worker bullmq`.

Payloads are pickles: a Redis that strangers can write to gives them the workers.
"""

from __future__ import annotations

import asyncio
import base64
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orch_nb.executors.attempt_elsewhere import attempt

__all__ = ["JOB", "QUEUE", "work"]

JOB = "orch_nb.attempt"
QUEUE = "orch_nb"
#: A job whose worker is silent for so long goes to another; looked for every second.
_LOCK_MS, _LOOK_MS, _STALLS = 10_000, 2_000, 2


async def work(address: str, queue: str = QUEUE, concurrency: int = 4) -> None:
    """Take jobs until SIGTERM or SIGINT; what runs then is ended first."""
    import bullmq

    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="orch_nb-bullmq")
    loop = asyncio.get_running_loop()

    async def perform(job: Any, token: str) -> str:
        payload = base64.b64decode(job.data["payload"])
        told = await loop.run_in_executor(threads, attempt, payload)
        return base64.b64encode(told).decode("ascii")

    worker = bullmq.Worker(
        queue,
        perform,
        {
            "connection": address, "concurrency": concurrency, "lockDuration": _LOCK_MS,
            "stalledInterval": _LOOK_MS, "maxStalledCount": _STALLS,
        },
    )  # fmt: skip
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await over.wait()
    await worker.close()
    threads.shutdown()
