"""Any plan as a workflow of Restate, written the plain way: level by level, then clean-up."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import marks
import plain
import restate

ONCE = restate.RunOptions(max_attempts=1)
service = restate.Workflow("plain")


def task(ctx: restate.WorkflowContext, one: plain.Job) -> Any:
    return ctx.run_typed(
        one.name, plain.work_async, ONCE, name=one.name, seconds=one.seconds, fails=one.fails
    )


@service.main()
async def run(ctx: restate.WorkflowContext, dumped: dict[str, Any]) -> None:
    made = plain.parsed(dumped)
    try:
        for level in plain.levels(made):
            steps = [task(ctx, one) for one in level]
            await restate.gather(*steps)
            for step in steps:
                await step
    except restate.TerminalError:
        for one in plain.last(made):
            await task(ctx, one)
        raise
    for one in plain.last(made):
        await task(ctx, one)


app = restate.app([service])


def observe(plans: list[plain.Plain], wait_s: float) -> dict[str, dict[str, str]]:
    import json

    import restate_driver

    with restate_driver.server() as one:
        process = marks.spawn(__file__, str(one.service))
        try:
            marks.until(one.registered, 40, "the service of Restate is registered")
            ids = {}
            for made in plans:
                sent = one.http.post(
                    f"{one.ingress}/plain/{made.name}/run/send", json=json.loads(made.dumped())
                )
                ids[made.name] = str(sent.raise_for_status().json()["invocationId"])
            marks.settle(list(ids), wait_s)
            return {name: {"whole": one.state(i)} for name, i in ids.items()}
        finally:
            process.kill()
            process.wait()


async def serve(port: int) -> None:
    from hypercorn.asyncio import serve as answer
    from hypercorn.config import Config

    config = Config()
    config.bind, config.accesslog = [f"127.0.0.1:{port}"], None
    await answer(app, config)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
