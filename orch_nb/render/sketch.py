"""What a drawing of a plan says, before it has any place: boxes, arrows, groups within groups.

`dot` writes a sketch as Graphviz source, `layout` gives it places, `svg` draws it. Two sketches are
made here: every task a box, and, for plans too big to be read so, every story a box.

Boxes are known by `key` (a task's id) to the program, and by `id` to the picture: `task-3` is the
fourth task of the plan, whatever it is called, so that a live view can find it and no name can
break out of an attribute.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from orch_nb.graph.topology import children, levels, upstream
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.task import Task, TriggerRule
from orch_nb.render.facts import Mark, situation, tally
from orch_nb.render.palette import look
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.policies import action, condition, spread

__all__ = [
    "Arrow", "Box", "Group", "Sketch", "group_sketch", "homes", "node_ids", "notes", "task_sketch",
    "text_width",
]  # fmt: skip

_LABEL = 30
_NOTE = 34
FONT_SIZE = 12.5
SMALL_SIZE = 10.0
LINE = 12.0


class Box(msgspec.Struct, frozen=True):
    """`label` after the glyph of `state` and before `suffix`; below it smaller lines: `notes` (what
    holds in every run) and `detail` (how it went, or is expected to go).

    `shape`: task, gate (a person decides) or milestone; `stacked`: one of it an item. `reserve`:
    the widest suffix it may get.
    """

    key: str
    id: str
    label: str
    detail: str = ""
    state: str = "plan"
    suffix: str = ""
    shape: str = "task"
    title: str = ""
    reserve: str = ""
    notes: tuple[str, ...] = ()
    stacked: bool = False

    @property
    def head(self) -> str:
        """The first line: glyph, label, attempts."""
        glyph = look(self.state).glyph
        return f"{glyph} {self.label}{self.suffix}" if glyph else f"{self.label}{self.suffix}"

    @property
    def size(self) -> tuple[float, float]:
        """Width and height that hold it in any state it can come to."""
        first = text_width(f"✓ {self.label}{self.reserve}", FONT_SIZE)
        second = max(
            text_width(text, SMALL_SIZE) for text in (self.detail or "00 min 00 s", *self.notes)
        )
        wide = max(first, second, 34.0) + (34.0 if self.shape == "gate" else 22.0)
        return wide, 38.0 + LINE * len(self.notes)


class Arrow(msgspec.Struct, frozen=True):
    """From what must end to what waits for it; `dashed` where the rule is not all_success."""

    tail: str
    head: str
    critical: bool = False
    dashed: bool = False
    label: str = ""


class Group(msgspec.Struct, frozen=True):
    """A frame around boxes: a story (dashed), or a task with its subtasks (`family`)."""

    id: str
    label: str
    boxes: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    family: bool = False


class Sketch(msgspec.Struct, frozen=True):
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    groups: tuple[Group, ...] = ()


# Advance widths of Helvetica in thousandths of its size, by class of character (Adobe's AFM).
_NARROW, _WIDE, _WIDEST = set("ijl.,:;|!'`"), set("mwMWOQGCDHNRUKABEPSVXYTZ&%@"), set("mMW%@—…")


def text_width(text: str, size: float) -> float:
    """About how wide `text` is in a sans-serif of `size`; a little generous."""
    total = 0.0
    for char in text:
        if char in _NARROW:
            total += 0.27
        elif char in _WIDEST:
            total += 0.92
        elif char in _WIDE:
            total += 0.71
        elif char in ' ftrI()[]{}-/\\"':
            total += 0.36
        elif ord(char) < 0x2E80:
            total += 0.57
        else:
            total += 1.05
    return total * size


def node_ids(plan: Plan) -> dict[str, str]:
    """The element id of each task in every drawing of the plan: `task-0`, `task-1`, ..."""
    return {task: f"task-{n}" for n, task in enumerate(plan.by_id)}


def task_sketch(plan: Plan, marks: dict[str, Mark] | None = None) -> Sketch:
    """Every task a box; with `marks`, as it stands in a run."""
    ids = node_ids(plan)
    boxes = tuple(_box(task, ids[task.id], marks) for task in plan.by_id.values())
    return Sketch(boxes, tuple(_arrows(plan)), _groups(plan))


def _box(task: Task, box_id: str, marks: dict[str, Mark] | None) -> Box:
    mark = marks.get(task.id, Mark("pending")) if marks is not None else Mark("plan")
    shape = "gate" if task.waits_for_person else "milestone" if task.kind == "milestone" else "task"
    ran = mark.told or duration(mark.duration_s)
    planned = f"~{duration(task.estimate_s)}" if task.estimate_s is not None else ""
    word = look(mark.state).word
    return Box(
        key=task.id,
        id=box_id,
        label=bounded(one_line(task.label), _LABEL) or "·",
        detail=ran
        or ("" if mark.state in ("upstream_failed", "skipped", "cancelled") else planned),
        state=mark.state,
        suffix=mark.suffix,
        shape=shape,
        title=": ".join(part for part in (one_line(task.label, 300), word) if part),
        reserve=" ×0" if task.retry.maximum_attempts > 1 else "",
        notes=notes(task),
        stacked=task.foreach is not None,
    )


def notes(task: Task) -> tuple[str, ...]:
    """What a drawing says of a task besides its name: on which condition it runs, how often, and
    what undoes it."""
    asked, made = condition(task), spread(task)
    undo = action(task.compensate)
    told = (f"if {asked}" if asked else "", f"× {made}" if made else "",
            f"undo: {undo}" if undo else "")  # fmt: skip
    return tuple(bounded(one_line(text), _NOTE) for text in told if text)


def _arrows(plan: Plan) -> list[Arrow]:
    families = children(plan)
    found = situation(plan)
    path = found.path.tasks if found else ()
    critical = set(pairwise(path))
    arrows = []
    for head, waits in upstream(plan).items():
        task = plan[head]
        own = families.get(head)
        rule = (
            "" if task.trigger is TriggerRule.ALL_SUCCESS else str(task.trigger).replace("_", " ")
        )
        for at, tail in enumerate(waits):
            # A parent's needs reach it through its subtasks: drawn twice they would say less.
            if own and tail not in own and (tail, head) not in critical:
                continue
            arrows.append(
                Arrow(tail, head, (tail, head) in critical, bool(rule), "" if at else rule)
            )
    return arrows


def _groups(plan: Plan) -> tuple[Group, ...]:
    families = children(plan)
    ids = node_ids(plan)

    def family(task: str, seen: frozenset[str]) -> Group:
        inner = [child for child in families[task] if child not in seen]
        nested = [child for child in inner if child in families]
        return Group(
            f"family-{ids[task]}",
            bounded(one_line(plan[task].label), _LABEL),
            (*(child for child in inner if child not in families), task),
            tuple(family(child, seen | {child}) for child in nested),
            family=True,
        )

    homes: dict[str | None, list[str]] = {}
    for task in plan.by_id.values():
        if task.parent is None or task.parent not in plan:
            homes.setdefault(task.story, []).append(task.id)

    def members(story: str | None) -> tuple[tuple[str, ...], tuple[Group, ...]]:
        tops = homes.get(story, [])
        single = tuple(task for task in tops if task not in families)
        return single, tuple(family(t, frozenset({t})) for t in tops if t in families)

    groups = []
    for n, story in enumerate(plan.stories):
        boxes, inner = members(story.id)
        if boxes or inner:
            label = bounded(one_line(story.label), 40)
            groups.append(Group(f"story-{n}", label, boxes, inner))
    return (*groups, *members(None)[1])


def group_sketch(plan: Plan, marks: dict[str, Mark] | None = None) -> Sketch | None:
    """Every story a box with its tasks counted by state; tasks of no story by their level.

    None where that makes a single box: it would say nothing.
    """
    home = homes(plan)
    names = list(dict.fromkeys(home.values()))
    if len(names) < 2:
        return None
    members: dict[str, list[str]] = {name: [] for name in names}
    for task, name in home.items():
        members[name].append(task)
    titles = {f"story:{story.id}": story.label for story in plan.stories}
    boxes = tuple(
        _group_box(titles.get(name, name.replace(":", " ")), name, n, members[name], marks)
        for n, name in enumerate(names)
    )
    found = situation(plan)
    path = found.path.tasks if found else ()
    critical = {(home[a], home[b]) for a, b in pairwise(path)}
    edges = dict.fromkeys(
        (home[tail], head_home)
        for head, waits in upstream(plan).items()
        for tail in waits
        if home[tail] != (head_home := home[head])
    )
    return Sketch(boxes, tuple(Arrow(a, b, (a, b) in critical) for a, b in edges))


def homes(plan: Plan) -> dict[str, str]:
    """The group of each task: its story, or else its level in the plan."""
    labels = {story.id: f"story:{story.id}" for story in plan.stories}
    homes = {}
    for n, row in enumerate(levels(plan)):
        for task in row:
            homes[task] = labels.get(plan[task].story or "", f"level:{n + 1}")
    for task in plan.by_id:
        homes.setdefault(task, labels.get(plan[task].story or "", "level:?"))
    return homes


def _group_box(
    title: str, name: str, n: int, members: list[str], marks: dict[str, Mark] | None
) -> Box:
    label = bounded(one_line(title), _LABEL)
    state, detail = "plan", count(len(members), "task")
    if marks is not None:
        counted = tally(marks[task].state if task in marks else "pending" for task in members)
        state = counted[0][0]
        detail = "  ".join(f"{look(key).glyph} {number(many)}" for key, many in counted)
    return Box(key=name, id=f"group-{n}", label=label, detail=detail, state=state, title=label)
