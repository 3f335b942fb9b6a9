"""The axis of a drawing in time: where it has lines, and where a moment stands on it.

label     0 s       2 s       4 s       a rule for each round time, its name above it
          │         │         │
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orch_nb.model.quantity import duration
from orch_nb.render.sketch import text_width
from orch_nb.render.strip import Label, Rule, Shape

__all__ = ["Axis", "axis", "axis_below"]

_STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
    900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000,
)  # fmt: skip


def axis(total_s: float) -> tuple[float, ...]:
    """The seconds at which the axis has a line: round ones, at most nine.

    >>> axis(11.6), axis(200)[:3]
    ((0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0), (0.0, 30.0, 60.0))
    """
    step = next((s for s in _STEPS if total_s / s <= 8), total_s / 8)
    lines = int(-(-total_s // step))
    return tuple(round(float(n * step), 6) for n in range(max(1, lines) + 1))


class Axis(msgspec.Struct, frozen=True):
    """An axis from `start`, `scale` pixels a second, and the `shapes` of its lines."""

    start: float
    scale: float
    shapes: tuple[Shape, ...]

    def x(self, seconds: float) -> float:
        return self.start + seconds * self.scale


def axis_below(
    names: Sequence[str], total_s: float, *, wide: float, top: float, bottom: float
) -> Axis:
    """The axis of a chart `wide` pixels wide between `top` and `bottom`, beside rows of `names`."""
    start = max(60.0, *(text_width(name, 11) for name in names)) + 14
    lines = axis(total_s)
    found = Axis(start, wide / lines[-1], ())
    shapes: list[Shape] = []
    for at in lines:
        x = found.x(at)
        shapes += [Rule(x, top - 3, bottom), Label(x, top - 8, duration(at), "middle", 10)]
    return Axis(start, found.scale, tuple(shapes))
