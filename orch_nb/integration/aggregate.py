"""The results of a story in one table, where their shapes agree.

    eu  frame of price, n          task  price  n         a frame each of the same columns: one
    us  frame of price, n     ──►  eu    1.5    3         below the other, with the task before
                                   us    2.5    7
    a   {"ok": 3, "bad": 1}   ──►  a row a task           mappings of the same plain keys
    b   5                     ──►  task and value         numbers

Where they do not agree there is no table but a note that says what differs. Made of the previews
that the journal keeps, and of JSON, so that nothing is unpickled: a table shows the head of each
frame, and says of how many rows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.event import ResultRef
from orch_nb.model.preview import Rich
from orch_nb.model.quantity import count, listed
from orch_nb.model.report import StoryTable
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status

__all__ = ["story_tables"]

_ROWS = 40
_EACH = 10
_COLUMNS = 13
_TASKS = 200  # of a story, more are told by their number
_CHARS = 80
_JSON_BYTES = 20_000
_LOOKED_AT = 200  # results that are neither numbers nor records: each is read from the journal
_PLAIN = (str, int, float, bool, type(None))


class _Shape(msgspec.Struct):
    """What a task's result contributes: `kind` is frame, record or number."""

    task: str
    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int


def story_tables(run: Run) -> tuple[StoryTable, ...]:
    """One for each story with at least two results that are tables and records, or numbers."""
    by_story: dict[str | None, list[_Shape]] = {}
    others: dict[str | None, int] = {}
    looks = 0
    for task in run.plan.tasks:
        done = run[task.id]
        ref = done.result
        if done.status is not Status.SUCCEEDED or ref is None or ref.format == "none":
            continue
        shape = _plain_shape(run, done, ref)
        if shape is None and looks < _LOOKED_AT:
            looks += 1
            shape = _frame_shape(run, done)
        if shape is not None:
            by_story.setdefault(task.story, []).append(shape)
        else:
            others[task.story] = others.get(task.story, 0) + 1
    order = [None, *(story.id for story in run.plan.stories)]
    found = [
        _table(story, by_story[story][:_TASKS], others.get(story, 0))
        for story in order
        if _comparable(by_story.get(story, []))
    ]
    return tuple(found)


def _comparable(shapes: list[_Shape]) -> bool:
    """Whether a person would look for them in one table: numbers beside a record are none."""
    kinds = [shape.kind for shape in shapes]
    return len(kinds) > 1 and (set(kinds) == {"number"} or len(kinds) - kinds.count("number") > 1)


def _plain_shape(run: Run, done: TaskRun, ref: ResultRef) -> _Shape | None:
    """Of a number, or a mapping of plain values."""
    if ref.format not in ("json", "memory") or ref.size > _JSON_BYTES:
        return None
    try:
        value = run.results[done.task]
    except LookupError:  # the journal is elsewhere
        return None
    if type(value) in (int, float):
        return _Shape(done.task, "number", ("value",), ((_cell(value),),), 1)
    if type(value) is dict and value and all(type(v) in _PLAIN for v in value.values()):
        cells = tuple(map(_cell, value.values()))
        return _Shape(done.task, "record", tuple(map(str, value)), (cells,), 1)
    return None


def _frame_shape(run: Run, done: TaskRun) -> _Shape | None:
    """Of what the journal keeps the looks of a table of."""
    look = getattr(run.results, "rich", None)
    rich: Rich | None = look(done.task) if look is not None else None
    if rich is None or rich.kind != "table" or not rich.rows:
        return None
    total = rich.shape[0] if rich.shape else len(rich.rows)
    return _Shape(done.task, "frame", rich.columns, rich.rows[:_EACH], total)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if type(value) is float else str(value)
    return text if len(text) <= _CHARS else text[: _CHARS - 1] + "…"


def _table(story: str | None, shapes: list[_Shape], others: int) -> StoryTable:
    kinds = {shape.columns for shape in shapes}
    if len(kinds) > 1:
        return StoryTable(story, note=f"no table of all: {_differ(shapes)}")
    columns = kinds.pop()
    rows: list[tuple[str, ...]] = []
    for shape in shapes:
        rows += [(shape.task, *row) for row in shape.rows]
    total = sum(shape.total for shape in shapes)
    shown = tuple(row[:_COLUMNS] for row in rows[:_ROWS])
    note = f"{count(others, 'result')} of another kind beside them" if others else ""
    return StoryTable(
        story, columns=("task", *columns)[:_COLUMNS], rows=shown, total=total, note=note
    )


def _differ(shapes: list[_Shape]) -> str:
    """What differs, by the first of each shape."""
    first: dict[tuple[str, ...], _Shape] = {}
    for shape in shapes:
        first.setdefault(shape.columns, shape)
    told = [
        f"`{one.task}` is a number" if one.kind == "number"
        else f"`{one.task}` has {listed(one.columns, 4)}"
        for one in first.values()
    ]  # fmt: skip
    return listed(told, 3)
