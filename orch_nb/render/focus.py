"""What matters of a plan too big to be drawn whole: its critical path, what failed, its stories.

t0 ━► t7 ━► … 40 more … ━► t98       the path, its middle left out where it is long
      t50 ─► ✗ t57 ─► ⊘ t64          what failed, between its neighbours

story      tasks                   ran        first that failed
Extract    ✓ 400                   3.1 s
Load       ✗ 1 · ✓ 399             4.0 s      t657: ValueError: no such table
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from orch_nb.graph.topology import downstream, upstream
from orch_nb.model.account import failure_of
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.document import Badge, Block, Code, Line, line
from orch_nb.render.facts import Mark, situation, tally
from orch_nb.render.palette import look
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table, task_name
from orch_nb.render.sketch import Arrow, Box, Sketch, task_sketch

__all__ = ["focus_sketch", "path_table", "story_table"]

_ENDS = 3  # of a long path so many tasks at each end
_FAILED, _NEAR = 6, 2
_STORIES, _PATH = 60, 30


def focus_sketch(plan: Plan, marks: Mapping[str, Mark] | None) -> Sketch | None:
    """The critical path and what failed, with what is beside it; None where that is nothing."""
    path = _path(plan)
    failed = [t for t, mark in (marks or {}).items() if mark.state == str(Status.FAILED)][:_FAILED]
    if len(path) < 2 and not failed:
        return None
    head, gap, tail = _parted(path)
    kept = dict.fromkeys((*head, *tail, *_near(plan, failed)))
    whole = task_sketch(plan, dict(marks) if marks is not None else None)
    boxes = [box for box in whole.boxes if box.key in kept]
    edges = {(a, b): True for part in (head, tail) for a, b in pairwise(part)}
    for task, needs in upstream(plan).items():
        if task in kept:
            for need in needs:
                if need in kept:
                    edges.setdefault((need, task), False)
    if gap:
        words = f"… {number(gap)} more …"
        between = Box(key=" gap", id="focus-gap", label=words, shape="milestone")
        boxes.append(between)
        edges |= {(head[-1], " gap"): True, (" gap", tail[0]): True}
    return Sketch(tuple(boxes), tuple(Arrow(a, b, critical) for (a, b), critical in edges.items()))


def _path(plan: Plan) -> tuple[str, ...]:
    found = situation(plan)
    return tuple(found.path.tasks) if found is not None else ()


def _parted(path: Sequence[str]) -> tuple[Sequence[str], int, Sequence[str]]:
    """A path's beginning, how much is left out, and its end."""
    if len(path) <= 2 * _ENDS + 1:
        return path, 0, ()
    return path[:_ENDS], len(path) - 2 * _ENDS, path[-_ENDS:]


def _near(plan: Plan, failed: Sequence[str]) -> Iterator[str]:
    """Those that failed, and some of what they waited for and of what waited for them."""
    before, after = upstream(plan), downstream(plan)
    for task in failed:
        yield from before[task][:_NEAR]
        yield task
        yield from after[task][:_NEAR]


def story_table(run: Run) -> Block | None:
    """A row a story: how its tasks stand, from when to when it ran, what failed in it first. Those
    with failures come first where there are many stories; None without stories."""
    members: dict[str | None, list[TaskRun]] = {}
    for task, done in zip(run.plan.tasks, run.tasks, strict=True):
        members.setdefault(task.story, []).append(done)
    labels: dict[str | None, str] = {story.id: story.label for story in run.plan.stories}
    if not labels:
        return None
    homes = [story for story in (None, *labels) if story in members]
    if len(homes) > _STORIES:
        homes.sort(key=lambda story: not any(_bad(done) for done in members[story]))
    rows = [_story(labels.get(story, "(no story)"), members[story]) for story in homes[:_STORIES]]
    return table(
        "Stories", ("story", "tasks", "states", "retries", "ran", "first that failed"), rows,
        numeric=("tasks", "retries", "ran"), wrap=("states", "first that failed"),
        left_out=max(0, len(homes) - _STORIES),
    )  # fmt: skip


def _bad(done: TaskRun) -> bool:
    return done.status is Status.FAILED


def _story(label: str, members: Sequence[TaskRun]) -> tuple[Line, ...]:
    states = tally(str(done.status) for done in members)
    shown = [(look(key), many) for key, many in states]
    counts = " · ".join(f"{found.glyph} {number(many)} {found.word}" for found, many in shown)
    retries = sum(max(0, len(done.attempts) - 1) for done in members)
    failed = next((done for done in members if _bad(done)), None)
    error = failure_of(failed) if failed is not None else None
    told: Line = ()
    if failed is not None:
        why = one_line(str(error or failed.reason), 160)
        told = line(one_line(failed.task, 60), ": ", Code(why))
    return (
        line(one_line(label, 80)),
        line(number(len(members))),
        line(counts),
        line(number(retries) if retries else ""),
        line(_span(members)),
        told,
    )


def _span(members: Sequence[TaskRun]) -> str:
    """From its first start to its last end."""
    begun: list[datetime] = [done.started for done in members if done.started is not None]
    ended: list[datetime] = [done.finished for done in members if done.finished is not None]
    return duration((max(ended) - min(begun)).total_seconds()) if begun and ended else ""


def path_table(run: Run) -> Block | None:
    """The critical path of the plan, task by task, as it went."""
    path = _path(run.plan)
    if len(path) < 2:
        return None
    rows = [
        (
            task_name(run.plan[task]),
            line(Badge(str(run[task].status))),
            line(duration(run[task].duration_s if run[task].attempts else None)),
            line(duration(run.plan[task].estimate_s)),
        )
        for task in path[:_PATH]
    ]
    return table(
        f"Critical path: {count(len(path), 'task')}", ("task", "status", "ran", "plan"), rows,
        numeric=("ran", "plan"), left_out=max(0, len(path) - _PATH),
    )  # fmt: skip
