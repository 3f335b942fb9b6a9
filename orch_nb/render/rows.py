"""Tables that are made the same way: empty columns left out, long ones bounded, hierarchy kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orch_nb.model.quantity import count
from orch_nb.model.task import Task
from orch_nb.render.document import Column, Line, Row, Table, Text, line, plain
from orch_nb.render.facts import Entry
from orch_nb.render.plaintext import one_line

__all__ = ["MOST_ROWS", "hierarchy", "table", "task_name"]

MOST_ROWS = 200
#: Of a thousand rows and more nobody reads two hundred: the rest is told in numbers.
_HUGE, _OF_HUGE = 1000, 60


def _room(rows: int) -> int:
    return MOST_ROWS if rows <= _HUGE else _OF_HUGE


def table(
    caption: str,
    titles: Sequence[str],
    rows: Sequence[Sequence[Line]],
    *,
    numeric: Sequence[str] = (),
    wrap: Sequence[str] = (),
    most: int = MOST_ROWS,
    left_out: int = 0,
) -> Table | None:
    """A table of lines; None without rows. A column in which nobody says anything is left out.

    `left_out` is how many rows there are beyond those given.
    """
    most = min(most, _room(len(rows) + left_out))
    left_out += max(0, len(rows) - most)
    return _table(
        caption, titles, [Row(tuple(row)) for row in rows[:most]], numeric, wrap, left_out
    )


def _table(
    caption: str,
    titles: Sequence[str],
    rows: Sequence[Row],
    numeric: Sequence[str],
    wrap: Sequence[str],
    left_out: int = 0,
) -> Table | None:
    if not rows:
        return None
    used = [
        at
        for at in range(len(titles))
        if not at or any(plain(row.cells[at]).strip() for row in rows)
    ]
    columns = tuple(Column(titles[at], titles[at] in numeric, titles[at] in wrap) for at in used)
    kept = tuple(Row(tuple(row.cells[at] for at in used), row.depth, row.head) for row in rows)
    note = f"and {count(left_out, 'row')} more, left out here" if left_out > 0 else ""
    return Table(caption, columns, kept, note)


def task_name(task: Task) -> Line:
    """A task as a person knows it: its title, and its id where that is another word."""
    label = one_line(task.label, 120)
    if label == task.id or not task.title:
        return line(label)
    return line(f"{label} ", Text(one_line(task.id, 60), muted=True))


def hierarchy(
    found: Sequence[Entry],
    caption: str,
    titles: Sequence[str],
    cells: Callable[[Task, str], Sequence[Line]],
    *,
    group_cells: Callable[[Entry], Sequence[Line]],
    urgent: Callable[[str], bool] = lambda _: False,
    numeric: Sequence[str] = (),
    wrap: Sequence[str] = (),
) -> Table | None:
    """Epic > Story > Task > Subtask, and in a run > Instance: a row each, indented below what it
    belongs to. `cells` is given a task and what it is called in a run.

    Where there are more than `MOST_ROWS`, what is `urgent` stays and the rest fills up, in order;
    of a thousand and more only some are shown.
    """
    kept = found
    if len(found) > MOST_ROWS:
        first = {at for at, e in enumerate(found) if e.story is not None or urgent(e.id)}
        rest = (at for at in range(len(found)) if at not in first)
        chosen = sorted([*sorted(first), *rest][: _room(len(found))])
        kept = tuple(found[at] for at in chosen)
    rows = []
    for entry in kept:
        if entry.rest:
            told = line(Text(entry.rest, muted=True))
            rows.append(Row((line("…"), told, *[()] * (len(titles) - 2)), entry.depth))
        elif entry.task is not None:
            name = line(one_line(entry.instance, 120)) if entry.instance else task_name(entry.task)
            rows.append(Row((name, *cells(entry.task, entry.id)), entry.depth))
        elif entry.story is not None:
            title = line(one_line(entry.story.label, 120))
            rows.append(Row((title, *group_cells(entry)), entry.depth, head=True))
    return _table(caption, titles, rows, numeric, wrap, len(found) - len(kept))
