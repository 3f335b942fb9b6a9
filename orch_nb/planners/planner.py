"""What a planner is: a goal, and what is known of it, to a plan.

A planner drafts; it never runs anything, and what it names must be checkable. The default is
`PatternPlanner`, which needs no key and no network.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan
from orch_nb.model.research import Research

__all__ = ["Planner"]


@runtime_checkable
class Planner(Protocol):
    """Drafts a plan for a goal in words."""

    async def plan(
        self, goal: Goal | str, analysis: Analysis | None = None, research: Research | None = None
    ) -> Plan:
        """A plan whose every name resolves. Raises PlanError where the goal allows none."""
        ...
