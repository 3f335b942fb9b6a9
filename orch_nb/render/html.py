"""A document as HTML that survives: an untrusted notebook, GitHub's sanitiser, a dark theme, print.

Only elements and attributes that those keep, and colours as inline hex: no `<style>`, no `<svg>`,
no class, no `var()`, no script. Text takes the page's own colour and nothing sets a page
background; only badges bring one, always with their own text colour. A drawing is an `<img>` with
a data URI.
Source: JupyterLab's sanitiser (`packages/apputils/src/sanitizer.ts`) and GitHub's notebook view.
"""

from __future__ import annotations

import base64
import html
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
    plain,
)
from orch_nb.render.highlight import highlighted
from orch_nb.render.palette import GREY, RULE, look
from orch_nb.render.plaintext import clean, one_line

__all__ = ["block_html", "document_html", "header_html", "image_html", "section_html", "wrap"]

_FONT = (
    "font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif;font-size:13px;line-height:1.5"
)
_MONO = "font-family:SFMono-Regular,Consolas,Liberation Mono,Menlo,monospace;font-size:12px"
_SUMMARY = f"cursor:pointer;padding:5px 0;border-top:1px solid {GREY}"
_MOST = 2000
_BROAD = 40


def escape(text: str, most: int = _MOST) -> str:
    """User text for an element or a quoted attribute: one line, bounded, escaped."""
    return html.escape(one_line(text, most))


def wrap(inner: str) -> str:
    """The fragment's own frame: sets the type, not the colours."""
    return f'<div style="{_FONT}">{inner}</div>'


def document_html(document: Document, level: int = 2) -> str:
    """Header and sections as one fragment; the title is a heading of that level, and a phase one
    below it: 1 where the fragment is the page, 2 in a notebook, which has a title of its own."""
    head = header_html(document.header, level) if document.header else ""
    return wrap(head + "".join(section_html(one, level + 1) for one in document.sections))


def _heading(level: int, text: str, style: str) -> str:
    """A heading in the flow of its line, for whoever goes from one to the next by keyboard."""
    flat = "display:inline;margin:0;padding:0;border:0;line-height:inherit"
    return f'<h{level} style="{flat};{style}">{html.escape(text)}</h{level}>'


def header_html(header: Header, level: int = 2) -> str:
    lines = "".join(f'<div style="margin:3px 0 0 0">{_line(line)}</div>' for line in header.lines)
    return (
        '<div style="padding:6px 0 10px 0">'
        f"{_heading(level, one_line(header.title, 300), 'font-size:17px;font-weight:600')}&ensp;"
        f"{_badge(header.state)}&ensp;{_muted(header.facts)}{lines}</div>"
    )


def section_html(section: Section, level: int = 3) -> str:
    """A phase: one line that says its finding and opens to its detail."""
    title = _heading(level, section.heading, "font-size:13px;font-weight:700")
    summary = f"{title}&ensp;{_muted(section.finding.replace('`', ''))}"
    if not section.blocks:
        return f'<div style="{_SUMMARY};cursor:default;padding-left:13px">{summary}</div>'
    return _details(summary, _blocks(section.blocks), is_open=section.open, style=_SUMMARY)


def _details(summary: str, inner: str, *, is_open: bool, style: str) -> str:
    opened = " open" if is_open else ""
    return (
        f'<details{opened} style="margin:0 0 4px 0"><summary style="{style}">{summary}</summary>'
        f'<div style="padding:4px 0 8px 16px">{inner}</div></details>'
    )


def _blocks(blocks: Iterable[Block]) -> str:
    return "".join(block_html(block) for block in blocks)


def block_html(block: Block) -> str:
    match block:
        case Paragraph(line):
            return f'<div style="margin:4px 0 8px 0">{_line(line)}</div>'
        case Table():
            return _table(block)
        case Drawing():
            return image_html(block)
        case CodeBlock(_, language, caption, whole):
            head = f'<div style="color:{GREY};margin:4px 0 2px 0">{escape(caption)}</div>'
            # As references: a blank line would end the HTML where it stands in a Markdown file.
            body = highlighted(block.shown, language if whole else "")
            style = (
                f"{_MONO};line-height:1.4;margin:2px 0 10px 0;padding:2px 0 2px 10px;"
                f"border-left:2px solid {GREY};overflow-x:auto;white-space:pre"
            )
            return f'{head if caption else ""}<pre style="{style}">{body}</pre>'
        case Listing(items, caption):
            head = f'<div style="color:{GREY};margin:4px 0 2px 0">{escape(caption)}</div>'
            inner = "".join(f'<li style="margin:1px 0">{_line(item)}</li>' for item in items)
            listing = f'<ul style="margin:2px 0 10px 0;padding-left:20px">{inner}</ul>'
            return f"{head if caption else ''}{listing}"
        case Fold(summary, blocks, is_open):
            head = _line(summary)
            return _details(
                head, _blocks(blocks), is_open=is_open, style="cursor:pointer;padding:2px 0"
            )
    raise TypeError(f"{type(block).__name__} is no block")


