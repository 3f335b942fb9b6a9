"""The scenarios as Restate's own handlers: a workflow's `run` is a handler, a task a `ctx.run`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import marks
import restate

Run = Callable[[restate.WorkflowContext], Awaitable[None]]
ONCE = restate.RunOptions(max_attempts=1)
SLOW = 1.5
WORKFLOWS: list[restate.Workflow] = []


def task(
    ctx: restate.WorkflowContext, name: str, fails: int = 0, seconds: float = 0.0,
    options: Any = ONCE,
) -> Any:  # fmt: skip
    return ctx.run_typed(name, marks.work_async, options, name=name, fails=fails, seconds=seconds)


def workflow(run: Run) -> restate.Workflow:
    made = restate.Workflow(run.__name__)

    async def main(ctx: restate.WorkflowContext) -> None:
        await run(ctx)

    made.main(name="run")(main)
    WORKFLOWS.append(made)
    return made


@workflow
async def unsaid(ctx: restate.WorkflowContext) -> None:
    await task(ctx, "unsaid.task", 99, options=restate.RunOptions())


@workflow
async def retry(ctx: restate.WorkflowContext) -> None:
    policy = restate.RunOptions(
        initial_retry_interval=timedelta(seconds=0.5), retry_interval_factor=2.0, max_attempts=3
    )
    await task(ctx, "retry.task", 2, options=policy)


@workflow
async def chain(ctx: restate.WorkflowContext) -> None:
    await task(ctx, "chain.before")
    await task(ctx, "chain.task", 99)
    await task(ctx, "chain.after")
    await task(ctx, "chain.last")


@workflow
async def join(ctx: restate.WorkflowContext) -> None:
    one, other = task(ctx, "join.task", 99), task(ctx, "join.sibling", 0, SLOW)
    await restate.gather(one, other)
    await one  # raises what became of it
    await other
    await task(ctx, "join.join")


@workflow
async def branch(ctx: restate.WorkflowContext) -> None:
    one, other = task(ctx, "branch.task", 99), task(ctx, "branch.sibling", 0, SLOW)
    await restate.gather(one, other)
    await one
    await other
    await task(ctx, "branch.follower")
    await task(ctx, "branch.join")
    await task(ctx, "branch.last")


@workflow
async def late(ctx: restate.WorkflowContext) -> None:
    try:
        await task(ctx, "late.task", 99)
        await task(ctx, "late.after")
    except restate.TerminalError:
        await task(ctx, "late.cleanup")
        raise
    await task(ctx, "late.cleanup")


@workflow
async def cleanup(ctx: restate.WorkflowContext) -> None:
    try:
        await task(ctx, "cleanup.task", 99)
    except restate.TerminalError:
        await task(ctx, "cleanup.cleanup")
        raise
    await task(ctx, "cleanup.cleanup")


@workflow
async def timeout(ctx: restate.WorkflowContext) -> None:
    match await restate.select(
        done=task(ctx, "timeout.task", 0, 4.0), late=ctx.sleep(timedelta(seconds=1))
    ):
        case ["late", _]:
            raise restate.TerminalError("too late")


@workflow
async def undo(ctx: restate.WorkflowContext) -> None:
    undos: list[str] = []
    try:
        await task(ctx, "undo.before")
        undos.append("undo.undo")
        await task(ctx, "undo.task", 99)
    except restate.TerminalError:
        for name in reversed(undos):
            await task(ctx, name)
        raise


@workflow
async def foreach(ctx: restate.WorkflowContext) -> None:
    items = [
        task(ctx, f"foreach.item{n}", 99 if n == 1 else 0, 0 if n == 1 else SLOW) for n in range(3)
    ]
    await restate.gather(*items)
    for item in items:
        await item
    await task(ctx, "foreach.after")


@workflow
async def killed(ctx: restate.WorkflowContext) -> None:
    await task(ctx, "killed.before", 0, 0.1)
    await task(ctx, "killed.task", 0, 3.0, restate.RunOptions())
    await task(ctx, "killed.after", 0, 0.1)


@workflow
async def diamond(ctx: restate.WorkflowContext) -> None:
    await task(ctx, "diamond.top")
    left, right = task(ctx, "diamond.left"), task(ctx, "diamond.right")
    await restate.gather(left, right)
    await left
    await right
    await task(ctx, "diamond.bottom")


@workflow
async def approval(ctx: restate.WorkflowContext) -> None:
    await ctx.promise("approved", type_hint=bool).value()
    await task(ctx, "approval.after")


@approval.handler()
async def approve(ctx: restate.WorkflowSharedContext) -> None:
    await ctx.promise("approved", type_hint=bool).resolve(True)  # Restate's signature


app = restate.app(WORKFLOWS)
