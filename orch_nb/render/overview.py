"""A big plan at a glance: a small square a task, in columns by level, painted by state.

Structure reads, names do not. What needs attention carries its glyph as well as its colour (of many
below one another the first does), and the line below counts every state by glyph, word and number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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
_EDGE, _EACH = 0.8, 3


def overview_svg(sketch: Sketch) -> tuple[str, float, float]:
    """The picture, its width and its height. Beyond 12,000 tasks it shows the first levels and says
    so; a plan of more levels than a page is wide goes on below, like a text; then, and beyond 3,000
    dependencies, the lines are left out."""
    at, width, bottom, left_out = _places(sketch)
    height = bottom + 22.0
    parts = []
    if len(sketch.arrows) <= _MOST_EDGES and all(x <= y for x, y in _ways(sketch, at)):
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


def _ways(sketch: Sketch, at: dict[str, tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where each arrow begins and ends, from left to right."""
    for arrow in sketch.arrows:
        if arrow.tail in at and arrow.head in at:
            yield at[arrow.tail][0], at[arrow.head][0]


def _places(sketch: Sketch) -> tuple[dict[str, tuple[int, int]], float, int, int]:
    """The top left of each task's square; a column taller than 40 goes on beside itself, one that
    the page has no room for begins a new row of columns."""
    at: dict[str, tuple[int, int]] = {}
    x, top, tall, left_out, width = 4, 4, 1, 0, 4
    columns = ranked(sketch)
    gap = max(4, min(_GAP, _PAGE // max(1, len(columns)) - _STEP))
    for column in columns:
        if len(at) + len(column) > _MOST_CELLS:
            left_out += len(column)
            continue
        wide = math.ceil(len(column) / _TALL) * _STEP
        if x > 4 and x + wide > _PAGE:
            x, top, tall = 4, top + tall * _STEP + _GAP, 1
        for n, box in enumerate(column):
            at[sketch.boxes[box].key] = (x + n // _TALL * _STEP, top + n % _TALL * _STEP)
        tall = max(tall, min(len(column), _TALL))
        x += wide + gap
        width = max(width, x)
    return at, float(width), top + tall * _STEP, left_out


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
    """The squares, by state. Those of a state that stand below one another are one dashed line, so
    that 10,000 of them are a few kilobytes; each of its pieces has its glyph once."""
    squares: dict[str, list[str]] = {}
    glyphs: dict[str, list[str]] = {}
    for state, x, y, many in _pieces(sketch, at):
        squares.setdefault(state, []).append(f"M{x + _CELL / 2:g},{y}v{many * _STEP - 2}")
        if state not in _QUIET:
            tops = range(y, y + many * _STEP, _STEP) if many <= _EACH else (y,)
            places = [f'<text x="{x + _CELL / 2:g}" y="{top + 7.5:g}">' for top in tops]
            glyphs.setdefault(state, []).extend(
                f"{place}{look(state).glyph}</text>" for place in places
            )
    paths = []
    for state, pieces in squares.items():
        shown, inner = look(state), _CELL - 2 * _EDGE
        paths.append(
            f'<path d="{"".join(pieces)}" stroke="{shown.text}" stroke-width="{_CELL}" '
            f'stroke-dasharray="{_CELL},{_STEP - _CELL}"/>'
            f'<path d="{"".join(pieces)}" stroke="{shown.fill}" stroke-width="{inner:g}" '
            f'stroke-dasharray="{inner:g},{_STEP - inner:g}" transform="translate(0,{_EDGE})"/>'
        )
    marks = [
        f'<g text-anchor="middle" font-size="8" fill="{look(state).text}">{"".join(places)}</g>'
        for state, places in glyphs.items()
    ]
    return paths + marks


def _pieces(sketch: Sketch, at: dict[str, tuple[int, int]]) -> Iterator[tuple[str, int, int, int]]:
    """What stands below one another in one state: the state, the first square's place, how many."""
    placed = sorted((*at[box.key], box.state) for box in sketch.boxes if box.key in at)
    n = 0
    while n < len(placed):
        x, y, state = placed[n]
        many = 1
        while n + many < len(placed) and placed[n + many] == (x, y + many * _STEP, state):
            many += 1
        yield state, x, y, many
        n += many
