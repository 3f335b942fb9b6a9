"""The components of a workspace and what relies on what, as a picture: the services and stores that
are linked, from left to right.

Parts that no link names are not drawn, since the table has them; above `_MOST` only the parts that
most links meet in are, and the picture says so in words.
"""

from __future__ import annotations

import functools
from collections import Counter

from orch_nb.model.analysis import Link, Scope
from orch_nb.model.quantity import count, listed
from orch_nb.render.document import Drawing
from orch_nb.render.drawing import lay_out, sketch_png
from orch_nb.render.plaintext import one_line
from orch_nb.render.sketch import Arrow, Box, Sketch
from orch_nb.render.svg import sketch_svg

__all__ = ["component_drawing"]

_MOST, _MOST_ARROWS = 40, 120


def component_drawing(scope: Scope) -> Drawing | None:
    """The linked components of `scope`; None where no two are linked."""
    links = _links(scope)
    if not links:
        return None
    sketch = _sketch(scope, links)
    layout = lay_out(sketch)
    return Drawing(
        svg=sketch_svg(sketch, layout),
        alt=_alt(links),
        width=layout.width,
        height=layout.height,
        png=functools.partial(sketch_png, sketch),
    )


def _links(scope: Scope) -> tuple[Link, ...]:
    """One link of a pair each way, between the parts that most links meet in."""
    known = {part.name for part in scope.components}
    pairs: dict[tuple[str, str], Link] = {}
    for link in scope.links:
        if link.source != link.target and {link.source, link.target} <= known:
            pairs.setdefault((link.source, link.target), link)
    met = Counter(name for pair in pairs for name in pair)
    drawn = {name for name, _ in met.most_common(_MOST)}
    kept = [link for pair, link in pairs.items() if drawn.issuperset(pair)]
    return tuple(kept[:_MOST_ARROWS])


def _sketch(scope: Scope, links: tuple[Link, ...]) -> Sketch:
    names = list(dict.fromkeys(name for link in links for name in (link.source, link.target)))
    parts = {part.name: part for part in scope.components}
    boxes = tuple(
        Box(
            key=name,
            id=f"part-{n}",
            label=one_line(name, 30),
            detail=one_line(parts[name].language or parts[name].kind, 30),
            shape="milestone" if parts[name].kind in {"store", "queue"} else "task",
            title=f"{parts[name].kind} {one_line(name, 60)}",
        )
        for n, name in enumerate(names)
    )
    return Sketch(boxes, tuple(Arrow(link.source, link.target) for link in links))


def _alt(links: tuple[Link, ...]) -> str:
    by_source: dict[str, list[str]] = {}
    for link in links:
        by_source.setdefault(link.source, []).append(link.target)
    told = [f"{name} relies on {listed(others, 6)}" for name, others in by_source.items()]
    return f"{count(len(links), 'link')} between components: {'; '.join(told[:_MOST])}."
