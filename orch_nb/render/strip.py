"""The shapes of a timeline, written as SVG here and as PNG by Graphviz.

`neato -n2` puts boxes where they are told to be, which is all that a picture of bars and labels
asks for; so no plotting library is needed for the few places that show no SVG.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from orch_nb.render.dot import quoted
from orch_nb.render.graphviz_program import LayoutFailed, run_program
from orch_nb.render.palette import GREY
from orch_nb.render.sketch import text_width
from orch_nb.render.svg import number, svg_text, wrapped

__all__ = ["Bar", "Label", "Rule", "Shape", "strip_png", "strip_svg"]


class Bar(msgspec.Struct, frozen=True):
    """A rectangle; hatched where something waits, hollow (`fill` "none") where it was lost;
    `sharp` where others join it, corner to corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    hatched: bool = False
    title: str = ""
    sharp: bool = False


class Label(msgspec.Struct, frozen=True):
    """A text on its baseline; `anchor` start, middle or end; `words` where glyphs cannot be had."""

    x: float
    y: float
    text: str
    anchor: str
    size: float = 11.0
    words: str = ""


class Rule(msgspec.Struct, frozen=True):
    """A vertical line of the axis."""

    x: float
    top: float
    bottom: float


Shape: TypeAlias = Bar | Label | Rule


def strip_svg(shapes: Sequence[Shape], width: float, height: float) -> str:
    hatches = {
        shape.stroke: f"h{n}"
        for n, shape in enumerate(shapes)
        if isinstance(shape, Bar) and shape.hatched
    }
    # Each hatch once a colour: a pattern is found by its id.
    patterns = "".join(
        f'<pattern id="{name}" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><path d="M0,0v5" stroke="{colour}" stroke-width="2" '
        'stroke-opacity="0.45"/></pattern>'
        for colour, name in hatches.items()
    )
    inner = "".join(_shape_svg(shape, hatches) for shape in shapes)
    return wrapped(f"<defs>{patterns}</defs>{inner}" if patterns else inner, width, height)


def _shape_svg(shape: Shape, hatches: dict[str, str]) -> str:
    match shape:
        case Rule(x, top, bottom):
            return (
                f'<path d="M{number(x)},{number(top)}V{number(bottom)}" stroke="{GREY}" '
                'stroke-width="0.4"/>'
            )
        case Label(x, y, text, anchor, size):
            return (
                f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" '
                f'font-size="{size:g}" fill="{GREY}">{svg_text(text)}</text>'
            )
        case Bar():
            box = (
                f'x="{number(shape.x)}" y="{number(shape.y)}" width="{number(shape.width)}" '
                f'height="{number(shape.height)}" rx="{_round(shape)}"'
            )
            title = f"<title>{svg_text(shape.title)}</title>" if shape.title else ""
            stroke = f'stroke="{shape.stroke}"' if shape.stroke != "none" else 'fill-opacity="0.6"'
            dash = ' stroke-dasharray="3,2"' if shape.fill == "none" else ""
            drawn = f'<rect {box} fill="{shape.fill}" {stroke}{dash}>{title}</rect>'
            if shape.hatched:
                drawn += f'<rect {box} fill="url(#{hatches[shape.stroke]})"/>'
            return drawn


def _round(bar: Bar) -> int:
    return 0 if bar.sharp else 2 if bar.height < 8 else 3


def strip_png(shapes: Sequence[Shape], width: float, height: float) -> bytes | None:
    """The same as PNG at twice its size; None where Graphviz does not serve."""
    lines = [
        "graph {",
        "  graph [bgcolor=transparent pad=0]",
        '  node [shape=box style=filled fixedsize=true label="" fontname="Helvetica" penwidth=0.8]',
    ]
    at = functools.partial(_at, height=height)
    # The picture is as large as what stands in it: an unseen box holds its corners apart.
    lines.append(f"  frame [style=invis {at(width / 2, height / 2, width, height)}]")
    for n, shape in enumerate(shapes):
        lines.append(f"  s{n} [{_shape_dot(shape, height)}]")
    try:
        return run_program("\n".join([*lines, "}"]), "png", "-Kneato", "-n2", "-Gdpi=144")
    except LayoutFailed:
        return None


def _at(x: float, y: float, width: float, high: float, *, height: float) -> str:
    return f'pos="{x:.1f},{height - y:.1f}" width={width / 72:.4f} height={high / 72:.4f}'


def _shape_dot(shape: Shape, height: float) -> str:
    match shape:
        case Rule(x, top, bottom):
            box = _at(x, (top + bottom) / 2, 0.4, bottom - top, height=height)
            return f'{box} penwidth=0 fillcolor="{GREY}"'
        case Label():
            wide = text_width(shape.words or shape.text, shape.size) * 1.1 + 4
            side = {"start": "l", "middle": "n", "end": "r"}[shape.anchor]
            shift = {"start": wide / 2, "middle": 0.0, "end": -wide / 2}[shape.anchor]
            box = _at(shape.x + shift, shape.y - shape.size * 0.3, wide, 12, height=height)
            text = quoted(shape.words or shape.text)[:-1] + f'\\{side}"'
            return (
                f'{box} shape=plaintext style="" margin=0 label={text} fontsize={shape.size:g} '
                f'fontcolor="{GREY}"'
            )
        case Bar():
            middle = (shape.x + shape.width / 2, shape.y + shape.height / 2)
            box = _at(*middle, shape.width, shape.height, height=height)
            style = 'style="dashed"' if shape.fill == "none" else "style=filled"
            style = 'style="filled,dashed"' if shape.hatched else style
            line = f'color="{shape.stroke}"' if shape.stroke != "none" else "penwidth=0"
            fill = f"{shape.fill}99" if shape.stroke == "none" else shape.fill
            return f'{box} {style} fillcolor="{fill}" {line}'
