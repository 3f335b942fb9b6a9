"""Measurements as tables: rows of contenders, columns of shapes, and a line for each target.

Sync functions, inline       chain 1k  fan 10k      µs of CPU a task, normalised
graphlib's loop                   1.9      2.0
orch_nb, inline                   4.1      5.0
orch_nb, inline : graphlib's loop, at most 3     2.16 ok   2.50 ok
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.measure import Sample
from benchmarks.rows import Contender, Group, Target
from benchmarks.shapes import label

__all__ = ["Results", "Table", "markdown", "table", "text"]

_UNITS = {"us": "µs of CPU a task, normalised", "kb": "KB a task"}
_NONE = "–"


class Results(msgspec.Struct):
    """What was measured by group, contender and shape, round by round, and why what was not."""

    samples: dict[tuple[str, str, str], list[Sample]] = {}
    problems: dict[tuple[str, str, str], str] = {}

    def values(self, group: Group, make: str, shape: str, *, wall: bool = False) -> list[float]:
        """One value a round, in the group's unit."""
        found = self.samples.get((group.name, make, shape), [])
        if wall:
            return [sample.wall_us for sample in found]
        return [sample.kb if group.memory else sample.us for sample in found]


class Ratio(msgspec.Struct, frozen=True):
    """How a target came out on a shape. `close`: not every round says the same."""

    shape: str
    value: float
    at_most: float
    close: bool

    @property
    def ok(self) -> bool:
        return self.value <= self.at_most

    def __str__(self) -> str:
        return f"{_number(self.value)} {'ok' if self.ok else 'OVER'}{'~' if self.close else ''}"


class Table(msgspec.Struct, frozen=True):
    """Ready to be shown: `columns` are headings, each row a label and a cell for each of them."""

    title: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    targets: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# -- ratios --------------------------------------------------------------------------------------


def ratio(results: Results, group: Group, target: Target, shape: str) -> Ratio | None:
    """Medians divided; None where something was not measured, or the target is for other shapes."""
    if (target.shapes and shape not in target.shapes) or shape == target.base:
        return None
    ours = results.values(group, target.ours, shape)
    floor = [1.0] * len(ours)
    if target.floor or target.base:
        floor = results.values(group, target.floor or target.ours, target.base or shape)
    if not ours or not floor:
        return None
    value = statistics.median(ours) / statistics.median(floor)
    rounds = [one / other for one, other in zip(ours, floor, strict=False)]
    close = any(one <= target.at_most for one in rounds) != all(
        one <= target.at_most for one in rounds
    )
    return Ratio(shape, value, target.at_most, close)


def ratios(results: Results, group: Group) -> list[tuple[Target, list[Ratio]]]:
    """All that came about, by target."""
    return [
        (target, [r for shape in group.shapes if (r := ratio(results, group, target, shape))])
        for target in group.targets
    ]


# -- tables --------------------------------------------------------------------------------------


def table(results: Results, group: Group) -> Table:
    """A group as it is shown."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for contender in group.contenders:
        rows.append((contender.label, _cells(results, group, contender, wall=False)))
        if contender.wall and not group.memory:
            rows.append(("  by the clock", _cells(results, group, contender, wall=True)))
    labels = {contender.make: contender.label.strip() for contender in group.contenders}
    return Table(
        group.title,
        _UNITS[group.unit],
        tuple(map(label, group.shapes)),
        tuple(rows),
        tuple(
            (_aim(target, labels), _verdicts(results, group, target)) for target in group.targets
        ),
        tuple(filter(None, (group.note, *_problems(results, group, labels)))),
    )


def _cells(results: Results, group: Group, contender: Contender, *, wall: bool) -> tuple[str, ...]:
    found = (results.values(group, contender.make, shape, wall=wall) for shape in group.shapes)
    return tuple(_number(statistics.median(values)) if values else _NONE for values in found)


def _verdicts(results: Results, group: Group, target: Target) -> tuple[str, ...]:
    found = (ratio(results, group, target, shape) for shape in group.shapes)
    return tuple("" if one is None else str(one) for one in found)


def _aim(target: Target, labels: Mapping[str, str]) -> str:
    ours = labels[target.ours]
    if target.floor:
        return f"{ours} : {labels[target.floor]} ≤ {target.at_most:g}"
    return (
        f"{ours} : {label(target.base)} ≤ {target.at_most:g}"
        if target.base
        else (f"{ours} ≤ {target.at_most:g}")
    )


def _problems(results: Results, group: Group, labels: Mapping[str, str]) -> list[str]:
    found: dict[str, list[str]] = {}
    for (name, make, shape), problem in results.problems.items():
        if name == group.name:
            found.setdefault(f"{labels[make]}: {problem}", []).append(label(shape))
    return [
        problem if len(shapes) == len(group.shapes) else f"{problem} ({', '.join(shapes)})"
        for problem, shapes in found.items()
    ]


# -- text ----------------------------------------------------------------------------------------


def text(shown: Table) -> str:
    """For a terminal."""
    lines = [*shown.rows, *shown.targets]
    first = max(len(name) for name, _ in (*lines, (shown.title, ())))
    widths = [
        max(len(cell) for cell in (heading, *(cells[n] for _, cells in lines)))
        for n, heading in enumerate(shown.columns)
    ]

    def line(name: str, cells: Sequence[str]) -> str:
        placed = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return f"{name:{first}}  {'  '.join(placed)}".rstrip()

    heading = line(shown.title, shown.columns)
    rows = [line(name, cells) for name, cells in shown.rows]
    targets = [line(name, cells) for name, cells in shown.targets]
    return "\n".join([heading, shown.unit, *rows, "-" * len(heading), *targets, *shown.notes])


def markdown(shown: Table) -> str:
    """The same as a section of a document."""

    def line(name: str, cells: Sequence[str], mark: str = "") -> str:
        marked = (f"{mark}{cell}{mark}" if cell else "" for cell in cells)
        return f"| {mark}{name.strip()}{mark} | {' | '.join(marked)} |"

    lines = [
        f"### {shown.title}",
        "",
        line(shown.unit, shown.columns),
        f"|---|{'--:|' * len(shown.columns)}",
        *(line(name, cells) for name, cells in shown.rows),
        *(line(name, cells, "**") for name, cells in shown.targets),
    ]
    for note in shown.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def raw(results: Results, groups: Sequence[Group]) -> dict[str, Any]:
    """Everything that was measured, as JSON has it."""
    named = {group.name: group for group in groups}
    return {
        "samples": [
            {"group": name, "us": sample.us, **msgspec.structs.asdict(sample)}
            for (name, _, _), found in results.samples.items()
            for sample in found
        ],
        "problems": [
            {"group": name, "contender": make, "shape": shape, "problem": problem}
            for (name, make, shape), problem in results.problems.items()
        ],
        "targets": [
            {
                "group": name, "ours": target.ours, "floor": target.floor, "base": target.base,
                "shape": one.shape, "ratio": one.value, "at_most": one.at_most, "ok": one.ok,
                "close": one.close,
            }
            for name, group in named.items()
            for target, found in ratios(results, group)
            for one in found
        ],
    }  # fmt: skip
