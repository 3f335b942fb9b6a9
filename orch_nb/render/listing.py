"""Lists that `%orchestrate` shows: the runs of a journal, patterns of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from orch_nb.catalog.library import patterns, search
from orch_nb.engine.ports import RunRow
from orch_nb.model.quantity import duration, when
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import Badge, Code, Column, Line, Paragraph, Row, Table, Text, line

__all__ = ["patterns_bundle", "runs_bundle", "unfollowed"]

_MOST = 30


def runs_bundle(rows: Sequence[RunRow]) -> Bundle:
    """The runs of a journal, the newest first."""
    if not rows:
        return blocks_bundle((Paragraph(line("This journal has no runs yet.")),))
    lines = tuple(
        Row(
            (
                line(Code(row.run_id)),
                _standing(row),
                line(row.goal),
                line(when(datetime.fromtimestamp(row.started, UTC))),
                line("" if row.finished is None else duration(row.finished - row.started)),
            )
        )
        for row in rows[:_MOST]
    )
    columns = (
        Column("run"), Column("status"), Column("goal", wrap=True), Column("started"),
        Column("took", numeric=True),
    )  # fmt: skip
    note = f"and {len(rows) - _MOST} older ones" if len(rows) > _MOST else ""
    apart = [Paragraph(told) for row in rows[:_MOST] if (told := unfollowed(row))]
    return blocks_bundle((Table("Runs", columns, lines, note), *apart))


def _standing(row: RunRow) -> Line:
    if row.unfollowed:
        return line(Badge("running"), f" on {row.on.partition('://')[0]}")
    return line(Badge("cut_off" if row.cut_off else row.status))


def unfollowed(row: RunRow) -> Line:
    """Where a run goes on that nobody follows, and what follows it; nothing of any other."""
    if not row.unfollowed:
        return ()
    follow = Code(f"%orchestrate open {row.run_id}")
    return line(Code(row.run_id), f" is running on {row.on}, followed by nobody: ", follow)


def patterns_bundle(words: str) -> Bundle:
    """The patterns that `words` find, or all of them."""
    found = [pattern for pattern, _ in search(words)] if words else list(patterns())
    if not found:
        text = f"No pattern of the catalogue speaks of {words!r}. See: %orchestrate patterns"
        return blocks_bundle((Paragraph(line(text)),))
    rows = tuple(
        Row(
            (
                line(Text(one.title, strong=True)),
                line(one.summary),
                line("; ".join(one.use_when[:2])),
                line(", ".join(sorted(one.systems))),
                line(Text(one.citations[0].title, url=one.citations[0].url))
                if one.citations
                else line(""),
            )
        )
        for one in found
    )
    columns = (
        Column("pattern"), Column("what", wrap=True), Column("when", wrap=True),
        Column("spelled by", wrap=True), Column("source", wrap=True),
    )  # fmt: skip
    return blocks_bundle((Table("Patterns", columns, rows),))
