"""The pictures of a plan: every task, its groups, or an overview, by how many tasks there are.

    up to 60 tasks     every task a box, laid out by Graphviz
    up to 300          the groups (stories), and every task behind a fold
    beyond             the groups, and an overview of our own behind a fold

Above 60 the critical path and what failed are drawn as well, task by task (`focus`).

Where Graphviz is missing, fails or takes too long (`graphviz_program`), our own layout stands in: a
drawing never fails and never waits. A plan is laid out once; its states are
painted on that layout (`plan_svg(plan, marks)`).
"""

from __future__ import annotations

import functools

from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count
from orch_nb.model.run import Run
from orch_nb.render.alternative import focus_alt, group_alt, plan_alt
from orch_nb.render.document import Block, Drawing, Fold, line
from orch_nb.render.dot import source
from orch_nb.render.facts import Mark, marks
from orch_nb.render.focus import focus_sketch
from orch_nb.render.graphviz_program import LayoutFailed, run_program
from orch_nb.render.layout import Layout, from_graphviz, layered
from orch_nb.render.overview import overview_svg
from orch_nb.render.sketch import Sketch, group_sketch, task_sketch
from orch_nb.render.svg import sketch_svg

__all__ = [
    "GROUPS_ABOVE", "OVERVIEW_ABOVE", "lay_out", "plan_drawings", "plan_svg", "sketch_png",
    "task_layout",
]  # fmt: skip

GROUPS_ABOVE = 60
OVERVIEW_ABOVE = 300


def lay_out(sketch: Sketch) -> Layout:
    """Places for a sketch, by Graphviz where that works, by ourselves where it does not."""
    try:
        return from_graphviz(run_program(source(sketch), "json0"), sketch)
    except (LayoutFailed, ValueError):
        return layered(sketch)


def sketch_png(sketch: Sketch) -> bytes | None:
    """The sketch as PNG at twice its size, for what shows no SVG; None where Graphviz does not
    serve: a picture that is there as SVG and in words needs no third form at any price."""
    try:
        return run_program(source(sketch, words=True), "png", "-Gdpi=144")
    except LayoutFailed:
        return None


def plan_svg(plan: Plan, states: dict[str, Mark] | None = None) -> str:
    """Every task a box, painted by `states` (None: the plan as such). Laid out once a plan: the
    elements `task-0`, `task-1`, ... (see `sketch.node_ids`) stand where they stood."""
    return sketch_svg(task_sketch(plan, states), task_layout(plan))


def task_layout(plan: Plan) -> Layout:
    """Where each task stands, laid out once a plan."""
    found: Layout | None = plan.__dict__.get("_layout")
    if found is None:
        found = lay_out(task_sketch(plan))
        plan.__dict__["_layout"] = found
    return found


def plan_drawings(plan: Plan, run: Run | None = None) -> tuple[Block, ...]:
    """What to show of a plan's graph, by its size; nothing for a plan without tasks."""
    if not plan.tasks:
        return ()
    states = marks(run) if run is not None else None
    if len(plan) <= GROUPS_ABOVE:
        return (_task_drawing(plan, states, run),)
    whole = (
        _task_drawing(plan, states, run)
        if len(plan) <= OVERVIEW_ABOVE
        else _overview(plan, states, run)
    )
    near = _focus(plan, states)
    groups = group_sketch(plan, states)
    if groups is None or len(groups.boxes) > GROUPS_ABOVE:
        return (whole if len(plan) > OVERVIEW_ABOVE else _overview(plan, states, run), *near)
    first = _drawing(groups, lay_out(groups), group_alt(plan, groups))
    return first, *near, Fold(line(f"All {count(len(plan), 'task')}"), (whole,))


def _focus(plan: Plan, states: dict[str, Mark] | None) -> tuple[Fold, ...]:
    """The critical path and what failed, where there is either."""
    sketch = focus_sketch(plan, states)
    if sketch is None:
        return ()
    failed = any(box.state == "failed" for box in sketch.boxes)
    words = "The critical path, and what failed" if failed else "The critical path"
    drawing = _drawing(sketch, lay_out(sketch), focus_alt(plan, sketch))
    return (Fold(line(words), (drawing,), open=True),)


def _task_drawing(plan: Plan, states: dict[str, Mark] | None, run: Run | None) -> Drawing:
    return _drawing(task_sketch(plan, states), task_layout(plan), plan_alt(plan, run))


def _drawing(sketch: Sketch, layout: Layout, alt: str) -> Drawing:
    return Drawing(
        svg=sketch_svg(sketch, layout),
        alt=alt,
        width=layout.width,
        height=layout.height,
        png=functools.partial(sketch_png, sketch),
    )


def _overview(plan: Plan, states: dict[str, Mark] | None, run: Run | None) -> Drawing:
    svg, width, height = overview_svg(task_sketch(plan, states))
    # It scales: nobody reads names in it, and its picture says how large it is.
    return Drawing(svg=svg, alt=plan_alt(plan, run), width=min(width, 1060.0), height=height)
