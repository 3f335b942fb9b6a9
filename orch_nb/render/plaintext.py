"""Text that came from elsewhere, made fit to show: no controls, no ANSI codes, bounded.

A goal, a task's name, a result or an error may hold anything. `clean` keeps what can be read and
drops what acts on a terminal or turns the page's text around (the "Trojan source" controls, Boucher
and Anderson 2021); what a format itself needs escaped is that format's affair (`html`, `markdown`,
`dot`).

    >>> one_line("\\x1b[31mred\\x1b[0m\\nand more", 8)
    'red and…'
"""

from __future__ import annotations

import re
import unicodedata

from orch_nb.model.unseen import ANSI, CONTROL

__all__ = ["bounded", "bounded_lines", "clean", "one_line", "width"]

_BREAKS = re.compile("\r\n?|[\u2028\u2029\x85]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(r"\s+")


def clean(text: str) -> str:
    """`text` without ANSI sequences, controls, direction overrides; line ends become newlines."""
    text = _BREAKS.sub("\n", ANSI.sub("", str(text)))
    return _SURROGATE.sub("\ufffd", CONTROL.sub("", text))


def bounded(text: str, most: int) -> str:
    """At most `most` characters, the last an ellipsis where something was left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def one_line(text: str, most: int = 200) -> str:
    """`clean`, on one line, bounded. Only what can be shown is read, however long the text is."""
    text = str(text)[: most * 8 + 200]
    return bounded(_BLANK.sub(" ", clean(text)).strip(), most)


def bounded_lines(text: str, most_lines: int = 40, most: int = 4000) -> str:
    """A block of text: its first and last lines where it is long, and how many are left out."""
    text = clean(str(text)[: most * 4]).expandtabs(4).strip("\n")
    lines = [bounded(line, 400) for line in text.split("\n")]
    if len(lines) > most_lines:
        head = most_lines // 4
        tail = most_lines - head
        left = len(lines) - head - tail
        lines = [*lines[:head], f"… {left} lines left out …", *lines[-tail:]]
    return bounded("\n".join(lines), most)


def width(text: str) -> int:
    """Columns that `text` takes in a terminal (Unicode TR 11: wide is two, combining none)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
