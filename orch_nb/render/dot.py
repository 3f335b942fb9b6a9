"""A sketch as Graphviz source: left to right, stories as dashed clusters, the critical path wide.

Names reach Graphviz as labels only, never as identifiers, and every label is quoted here: the
package's `quote` would take a label like `<b>x</b>` for HTML and leave a backslash to be read as an
escape (`\\N` is the node's name). Boxes have the size that `sketch` measured, so that a change of
state never moves anything.

    print(plan_dot(plan))           # to draw it with any Graphviz
"""

from __future__ import annotations

from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.render.facts import marks
from orch_nb.render.palette import CRITICAL, GREY, look
from orch_nb.render.plaintext import clean
from orch_nb.render.sketch import (
    FONT_SIZE,
    SMALL_SIZE,
    Arrow,
    Box,
    Group,
    Sketch,
    task_sketch,
    text_width,
)

__all__ = ["plan_dot", "run_dot", "source"]

_FONT = "Helvetica"


def plan_dot(plan: Plan) -> str:
    """Graphviz source of a plan."""
    return source(task_sketch(plan))


def run_dot(run: Run) -> str:
    """Graphviz source of a run's plan, coloured by how it went."""
    return source(task_sketch(run.plan, marks(run)))


def quoted(text: str) -> str:
    """A Graphviz string that shows `text` as it is, whatever is in it."""
    text = clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # An entity would be decoded by Graphviz; an ampersand of its own is one too.
    return f'"{text.replace("&", "&amp;")}"'


def source(sketch: Sketch, *, words: bool = False) -> str:
    """Graphviz source of a sketch.

    `words` says the state in the second line instead of by a glyph in the first: the fonts that
    draw a PNG have no glyphs for them.
    """
    names = {box.key: f"n{n}" for n, box in enumerate(sketch.boxes)}
    boxes = {box.key: box for box in sketch.boxes}
    lines = [
        "digraph {",
        (
            f'  graph [rankdir=LR bgcolor=transparent fontname="{_FONT}" fontsize=11 nodesep=0.2 '
            f'ranksep=0.45 pad=0.05 fontcolor="{GREY}"]'
        ),
        (
            f'  node [shape=box style="rounded,filled" fontname="{_FONT}" fontsize={FONT_SIZE} '
            "fixedsize=true penwidth=1.2]"
        ),
        (
            f'  edge [color="{GREY}" fontname="{_FONT}" fontsize={SMALL_SIZE} fontcolor="{GREY}" '
            "penwidth=1.1 arrowsize=0.65]"
        ),
    ]
    grouped: set[str] = set()
    for group in sketch.groups:
        lines += _cluster(group, boxes, names, grouped, words=words, depth=1)
    lines += [
        "  " + _node(box, names[box.key], words=words)
        for box in sketch.boxes
        if box.key not in grouped
    ]
    lines += ["  " + _edge(arrow, names) for arrow in sketch.arrows]
    return "\n".join([*lines, "}"]) + "\n"


def _cluster(
    group: Group,
    boxes: dict[str, Box],
    names: dict[str, str],
    grouped: set[str],
    *,
    words: bool,
    depth: int,
) -> list[str]:
    space = "  " * depth
    style = "rounded" if group.family else "rounded,dashed"
    width = 0.6 if group.family else 0.8
    lines = [
        f"{space}subgraph {quoted('cluster_' + group.id)} {{",
        (
            f'{space}  graph [id="{group.id}" label={quoted(group.label)} labeljust=l '
            f'style="{style}" color="{GREY}" penwidth={width} margin=9]'
        ),
    ]
    for inner in group.groups:
        lines += _cluster(inner, boxes, names, grouped, words=words, depth=depth + 1)
    for key in group.boxes:
        if key not in grouped:
            grouped.add(key)
            lines.append(f"{space}  {_node(boxes[key], names[key], words=words)}")
    return [*lines, f"{space}}}"]


def _node(box: Box, name: str, *, words: bool) -> str:
    shown = look(box.state)
    width, height = box.size
    head, detail = box.head, box.detail
    if words:
        head = f"{box.label}{box.suffix}"
        detail = " ".join(part for part in (shown.word, box.detail) if part)
        room = 60 if box.shape == "gate" else 24
        lines = (head, *box.notes, detail)
        width = max(text_width(text, FONT_SIZE) for text in lines) + room
        height += 4.0 * len(box.notes)  # these are as large as the first line here
    # Only where Graphviz itself draws: `svg` has a gate of its own, in the place of a box.
    shape = "shape=octagon style=filled " if words and box.shape == "gate" else ""
    shape += "peripheries=2 " if words and box.stacked else ""
    label = "\n".join(part for part in (head, *box.notes, detail) if part)
    return (
        f'{name} [id="{box.id}" label={quoted(label)} {shape}'
        f"width={width / 72:.3f} height={height / 72:.3f} "
        f'fillcolor="{shown.fill}" color="{shown.text}" fontcolor="{shown.text}"]'
    )


def _edge(arrow: Arrow, names: dict[str, str]) -> str:
    parts = []
    if arrow.critical:
        parts += [f'color="{CRITICAL}"', "penwidth=2.2", "weight=3"]
    if arrow.dashed:
        parts.append("style=dashed")
    if arrow.label:
        parts.append(f"label={quoted(arrow.label)}")
    extra = f" [{' '.join(parts)}]" if parts else ""
    return f"{names[arrow.tail]} -> {names[arrow.head]}{extra}"
