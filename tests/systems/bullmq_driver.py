"""What BullMQ does: a queue, a worker, one flow a scenario, the states of its jobs.

python tests/systems/bullmq_driver.py worker ADDRESS        # a worker that can be killed
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from typing import Any

import marks

SETTLED_S = 4.0
SLOW = 1.5
QUEUE = "scenarios"
#: What BullMQ has no word for.
NOTHING = {
    "approval": (
        (
            "A flow has no gate: a job waits for time, for children or for a worker, never for a "
            "person."
        ),
        "https://docs.bullmq.io/guide/flows",
    ),
    "undo": (
        "A flow knows no undo: a `failed` listener of a worker is all that hears of the failure.",
        "https://docs.bullmq.io/guide/flows",
    ),
}


def missing() -> str:
    return ""  # `redis_server` tells of the server itself


def versions() -> str:
    return f"for Python {version('bullmq')}, on Redis"


def job(
    name: str, *children: Any, fails: int = 0, seconds: float = 0.0, **options: Any
) -> dict[str, Any]:
    return {
        "name": name, "queueName": QUEUE, "data": {"fails": fails, "seconds": seconds},
        "opts": {"jobId": options.pop("id", name), **options}, "children": list(children),
    }  # fmt: skip


def items() -> list[dict[str, Any]]:
    return [
        job(f"foreach.item{n}", fails=99 if n == 1 else 0, seconds=0 if n == 1 else SLOW)
        for n in range(3)
    ]


def diamond() -> dict[str, Any]:
    """What would be one, if a job had two parents: both name the same child."""
    left = job("diamond.left", job("diamond.top", seconds=0.3))
    return job("diamond.bottom", left, job("diamond.right", job("diamond.top", seconds=0.3)))


#: A flow is a tree that grows from its end: the last job is the root, its children run first.
FLOWS: dict[str, Any] = {
    "unsaid": lambda: job("unsaid.task", fails=99),
    "retry": lambda: job(
        "retry.task", fails=2, attempts=3, backoff={"type": "exponential", "delay": 500}
    ),
    "chain": lambda: job(
        "chain.last", job("chain.after", job("chain.task", job("chain.before"), fails=99))
    ),
    "join": lambda: job(
        "join.join", job("join.task", fails=99), job("join.sibling", seconds=SLOW)
    ),
    "branch": lambda: job(
        "branch.last",
        job(
            "branch.join", job("branch.task", fails=99),
            job("branch.follower", job("branch.sibling", seconds=SLOW)),
        ),
    ),
    "late": lambda: job(
        "late.cleanup",
        job("late.after", job("late.task", fails=99), ignoreDependencyOnFailure=True),
    ),
    "cleanup": lambda: job(
        "cleanup.cleanup", job("cleanup.task", fails=99, ignoreDependencyOnFailure=True)
    ),
    "timeout": lambda: job("timeout.task", seconds=3.0, timeout=1000),
    "foreach": lambda: job("foreach.after", *items()),
    "killed": lambda: job(
        "killed.after", job("killed.task", job("killed.before", seconds=0.1), seconds=2.0),
        seconds=0.1,
    ),
    "diamond": diamond,
}  # fmt: skip
ROLES = {
    "unsaid": ("task",), "retry": ("task",), "chain": ("before", "task", "after", "last"),
    "branch": ("task", "sibling", "follower", "join", "last"), "late": ("task", "after", "cleanup"),
    "join": ("task", "sibling", "join"), "cleanup": ("task", "cleanup"), "timeout": ("task",),
    "foreach": ("item0", "item1", "item2", "after"), "killed": ("before", "task", "after"),
    "diamond": ("top", "left", "right", "bottom"),
}  # fmt: skip


def options(address: str) -> dict[str, Any]:
    return {"connection": address}


async def perform(one: Any, token: str) -> str:
    data = one.data
    return await marks.work_async(one.name, data["fails"], data["seconds"])


def observe(scenarios: list[str]) -> dict[str, Any]:
    from redis_server import redis_server

    with redis_server() as address:
        return asyncio.run(_observe(address, scenarios))


async def _observe(address: str, scenarios: list[str]) -> dict[str, Any]:
    from bullmq import FlowProducer, Queue

    queue, producer = Queue(QUEUE, options(address)), FlowProducer(address)
    worker = marks.spawn(__file__, "worker", address)
    try:
        rest = [name for name in scenarios if name != "killed" and name not in NOTHING]
        for name in rest:
            await producer.add(FLOWS[name]())
        await asyncio.to_thread(marks.settle, rest, SETTLED_S if rest else 0)
        found = {name: await states(queue, name) for name in rest}
        if "killed" in scenarios:
            await producer.add(FLOWS["killed"]())
            await asyncio.to_thread(marks.seen, "killed.task")
            worker.kill()
            worker.wait()
            marks.mark("killed.kill", "ends")
            worker = marks.spawn(__file__, "worker", address)
            await asyncio.to_thread(marks.seen, "killed.after", "ends", 1, 30)
            await asyncio.sleep(0.3)
            found["killed"] = await states(queue, "killed")
        return found
    finally:
        worker.kill()
        worker.wait()
        await queue.close()
        await producer.close()


async def states(queue: Any, scenario: str) -> dict[str, Any]:
    found = {role: await queue.getJobState(f"{scenario}.{role}") for role in ROLES[scenario]}
    return {"states": found, "facts": {}}


async def work(address: str) -> None:
    from bullmq import Worker

    soon = {"concurrency": 20, "lockDuration": 2000, "stalledInterval": 1000}
    Worker(QUEUE, perform, {**options(address), **soon})
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[2]))
