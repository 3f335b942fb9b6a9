"""A statechart as a drawing: states as boxes, those around them as frames, what leads on as arrows.

Every transition is an arrow, those back included. One that leaves a compound state starts at a
small box in its frame, and one that enters it leads to where it is entered; several between the
same two are one arrow with their names.
"""

from __future__ import annotations

from orch_nb.model.quantity import count
from orch_nb.model.statechart import Configuration, Standing, State, Statechart, Transition
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import Block, Code, Drawing, Paragraph, Text, line
from orch_nb.render.drawing import lay_out
from orch_nb.render.plaintext import bounded
from orch_nb.render.sketch import Arrow, Box, Group, Sketch
from orch_nb.render.svg import sketch_svg

__all__ = [
    "chart_drawing",
    "chart_sketch",
    "standing_bundle",
    "statechart_bundle",
    "statechart_svg",
]

_LABEL, _NAMES, _MOST = 28, 34, 300
_START = "\0start"
_DONE, _AFTER, _ACTOR, _ERROR = (
    "xstate.done.state.", "xstate.after.", "xstate.done.actor.", "xstate.error.actor.",
)  # fmt: skip


def statechart_bundle(chart: Statechart) -> Bundle:
    """A sentence and the drawing."""
    leaves = sum(not state.children for state in chart.states)
    said = f"{count(leaves, 'state')}, {count(len(chart.transitions), 'transition')}"
    head = Paragraph(line(Text(f"A statechart: {chart.root.id}", strong=True), f": {said}."))
    blocks: tuple[Block, ...] = (head, *chart_drawing(chart))
    return blocks_bundle(blocks)


def standing_bundle(standing: Standing) -> Bundle:
    """Where a machine stands, and the drawing with those states marked."""
    at = line("The machine stands at ", Code(str(standing.chart.value(standing.here))), ".")
    blocks: tuple[Block, ...] = (Paragraph(at), *chart_drawing(standing.chart, standing.here))
    return blocks_bundle(blocks)


def chart_drawing(chart: Statechart, here: Configuration | None = None) -> tuple[Drawing, ...]:
    """The drawing; nothing of one with more states than anybody could read."""
    if len(chart.states) > _MOST:
        return ()
    sketch = chart_sketch(chart, here)
    layout = lay_out(sketch)
    return (
        Drawing(
            svg=sketch_svg(sketch, layout), alt=_alt(chart), width=layout.width,
            height=layout.height, png=lambda: None,
        ),
    )  # fmt: skip


def statechart_svg(chart: Statechart, here: Configuration | None = None) -> str:
    """The drawing alone; with `here`, the states that are active are painted as running."""
    sketch = chart_sketch(chart, here)
    return sketch_svg(sketch, lay_out(sketch))


def chart_sketch(chart: Statechart, here: Configuration | None = None) -> Sketch:
    """Boxes, frames and arrows of a chart."""
    active = here.states if here is not None else frozenset()
    leaving = {t.source for t in chart.transitions if chart.by_id[t.source].children}
    boxes = [Box(key=_START, id="start", label="●", shape="milestone")]
    for n, state in enumerate(chart.states):
        if not state.children or state.id in leaving:
            boxes.append(_box(state, f"state-{n}", active=state.id in active))
    arrows = [
        Arrow(_START, leaf) for leaf in chart.entered(chart.root.id)
    ] + _arrows(chart)  # fmt: skip
    inner = tuple(_group(chart, child, leaving) for child in _framed(chart, chart.root))
    return Sketch(tuple(boxes), tuple(arrows), inner)


def _box(state: State, box_id: str, *, active: bool) -> Box:
    label = bounded(state.key, _LABEL)
    if state.children:
        label = f"any of {label}"
    elif state.kind == "history":
        label = "H*" if state.deep else "H"
    elif state.kind == "final":
        label = f"◎ {label}"
    return Box(
        key=state.id, id=box_id, label=label, detail=bounded(state.label, _LABEL),
        state="running" if active else "plan",
        shape="milestone" if state.children or state.kind == "history" else "task",
    )  # fmt: skip


def _framed(chart: Statechart, state: State) -> list[State]:
    return [chart.by_id[child] for child in state.children if chart.by_id[child].children]


def _group(chart: Statechart, state: State, leaving: set[str]) -> Group:
    boxes = [child for child in state.children if not chart.by_id[child].children]
    if state.id in leaving:
        boxes.append(state.id)
    number = chart.place[state.id]
    inner = tuple(_group(chart, child, leaving) for child in _framed(chart, state))
    label = bounded(state.key, _LABEL) + (" (parallel)" if state.kind == "parallel" else "")
    around = chart.by_id[state.parent or chart.root.id]
    # The regions of a parallel state are dashed, as UML divides them.
    return Group(f"frame-{number}", label, tuple(boxes), inner, family=around.kind != "parallel")


def _arrows(chart: Statechart) -> list[Arrow]:
    names: dict[tuple[str, str], list[str]] = {}
    for transition in chart.transitions:
        for target in transition.targets or (transition.source,):
            ends = chart.entered(target) if chart.by_id[target].children else (target,)
            for end in ends:
                names.setdefault((transition.source, end), []).append(_name(transition))
    return [
        Arrow(tail, head, label=bounded(" · ".join(dict.fromkeys(said)), _NAMES))
        for (tail, head), said in names.items()
    ]


def _name(transition: Transition) -> str:
    """What brings a transition about, in words."""
    event = transition.event
    if event.startswith(_DONE):
        event = "done"
    elif event.startswith(_AFTER):
        event = f"after {event.removeprefix(_AFTER).split('.')[0]} ms"
    elif event.startswith(_ACTOR):
        event = "is done"
    elif event.startswith(_ERROR):
        event = "fails"
    guard = f" [{transition.guard}]" if transition.guard else ""
    return f"{event or 'always'}{guard}"


def _alt(chart: Statechart) -> str:
    """The drawing in words: each transition."""
    said = [
        f"{transition.source} to {', '.join(transition.targets) or 'itself'} at {_name(transition)}"
        for transition in chart.transitions[:40]
    ]
    more = len(chart.transitions) - len(said)
    return f"Statechart {chart.root.id}: " + "; ".join(said) + (f"; {more} more" if more else "")


if __name__ == "__main__":  # docs/lifecycle.svg and .json, written into the folder that is given
    import json
    import sys
    from pathlib import Path

    from orch_nb.model.lifecycle import LIFECYCLE, lifecycle

    docs = Path(sys.argv[1])
    (docs / "lifecycle.svg").write_text(statechart_svg(lifecycle()) + "\n", encoding="utf-8")
    text = json.dumps(LIFECYCLE, indent=2) + "\n"
    (docs / "lifecycle.json").write_text(text, encoding="utf-8")
