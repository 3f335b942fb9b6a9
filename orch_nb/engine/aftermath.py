"""Which tasks of a plan a failure reaches, by their needs and trigger rules.

    stage ─► orders ─► joined ─► tidy (all_done)      the fault: orders
       └───► refunds ────┘

    stage    ended      it had, when `orders` began
    orders   fault
    refunds  begun      it runs when `orders` fails
    joined   behind     `orders` keeps it from running
    tidy     anyway     its rule lets it run all the same

What has begun is told by the estimates; a task without one counts as a second. What a system makes
of each part is what that system was seen to do with it (`catalog.observations`).
"""

from __future__ import annotations

from orch_nb.engine.trigger import Verdict, judge
from orch_nb.graph.critical_path import critical_path
from orch_nb.graph.topology import Edges, order, upstream
from orch_nb.model.plan import Plan

__all__ = ["parts"]

_KEPT = frozenset({"fault", "behind"})


def parts(plan: Plan, fault: str) -> dict[str, str]:
    """By task: ended, begun, later, fault, behind, anyway or passed_over (a rule skips it).

    The plan is acyclic and has the task `fault`, which fails for good; nothing else fails.
    """
    needs, times = upstream(plan), critical_path(plan)
    found: dict[str, str] = {}
    for task in order(needs):
        if task == fault:
            found[task] = "fault"
        elif needs[task] and (ruled := _ruled(plan, task, needs, found)):
            found[task] = ruled
        elif times.finish_s[task] <= times.start_s[fault]:
            found[task] = "ended"
        else:
            found[task] = "begun" if times.start_s[task] < times.finish_s[fault] else "later"
    return {task: found[task] for task in plan.by_id}


def _ruled(plan: Plan, task: str, needs: Edges, found: dict[str, str]) -> str:
    """What the task's rule makes of how its needs ended; "" where no failure is among them."""
    before = [found[need] for need in needs[task]]
    failed, skipped = before.count("fault"), before.count("passed_over")
    reached = before.count("behind")
    succeeded = len(before) - failed - skipped - reached
    verdict = judge(plan[task].trigger, len(before), succeeded, skipped, failed, reached)
    if verdict is Verdict.SKIP:
        return "passed_over"
    if verdict is Verdict.UPSTREAM_FAILED:
        return "behind"
    return "anyway" if _KEPT.intersection(before) or "anyway" in before else ""
