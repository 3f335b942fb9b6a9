"""How the tasks of a plan hang together, in one word and one sentence with numbers.

The first that holds:

    saga             work is undone when something fails
    gated            tasks wait behind a person
    sequential       one after the other
    parallel         no task waits for another, or chains that never meet
    pipeline         more stages than tasks side by side
    fan-out/fan-in   work spreads out (one instance an item counts), and comes together again if it
                     does

The words are those of the patterns in the catalogue; the reason is derived from the plan alone.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.graph.topology import Edges, children, descendants, downstream, shape, upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task, TriggerRule

__all__ = ["Strategy", "coordination"]

_UNDO = re.compile(
    r"\b(?:undo|roll(?:ing)?[ _-]?back|revert|restore|compensate|reverse|refund|switch[ _-]back)",
    re.IGNORECASE,
)


class Strategy(msgspec.Struct, frozen=True):
    """`name` is one of those above; `reason` says why, in one sentence."""

    name: str
    reason: str


def coordination(plan: Plan) -> Strategy:
    """The strategy of an acyclic plan, and the numbers that show it."""
    count = len(plan.tasks)
    after = downstream(plan)
    undone = [task for task in plan.tasks if task.compensate is not None]
    if undone:
        return Strategy("saga", f"What {_names(undone)} did is undone, the last first, when the "
                        "run fails or is cancelled.")  # fmt: skip
    undo = [task for task in plan.tasks if _undoes(task)]
    if undo:
        return Strategy("saga", f"{_names(undo)} {_verb(undo, 'runs', 'run')} only when another "
                        "task fails, to take work back.")  # fmt: skip
    gates = [task for task in plan.tasks if task.waits_for_person and after[task.id]]
    if gates:
        held = len(descendants(after, *(gate.id for gate in gates)))
        behind = gates[0].id if len(gates) == 1 else None
        people = "gates" if all(gate.approval for gate in gates) else "tasks of people"
        where = f"`{behind}`" if behind else f"{len(gates)} {people}, first `{gates[0].id}`"
        return Strategy("gated", f"{held} of {_tasks(count)} {_hangs(held)} behind {where}.")
    return _by_shape(plan, after)


def _by_shape(plan: Plan, after: Edges) -> Strategy:
    form = shape(plan)
    spreading = [task for task in plan.tasks if task.foreach is not None]
    if spreading:
        return Strategy("fan-out/fan-in", f"{_names(spreading)} {_verb(spreading, 'runs', 'run')} "
                        f"once for each item{_side_by_side(spreading)}.")  # fmt: skip
    if form.tasks <= 1:
        return Strategy("sequential", f"There is {'one task' if form.tasks else 'no task'}.")
    if form.width == 1:
        return Strategy("sequential", f"{_tasks(form.tasks)} run one after the other.")
    if form.edges == 0:
        return Strategy("parallel", f"None of {form.tasks:,} tasks waits for another.")
    before = upstream(plan)
    families = children(plan)
    joins = [task for task, waits in before.items() if len(waits) > 1 and task not in families]
    spread = max(after, key=lambda task: len(after[task]))
    if not joins and len(after[spread]) == 1:
        return Strategy("parallel", f"{len(form.roots):,} chains run side by side and never meet.")
    if form.depth > form.width:
        return Strategy("pipeline", f"{_tasks(form.tasks)} pass through {form.depth:,} stages, at "
                        f"most {form.width:,} side by side.")  # fmt: skip
    wide = f"Up to {form.width:,} of {form.tasks:,} tasks run side by side"
    if not joins:
        return Strategy("fan-out/fan-in", f"{wide}: {len(after[spread]):,} wait for `{spread}`.")
    join = max(joins, key=lambda task: len(before[task]))
    return Strategy("fan-out/fan-in", f"{wide}, and {len(before[join]):,} meet in `{join}`.")


def _undoes(task: Task) -> bool:
    """Runs after a failure, and says of itself that it takes something back."""
    if task.trigger is not TriggerRule.ONE_FAILED or not task.needs:
        return False
    words = f"{task.id} {task.title} {task.description} {task.sh or ''}".replace("_", " ")
    return _UNDO.search(words) is not None


def _names(tasks: list[Task]) -> str:
    if len(tasks) > 2:
        return f"`{tasks[0].id}` and {len(tasks) - 1:,} more"
    return " and ".join(f"`{task.id}`" for task in tasks)


def _side_by_side(tasks: list[Task]) -> str:
    bounds = [task.max_active for task in tasks]
    if len(set(bounds)) > 1 or bounds[0] is None:
        return ""
    return ", one after the other" if bounds[0] == 1 else f", at most {bounds[0]:,} side by side"


def _verb(tasks: list[Task], one: str, many: str) -> str:
    return one if len(tasks) == 1 else many


def _hangs(count: int) -> str:
    return "hangs" if count == 1 else "hang"


def _tasks(count: int) -> str:
    return f"{count:,} task" if count == 1 else f"{count:,} tasks"
