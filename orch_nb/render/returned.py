"""What tasks returned: a line each, the looks of tables and pictures, stories in one table.

Everything here is of the bounded previews that the journal keeps; nothing is unpickled.
"""

from __future__ import annotations

import re

from orch_nb.model.preview import Rich
from orch_nb.model.quantity import count, number, size
from orch_nb.model.report import Report, Result, StoryTable
from orch_nb.render.document import (
    Block,
    Code,
    Column,
    Drawing,
    Fold,
    Line,
    Paragraph,
    Row,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table, task_name

__all__ = ["results_blocks", "rich_block"]

_RESULTS, _LOOKS = 100, 12
_PICTURE_BYTES = 1_000_000  # of all pictures of a report
_WIDEST = 800
_NUMBER = re.compile(r"[-+]?[\d.,]+(?:e[-+]?\d+)?|NaN|")


def results_blocks(report: Report) -> list[Block]:
    """The table of results, the looks of the first, and those of each story together."""
    found = [_results(report), *_looks(report), *_stories(report)]
    return [block for block in found if block is not None]


def _results(report: Report) -> Block | None:
    plan = report.run.plan
    rows = [
        (
            task_name(plan[result.task]) if result.task in plan else line(result.task),
            _text(result),
            line(size(result.size_bytes) if result.size_bytes else ""),
        )
        for result in report.results[:_RESULTS]
    ]
    return table(
        "Results", ("task", "result", "stored"), rows, numeric=("stored",), wrap=("result",),
        left_out=max(0, len(report.results) - _RESULTS),
    )  # fmt: skip


def _text(result: Result) -> Line:
    if result.kind == "unstored":
        return line(one_line(result.text, 300))
    text = one_line(result.text, 300)
    return line(Code(text) if text else Text("empty", muted=True))


def _looks(report: Report) -> list[Block]:
    found: list[Block] = []
    left = _PICTURE_BYTES
    for result in report.results:
        if result.rich is None or len(found) == _LOOKS:
            continue
        left -= len(result.rich.png)
        if left < 0 and result.rich.png:
            continue
        caption = line(Text(_name(report, result)), Text(f"  {result.rich.title}", muted=True))
        alone = sum(one.rich is not None for one in report.results) == 1
        is_open = alone or (result.rich.kind == "picture" and len(found) < _LOOKS // 2)
        found.append(Fold(caption, (rich_block(result.rich, _name(report, result)),), is_open))
    return found


def _name(report: Report, result: Result) -> str:
    plan = report.run.plan
    return one_line(plan[result.task].label if result.task in plan else result.task, 80)


def rich_block(rich: Rich, name: str = "") -> Block:
    """A result's looks as a block: the head of a table, or a picture."""
    if rich.kind == "picture":
        if not rich.png:
            return Paragraph(line(Text(rich.note or "it has no picture", muted=True)))
        shrink = min(1.0, _WIDEST / max(1, rich.width))
        return Drawing(
            "", f"A picture: {rich.title} that {name} returned" if name else rich.title,
            rich.width * shrink, rich.height * shrink, lambda: rich.png,
        )  # fmt: skip
    kinds = rich.dtypes if any(rich.dtypes) else ()
    columns = tuple(
        Column(one_line(title, 60) or " ", numeric=_numeric(kind), wrap=not _numeric(kind))
        for title, kind in zip(rich.columns, rich.dtypes or rich.columns, strict=True)
    )
    rows = [tuple(line(one_line(cell, 120)) for cell in row) for row in rich.rows]
    if kinds:
        head = tuple(line(Text(one_line(kind, 40), muted=True)) for kind in kinds)
        rows.insert(0, head)
    return Table("", columns, tuple(Row(row) for row in rows), _left_out(rich))


def _numeric(kind: str) -> bool:
    return kind.lower().startswith(("int", "uint", "float", "decimal"))


def _left_out(rich: Rich) -> str:
    """What a table does not show."""
    if len(rich.shape) != 2:
        return rich.note
    rows, columns = rich.shape
    parts = []
    if rows > len(rich.rows):
        parts.append(f"{number(len(rich.rows))} of {count(rows, 'row')}")
    shown = len(rich.columns) - rich.index
    if columns > shown:
        parts.append(f"{number(shown)} of {count(columns, 'column')}")
    return "; ".join([", ".join(parts)] * bool(parts) + [rich.note] * bool(rich.note))


def _stories(report: Report) -> list[Block]:
    return [_story(report, one) for one in report.tables]


def _story(report: Report, one: StoryTable) -> Block:
    labels = {story.id: story.label for story in report.run.plan.stories}
    name = one_line(labels.get(one.story or "", one.story or ""), 80)
    of = f" of {name}" if name else ""
    if not one.rows:
        return Paragraph(line(Text(f"Results{of}: ", muted=True), *said(one_line(one.note, 300))))
    summary = line(Text(f"Results{of} together: {count(one.total, 'row')}", muted=True))
    return Fold(summary, (_together(one),), open=len(one.rows) <= 10)


def _number_columns(one: StoryTable) -> list[bool]:
    """Which columns hold numbers only."""
    return [
        n > 0 and all(_NUMBER.fullmatch(row[n]) for row in one.rows if n < len(row))
        for n in range(len(one.columns))
    ]


def _together(one: StoryTable) -> Table:
    columns = tuple(
        Column(one_line(title, 60) or " ", numeric=numeric, wrap=not numeric)
        for title, numeric in zip(one.columns, _number_columns(one), strict=True)
    )
    rows: list[tuple[Line, ...]] = []
    before = ""
    for row in one.rows:
        first = row[0] if row[0] != before else ""  # a frame's rows, its task named once
        before = row[0]
        rows.append(tuple(line(one_line(cell, 120)) for cell in (first, *row[1:])))
    left = one.total - len(one.rows)
    parts = [f"and {count(left, 'row')} more, left out here"] if left > 0 else []
    note = "; ".join([*parts, *([one.note] if one.note else [])])
    return Table("", columns, tuple(Row(row) for row in rows), note)
