"""ANALYZE and RESEARCH: what a goal asks for, what its workspace holds, what is known of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orch_nb.engine.session import run_sync

if TYPE_CHECKING:
    import os

    from orch_nb.model.analysis import Analysis
    from orch_nb.model.goal import Goal
    from orch_nb.model.plan import Plan
    from orch_nb.model.research import Answer, Research, SourceReport

__all__ = ["analyze", "keep_thoughts", "research", "research_async", "thoughts_kept"]

_THOUGHTS_S = 8.0  # a server that keeps the thoughts is waited for no longer


def analyze(
    goal: str | Goal,
    workspace: str | os.PathLike[str] | None = ".",
    *,
    budget_s: float = 30.0,
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """What a goal asks for and what its workspace holds, each statement with its evidence.

    `workspace` is a folder (None: look at the goal only), scanned for at most `budget_s` seconds;
    `progress(files)` is called now and then. Raises UsageError for a folder that cannot be read.
    """
    from orch_nb.analysis.analyze import analyze_goal

    where = None if workspace is None else Path(workspace)
    return analyze_goal(goal, where, budget_s=budget_s, progress=progress)


def research(
    analysis: Analysis,
    *,
    timeout_s: float = 30.0,
    mcp: str | Sequence[str] = "all",
    fresh: bool = False,
    progress: Callable[[tuple[str, ...]], None] | None = None,
) -> Research:
    """Patterns and practice for what was analyzed, each finding with the source to check it at.

    Asks in parallel, for at most `timeout_s` seconds: the built-in catalogue and the codebase,
    offline, and the MCP servers of the person and the project that the person has approved
    (`orch-nb mcp list`). `mcp`: all of those, none, or names of some. `fresh`: what the servers
    answered in the last week is asked anew. `progress(names)` is told about once a second who is
    awaited. A source that fails is reported in `.sources` and never raises; UsageError for a name
    that no server has.
    """
    asked = research_async(analysis, timeout_s=timeout_s, mcp=mcp, fresh=fresh, progress=progress)
    return run_sync(asked, "research", "research_async")


async def research_async(
    analysis: Analysis,
    *,
    timeout_s: float = 30.0,
    mcp: str | Sequence[str] = "all",
    fresh: bool = False,
    progress: Callable[[tuple[str, ...]], None] | None = None,
) -> Research:
    """`research` where there is a loop already."""
    from orch_nb.sources.gather import default_sources, gather
    from orch_nb.sources.mcp.servers import chosen

    where = analysis.scope.root or "."
    servers, unasked = chosen(mcp, where, fresh=fresh, timeout_s=timeout_s)
    asked = [*default_sources(), *servers]
    return await gather(analysis, asked, timeout_s, progress=progress, unasked=unasked)


def keep_thoughts(
    answers: Sequence[Answer],
    workspace: str | os.PathLike[str] = ".",
    *,
    timeout_s: float = 20.0,
) -> SourceReport | None:
    """Tell the answers to the five questions to the person's sequential-thinking server, if one is
    configured and approved; the report counts the thoughts that it kept. None if there is none."""
    from orch_nb.sources.mcp import thinking

    told = thinking.keep_thoughts(answers, Path(workspace), timeout_s=timeout_s)
    return run_sync(told, "keep_thoughts", "sources.mcp.thinking.keep_thoughts")


def thoughts_kept(
    plan: Plan, analysis: Analysis, research: Research, *, timeout_s: float = _THOUGHTS_S
) -> Research:
    """`research` with how it went to tell the five answers of `plan` to the person's
    sequential-thinking server; as it was, and at once, where no such server is configured."""
    from orch_nb.graph.questions import five_answers

    answers = five_answers(plan, analysis)
    where = analysis.scope.root or "."
    report = keep_thoughts(answers, where, timeout_s=timeout_s) if answers else None
    if report is None:
        return research
    others = tuple(one for one in research.sources if one.name != report.name)
    return replace(research, sources=(*others, report))
