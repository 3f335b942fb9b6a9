"""What the renderers read off a plan or a run more than once: its rows, its path, its marks.

Nothing here judges; it orders and counts, so that a table, a drawing and a sentence agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from orch_nb.errors import JournalError
from orch_nb.graph.critical_path import CriticalPath, critical_path
from orch_nb.graph.topology import find_cycles, upstream
from orch_nb.model.account import account, left_undone
from orch_nb.model.event import Event
from orch_nb.model.plan import Plan, Story
from orch_nb.model.quantity import duration, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.render.palette import look

__all__ = [
    "Entry", "Mark", "Situation", "critical", "entries", "history", "marks", "share",
    "situation", "tally", "tally_text", "waited",
]  # fmt: skip


class Mark(msgspec.Struct, frozen=True):
    """How a task stands in a run: `state` is a key of the palette, `attempts` a number; `told`
    stands in place of a duration: of a `foreach` task how many of its instances succeeded."""

    state: str
    attempts: int = 0
    duration_s: float | None = None
    told: str = ""

    @property
    def suffix(self) -> str:
        return f" ×{self.attempts}" if self.attempts > 1 else ""


class Entry(msgspec.Struct, frozen=True):
    """A row of the hierarchy: a story, a task, or in a run an instance of one, `depth` below the
    goal. `instance` is its id where it is not the task's own; `rest` is a sentence that stands for
    rows which are not told one by one."""

    depth: int
    story: Story | None = None
    task: Task | None = None
    members: tuple[str, ...] = ()
    instance: str = ""
    rest: str = ""

    @property
    def id(self) -> str:
        """What it is called in a run; empty for a story."""
        return self.instance or (self.task.id if self.task is not None else "")


class Situation(msgspec.Struct, frozen=True):
    """The critical path of a plan, and how far it is known: `estimated` of its tasks have an
    estimate."""

    path: CriticalPath
    estimated: int

    @property
    def timed(self) -> bool:
        """Whether its length is time, and not a count of tasks."""
        return self.estimated > 0


def situation(plan: Plan) -> Situation | None:
    """Read once a plan; None where there is no path: no tasks, or a cycle."""
    if "_situation" not in plan.__dict__:
        found = None
        if plan.tasks and not find_cycles(upstream(plan)):
            path = critical_path(plan)
            known = sum(plan[task].estimate_s is not None for task in path.tasks)
            found = Situation(path, known)
        plan.__dict__["_situation"] = found
    cached: Situation | None = plan.__dict__["_situation"]
    return cached


def critical(plan: Plan) -> frozenset[str]:
    """The tasks of the critical path. Empty where there is no path."""
    found = situation(plan)
    return frozenset(found.path.tasks) if found else frozenset()


def entries(plan: Plan) -> tuple[Entry, ...]:
    """Stories in their order with their tasks and subtasks below them; tasks of no story where
    they stand. Every task appears once, whatever its `parent` says."""
    tasks = list(plan.by_id.values())
    below: dict[str, list[Task]] = {}
    tops: dict[str | None, list[Task]] = {}
    told: dict[str | None, list[str]] = {}
    for task in tasks:
        told.setdefault(task.story, []).append(task.id)
        if task.parent is not None and task.parent in plan and task.parent != task.id:
            below.setdefault(task.parent, []).append(task)
        else:
            tops.setdefault(task.story, []).append(task)
    found: list[Entry] = []
    seen: set[str] = set()

    def add(task: Task, depth: int) -> None:
        if task.id in seen:
            return
        seen.add(task.id)
        children = below.get(task.id, [])
        found.append(Entry(depth, task=task, members=tuple(child.id for child in children)))
        for child in children:
            add(child, depth + 1)

    for task in tops.get(None, ()):
        add(task, 0)
    for story in plan.stories:
        found.append(Entry(0, story=story, members=tuple(told.get(story.id, ()))))
        for task in tops.get(story.id, ()):
            add(task, 1)
    for task in tasks:  # those whose parents go round in a circle
        add(task, 0)
    return tuple(found)


def marks(run: Run) -> dict[str, Mark]:
    """How each task of the plan stands. Made once a run."""
    found: dict[str, Mark] | None = run.__dict__.get("_marks")
    if found is None:
        found = run.__dict__["_marks"] = _marks(run)
    return found


def _marks(run: Run) -> dict[str, Mark]:
    made = account(run).instances
    undone = {done.of for done in left_undone(run)}
    return {
        done.task: Mark(
            str(done.status),
            len(done.attempts),
            done.duration_s if done.attempts else None,
            "not undone" if done.task in undone else _told(done, made.get(done.task, ())),
        )
        for done in run.tasks
    }


def _told(done: TaskRun, instances: tuple[TaskRun, ...]) -> str:
    return share(instances) if instances else "earlier result" if done.cached else ""


def share(instances: tuple[TaskRun, ...]) -> str:
    """How many of the instances succeeded: `9,987 of 10,000`."""
    good = sum(done.status is Status.SUCCEEDED for done in instances)
    return f"{number(good)} of {number(len(instances))}"


def history(run: Run) -> tuple[Event, ...]:
    """The events of a run; none where its journal is gone: what is shown of a run must not depend
    on a file that somebody may have moved since."""
    try:
        return run.history
    except JournalError:
        return ()


_ORDER = {str(status): n for n, status in enumerate(
    (Status.FAILED, Status.UPSTREAM_FAILED, Status.CANCELLED, Status.WAITING, Status.RUNNING,
     Status.BACKING_OFF, Status.READY, Status.PENDING, Status.SKIPPED, Status.COMPENSATED,
     Status.SUCCEEDED)
)}  # fmt: skip


def tally(states: Iterable[str]) -> list[tuple[str, int]]:
    """How many of each state, what needs attention first."""
    return sorted(Counter(states).items(), key=lambda item: _ORDER.get(item[0], 99))


def tally_text(states: Iterable[str]) -> str:
    """`✗ 1 failed · ✓ 5 succeeded`."""
    shown = [(look(state), n) for state, n in tally(states)]
    return " · ".join(f"{found.glyph} {number(n)} {found.word}" for found, n in shown)


def waited(seconds: float | None) -> str:
    """A wait that somebody could have noticed; the hand-over of a task takes a moment too."""
    return duration(seconds) if seconds is not None and seconds >= 0.05 else ""
