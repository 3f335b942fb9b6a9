"""A document as GitHub-flavoured Markdown that reads well as it stands and cannot be broken out of.

Text is escaped so that it neither formats, nor links, nor opens HTML, nor starts mathematics in
Jupyter; in a table it also keeps its bars and its one line.
Source: https://github.github.com/gfm/
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    CodeBlock,
    Column,
    Document,
    Drawing,
    Fold,
    Header,
    Inline,
    Line,
    Listing,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
)
from orch_nb.render.palette import look
from orch_nb.render.plaintext import one_line

__all__ = ["block_markdown", "document_markdown", "escape", "header_markdown", "section_markdown"]

_SPECIAL = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))")
_START = re.compile(r"^(\s*)([-+#=>]|\d+[.)])")
_TICKS = re.compile(r"`+")


def escape(text: str, most: int = 2000) -> str:
    """User text, on one line, bounded, with nothing left that Markdown or HTML would act on."""
    text = one_line(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


def _code(text: str, *, in_table: bool) -> str:
    """A code span, with a fence longer than any run of backticks within."""
    text = one_line(text, 2000)
    if not text:
        return ""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    if in_table:
        text = text.replace("|", "\\|")
    return f"{fence}{space}{text}{space}{fence}"


def document_markdown(document: Document) -> str:
    parts = [header_markdown(document.header)] if document.header else []
    parts += [section_markdown(section) for section in document.sections]
    return "\n\n".join(parts) + "\n"


def header_markdown(header: Header) -> str:
    head = f"# {escape(header.title, 300)}\n\n**{escape(str(look(header.state)))}**"
    facts = f" · {escape(header.facts)}" if header.facts else ""
    lines = "".join(f"\n\n{_line(line)}" for line in header.lines)
    return head + facts + lines


def section_markdown(section: Section) -> str:
    head = f"## {section.heading}\n\n{escape(section.finding)}"
    return "\n\n".join([head, *_blocks(section.blocks)])


def _blocks(blocks: Iterable[Block]) -> list[str]:
    return [text for block in blocks if (text := block_markdown(block))]


def block_markdown(block: Block) -> str:
    match block:
        case Paragraph(line):
            return _START.sub(r"\1\\\2", _line(line))
        case Table():
            return _table(block)
        case Drawing() if block.file:
            return f"![{escape(block.alt, 4000)}]({block.file})"
        case Drawing():
            return f"*{escape(block.alt, 4000)}*"
        case CodeBlock(_, language, caption):
            body = block.shown
            longest = max((len(run) for run in _TICKS.findall(body)), default=0)
            fence = "`" * max(3, longest + 1)
            head = f"{escape(caption)}\n\n" if caption else ""
            return f"{head}{fence}{language}\n{body}\n{fence}"
        case Listing(items, caption):
            head = f"{escape(caption)}\n\n" if caption else ""
            return head + "\n".join(f"- {_line(item)}" for item in items)
        case Fold(summary, blocks, _):
            return "\n\n".join([_line(summary), *_blocks(blocks)])
    raise TypeError(f"{type(block).__name__} is no block")


def _table(table: Table) -> str:
    head = "| " + " | ".join(escape(column.title) or " " for column in table.columns) + " |"
    rule = "|" + "|".join(_rule(column) for column in table.columns) + "|"
    rows = [_row(row) for row in table.rows]
    caption = f"**{escape(table.caption)}**\n\n" if table.caption else ""
    note = f"\n\n{escape(table.note)}" if table.note else ""
    return caption + "\n".join([head, rule, *rows]) + note


def _rule(column: Column) -> str:
    return "--:" if column.numeric else "---"


def _row(row: Row) -> str:
    cells = [_line(cell, in_table=True) for cell in row.cells]
    # Em spaces: Markdown trims ordinary ones, and an entity would be seen where nothing renders it.
    cells[0] = "\u2003" * row.depth + (f"**{cells[0]}**" if row.head and cells[0] else cells[0])
    return "| " + " | ".join(cells) + " |"


def _line(line: Line, *, in_table: bool = False) -> str:
    return "".join(_inline(piece, in_table=in_table) for piece in line).strip(" ")


def _inline(piece: Inline, *, in_table: bool) -> str:
    match piece:
        case Badge(state):
            return escape(str(look(state)))
        case Code(text):
            return _code(text, in_table=in_table)
        case Text(text, strong, _, url):
            before = " " if text[:1].isspace() else ""
            after = " " if text[-1:].isspace() and text.strip() else ""
            inner = escape(text)
            if url.startswith(("https://", "http://")):
                target = re.sub(r"[\s<>()|\\]", lambda m: f"%{ord(m[0]):02X}", one_line(url, 2000))
                inner = f"[{inner}]({target})"
            return f"{before}{f'**{inner}**' if strong and inner else inner}{after}"
