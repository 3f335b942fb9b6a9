"""The scenarios as Temporal's own workflows: a workflow is a coroutine, a task an activity."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import marks

ONCE = RetryPolicy(maximum_attempts=1)
LONG = timedelta(seconds=60)
SLOW = 1.5


@activity.defn
async def do(name: str, fails: int = 0, seconds: float = 0.0) -> str:
    if name.startswith("killed"):
        return await beating(name, seconds)
    return await marks.work_async(name, fails, seconds)


async def beating(name: str, seconds: float) -> str:
    """A task that says now and then that it lives."""
    marks.mark(name, "begins")
    for _ in range(int(seconds / 0.1)):
        await asyncio.sleep(0.1)
        activity.heartbeat()
    marks.mark(name, "ends")
    return name


def run(name: str, fails: int = 0, seconds: float = 0.0, **options: Any) -> Any:
    given = {"start_to_close_timeout": LONG, "retry_policy": ONCE, **options}
    return workflow.execute_activity(do, args=[name, fails, seconds], **given)


@workflow.defn
class Unsaid:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            do, args=["unsaid.task", 99], start_to_close_timeout=LONG
        )  # and nothing of retries


@workflow.defn
class Retry:
    @workflow.run
    async def run(self) -> None:
        policy = RetryPolicy(
            initial_interval=timedelta(seconds=0.5), backoff_coefficient=2, maximum_attempts=3
        )
        await run("retry.task", 2, retry_policy=policy)


@workflow.defn
class Chain:
    @workflow.run
    async def run(self) -> None:
        await run("chain.before")
        await run("chain.task", 99)
        await run("chain.after")
        await run("chain.last")


@workflow.defn
class Join:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(run("join.task", 99), run("join.sibling", 0, SLOW))
        await run("join.join")


@workflow.defn
class Branch:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(run("branch.task", 99), self.beside())
        await run("branch.join")
        await run("branch.last")

    async def beside(self) -> None:
        await run("branch.sibling", 0, SLOW)
        await run("branch.follower")


@workflow.defn
class Late:
    @workflow.run
    async def run(self) -> None:
        try:
            await run("late.task", 99)
            await run("late.after")
        finally:
            await run("late.cleanup")


@workflow.defn
class Cleanup:
    @workflow.run
    async def run(self) -> None:
        try:
            await run("cleanup.task", 99)
        finally:
            await run("cleanup.cleanup")


@workflow.defn
class Timeout:
    @workflow.run
    async def run(self) -> None:
        await run("timeout.task", 0, 4.0, start_to_close_timeout=timedelta(seconds=1))


@workflow.defn
class Approval:
    def __init__(self) -> None:
        self.approved = False

    @workflow.signal
    def approve(self) -> None:
        self.approved = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.approved)
        await run("approval.after")


@workflow.defn
class Undo:
    @workflow.run
    async def run(self) -> None:
        undo: list[str] = []
        try:
            await run("undo.before")
            undo.append("undo.undo")
            await run("undo.task", 99)
        except ActivityError:
            for name in reversed(undo):
                await run(name)
            raise


@workflow.defn
class Foreach:
    @workflow.run
    async def run(self) -> None:
        items = range(3)
        await asyncio.gather(
            *(run(f"foreach.item{n}", 99 if n == 1 else 0, 0 if n == 1 else SLOW) for n in items)
        )
        await run("foreach.after")


@workflow.defn
class Killed:
    @workflow.run
    async def run(self) -> None:
        await run("killed.before", 0, 0.1)
        await run(
            "killed.task", 0, 3.0, heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.1)),
        )  # fmt: skip
        await run("killed.after", 0, 0.1)


@workflow.defn
class Diamond:
    @workflow.run
    async def run(self) -> None:
        await run("diamond.top")
        await asyncio.gather(run("diamond.left"), run("diamond.right"))
        await run("diamond.bottom")


WORKFLOWS = {
    "unsaid": Unsaid, "retry": Retry, "chain": Chain, "join": Join, "branch": Branch,
    "cleanup": Cleanup, "late": Late,
    "timeout": Timeout, "approval": Approval, "undo": Undo, "foreach": Foreach,
    "killed": Killed, "diamond": Diamond,
}  # fmt: skip
