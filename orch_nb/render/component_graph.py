"""The picture of a codebase: its parts, and which relies on which.

An arrow goes from a part to what it relies on; it is dashed where nothing is said between the two
but an order of starting, or the use of a library. Services, workers and user interfaces are boxes,
stores are round, queues have cut corners. What runs comes first, libraries only as far as there is
room and something ties them to the rest; what is left out is counted in the words.
"""

from __future__ import annotations

import functools

from orch_nb.model.analysis import Component, Link, Scope
from orch_nb.model.quantity import count, listed
from orch_nb.render.document import Drawing
from orch_nb.render.drawing import lay_out, sketch_png
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.sketch import Arrow, Box, Sketch
from orch_nb.render.svg import sketch_svg

__all__ = ["MOST", "component_alt", "component_drawing", "component_sketch"]

#: A picture of more boxes is not read.
MOST = 60
_MOST_ARROWS = 180
_HUB = 8
_MOST_ALT = 4000
_LABEL = 30
_RANK = {
    "service": 0, "ui": 0, "worker": 0, "application": 1, "store": 0, "queue": 0, "job": 1,
    "support": 2, "cluster": 3, "bucket": 3, "module": 4, "library": 4, "workspace": 6, "tool": 6,
}  # fmt: skip
_LEFT_OUT = frozenset({"example", "broken manifest", "workspace", "tool", "test"})
_SHAPES = {"store": "milestone", "bucket": "milestone", "queue": "gate"}
_LOOSE = frozenset({"depends_on", "imports"})


def component_drawing(scope: Scope) -> Drawing | None:
    """The parts of `scope` and their links; None where no two parts are linked."""
    sketch = component_sketch(scope)
    if sketch is None:
        return None
    layout = lay_out(sketch)
    return Drawing(
        svg=sketch_svg(sketch, layout),
        alt=component_alt(scope),
        width=layout.width,
        height=layout.height,
        png=functools.partial(sketch_png, sketch),
    )


def component_sketch(scope: Scope) -> Sketch | None:
    """What the drawing says, before it has a place."""
    shown, links = _shown(scope)
    if not links:
        return None
    hubs = _hubs(shown, links)
    boxes = tuple(_box(part, n, hubs.get(part.name, 0)) for n, part in enumerate(shown))
    arrows = tuple(
        Arrow(link.source, link.target, dashed=link.kind in _LOOSE, label=_label(link))
        for link in links
        if link.target not in hubs
    )
    return Sketch(boxes, arrows)


def component_alt(scope: Scope) -> str:
    """The drawing in words: what there is, and who relies on whom."""
    shown, links = _shown(scope)
    names = {part.name for part in shown}
    more = sum(part.name not in names for part in scope.components)
    kinds: dict[str, int] = {}
    for part in shown:
        kinds[part.kind] = kinds.get(part.kind, 0) + 1
    told = [count(many, kind, _plural(kind)) for kind, many in kinds.items()]
    parts = [f"Components and their links: {listed(told, 8)}, {count(len(links), 'link')}"]
    if more:
        parts.append(f"{count(more, 'component')} more not drawn")
    by_source: dict[str, list[str]] = {}
    for link in links:
        how = link.kind.replace("_", " ")
        by_source.setdefault(f"{one_line(link.source, 60)} {how}", []).append(
            one_line(link.target, 60)
        )
    parts += [f"{source} {listed(targets, 12)}" for source, targets in by_source.items()]
    return bounded(". ".join(parts) + ".", _MOST_ALT)


def _plural(kind: str) -> str:
    return {"library": "libraries", "support": "supporting services", "ui": "user interfaces"}.get(
        kind, f"{kind}s"
    )


def _shown(scope: Scope) -> tuple[list[Component], list[Link]]:
    """What there is room for: what runs, then what is tied to it by most links."""
    degree: dict[str, int] = {}
    for link in scope.links:
        degree[link.source] = degree.get(link.source, 0) + 1
        degree[link.target] = degree.get(link.target, 0) + 1
    parts = [
        part
        for part in scope.components
        if part.kind not in _LEFT_OUT and (part.name in degree or _RANK.get(part.kind, 3) == 0)
    ]
    parts.sort(key=lambda part: (_RANK.get(part.kind, 3), -degree.get(part.name, 0), part.name))
    shown = parts[:MOST]
    names = {part.name for part in shown}
    links = [one for one in scope.links if one.source in names and one.target in names]
    links.sort(key=lambda one: (one.kind in _LOOSE, -one.confidence, one.source, one.target))
    return shown, links[:_MOST_ARROWS]


def _hubs(shown: list[Component], links: list[Link]) -> dict[str, int]:
    """What serves nearly everything (a collector of traces, say), with how many rely on it: that is
    said in its box, since so many arrows would hide all others."""
    serves = {part.name for part in shown if part.kind == "support"}
    counted: dict[str, int] = {}
    for link in links:
        if link.target in serves:
            counted[link.target] = counted.get(link.target, 0) + 1
    return {name: many for name, many in counted.items() if many >= _HUB}


def _box(part: Component, n: int, many: int) -> Box:
    said = " · ".join(word for word in (part.kind, one_line(part.language, 20)) if word)
    doubt = "" if part.confidence >= 0.7 else " ?"
    return Box(
        key=part.name,
        id=f"component-{n}",
        label=bounded(one_line(part.name), _LABEL) or "·",
        detail=said + doubt,
        shape=_SHAPES.get(part.kind, "task"),
        notes=(f"{many} others rely on it",) if many else (),
        title=one_line(f"{part.name}: {said}, {part.evidence}", 300),
    )


def _label(link: Link) -> str:
    return link.kind if link.kind in {"publishes", "consumes"} else ""
