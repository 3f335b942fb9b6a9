"""A report as one file: HTML that needs no network and no script, or Markdown with its pictures.

The page's own `<style>` sets what fragments may not: the page's colours, light or dark by the
reader's preference or choice, its measure, and how it prints (everything open, nothing cut in two).
What stands in it is the same fragment that a notebook shows. The values stand in it too, as JSON in
a script element of a type that no browser runs (`model.record`).
"""

from __future__ import annotations

import html as escaping
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from orch_nb.model import record
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation, Report
from orch_nb.render import html, markdown
from orch_nb.render.document import (
    Block,
    CodeBlock,
    Document,
    Drawing,
    Fold,
    Section,
)
from orch_nb.render.plaintext import one_line
from orch_nb.render.sections import operation_document, report_document
from orch_nb.render.whole_file import written

__all__ = [
    "operations_markdown", "operations_page", "write_html", "write_markdown",
]  # fmt: skip

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1100px; padding: 24px 28px 48px; }
body { background: #fff; color: #1f2328; }
a { color: #0757b8; }
code, pre { font-variant-ligatures: none; }
section + section { margin-top: 40px; border-top: 1px solid #797979; padding-top: 16px; }
form { float: right; font: 12px sans-serif; color: #797979; }
@media (prefers-color-scheme: dark) {
  :root:not(:has(#light:checked)) body { background: #111; color: #e6e8ea; }
  :root:not(:has(#light:checked)) a { color: #6cb0ff; }
}
:root:has(#light:checked) { color-scheme: light; }
:root:has(#dark:checked) { color-scheme: dark; }
:root:has(#dark:checked) body { background: #111; color: #e6e8ea; }
:root:has(#dark:checked) a { color: #6cb0ff; }
@page { margin: 14mm 12mm; }
@media print {
  :root, :root:has(#dark:checked) { color-scheme: light; }
  :root body, :root:has(#dark:checked) body, :root:not(:has(#light:checked)) body {
    max-width: none; padding: 0; background: #fff; color: #000; font-size: 11px;
  }
  :root a, :root:not(:has(#light:checked)) a { color: #0757b8; }
  form { display: none; }
  details > *:not(summary) { display: block !important; }
  details::details-content { content-visibility: visible; display: block; }
  div { overflow: visible !important; }
  thead { display: table-header-group; }
  tr, img, summary, li, caption, thead { break-inside: avoid; }
  table:not(:has(tbody > tr:nth-child(13))) { break-inside: avoid; }
  tbody > tr:first-child, tbody > tr:last-child { break-before: avoid; }
  div:has(+ pre), div:has(+ ul) { break-after: avoid; }
  pre, div { orphans: 3; widows: 3; }
  img { max-width: 100% !important; max-height: 200mm; height: auto; object-fit: contain; }
  td, th { white-space: normal !important; overflow-wrap: break-word !important; }
  [style*="text-align:right"] { white-space: nowrap !important; }
  td, th { min-width: 0 !important; max-width: 90mm !important; padding-right: 8px !important; }
  summary, caption, thead { break-after: avoid; }
  pre { white-space: pre-wrap !important; overflow: visible !important; }
  pre { overflow-wrap: anywhere; }
  section + section { break-before: page; border: 0; }
}
""".strip()

_THEMES = (
    '<form aria-label="Colours of this page">'
    '<label><input type="radio" name="theme" checked> as the system</label> '
    '<label><input type="radio" name="theme" id="light"> light</label> '
    '<label><input type="radio" name="theme" id="dark"> dark</label></form>'
)


def operations_page(operations: Sequence[Operation], *, code: Sequence[str] = ()) -> str:
    """Operations, one below the other, as one HTML page; `code` are cells, shown before them."""
    documents = [operation_document(operation) for operation in operations]
    if code:
        documents[0] = _with_code(documents[0], code)
    return _page(documents, [record.seal(operation) for operation in operations])


def operations_markdown(
    operations: Sequence[Operation], *, code: Sequence[str] = (), folder: str = ""
) -> tuple[str, dict[str, str]]:
    """The same as Markdown, and its pictures (SVG) by the path that it names them by, in `folder`;
    without one the pictures are told in words."""
    documents = [operation_document(operation) for operation in operations]
    if code:
        documents[0] = _with_code(documents[0], code)
    pictures: dict[str, str] = {}
    if folder:
        documents = [_placed(document, folder, pictures) for document in documents]
    text = "\n\n---\n\n".join(markdown.document_markdown(document) for document in documents)
    return text, pictures


def _with_code(document: Document, code: Sequence[str]) -> Document:
    cells = tuple(CodeBlock(cell, "python") for cell in code)
    shown = Section(0, "CODE", f"{len(cells)} cells", cells)
    return replace(document, sections=(shown, *document.sections))


def _placed(document: Document, folder: str, pictures: dict[str, str]) -> Document:
    """The document with a file named for each of its drawings."""

    def place(blocks: Iterable[Block]) -> tuple[Block, ...]:
        found: list[Block] = []
        for block in blocks:
            if isinstance(block, Drawing):
                path = f"{folder}/{len(pictures) + 1}.svg"
                pictures[path] = block.svg
                found.append(replace(block, file=path))
            elif isinstance(block, Fold):
                found.append(replace(block, blocks=place(block.blocks)))
            else:
                found.append(block)
        return tuple(found)

    sections = [replace(one, blocks=place(one.blocks)) for one in document.sections]
    return replace(document, sections=tuple(sections))


def _page(documents: Sequence[Document], sealed: Sequence[dict[str, Any] | None]) -> str:
    head = documents[0].header
    title = one_line(head.title, 160) if head else "orch_nb"
    body = "\n".join(
        f"<section>\n{html.document_html(one, 1 if one is documents[0] else 2)}\n</section>"
        for one in documents
    )
    data = "".join(_script(one) for one in sealed if one is not None)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="orch_nb">\n'
        f"<title>{escaping.escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f"{_THEMES}\n<main>\n{body}\n</main>\n{data}</body>\n</html>\n"
    )


def _script(sealed: dict[str, Any]) -> str:
    """Data that nothing runs; no `<` in it, so that nothing in it can end the element."""
    text = msgspec.json.encode(sealed).decode().replace("<", "\\u003c")
    return f'<script type="{record.MIMETYPE}">{text}</script>\n'


def write_html(
    report: Report,
    path: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    document: str = "",
) -> str | Path:
    """All five phases as one HTML file, with the values (`orch_nb.load`); without a path, the text
    itself.

    `document` is the plan as YAML, shown behind a fold. Raises UsageError for a folder that is not
    there or a file that cannot be written; a file that was there is replaced whole or not at all.
    """
    shown = report_document(report, plan=plan, text=document)
    page = _page([shown], [record.seal(_operation(report, document))])
    return page if path is None else written(page, path)


def write_markdown(
    report: Report,
    path: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    document: str = "",
) -> str | Path:
    """The same as Markdown; without a path, the text itself. Raises UsageError as `write_html`."""
    text = markdown.document_markdown(report_document(report, plan=plan, text=document))
    return text if path is None else written(text, path)


def _operation(report: Report, document: str) -> Operation:
    return Operation(
        plan=report.run.plan, kind="", run=report.run, report=report, document=document,
        analysis=report.analysis, research=report.research, name=report.run.name,
    )  # fmt: skip
