"""A sketch in its places as SVG: opaque boxes with their own text colour, on no background.

The picture stands in an `<img>`, on a page whose colours it cannot know: what is not on a box is
the mid grey. No font is needed, no script, no style sheet; nothing in it is Graphviz's own.
"""

from __future__ import annotations

import html
import math

from orch_nb.render.layout import Frame, Layout, Place, Point, Route
from orch_nb.render.palette import CRITICAL, GREY, look
from orch_nb.render.plaintext import clean
from orch_nb.render.sketch import FONT_SIZE, LINE, SMALL_SIZE, Arrow, Box, Sketch

__all__ = [
    "FONT", "arrow_svg", "frame_svg", "number", "shape_svg", "sketch_svg", "svg_text", "words_svg",
    "wrapped",
]  # fmt: skip

FONT = "Helvetica,Arial,sans-serif"


def number(value: float) -> str:
    """A coordinate with a tenth of a point, which no eye sees the end of."""
    return f"{value:.1f}".removesuffix(".0")


def svg_text(text: str) -> str:
    return html.escape(clean(text))


def wrapped(inner: str, width: float, height: float) -> str:
    """The outermost element."""
    wide, high = math.ceil(width), math.ceil(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="{FONT}">{inner}</svg>'
    )


def sketch_svg(sketch: Sketch, layout: Layout) -> str:
    """The drawing. Every box is a `<g class="node">` with its `Box.id`, holding its shape, then its
    texts, the name first; a live view changes their `fill`, `stroke` and words, and lays nothing
    out."""
    pairs = list(zip(sketch.arrows, layout.routes, strict=True))
    # What is critical is drawn over what is not, and boxes over both.
    pairs.sort(key=lambda pair: pair[0].critical)
    parts = [frame_svg(frame) for frame in layout.frames]
    parts += [arrow_svg(arrow, route) for arrow, route in pairs]
    parts += [_box(box, place) for box, place in zip(sketch.boxes, layout.places, strict=True)]
    return wrapped("".join(parts), layout.width, layout.height)


def frame_svg(frame: Frame) -> str:
    dash = "" if frame.family else ' stroke-dasharray="5,3"'
    width, height = frame.right - frame.left, frame.bottom - frame.top
    return (
        f'<g id="{frame.id}" class="cluster"><rect x="{number(frame.left)}" '
        f'y="{number(frame.top)}" width="{number(width)}" height="{number(height)}" rx="9" '
        f'fill="none" stroke="{GREY}" stroke-width="0.8"{dash}/>'
        f'<text x="{number(frame.left + 9)}" y="{number(frame.top + 14)}" font-size="11" '
        f'fill="{GREY}">{svg_text(frame.label)}</text></g>'
    )


def arrow_svg(arrow: Arrow, route: Route) -> str:
    colour, width = (CRITICAL, 2.2) if arrow.critical else (GREY, 1.1)
    dash = ' stroke-dasharray="4,3"' if arrow.dashed else ""
    points = [f"{number(x)},{number(y)}" for x, y in route.points]
    way = f"M{points[0]}C{' '.join(points[1:])}" if len(points) > 1 else f"M{points[0]}"
    text = ""
    if arrow.label and route.label_at:
        x, y = route.label_at
        text = (
            f'<text x="{number(x)}" y="{number(y + 3)}" text-anchor="middle" '
            f'font-size="{SMALL_SIZE:g}" fill="{GREY}">{svg_text(arrow.label)}</text>'
        )
    return (
        f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'
        f'<path d="{_tip(route.points[-1], route.tip)}" fill="{colour}"/>{text}'
    )


def _tip(end: Point, tip: Point) -> str:
    """A triangle from the end of the line to its tip."""
    dx, dy = tip[0] - end[0], tip[1] - end[1]
    length = math.hypot(dx, dy) or 1.0
    half = 3.2
    nx, ny = -dy / length * half, dx / length * half
    corners = [(end[0] + nx, end[1] + ny), tip, (end[0] - nx, end[1] - ny)]
    return "M" + "L".join(f"{number(x)},{number(y)}" for x, y in corners) + "Z"


def _box(box: Box, place: Place) -> str:
    """Its words stand in the middle of it: the name, what always holds, and how it went."""
    shown = look(box.state)
    title = f"<title>{svg_text(box.title)}</title>" if box.title else ""
    small = [*box.notes, *([box.detail] if box.detail else [])]
    y = place.y + FONT_SIZE * 0.36 - LINE / 2 * len(small)
    texts = words_svg(box.head, place.x, y, FONT_SIZE, shown.text)
    for n, text in enumerate(small, 1):
        texts += words_svg(text, place.x, y + LINE * n + 1, SMALL_SIZE, shown.text)
    cards = _cards(place) if box.stacked else ""
    return f'{cards}<g id="{box.id}" class="node">{title}{shape_svg(box, place)}{texts}</g>'


def _cards(place: Place) -> str:
    """What lies behind a box that stands for many: it keeps its paint, whatever their state."""
    paint = look("plan")
    x, y = place.x - place.width / 2, place.y - place.height / 2
    return "".join(
        f'<rect x="{number(x + off)}" y="{number(y - off)}" width="{number(place.width)}" '
        f'height="{number(place.height)}" rx="9" fill="{paint.fill}" stroke="{GREY}" '
        'stroke-width="0.9"/>'
        for off in (6.0, 3.0)
    )


def words_svg(text: str, x: float, y: float, size: float, colour: str) -> str:
    return (
        f'<text x="{number(x)}" y="{number(y)}" text-anchor="middle" font-size="{size:g}" '
        f'fill="{colour}">{svg_text(text)}</text>'
    )


def shape_svg(box: Box, place: Place, width: float = 1.2) -> str:
    shown = look(box.state)
    paint = f'fill="{shown.fill}" stroke="{shown.text}" stroke-width="{width}"'
    left, top = place.x - place.width / 2, place.y - place.height / 2
    right, bottom = left + place.width, top + place.height
    if box.shape == "gate":
        cut = place.height * 0.3
        corners = [
            (left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut),
            (right - cut, bottom), (left + cut, bottom), (left, bottom - cut), (left, top + cut),
        ]  # fmt: skip
        points = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
        return f'<polygon points="{points}" {paint}/>'
    round_by = place.height / 2 if box.shape == "milestone" else 9
    return (
        f'<rect x="{number(left)}" y="{number(top)}" width="{number(place.width)}" '
        f'height="{number(place.height)}" rx="{number(round_by)}" {paint}/>'
    )
