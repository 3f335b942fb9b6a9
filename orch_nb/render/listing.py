"""Lists that `%orchestrate` shows: the runs of a journal, patterns of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from orch_nb.catalog.library import FAMILIES, family_of, patterns, search
from orch_nb.engine.ports import RunRow
from orch_nb.model.quantity import duration, when
from orch_nb.model.research import Pattern
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import (
    Badge,
    Code,
    Column,
    Line,
    Paragraph,
    Row,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.pattern_card import SYSTEM_TITLES

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


def patterns_bundle(words: str, typed: str = "%orchestrate") -> Bundle:
    """The patterns that `words` find, the best first, or all of them by family; `typed` begins the
    lines that go on, as one types them there."""
    found = [pattern for pattern, _ in search(words)] if words else list(patterns())
    if not found:
        text = f"No pattern of the catalogue speaks of {words!r}. See: {typed} patterns"
        return blocks_bundle((Paragraph(line(text)),))
    columns: tuple[Column, ...] = (Column("pattern"), Column("id"), Column("what", wrap=True))
    if words:
        columns += (Column("when", wrap=True), Column("spelled by", wrap=True))
        rows = [Row((*_what(one), *_when(one))) for one in found]
    else:
        rows = []
        for family, about in FAMILIES.items():
            rows.append(Row((line(Text(about, strong=True)), line(""), line("")), head=True))
            rows += [Row(_what(one)) for one in found if family_of(one.id) == family]
    title = "Patterns" if words else f"{len(found)} patterns"
    one = found[0].id
    here = typed == "%orchestrate"
    hint = line(
        Code(f"{typed} patterns {one}"), " opens one as a card, ",
        Code(f"{typed} edit {one}" if here else f"{typed} patterns {one} --example"),
        f" {'turns its cell into' if here else 'prints'} an example that runs.",
    )  # fmt: skip
    return blocks_bundle((Table(title, columns, tuple(rows)), Paragraph(hint)))


def _what(pattern: Pattern) -> tuple[Line, ...]:
    return line(pattern.title), line(Code(pattern.id)), said(pattern.summary)


def _when(pattern: Pattern) -> tuple[Line, ...]:
    systems = ", ".join(SYSTEM_TITLES[name] for name in sorted(pattern.systems))
    return said(pattern.use_when[0]), line(systems)
