"""What a drawing says, in words, for whoever does not see it.

A small graph is told edge by edge, a big one by its shape; how it went comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.graph.topology import shape, upstream
from orch_nb.model.account import on_purpose
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number
from orch_nb.model.run import Run
from orch_nb.render.facts import entries, marks, situation, tally_text
from orch_nb.render.lanes import Lane
from orch_nb.render.palette import look
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.saga import state_of
from orch_nb.render.sketch import Sketch, notes

__all__ = ["focus_alt", "group_alt", "plan_alt", "timeline_alt"]

_TOLD = 40
_MOST = 4000


def _purpose(run: Run) -> str:
    told = on_purpose(run).replace("`", "")
    return f"Faults on purpose: {told}" if told else ""


def _name(plan: Plan, task: str) -> str:
    return one_line(plan[task].label, 60) if task in plan else one_line(task, 60)


def plan_alt(plan: Plan, run: Run | None = None) -> str:
    """The task graph: its shape, its states, its critical path, and who waits for whom."""
    parts = [f"Task graph of {one_line(plan.goal, 120)}: {_shape(plan)}"]
    states = marks(run) if run is not None else {}
    if run is not None:
        parts.append(tally_text(mark.state for mark in states.values()))
        parts.append(_purpose(run))
    found = situation(plan)
    if found is not None and len(found.path.tasks) > 1:
        parts.append("Critical path: " + listed([_name(plan, t) for t in found.path.tasks], 12))
    if len(plan) <= _TOLD:
        edges = upstream(plan)
        told = []
        for task in (entry.task for entry in entries(plan)):
            if task is None:
                continue
            state = f" ({look(states[task.id].state).word})" if task.id in states else ""
            waits = listed([_name(plan, other) for other in edges[task.id]], 8)
            told.append(
                f"{_name(plan, task.id)}{state}"
                + (f" after {waits}" if waits else "")
                + "".join(f", {note}" for note in notes(task))
            )
        parts.append("; ".join(told))
    return bounded(". ".join(part for part in parts if part), _MOST) + "."


def _shape(plan: Plan) -> str:
    found = shape(plan)
    stories = f" in {count(len(plan.stories), 'story', 'stories')}" if plan.stories else ""
    return (
        f"{count(len(plan), 'task')}{stories}, {count(found.edges, 'dependency', 'dependencies')}, "
        f"{count(found.depth, 'level')} deep, at most {number(found.width)} side by side"
    )


def focus_alt(plan: Plan, sketch: Sketch) -> str:
    """A part of a graph: what is drawn, in its states, and what waits for what."""
    names = {box.key: box.label for box in sketch.boxes}
    stands = [
        f"{box.label} ({look(box.state).word})" if look(box.state).word else box.label
        for box in sketch.boxes
    ]
    ways = [f"{names[a.tail]} before {names[a.head]}" for a in sketch.arrows]
    parts = [
        f"Part of the task graph of {one_line(plan.goal, 120)}: the critical path and what failed",
        ", ".join(stands),
        "; ".join(ways),
    ]
    return bounded(". ".join(parts), _MOST) + "."


def group_alt(plan: Plan, sketch: Sketch) -> str:
    """The graph of a plan's groups: each with its tasks counted by state."""
    labels = {box.key: box.label for box in sketch.boxes}
    before: dict[str, list[str]] = {}
    for arrow in sketch.arrows:
        before.setdefault(arrow.head, []).append(labels[arrow.tail])
    told = []
    for box in sketch.boxes:
        after = listed(before.get(box.key, []), 6)
        told.append(f"{box.label} ({box.detail})" + (f" after {after}" if after else ""))
    head = f"Groups of {one_line(plan.goal, 120)}: {_shape(plan)}. "
    return bounded(head + "; ".join(told), _MOST) + "."


def timeline_alt(run: Run, rows: Sequence[Lane]) -> str:
    """Each bar: when it began after the run's start, how long it took, how it ended."""
    told = []
    for lane in rows[:_TOLD]:
        done = lane.done
        took = duration(done.duration_s) if done.attempts or lane.members else ""
        began = duration((done.started - run.started).total_seconds()) if done.started else ""
        tries = f", {count(len(done.attempts), 'attempt')}" if len(done.attempts) > 1 else ""
        hit = sum(attempt.injected for attempt in done.attempts)
        tries += f", {number(hit)} failed on purpose" if hit else ""
        parts = [look(state_of(done)).word]
        parts += [f"from {began}"] if began else []
        parts += [f"for {took}"] if took else []
        parts += [f"as {count(len(lane.members), 'instance')}"] if lane.members else []
        told.append(f"{one_line(lane.name, 60)} {' '.join(parts)}{tries}")
    left = len(rows) - len(told)
    told += [f"and {count(left, 'row')} more"] if left > 0 else []
    total = duration(run.duration_s) or "still running"
    head = f"{purpose}. " if (purpose := _purpose(run)) else ""
    return bounded(f"{head}Timeline of the run, {total}: {'; '.join(told)}", _MOST) + "."
