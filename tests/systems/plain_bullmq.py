"""Any plan as flows of BullMQ, written the plain way: an option only where a clean-up is meant."""

from __future__ import annotations

import asyncio

import marks
import plain

QUEUE = "plain"


def observe(plans: list[plain.Plain], address: str, wait_s: float) -> dict[str, dict[str, str]]:
    return asyncio.run(_observe(plans, address, wait_s))


async def _observe(
    plans: list[plain.Plain], address: str, wait_s: float
) -> dict[str, dict[str, str]]:
    from bullmq import FlowProducer, Queue, Worker

    async def perform(one: object, _: str) -> str:
        data = one.data  # type: ignore[attr-defined]
        return await plain.work_async(one.name, data["seconds"], data["fails"])  # type: ignore[attr-defined]

    queue, producer = Queue(QUEUE, {"connection": address}), FlowProducer(address)
    worker = Worker(QUEUE, perform, {"connection": address, "concurrency": 30})
    try:
        for made in plans:
            for tree in plain.flow(made, QUEUE):
                await producer.add(tree)
        await asyncio.to_thread(marks.settle, [made.name for made in plans], wait_s)
        return {
            made.name: {task: await queue.getJobState(one.name) for task, one in made.jobs.items()}
            for made in plans
        }
    finally:
        await worker.close()
        await queue.close()
        await producer.close()
