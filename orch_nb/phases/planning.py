"""DECOMPOSE: a checked plan from words, a document, functions or tasks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orch_nb.engine.session import run_sync
from orch_nb.errors import UsageError
from orch_nb.model.masked import whole
from orch_nb.model.plan import Plan
from orch_nb.phases.findings import analyze, research_async

if TYPE_CHECKING:
    from orch_nb.model.analysis import Analysis
    from orch_nb.model.research import Research

__all__ = ["callers_globals", "checked", "decompose", "planned"]


def decompose(
    body: Any,
    research: Research | None = None,
    *,
    namespace: Mapping[str, Any] | None = None,
    goal: str = "",
    kind: str | None = None,
) -> Plan:
    """A checked plan from a goal, a document, a mapping, functions or tasks.

    `body`: an `Analysis` or a goal in words (the pattern planner drafts), YAML text or a mapping
    (the plan document), Python text with `@task` functions, a sequence of functions or `Task`s, or
    a `Plan`. Text is read as `%%orchestrate` reads a cell; `kind` python, yaml or goal decides.
    Names that a document runs are looked up in `namespace`, by default the caller's globals.

    Raises PlanError with everything that is wrong, each with its line.
    """
    if namespace is None:
        namespace = callers_globals()
    from orch_nb.model.analysis import Analysis

    if isinstance(body, Analysis):
        return run_sync(_draft(body, research), "decompose", "draft_async")
    if isinstance(body, Plan):
        return checked(body, namespace)
    if isinstance(body, str):
        return _from_text(body, namespace, goal, kind, research)
    if isinstance(body, Mapping):
        from orch_nb.planners.yaml import plan_from_mapping

        return plan_from_mapping(body, namespace)
    if callable(body):
        body = [body]
    if isinstance(body, Sequence):
        from orch_nb.planners.python import plan_from_functions

        return checked(plan_from_functions(body, goal=goal), namespace)
    raise UsageError(
        f"decompose takes a goal, a plan document, functions, tasks or an Analysis, "
        f"not {type(body).__name__}"
    )


def _from_text(
    text: str,
    namespace: Mapping[str, Any],
    goal: str,
    kind: str | None,
    research: Research | None,
) -> Plan:
    from orch_nb.planners.body import body_kind

    took = body_kind(text, kind)
    if took == "yaml":
        from orch_nb.planners.yaml import plan_from_yaml

        return plan_from_yaml(text, namespace, first_line=1, goal=goal)
    if took == "python":
        from orch_nb.planners.python import plan_from_source

        return checked(plan_from_source(text, dict(namespace), goal=goal, first_line=1), namespace)
    return run_sync(_draft(analyze(text), research), "decompose", "draft_async")


async def _draft(analysis: Analysis, found: Research | None) -> Plan:
    from orch_nb.planners.patterns import PatternPlanner

    if found is None:
        found = await research_async(analysis, mcp="none")
    return checked(await PatternPlanner().plan(analysis.goal, analysis, found), {})


def checked(plan: Plan, namespace: Mapping[str, Any] | None = None) -> Plan:
    """`plan` with its names resolved to callables. Raises PlanError with all that is wrong."""
    from orch_nb.planners.binding import bind

    return bind(whole(plan), namespace or {})


def planned(plan: Any, namespace: Mapping[str, Any]) -> Plan:
    """What `execute` was given, as a checked plan."""
    if isinstance(plan, Plan):
        return checked(plan, namespace)
    return decompose(plan, namespace=namespace)


def callers_globals() -> Mapping[str, Any]:
    """The globals of the first frame outside of the phases."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    return {} if frame is None else frame.f_globals
