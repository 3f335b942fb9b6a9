"""Code in colours that can be read on a light page and on a dark one.

Only colours as inline hex survive where notebooks are shown (`render.html`), and nobody knows the
page's own: so there are four, each with a contrast of 4.2 to 1 or more on white and on #111, as
`palette.GREY` has. What is no string, comment, number, name of a definition or keyword keeps the
page's. The tokens are Pygments', which IPython brings.
"""

from __future__ import annotations

import html
from typing import Any

from orch_nb.render.palette import GREY

__all__ = ["COLOURS", "highlighted"]

#: By the beginning of a token's name in Pygments; the first that fits counts.
COLOURS = {
    "Token.Keyword.Constant": "#b4652d", "Token.Keyword": "#c933cc",
    "Token.Operator.Word": "#c933cc",
    "Token.Literal.String": "#238b33", "Token.Literal.Number": "#b4652d", "Token.Comment": GREY,
    "Token.Name.Function": "#3379cc", "Token.Name.Class": "#3379cc",
    "Token.Name.Decorator": "#3379cc", "Token.Name.Tag": "#3379cc",
}  # fmt: skip
_LANGUAGES = frozenset({"python", "json", "javascript", "typescript"})


def highlighted(text: str, language: str) -> str:
    """`text` as HTML, escaped; in colours where the language is one of those that plans of other
    systems are written in. Line ends are references, as `render.html` has them."""
    if language not in _LANGUAGES:
        return _escaped(text)
    from pygments import lex  # type: ignore[import-untyped]  # published without types
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    return "".join(_span(str(kind), value) for kind, value in _merged(lex(text, lexer)))


def _merged(tokens: Any) -> list[tuple[str, str]]:
    """Neighbours of one colour as one: half the size of a file that is mostly strings."""
    found: list[tuple[str, str]] = []
    for kind, value in tokens:
        colour = _colour(str(kind))
        if found and found[-1][0] == colour:
            found[-1] = colour, found[-1][1] + value
        else:
            found.append((colour, value))
    return found


def _colour(kind: str) -> str:
    return next((colour for name, colour in COLOURS.items() if kind.startswith(name)), "")


def _span(colour: str, value: str) -> str:
    inner = _escaped(value)
    return f'<span style="color:{colour}">{inner}</span>' if colour and value.strip() else inner


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "&#10;")
