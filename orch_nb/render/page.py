"""A report as one file: HTML that needs no network and no script, or Markdown.

The page's own `<style>` sets what fragments may not: the page's colours, light or dark by the
reader's preference, its measure, and how it prints (everything open, nothing cut in two). What
stands in it is the same fragment that a notebook shows.
"""

from __future__ import annotations

import html as escaping
import os
import tempfile
from pathlib import Path

from orch_nb.errors import UsageError
from orch_nb.model.plan import Plan
from orch_nb.model.report import Report
from orch_nb.render import html, markdown
from orch_nb.render.document import Document
from orch_nb.render.plaintext import one_line
from orch_nb.render.sections import report_document

__all__ = ["document_page", "write_html", "write_markdown"]

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1100px; padding: 24px 28px 48px; }
body { background: #fff; color: #1f2328; }
a { color: #0757b8; }
code, pre { font-variant-ligatures: none; }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #e6e8ea; }
  a { color: #6cb0ff; }
}
@media print {
  body { max-width: none; padding: 0; background: #fff; color: #000; font-size: 11px; }
  a { color: #0757b8; }
  details > *:not(summary) { display: block !important; }
  details::details-content { content-visibility: visible; display: block; }
  tr, img, summary { break-inside: avoid; }
  img { max-width: 100% !important; }
  summary, caption { break-after: avoid; }
  pre { white-space: pre-wrap !important; }
}
""".strip()


def document_page(document: Document) -> str:
    """A document as a complete HTML page."""
    title = one_line(document.header.title, 160) if document.header else "orch_nb"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="orch_nb">\n'
        f"<title>{escaping.escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f"<main>\n{html.document_html(document)}\n</main>\n</body>\n</html>\n"
    )


def write_html(
    report: Report,
    path: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    document: str = "",
) -> str | Path:
    """All five phases as one HTML file; without a path, the text itself.

    `document` is the plan as YAML, shown behind a fold. Raises UsageError for a folder that is not
    there or a file that cannot be written; a file that was there is replaced whole or not at all.
    """
    return _written(document_page(report_document(report, plan=plan, text=document)), path)


def write_markdown(
    report: Report,
    path: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    document: str = "",
) -> str | Path:
    """The same as Markdown; without a path, the text itself. Raises UsageError as `write_html`."""
    return _written(
        markdown.document_markdown(report_document(report, plan=plan, text=document)), path
    )


def _written(text: str, path: str | os.PathLike[str] | None) -> str | Path:
    if path is None:
        return text
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise UsageError(
            f"`{target}` cannot be written: the folder `{target.parent}` does not exist"
        )
    if target.is_dir():
        raise UsageError(f"`{target}` is a folder; name a file in it")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    except OSError as error:
        raise UsageError(f"`{target}` cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.chmod(0o644)  # mkstemp makes a file for its owner alone; a report is to be shared
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"`{target}` cannot be written: {error.strerror}") from error
    return target
