"""The history of a run as a strip of small pictures: its graph at the moments that matter.

    0 s                 2.4 s               11.6 s
    `lint` starts       `tests` fails       `sdist` has failed; the run failed
    ▶──○──○             ✓──↻──○             ✓──✓──✗

All frames are one picture, in one layout: arrows and names are drawn once and used in each, so that
a frame costs no more than its colours. What has changed since the frame before has a thick edge. Of
a big plan the frames show its groups, in rows where they would be too many side by side.
`model.film` chooses the moments.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from orch_nb.model.film import Frame, frames
from orch_nb.model.quantity import count, duration
from orch_nb.model.run import Run
from orch_nb.model.status import Status
from orch_nb.render.document import Drawing, Fold, Text, line
from orch_nb.render.drawing import GROUPS_ABOVE, lay_out, task_layout
from orch_nb.render.facts import Mark, history
from orch_nb.render.layout import Layout, Place
from orch_nb.render.palette import GREY, look
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.sketch import FONT_SIZE, Box, Sketch, group_sketch, task_sketch, text_width
from orch_nb.render.svg import arrow_svg, frame_svg, number, shape_svg, svg_text, wrapped

__all__ = ["filmstrip"]

_PAGE, _GAP, _CAPTION = 1040.0, 22.0, 32.0
_LEAST, _MOST = 0.55, 0.8  # how much smaller than the graph itself
_COLUMNS = 4
_READ = 0.4
_CHANGED, _SAME = 3.2, 1.1


def filmstrip(run: Run) -> Fold | None:
    """The strip behind a line that says how many moments it has, open where something happened;
    None where the events are not known, or tell nothing that the graph does not."""
    shown = frames(history(run))
    if len(shown) < 2 or not run.plan.tasks:
        return None
    drawing = _drawing(run, shown)
    if drawing is None:
        return None
    loud = any(frame.loud for frame in shown)
    head = line(Text(f"The run in {count(len(shown), 'moment')}", muted=True))
    return Fold(head, (drawing,), open=loud)


def _drawing(run: Run, shown: tuple[Frame, ...]) -> Drawing | None:
    sketches = [_sketch(run, frame) for frame in shown]
    first = sketches[0]
    if first is None:
        return None
    layout = task_layout(run.plan) if len(run.plan) <= GROUPS_ABOVE else lay_out(first)
    columns, scale = _grid(layout, len(shown))
    if scale < _READ:
        first, layout = replace(first, arrows=()), _tiles(first)
        columns, scale = _grid(layout, len(shown))
    wide, high = max(190.0, layout.width * scale), layout.height * scale + _CAPTION
    parts = [f"<defs>{_still(first, layout)}</defs>"]
    before: Sketch | None = None
    for n, (frame, sketch) in enumerate(zip(shown, sketches, strict=True)):
        assert sketch is not None
        x, y = n % columns * (wide + _GAP), n // columns * (high + _GAP)
        parts.append(
            f'<g transform="translate({number(x)},{number(y)})">{_caption(frame, wide)}'
            f'<g transform="translate(0,{_CAPTION:g}) scale({scale:.3f})"><use href="#w"/>'
            f"{_boxes(sketch, before, layout)}</g></g>"
        )
        before = sketch
    rows = math.ceil(len(shown) / columns)
    width = columns * (wide + _GAP) - _GAP + 4
    height = rows * (high + _GAP)
    return Drawing(wrapped("".join(parts), width, height), _alt(run, shown), width, height)


def _sketch(run: Run, frame: Frame) -> Sketch | None:
    states = {task: Mark(str(status), tries) for task, (status, tries) in frame.states.items()}
    if len(run.plan) > GROUPS_ABOVE:
        found = group_sketch(run.plan, states)
        return found if found is not None and len(found.boxes) <= GROUPS_ABOVE else None
    plain = task_sketch(run.plan, states)
    return replace(plain, boxes=tuple(replace(box, notes=(), detail="") for box in plain.boxes))


def _grid(layout: Layout, many: int) -> tuple[int, float]:
    """How many frames stand side by side, and how small they are: as many as can be read."""
    for columns in range(min(_COLUMNS, many), 0, -1):
        scale = ((_PAGE + _GAP) / columns - _GAP) / layout.width
        if scale >= _LEAST or columns == 1:
            return columns, min(scale, _MOST)
    return 1, _MOST


def _tiles(sketch: Sketch) -> Layout:
    """The boxes in rows, like words: of a graph so wide that in small its names cannot be read."""
    places: list[Place] = []
    x = y = right = 0.0
    high = max(box.size[1] for box in sketch.boxes) + 8
    for box in sketch.boxes:
        wide = box.size[0]
        if x and x + wide > _PAGE:
            x, y = 0.0, y + high
        places.append(Place(x + wide / 2 + 3, y + high / 2, wide, box.size[1]))
        x += wide + 10
        right = max(right, x)
    return Layout(right + 6, y + high + 4, tuple(places), ())


def _still(sketch: Sketch, layout: Layout) -> str:
    """What is the same in each frame: ways, groups."""
    ways = "".join(frame_svg(frame) for frame in layout.frames)
    pairs = zip(sketch.arrows, layout.routes, strict=True)
    ways += "".join(arrow_svg(arrow, route) for arrow, route in pairs)
    return f'<g id="w">{ways.replace(" id=", " data-of=")}</g>'


def _boxes(sketch: Sketch, before: Sketch | None, layout: Layout) -> str:
    parts = []
    for n, (box, place) in enumerate(zip(sketch.boxes, layout.places, strict=True)):
        changed = before is not None and _told(before.boxes[n]) != _told(box)
        parts.append(shape_svg(box, place, _CHANGED if changed else _SAME))
        y = place.y + FONT_SIZE * 0.36 - (6 if box.detail else 0)
        parts.append(_words(box.head, place.x, y, FONT_SIZE, look(box.state).text))
        if box.detail:
            parts.append(_words(box.detail, place.x, y + 13, 10.0, look(box.state).text))
    return f'<g text-anchor="middle">{"".join(parts)}</g>'


def _told(box: Box) -> tuple[str, str, str]:
    return box.state, box.suffix, box.detail


def _words(text: str, x: float, y: float, size: float, colour: str) -> str:
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{size:g}" fill="{colour}">'
        f"{svg_text(text)}</text>"
    )


def _caption(frame: Frame, wide: float) -> str:
    words = one_line(frame.caption.replace("`", ""), 200)
    while text_width(words, 10.5) > wide and len(words) > 8:
        words = words.rstrip("…")[:-3].rstrip() + "…"
    return (
        f'<text x="4" y="12" font-size="11.5" font-weight="bold" fill="{GREY}">'
        f'{svg_text(_clock(frame))}</text><text x="4" y="26" font-size="10.5" fill="{GREY}">'
        f"{svg_text(words)}</text>"
    )


def _clock(frame: Frame) -> str:
    return duration(frame.at) if frame.at >= 0.0005 else "at the start"


def _alt(run: Run, shown: tuple[Frame, ...]) -> str:
    """The story in words: when, what happened, and what of the states is new."""
    told = []
    before: dict[str, tuple[Status, int]] = {}
    for frame in shown:
        new = [task for task, stands in frame.states.items() if before.get(task) != stands]
        parts = [
            f"{one_line(task, 60)} {look(str(status)).word}"
            + (f", attempt {tries}" if tries > 1 else "")
            for task, (status, tries) in ((task, frame.states[task]) for task in new[:12])
            if before or status is not Status.PENDING
        ]
        more = f", and {count(len(new) - 12, 'more task')}" if len(new) > 12 and before else ""
        caption = one_line(frame.caption.replace("`", ""), 200)
        stands = f" ({'; '.join(parts)}{more})" if parts else ""
        told.append(f"{_clock(frame)}: {caption}{stands}")
        before = frame.states
    head = f"Run {one_line(run.run_id, 60)} in {count(len(shown), 'moment')}. "
    return bounded(head + ". ".join(told), 4000) + "."
