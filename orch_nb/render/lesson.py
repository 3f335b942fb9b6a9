"""What one system was seen to do, for a lesson: pictures in the system's own words, and sentences.

join     ✗ waits for ever
[✗ photos: failed] ─► [⏸ book: waiting-children]        the states are those that it recorded
[✓ captions: completed] ─┘
`book` still stood as `waiting-children` after 4 s: nobody tells it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from orch_nb.catalog.observations import observed, recordings, told
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.semantics import SHORT
from orch_nb.model.observation import Observation
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import Block, Drawing, Paragraph, Text, line, said
from orch_nb.render.drawing import lay_out, sketch_png
from orch_nb.render.palette import look
from orch_nb.render.sketch import Arrow, Box, Sketch
from orch_nb.render.svg import sketch_svg
from orch_nb.render.systems_table import MOODS

__all__ = ["ROLES", "recorded_bundle", "scenario_sketch"]

_JOIN = (("task", "join"), ("sibling", "join"))
_CHAIN = (("before", "task"), ("task", "after"))
#: Which role waits for which, in the scenarios that are more than one task.
_ARROWS = {
    "chain": _CHAIN, "killed": _CHAIN, "join": _JOIN, "siblings": _JOIN,
    "cleanup": (("task", "cleanup"),),
    "diamond": (("top", "left"), ("top", "right"), ("left", "bottom"), ("right", "bottom")),
}  # fmt: skip
#: What the parts of the scenarios are called. `whole` is the run itself.
ROLES = (
    "before", "task", "sibling", "after", "join", "cleanup", "undo", "gate", "top", "left",
    "right", "bottom", "whole",
)  # fmt: skip


def recorded_bundle(system: str, scenarios: tuple[str, ...], roles: dict[str, str]) -> Bundle:
    """Scenario by scenario. Raises UsageError for one, or a role, that there is not."""
    for role in roles:
        if role not in ROLES:
            raise UsageError(f"There is no role `{role}`. {did_you_mean(role, ROLES)}".rstrip())
    for name in scenarios:
        if name not in SHORT:
            raise UsageError(f"There is no scenario `{name}`. {did_you_mean(name, SHORT)}".rstrip())
    return blocks_bundle(tuple(_blocks(system, scenarios, roles)))


def _blocks(system: str, scenarios: tuple[str, ...], roles: dict[str, str]) -> Iterator[Block]:
    drawn = set()
    for name in scenarios:
        one = observed(system, name)
        verdict = f"{MOODS[one.mood]} {one.verdict}"
        yield Paragraph(line(Text(f"{SHORT[name]}: ", muted=True), Text(verdict, strong=True)))
        sketch = scenario_sketch(one, roles)
        if len(sketch.boxes) > 1 and sketch not in drawn:
            drawn.add(sketch)
            yield _drawing(sketch, one, roles)
        docs = line(" (", Text("docs", url=one.url), ")") if one.url else ()
        read = line(" Read there, not observed.") if not one.observed else ()
        yield Paragraph((*said(told(one, roles)), *docs, *read))
    of = next(one for one in recordings() if one.system == system)
    yield Paragraph(
        line(
            Text(
                f"Recorded on {of.recorded} from the real {of.title} ({of.versions}), from a small "
                "program in its own words; the names are those of this lesson.",
                muted=True,
            )
        )
    )


def scenario_sketch(one: Observation, roles: dict[str, str]) -> Sketch:
    """The tasks of the scenario that the lesson has names for, each with the word that the system
    itself had for its state."""
    arrows = [pair for pair in _ARROWS.get(one.scenario, ()) if set(pair) <= roles.keys()]
    parts = list(dict.fromkeys(role for pair in arrows for role in pair))
    boxes = tuple(_box(n, role, one, roles[role]) for n, role in enumerate(parts))
    return Sketch(boxes, tuple(Arrow(tail, head) for tail, head in arrows))


def _box(n: int, role: str, one: Observation, name: str) -> Box:
    fate = one.fates.get(role, "")
    begun = re.match(r"begun (\d+)", fate)
    times = int(begun[1]) if begun else 0
    unsaid = "told to stop" if "told to stop" in fate else "" if times else "never asked for"
    word = one.states.get(role, unsaid)
    if not times:
        state = "waiting" if word.startswith("wait") else "upstream_failed"
    elif "fails" in fate:
        state = "failed"
    else:
        state = "succeeded" if "ends" in fate else "running"
    return Box(
        key=role, id=f"task-{n}", label=name, detail=word, state=state,
        suffix=f" ×{times}" if times > 1 else "", title=f"{name}: {word or look(state).word}",
    )  # fmt: skip


def _drawing(sketch: Sketch, one: Observation, roles: dict[str, str]) -> Drawing:
    layout = lay_out(sketch)
    parts = [
        f"{box.label} {look(box.state).word}{f' ({box.detail})' if box.detail else ''}"
        for box in sketch.boxes
    ]
    whole = one.states.get("whole", "")
    parts += [f"{roles.get('whole', 'the whole')} ({whole})"] if whole else []
    return Drawing(
        svg=sketch_svg(sketch, layout), alt=f"Seen: {'; '.join(parts)}.",
        width=layout.width, height=layout.height, png=functools.partial(sketch_png, sketch),
    )  # fmt: skip
