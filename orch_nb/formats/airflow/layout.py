"""Python source that is laid out as a formatter would: 100 columns, double quotes, hugged calls."""

from __future__ import annotations

import inspect
import io
import math
import re
import tokenize
import unicodedata
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

__all__ = [
    "WIDTH",
    "call",
    "docstring",
    "duration",
    "literal",
    "quoted",
    "shifted",
    "spelled_out",
    "styled",
    "width",
]

WIDTH = 100
NL = "\n"
#: Comments and texts of Python, each from its beginning to its end.
_HEAD = re.compile(r"\s*(?:(?:async\s+)?def|class)\b.*:|\s*\).*:")
_TEXTS = re.compile(
    r"""#[^\n]*|\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
    re.DOTALL,
)


def quoted(text: str) -> str:
    """A text as Python source, in double quotes unless they need more backslashes."""
    found = repr(text)
    if found.startswith("'") and text.count('"') <= text.count("'"):
        inner = found[1:-1].replace("\\'", "'").replace('"', '\\"')
        return f'"{inner}"'
    return found


def spelled_out(text: str) -> str:
    """A text of several lines as one in triple quotes, where nothing in it has to be escaped."""
    plain = "\n" in text and "\\" not in text and '"""' not in text and not text.endswith('"')
    if plain and all(char.isprintable() or char == "\n" for char in text):
        return f'"""{text}"""'
    return quoted(text)


def docstring(text: str) -> str | None:
    """A docstring that says exactly `text`; None if none can."""
    if not text.strip() or inspect.cleandoc(text) != text or '"""' in text:
        return None
    if "\\" in text or text.endswith('"') or text.startswith('"'):
        return None
    if any(line != line.rstrip() for line in text.split("\n")):
        return None
    if not all(char.isprintable() or char == "\n" for char in text):
        return None
    return f'"""{text}\n"""' if "\n" in text else f'"""{text}"""'


_EXACT = (str, bool, NoneType, int, float, dict, list, tuple)


def literal(value: Any, before: int = 0, *, exact: bool = False) -> str | None:
    """A constant as source; None for what no literal says. `before`: columns left of it. `exact`:
    as Python has it, where a tuple is no list."""
    if exact and type(value) not in _EXACT:
        return None  # a kind of its own, which may do more
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool) or value is None or type(value) is int:
        return repr(value)
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f'float("{value}")'
    return _several(value, before, exact=exact)


def _several(value: Any, before: int, *, exact: bool) -> str | None:
    """A dict, list or tuple as source; None for anything else."""
    if isinstance(value, dict):
        pairs = [(literal(k, exact=exact), literal(v, 12, exact=exact)) for k, v in value.items()]
        if any(key is None or item is None for key, item in pairs):
            return None
        return _hugged("{", [f"{key}: {item}" for key, item in pairs], "}", before)
    if isinstance(value, (list, tuple)):
        items = [item for one in value if (item := literal(one, 8, exact=exact)) is not None]
        if len(items) < len(value):
            return None
        if exact and len(value) == 1 and isinstance(value, tuple):
            return f"({items[0]},)"
        begin, end = "()" if exact and isinstance(value, tuple) else "[]"
        return _hugged(begin, items, end, before)
    return None


def _hugged(begin: str, parts: Sequence[str], end: str, before: int) -> str:
    """`[a, b]` on one line where it fits, else a line each."""
    line = f"{begin}{', '.join(parts)}{end}"
    if before + width(line) <= WIDTH and "\n" not in line:
        return line
    return f"{begin}\n{''.join(f'{shifted(part)},{NL}' for part in parts)}{end}"


def call(function: str, arguments: Iterable[str], before: int = 0) -> str:
    """`function(arguments)` on one line, on three, or with an argument a line; `before`: columns
    left of it, and of the lines that follow."""
    parts = [part for part in arguments if part]
    line = f"{function}({', '.join(parts)})"
    if before + width(line) <= WIDTH and "\n" not in line:
        return line
    together = ", ".join(parts)
    if before + 4 + width(together) <= WIDTH and "\n" not in together and len(parts) > 1:
        return f"{function}(\n    {together}\n)"
    return f"{function}(\n{''.join(f'{shifted(part)},{NL}' for part in parts)})"


def width(text: str) -> int:
    """How many columns a line takes: signs of East Asia take two, those on others none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def shifted(text: str, columns: int = 4) -> str:
    """Lines further in; what stands between triple quotes is left as it is."""
    inside = inside_texts(text)
    rows = text.split("\n")
    return "\n".join(
        row if n in inside or not row.strip() else " " * columns + row for n, row in enumerate(rows)
    )


def inside_texts(code: str) -> set[int]:
    """The rows, from 0, that begin in a text of several lines, docstrings left aside: how far in
    their lines stand means nothing. Code may be a part of a statement, which a tokenizer would not
    take."""
    found: set[int] = set()
    row = 0
    for match in _TEXTS.finditer(code):
        row = code.count("\n", 0, match.start())
        lines = match[0].count("\n")
        if lines and not match[0].startswith("#") and not _documents(code, match.start()):
            found |= set(range(row + 1, row + lines + 1))
    return found


def _documents(code: str, at: int) -> bool:
    """Whether the text that begins there is the docstring of the function whose line is above."""
    *above, line = code[:at].split("\n")
    before = next((row for row in reversed(above) if row.strip()), None)
    if before is None:
        return not line.strip()  # the body alone
    return not line.strip() and _HEAD.fullmatch(before.rstrip()) is not None


def styled(code: str) -> str:
    """Code in which texts stand in double quotes, where they need no backslash."""
    lines = code.split("\n")
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    for token in reversed(tokens):
        text = token.string
        if token.type != tokenize.STRING or text.lstrip("rbfu")[:1] != "'" or '"' in text:
            continue
        if "\\" in text or text.lstrip("rbfu").startswith("'''") or token.start[0] != token.end[0]:
            continue
        (row, begin), (_, end) = token.start, token.end
        line = lines[row - 1]
        lines[row - 1] = line[:begin] + text.replace("'", '"') + line[end:]
    return "\n".join(lines)


def duration(value: float) -> str:
    """`timedelta(...)` of seconds, in the largest unit that gives a whole number."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if value and value % size == 0:
            return f"timedelta({unit}={int(value // size)})"
    return f"timedelta(seconds={int(value) if value == int(value) else repr(float(value))})"
