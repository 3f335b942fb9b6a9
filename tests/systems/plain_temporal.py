"""Any plan as a workflow of Temporal, written the plain way: level by level, then clean-up."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    import plain

ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
async def job(name: str, seconds: float, fails: bool) -> str:
    return await plain.work_async(name, seconds, fails)


def run(one: plain.Job) -> Any:
    return workflow.execute_activity(
        job, args=[one.name, one.seconds, one.fails], retry_policy=ONCE,
        start_to_close_timeout=timedelta(seconds=60),
    )  # fmt: skip


@workflow.defn
class PlainPlan:
    @workflow.run
    async def run(self, dumped: str) -> None:
        made = plain.parsed(json.loads(dumped))
        try:
            for level in plain.levels(made):
                await asyncio.gather(*(run(one) for one in level))
        finally:
            for one in plain.last(made):
                await run(one)


def observe(plans: list[plain.Plain]) -> dict[str, dict[str, str]]:
    return asyncio.run(_observe(plans))


async def _observe(plans: list[plain.Plain]) -> dict[str, dict[str, str]]:
    from temporal_driver import program, quiet
    from temporalio.client import WorkflowFailureError
    from temporalio.testing import WorkflowEnvironment
    from temporalio.worker import Worker

    server = WorkflowEnvironment.start_local(
        runtime=quiet(), dev_server_existing_path=program(), dev_server_log_level="error"
    )
    async with await server as environment:
        client = environment.client
        async with Worker(client, task_queue="q", workflows=[PlainPlan], activities=[job],
                          graceful_shutdown_timeout=timedelta(seconds=4)):  # fmt: skip

            async def one(made: plain.Plain) -> dict[str, str]:
                handle = await client.start_workflow(
                    PlainPlan.run, made.dumped(), id=made.name, task_queue="q"
                )
                with contextlib.suppress(WorkflowFailureError):
                    await handle.result()
                status = (await handle.describe()).status
                return {"whole": status.name if status else ""}

            found = await asyncio.gather(*(one(made) for made in plans))
            await asyncio.sleep(2.5)  # what works on for nothing comes to its end
    return {made.name: states for made, states in zip(plans, found, strict=True)}
