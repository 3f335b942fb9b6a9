"""A big plan at a glance: a small square a task, in columns by level, painted by state.

Structure reads, names do not. What needs attention carries its glyph as well as its colour, and the
line below counts every state by glyph, word and number.
"""

from __future__ import annotations

import math

from orch_nb.model.quantity import number as grouped
from orch_nb.render.facts import tally_text
from orch_nb.render.layout import ranked
from orch_nb.render.palette import CRITICAL, GREY, look
from orch_nb.render.sketch import Sketch
from orch_nb.render.svg import number, svg_text, wrapped

__all__ = ["overview_svg"]

_CELL, _STEP, _GAP = 9, 11, 16
_TALL = 40
_PAGE = 1060
_MOST_CELLS, _MOST_EDGES = 12_000, 3_000
_QUIET = ("succeeded", "pending", "plan")


def overview_svg(sketch: Sketch) -> tuple[str, float, float]:
    """The picture, its width and its height. Beyond 12,000 tasks it shows the first levels and says
    so; beyond 3,000 dependencies it leaves the lines out."""
    at, width, tall, left_out = _places(sketch)
    height = tall * _STEP + 22.0
    parts = []
    if len(sketch.arrows) <= _MOST_EDGES:
        parts += _lines(sketch, at)
    parts += _cells(sketch, at)
    note = tally_text(box.state for box in sketch.boxes if box.state != "plan")
    if left_out:
        note += f" · {grouped(left_out)} tasks not drawn"
    if not note:
        note = f"{grouped(len(sketch.boxes))} tasks"
    parts.append(
        f'<text x="4" y="{number(height - 6)}" font-size="11" fill="{GREY}">{svg_text(note)}</text>'
    )
    width = max(width, 12 + 6.2 * len(note))
    return wrapped("".join(parts), width, height), width, height


def _places(sketch: Sketch) -> tuple[dict[str, tuple[int, int]], float, int, int]:
    """The top left of each task's square; a column taller than 40 goes on beside itself."""
    at: dict[str, tuple[int, int]] = {}
    x, tall, left_out = 4, 1, 0
    columns = ranked(sketch)
    gap = max(4, min(_GAP, _PAGE // max(1, len(columns)) - _STEP))
    for column in columns:
        if len(at) + len(column) > _MOST_CELLS:
            left_out += len(column)
            continue
        for n, box in enumerate(column):
            at[sketch.boxes[box].key] = (x + n // _TALL * _STEP, 4 + n % _TALL * _STEP)
        tall = max(tall, min(len(column), _TALL))
        x += math.ceil(len(column) / _TALL) * _STEP + gap
    return at, float(x), tall, left_out


def _lines(sketch: Sketch, at: dict[str, tuple[int, int]]) -> list[str]:
    paths: dict[bool, list[str]] = {False: [], True: []}
    for arrow in sketch.arrows:
        if arrow.tail in at and arrow.head in at:
            (x1, y1), (x2, y2) = at[arrow.tail], at[arrow.head]
            half = _CELL / 2
            paths[arrow.critical].append(
                f"M{x1 + _CELL},{number(y1 + half)}L{x2},{number(y2 + half)}"
            )
    styles = {False: (GREY, 0.5), True: (CRITICAL, 1.6)}
    return [
        f'<path d="{"".join(path)}" fill="none" stroke="{styles[critical][0]}" '
        f'stroke-width="{styles[critical][1]}"/>'
        for critical, path in paths.items()
        if path
    ]


def _cells(sketch: Sketch, at: dict[str, tuple[int, int]]) -> list[str]:
    squares: dict[str, list[str]] = {}
    glyphs: dict[str, list[str]] = {}
    for box in sketch.boxes:
        if box.key not in at:
            continue
        x, y = at[box.key]
        squares.setdefault(box.state, []).append(f"M{x},{y}h{_CELL}v{_CELL}h-{_CELL}z")
        if box.state not in _QUIET:
            place = f'<text x="{x + _CELL / 2}" y="{y + 7.5}">{look(box.state).glyph}</text>'
            glyphs.setdefault(box.state, []).append(place)
    paths = [
        f'<path d="{"".join(path)}" fill="{look(state).fill}" stroke="{look(state).text}" '
        'stroke-width="0.8"/>'
        for state, path in squares.items()
    ]
    marks = [
        f'<g text-anchor="middle" font-size="8" fill="{look(state).text}">{"".join(places)}</g>'
        for state, places in glyphs.items()
    ]
    return paths + marks
