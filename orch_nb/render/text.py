"""A document as plain text, for terminals, logs, and whatever shows nothing else.

Tables are aligned by the columns their text takes; a drawing is its alternative text.
"""

from __future__ import annotations

from collections.abc import Iterable

from orch_nb.render.document import (
    Block,
    CodeBlock,
    Document,
    Drawing,
    Fold,
    Header,
    Line,
    Listing,
    Paragraph,
    Section,
    Table,
    plain,
)
from orch_nb.render.palette import look
from orch_nb.render.plaintext import bounded, clean, one_line, width

__all__ = ["block_text", "document_text", "header_text", "section_text"]

_CELL = 60


def document_text(document: Document) -> str:
    parts = [header_text(document.header)] if document.header else []
    parts += [section_text(section) for section in document.sections]
    return "\n\n".join(parts)


def header_text(header: Header) -> str:
    head = f"{one_line(header.title, 300)}  {look(header.state)}"
    facts = [one_line(header.facts, 500)] if header.facts else []
    return "\n".join([head, *facts, *(_line(line) for line in header.lines)])


def section_text(section: Section) -> str:
    head = f"{section.heading}  {one_line(section.finding, 500)}".rstrip()
    return "\n\n".join([head, *_blocks(section.blocks)])


def _blocks(blocks: Iterable[Block]) -> list[str]:
    return [text for block in blocks if (text := block_text(block))]


def _indented(text: str) -> str:
    return "\n".join(f"  {row}".rstrip() for row in text.split("\n"))


def block_text(block: Block) -> str:
    match block:
        case Paragraph(line):
            return _indented(_line(line))
        case Table():
            return _indented(_table(block))
        case Drawing():
            return _indented(clean(block.alt))
        case CodeBlock(_, _, caption):
            return _indented("\n".join([*([caption] if caption else []), block.shown]))
        case Listing(items, caption):
            rows = [f"- {_line(item)}" for item in items]
            return _indented("\n".join([*([caption] if caption else []), *rows]))
        case Fold(summary, blocks, _):
            return "\n\n".join([_indented(_line(summary)), *_blocks(blocks)])
    raise TypeError(f"{type(block).__name__} is no block")


def _line(line: Line) -> str:
    return one_line(plain(line), 2000)


def _table(table: Table) -> str:
    rows = [[column.title for column in table.columns]]
    for row in table.rows:
        cells = [bounded(_line(cell), _CELL) for cell in row.cells]
        cells[0] = "  " * row.depth + cells[0]
        rows.append(cells)
    widths = [max(width(row[at]) for row in rows) for at in range(len(table.columns))]
    lines = []
    for cells in rows:
        padded = []
        for cell, column, wide in zip(cells, table.columns, widths, strict=True):
            space = " " * (wide - width(cell))
            padded.append(space + cell if column.numeric else cell + space)
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("─" * wide for wide in widths))
    head = [table.caption] if table.caption else []
    note = [one_line(table.note)] if table.note else []
    return "\n".join([*head, *lines, *note])
