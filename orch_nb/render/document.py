"""What is shown, before any format: sections of blocks of pieces of text, all frozen values.

    Document ─ Header, Section* ─ Block* (Paragraph, Table, Drawing, CodeBlock, Listing, Fold)
                                     └ Line: a tuple of Text, Code, Badge

`sections` writes it, `html`, `markdown` and `text` read it. It holds text as the person wrote it:
escaping belongs to the format, and only there can it not be forgotten.
The idea of one tree and several writers is pandoc's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from orch_nb.render.palette import look
from orch_nb.render.plaintext import bounded_lines, clean

__all__ = [
    "Badge", "Block", "Code", "CodeBlock", "Column", "Document", "Drawing", "Fold", "Header",
    "Inline", "Line", "Listing", "Paragraph", "Row", "Section", "Table", "Text", "line", "plain",
    "said",
]  # fmt: skip


class Text(msgspec.Struct, frozen=True):
    """Words. `url` makes them a link, if it is one of http or https."""

    text: str
    strong: bool = False
    muted: bool = False
    url: str = ""


class Code(msgspec.Struct, frozen=True):
    """What a person could type, or a machine said."""

    text: str


class Badge(msgspec.Struct, frozen=True):
    """A state, by its key in `palette.LOOKS`."""

    state: str


Inline: TypeAlias = Text | Code | Badge
Line: TypeAlias = tuple[Inline, ...]


class Column(msgspec.Struct, frozen=True):
    """A column's head; `numeric` aligns to the right, `wrap` lets long text break."""

    title: str
    numeric: bool = False
    wrap: bool = False


class Row(msgspec.Struct, frozen=True):
    """A table's row; `depth` indents its first cell, `head` marks a row that stands for a group."""

    cells: tuple[Line, ...]
    depth: int = 0
    head: bool = False


class Paragraph(msgspec.Struct, frozen=True):
    line: Line


class Table(msgspec.Struct, frozen=True):
    """Rows under columns; `note` stands below and says what was left out."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""


class Drawing(msgspec.Struct, frozen=True):
    """A picture: `svg` for pages, `png()` for what shows no SVG, `alt` says all that it shows.

    `width` and `height` are in CSS pixels; `file` is where it lies, for a text that names it. A
    picture that a task returned has no `svg`, only `png`.
    """

    svg: str
    alt: str
    width: float
    height: float
    png: Callable[[], bytes | None] | None = None
    file: str = ""


class CodeBlock(msgspec.Struct, frozen=True):
    """Lines of code or of output; `language` names it for a Markdown fence. What is `whole` is
    shown as it is, anything else by its first and last lines."""

    text: str
    language: str = ""
    caption: str = ""
    whole: bool = False

    @property
    def shown(self) -> str:
        return clean(self.text).strip("\n") if self.whole else bounded_lines(self.text)


class Listing(msgspec.Struct, frozen=True):
    items: tuple[Line, ...]
    caption: str = ""


class Fold(msgspec.Struct, frozen=True):
    """Blocks behind one line that says what they hold."""

    summary: Line
    blocks: tuple[Block, ...]
    open: bool = False


Block: TypeAlias = "Paragraph | Table | Drawing | CodeBlock | Listing | Fold"


class Section(msgspec.Struct, frozen=True):
    """A phase: its line (`number title finding`) and, when opened, its blocks. `number` is 0 for
    what is no phase."""

    number: int
    title: str
    finding: str
    blocks: tuple[Block, ...] = ()
    open: bool = False

    @property
    def heading(self) -> str:
        return f"{self.number} {self.title}" if self.number else self.title


class Header(msgspec.Struct, frozen=True):
    """The outcome first: what, how it stands, how much and when; then why, and what to do next."""

    title: str
    state: str
    facts: str
    lines: tuple[Line, ...] = ()


class Document(msgspec.Struct, frozen=True):
    header: Header | None
    sections: tuple[Section, ...] = ()


def line(*parts: Inline | str) -> Line:
    """A line of pieces; a string is plain text, an empty one nothing."""
    return tuple(
        Text(part) if isinstance(part, str) else part
        for part in parts
        if not isinstance(part, str) or part
    )


def said(text: str) -> Line:
    """A sentence in which `names` stand between backticks, as messages have them, as a line.

    >>> said("`sdist` failed")
    (Code(text='sdist'), Text(text=' failed', strong=False, muted=False, url=''))
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of its own: nobody can say what it quotes
        return line(text)
    return tuple(Code(part) if at % 2 else Text(part) for at, part in enumerate(parts) if part)


def plain(pieces: Line) -> str:
    """The bare words of a line; a badge is its glyph and word."""
    return "".join(
        str(look(piece.state)) if isinstance(piece, Badge) else piece.text for piece in pieces
    )