def image_html(drawing: Drawing) -> str:
    """The drawing, never larger than it is; one wider than a page is a strip to scroll."""
    png = drawing.png() if not drawing.svg and drawing.png is not None else None  # a task's own
    kind, raw = ("png", png) if png else ("svg+xml", drawing.svg.encode())
    data = base64.b64encode(raw).decode()
    limit = "max-width:100%" if drawing.width <= 1500 else "max-width:none"
    image = (
        f'<img alt="{html.escape(clean(drawing.alt), quote=True)}" width="{round(drawing.width)}" '
        f'style="{limit}" src="data:image/{kind};base64,{data}">'
    )
    return f'<div style="overflow-x:auto;margin:2px 0 8px 0">{image}</div>'


def _table(table: Table) -> str:
    head = "".join(_head(column) for column in table.columns)
    broad = tuple(_least(table, at) for at in range(len(table.columns)))
    rows = "".join(_row(row, table.columns, broad) for row in table.rows)
    note = f'<div style="color:{GREY};margin:-6px 0 10px 0">{escape(table.note)}</div>'
    caption = (
        f'<caption style="text-align:left;color:{GREY};padding:0 0 3px 0;caption-side:top">'
        f"{escape(table.caption)}</caption>"
        if table.caption
        else ""
    )
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:4px 0 12px 0">'
        f"{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"{note if table.note else ''}"
    )


def _head(column: Column) -> str:
    style = f'style="{_cell_style(column, GREY)};font-weight:600"'
    if not column.title:  # a head without a name would be read out as one
        return f"<td {style}></td>"
    return f'<th scope="col" {style}>{escape(column.title)}</th>'


def _least(table: Table, at: int) -> int:
    """How narrow a column that wraps may get, in pixels: narrow pages, and tables of many columns,
    would squeeze it to a letter a line."""
    if not table.columns[at].wrap:
        return 0
    longest = max((len(plain(row.cells[at])) for row in table.rows), default=0)
    least = max(min(longest, _BROAD // 2), len(table.columns[at].title))
    return 220 if longest > _BROAD else 8 * least


def _row(row: Row, columns: tuple[Column, ...], broad: tuple[int, ...]) -> str:
    cells = []
    for at, (cell, column) in enumerate(zip(row.cells, columns, strict=True)):
        style = _cell_style(column)
        if broad[at]:
            style += f";min-width:{broad[at]}px"
        if at == 0 and row.depth:
            style += f";padding-left:{16 * row.depth}px"
        if row.head and at == 0:
            style += ";font-weight:600"
        cells.append(f'<td style="{style}">{_line(cell)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell_style(column: Column, rule: str = RULE) -> str:
    align = "right" if column.numeric else "left"
    flow = "max-width:420px;overflow-wrap:anywhere" if column.wrap else "white-space:nowrap"
    return (
        f"text-align:{align};vertical-align:top;padding:3px 16px 3px 0;"
        f"border-bottom:1px solid {rule};{flow}"
    )


def _line(line: Line) -> str:
    return "".join(_inline(piece) for piece in line)


def _inline(piece: Inline) -> str:
    match piece:
        case Badge(state):
            return _badge(state)
        case Code(text):
            return f'<code style="{_MONO}">{_spaced(text)}</code>'
        case Text(text, strong, muted, url):
            inner = _spaced(text)
            if url.startswith(("https://", "http://")):
                inner = f'<a href="{html.escape(clean(url), quote=True)}">{inner}</a>'
            if strong:
                inner = f"<b>{inner}</b>"
            return f'<span style="color:{GREY}">{inner}</span>' if muted else inner


def _spaced(text: str) -> str:
    """`escape` keeps no space at the ends of a piece, where it parts it from its neighbours."""
    inner = escape(text)
    before = " " if text[:1].isspace() and inner else ""
    after = " " if text[-1:].isspace() and inner else ""
    return f"{before}{inner}{after}" if inner else (" " if text.isspace() else "")


def _badge(state: str) -> str:
    shown = look(state)
    return (
        f'<span style="background-color:{shown.fill};color:{shown.text};padding:1px 7px;'
        f'border-radius:9px;white-space:nowrap">{escape(str(shown))}</span>'
    )


def _muted(text: str) -> str:
    return f'<span style="color:{GREY}">{escape(text)}</span>' if text else ""
