"""A plan's drawing at any zoom: some groups task by task, the others as one box each.

    zoomed(plan)                       what fits: every task, or every group as a box
    zoomed(plan, opened={"story:b"})   the tasks of one story, the rest as before

A group is a story (`story:ID`), or, of tasks without one, a level of the plan (`level:3`). The live
room paints such a drawing and asks for another when a person opens or closes a group.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count
from orch_nb.render.drawing import GROUPS_ABOVE, lay_out
from orch_nb.render.sketch import Arrow, Group, Sketch, group_sketch, homes, task_sketch
from orch_nb.render.svg import sketch_svg

__all__ = ["MOST_BOXES", "Zoomed", "zoomed"]

#: Beyond, Graphviz takes too long for a drawing that answers a click.
MOST_BOXES = 400


class Zoomed(msgspec.Struct, frozen=True):
    """`nodes` maps an element's id to its task, or to its group and the tasks in it; `edges` are
    the ids at both ends of each arrow, in the order in which the picture has them."""

    svg: str
    nodes: dict[str, str | tuple[str, tuple[str, ...]]]
    edges: tuple[tuple[str, str], ...]
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    note: str = ""


def zoomed(plan: Plan, opened: Collection[str] | None = None) -> Zoomed:
    """The drawing with the groups of `opened` shown task by task (None: all, where that fits)."""
    groups = _groups(plan)
    if opened is None:
        opened = groups if len(plan) <= GROUPS_ABOVE else ()
    if len(groups) < 2:
        opened = groups
    shown, left = [], []
    room = MOST_BOXES - len(groups)
    for name in groups:
        if name in opened and len(groups[name]) <= room:
            shown.append(name)
            room -= len(groups[name])
        elif name in opened:
            left.append(name)
    closed = tuple(name for name in groups if name not in shown)
    note = f"{count(len(left), 'group')} of too many tasks to draw: see the list" if left else ""
    if len(closed) > MOST_BOXES:
        return Zoomed("", {}, (), tuple(shown), closed, "This plan is too large to draw.")
    sketch = _mixed(plan, groups, frozenset(shown))
    svg = sketch_svg(sketch, lay_out(sketch))
    nodes = {
        box.id: (box.key, tuple(groups[box.key])) if box.key in closed else box.key
        for box in sketch.boxes
    }
    ids = {box.key: box.id for box in sketch.boxes}
    arrows = sorted(sketch.arrows, key=lambda arrow: arrow.critical)  # as `sketch_svg` draws them
    edges = tuple((ids[arrow.tail], ids[arrow.head]) for arrow in arrows)
    several = len(groups) > 1
    return Zoomed(svg, nodes, edges, tuple(shown) if several else (), closed, note)


def _groups(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for task, home in homes(plan).items():
        found.setdefault(home, []).append(task)
    return found


def _mixed(plan: Plan, groups: dict[str, list[str]], shown: frozenset[str]) -> Sketch:
    every = task_sketch(plan, {})
    if shown == set(groups):
        return every
    home = homes(plan)
    stories = group_sketch(plan, {})
    assert stories is not None, "a plan of one group is shown task by task"
    inside = {task for name in shown for task in groups[name]}
    boxes = [box for box in every.boxes if box.key in inside]
    boxes += [box for box in stories.boxes if box.key not in shown]
    arrows: dict[tuple[str, str], Arrow] = {}
    for arrow in every.arrows:
        tail = arrow.tail if arrow.tail in inside else home[arrow.tail]
        head = arrow.head if arrow.head in inside else home[arrow.head]
        if tail == head:
            continue
        same = arrows.get((tail, head))
        critical = arrow.critical or (same is not None and same.critical)
        arrows[tail, head] = Arrow(tail, head, critical)
    frames = [group for group in every.groups if _within(group, inside)]
    return Sketch(tuple(boxes), tuple(arrows.values()), tuple(frames))


def _within(group: Group, inside: Collection[str]) -> bool:
    return all(task in inside for task in group.boxes) and all(
        _within(one, inside) for one in group.groups
    )
