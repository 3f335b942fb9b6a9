"""What tasks printed, as a journal keeps it: rows of whole lines, read again line by line.

    write_log ─► row 7: "one\\ntwo\\n"       the lines that a task printed within a moment
    read_lines ◄─ seq 7·2²⁰ "one", seq 7·2²⁰+1 "two"

A row is numbered by whoever keeps it, so a line's `seq` is known without being kept, and a reader
who says the last that it has seen is given what came after it, at the cost of that.

Of each task a journal keeps the beginning and the end: what printed a gigabyte is understood by how
it began and by its last words. Where something is missing between them stands a line that says how
much; its stream is "" since no task printed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from orch_nb.engine.ports import LogLine, Printed

__all__ = ["Bounds", "Kept", "Row", "following", "left_out", "newest", "row_of", "within"]

#: id, task, attempt, stream, text, at
Row = tuple[int, str, int, str, str, float]

_HEAD = 1_000_000  # characters that are kept of a task's output from its beginning
_TAIL = 1_000_000  # and up to its end
_PLACES = 1 << 20  # lines that a row may have; with it, 2 ** 33 rows are below what JSON can count


def row_of(seq: int) -> int:
    """The number of the row that a line stands in."""
    return seq // _PLACES


def _lines(row: Row) -> list[LogLine]:
    number, task, attempt, stream, text, at = row
    parts = text.removesuffix("\n").split("\n")
    first = number * _PLACES
    return [
        LogLine(first + min(n, _PLACES - 1), task, attempt, stream, part, at)
        for n, part in enumerate(parts)
    ]


def following(rows: Iterable[Row], after: int, most: int) -> list[LogLine]:
    """The first `most` lines after `after`, of rows in order."""
    found: list[LogLine] = []
    for row in rows:
        found += [line for line in _lines(row) if line.seq > after]
        if len(found) >= most:
            break
    return found[:most]


def newest(rows: Iterable[Row], most: int) -> list[LogLine]:
    """The last `most` lines, of rows from the last to the first."""
    found: list[list[LogLine]] = []
    count = 0
    for row in rows:
        if count >= most:
            break
        found.append(_lines(row))
        count += len(found[-1])
    lines = [line for part in reversed(found) for line in part]
    return lines[max(0, len(lines) - most) :]


def left_out(lines: int) -> str:
    """What stands where lines were left out."""
    return f"… {lines:,} line{'s' * (lines != 1)} left out here …\n"


def _left_out(text: str) -> int:
    """How many lines such a text stands for."""
    return int("".join(c for c in text if c.isdecimal()) or 0)


def within(rows: Sequence[Printed], most: int) -> tuple[Printed, ...]:
    """The last of one attempt's rows that have up to `most` bytes as JSON, behind a line that says
    how many lines were before them."""
    size, first = 0, len(rows)
    while first and size <= most:
        first -= 1
        size += len(msgspec.json.encode(rows[first]))
    if size <= most:
        return tuple(rows)
    task, attempt, _, _, at = rows[first]
    first += 1  # that one was too much
    gone = sum(
        (text.count("\n") or 1) if stream else _left_out(text)
        for _, _, stream, text, _ in rows[:first]
    )
    return ((task, attempt, "", left_out(gone), at), *rows[first:])


class Kept:
    """The bound of one task's output: which rows stay.

    head ─ head ─ head ─ "… 1,234 lines left out here …" ─ tail ─ tail ─ tail
                          in the place of the first row that had to go
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """`rows`: what is kept already, by an earlier process."""
        self._head = self._size = self._gone = 0
        self._tail: deque[tuple[int, int, int]] = deque()
        self._gap: int | None = None
        for number, _, _, stream, text, _ in rows:
            if stream:
                list(self.take(number, text))
            else:  # the line in between: what follows is the end
                self._gap, self._head = number, _HEAD
                self._gone = _left_out(text)

    def take(self, number: int, text: str) -> Iterator[tuple[int, str | None]]:
        """A row is there: the numbers of those that have to go for it, and (in the place of the
        first) what takes its place."""
        if not self._tail and self._gap is None and self._head + len(text) <= _HEAD:
            self._head += len(text)
            return
        self._tail.append((number, len(text), text.count("\n") or 1))
        self._size += len(text)
        gone = self._gone
        while self._size > _TAIL and len(self._tail) > 1:
            old, size, lines = self._tail.popleft()
            self._size -= size
            self._gone += lines
            if self._gap is None:
                self._gap = old
            elif old != self._gap:
                yield old, None
        if self._gone != gone and self._gap is not None:
            yield self._gap, left_out(self._gone)


class Bounds:
    """`Kept` for each task of each run; `known` tells what is kept of one already."""

    def __init__(self, known: Callable[[str, str], Iterable[Row]]) -> None:
        self._known = known
        self._tasks: dict[tuple[str, str], Kept] = {}

    def of(self, run_id: str, task: str) -> Kept:
        found = self._tasks.get((run_id, task))
        if found is None:
            found = self._tasks[run_id, task] = Kept(self._known(run_id, task))
        return found
