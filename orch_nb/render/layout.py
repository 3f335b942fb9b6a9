"""Places for a sketch: from Graphviz's JSON, or, as the last resort, our own.

Our own is the oldest that reads: boxes in columns by their longest distance from a root, each
column sorted four times by the mean place of its neighbours (Sugiyama, Tagawa and Toda 1981). It
draws 10,000 boxes in a fraction of a second, but no frames around groups.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from orch_nb.graph.topology import invert, order
from orch_nb.render.sketch import Sketch

__all__ = ["Frame", "Layout", "Place", "Route", "from_graphviz", "layered", "ranked"]

Point: TypeAlias = tuple[float, float]


class Place(msgspec.Struct, frozen=True):
    """A box's centre and size, in points from the top left."""

    x: float
    y: float
    width: float
    height: float


class Route(msgspec.Struct, frozen=True):
    """An arrow's way: the control points of cubic curves (3 n + 1 of them), its tip, its label's
    place."""

    points: tuple[Point, ...]
    tip: Point
    label_at: Point | None = None


class Frame(msgspec.Struct, frozen=True):
    """The rectangle around a group."""

    id: str
    label: str
    family: bool
    left: float
    top: float
    right: float
    bottom: float


class Layout(msgspec.Struct, frozen=True):
    """`places` and `routes` in the order of the sketch's boxes and arrows."""

    width: float
    height: float
    places: tuple[Place, ...]
    routes: tuple[Route, ...]
    frames: tuple[Frame, ...] = ()


_MARGIN = 6.0


def from_graphviz(document: bytes, sketch: Sketch) -> Layout:
    """The layout that `-Tjson0` wrote of `dot.source(sketch)`. Raises ValueError if it did not."""
    try:
        return _read(msgspec.json.decode(document), sketch)
    except (msgspec.DecodeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"Graphviz answered something else than a layout: {error}") from error


def _read(graph: dict[str, Any], sketch: Sketch) -> Layout:
    _, _, right, top = _numbers(graph["bb"])

    def at(x: float, y: float) -> Point:
        return x + _MARGIN, top - y + _MARGIN

    objects = graph.get("objects", [])
    by_name = {item["name"]: item for item in objects}
    places = []
    for n, box in enumerate(sketch.boxes):
        x, y = at(*_numbers(by_name[f"n{n}"]["pos"]))
        places.append(Place(x, y, *box.size))
    edges = {(item["tail"], item["head"]): item for item in graph.get("edges", [])}
    index = {box.key: by_name[f"n{n}"]["_gvid"] for n, box in enumerate(sketch.boxes)}
    routes = []
    for arrow in sketch.arrows:
        item = edges[index[arrow.tail], index[arrow.head]]
        tip, points = _spline(item["pos"])
        label = at(*_numbers(item["lp"])) if "lp" in item else None
        routes.append(Route(tuple(at(*p) for p in points), at(*tip), label))
    frames = []
    for group in _flat(sketch):
        left, low, far, high = _numbers(by_name[f"cluster_{group.id}"]["bb"])
        frames.append(Frame(group.id, group.label, group.family, *at(left, high), *at(far, low)))
    return Layout(
        right + 2 * _MARGIN, top + 2 * _MARGIN, tuple(places), tuple(routes), tuple(frames)
    )


def _flat(sketch: Sketch) -> list[Any]:
    found, stack = [], list(reversed(sketch.groups))
    while stack:
        group = stack.pop()
        found.append(group)
        stack += reversed(group.groups)
    return found


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _spline(text: str) -> tuple[Point, list[Point]]:
    tip: Point | None = None
    points: list[Point] = []
    for part in text.split():
        kind, _, rest = part.partition(",")
        if kind in "es":
            x, y = rest.split(",")
            if kind == "e":
                tip = (float(x), float(y))
            continue
        points.append((float(kind), float(rest)))
    return tip or points[-1], points


def ranked(sketch: Sketch) -> list[list[int]]:
    """Columns of box numbers by longest distance from a root, sorted by their neighbours.

    Boxes on a cycle, which have no such distance, stand in a last column.
    """
    index = {box.key: n for n, box in enumerate(sketch.boxes)}
    before: dict[str, tuple[str, ...]] = {box.key: () for box in sketch.boxes}
    for arrow in sketch.arrows:
        before[arrow.head] += (arrow.tail,)
    depth: dict[str, int] = {}
    for key in order(before):
        depth[key] = max((depth[other] + 1 for other in before[key]), default=0)
    last = max(depth.values(), default=-1) + 1
    columns: list[list[str]] = [[] for _ in range(last + 1)]
    for box in sketch.boxes:
        columns[depth.get(box.key, last)].append(box.key)
    columns = [column for column in columns if column]
    _sweep(columns, before, invert(before))
    return [[index[key] for key in column] for column in columns]


def _sweep(
    columns: list[list[str]],
    before: dict[str, tuple[str, ...]],
    after: dict[str, tuple[str, ...]],
) -> None:
    place: dict[str, float] = {}
    for column in columns:
        place.update({key: (n + 0.5) / len(column) for n, key in enumerate(column)})
    for turn in range(4):
        near = before if turn % 2 == 0 else after
        for column in columns if turn % 2 == 0 else reversed(columns):
            mean = {
                key: sum(place[other] for other in near[key]) / len(near[key])
                if near[key]
                else place[key]
                for key in column
            }
            column.sort(key=lambda key, mean=mean: mean[key])  # type: ignore[misc]
            place.update({key: (n + 0.5) / len(column) for n, key in enumerate(column)})


def layered(sketch: Sketch) -> Layout:
    """Our own layout, without Graphviz."""
    columns = ranked(sketch)
    tall = max((len(column) for column in columns), default=0)
    step, gap = max((box.size[1] for box in sketch.boxes), default=38.0) + 14.0, 46.0
    height = max(1, tall) * step + 2 * _MARGIN
    places: dict[int, Place] = {}
    x = _MARGIN
    for column in columns:
        wide = max(sketch.boxes[n].size[0] for n in column)
        top = (height - len(column) * step) / 2
        for row, n in enumerate(column):
            width, high = sketch.boxes[n].size
            places[n] = Place(x + wide / 2, top + (row + 0.5) * step, width, high)
        x += wide + gap
    index = {box.key: n for n, box in enumerate(sketch.boxes)}
    routes = [_curve(places[index[a.tail]], places[index[a.head]]) for a in sketch.arrows]
    width = max(x - gap, _MARGIN) + _MARGIN
    return Layout(width, height, tuple(places[n] for n in range(len(places))), tuple(routes))


def _curve(tail: Place, head: Place) -> Route:
    start = (tail.x + tail.width / 2, tail.y)
    tip = (head.x - head.width / 2, head.y)
    end = (tip[0] - 7, tip[1])
    bend = max(18.0, (end[0] - start[0]) / 2)
    points = (start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end)
    return Route(points, tip)
