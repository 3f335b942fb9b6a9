"""Source code of the curly-brace languages with its comments and strings blanked out.

Rules that look at the blanked text cannot be deceived by commented-out code, by code in a string
or by an unbalanced bracket in either, and every offset is still that of the text. Where
`tree-sitter` is installed (`orch_nb[analysis]`) its syntax tree says what is a comment, a string, a
template or the text of a JSX element; else a small lexer does, which is less sure.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from orch_nb.analysis.workflows.page import LIKELY, SURE, Page

__all__ = ["Call", "Code", "FunctionAt"]

_LEXER = {
    "js": r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|"
    r"(?<=[=(,:;!&|?])\s*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*",
    "go": r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'|`[^`]*`",
    "java": r"//[^\n]*|/\*.*?\*/|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'",
    "cs": r"^[ \t]*#(?:pragma|region|endregion|if|else|endif|nullable)\b[^\n]*|"
    r"//[^\n]*|/\*.*?\*/|@\"(?:\"\"|[^\"])*\"|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|"
    r"'(?:\\.|[^'\\\n])'",
    "rust": r"//[^\n]*|/\*.*?\*/|r#*\".*?\"#*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\\n])'",
    "php": r"//[^\n]*|#(?!\[)[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'",
    "ruby": r"^=begin.*?^=end|#(?!\{)[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'",
    "elixir": r"#(?!\{)[^\n]*|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\])*\"",
    "groovy": r"//[^\n]*|/\*.*?\*/|\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|"
    r"'(?:\\.|[^'\\\n])*'",
}
_BLANKED = {key: re.compile(value, re.DOTALL | re.MULTILINE) for key, value in _LEXER.items()}
_GRAMMARS = {
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".mts": ("tree_sitter_typescript", "language_typescript"),
    ".cts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".go": ("tree_sitter_go", "language"),
}
_NODES = {
    "tree_sitter_go": "(comment) @c (interpreted_string_literal) @s (raw_string_literal) @s "
    "(rune_literal) @s",
    "tree_sitter_javascript": "(comment) @c (string) @s (template_string) @s (regex) @s "
    "(jsx_text) @c",
}
_BRACKET = re.compile(r"[()\[\]{}]")
_OPENS = {")": "(", "]": "[", "}": "{"}
_CONSTANT = re.compile(
    r"\b(?:const|final|let|var|val|static|readonly|string|String)?\s*\b([A-Za-z_]\w*)\s*"
    r"(?::\s*\w+\s*|\s+string\s*)?:?=\s*(['\"`])([^'\"`\n$]*)\2"
)


def _blank(match: re.Match[str]) -> str:
    found = match.group()
    start = len(found) - len(found.lstrip())
    mark = found[start]
    if mark in "\"'`" and len(found) - start >= 2:
        return found[: start + 1] + re.sub(r"[^\n]", " ", found[start + 1 : -1]) + found[-1]
    return re.sub(r"[^\n]", " ", found)


@cache
def _grammar(suffix: str) -> tuple[Any, Any] | None:
    """A parser and the query for what is no code; None where tree-sitter is not installed."""
    module, function = _GRAMMARS.get(suffix, ("", ""))
    if not module:
        return None
    try:
        sitter = importlib.import_module("tree_sitter")
        language = sitter.Language(getattr(importlib.import_module(module), function)())
    except ImportError:
        return None  # the extra is not installed: the lexer has to do
    nodes = _NODES.get(module) or _NODES["tree_sitter_javascript"]
    if function == "language_typescript":
        nodes = nodes.replace("(jsx_text) @c", "")
    return sitter.Parser(language), sitter.QueryCursor(sitter.Query(language, nodes))


def _by_tree(text: str, suffix: str) -> str | None:
    """`text` blanked by its syntax tree; None where there is no parser for it."""
    grammar = _grammar(suffix)
    if grammar is None:
        return None
    parser, query = grammar
    # One byte a character, so that the tree's offsets are the text's.
    root = parser.parse(text.encode("ascii", "replace")).root_node
    pieces: list[str] = []
    at = 0
    spans = sorted(
        (node.start_byte, node.end_byte, name)
        for name, nodes in query.captures(root).items()
        for node in nodes
    )
    for start, end, name in spans:
        if start < at:
            continue  # inside one that is blanked already
        inner = re.sub(r"[^\n]", " ", text[start:end])
        quoted = name == "s" and end - start >= 2
        pieces += [text[at:start], text[start] + inner[1:-1] + text[end - 1] if quoted else inner]
        at = end
    return "".join([*pieces, text[at:]])


class Call:
    """A call, `new` or not: the dotted name that is called, where, and its arguments' spans."""

    __slots__ = ("arguments", "end", "name", "start", "types")

    def __init__(
        self, name: str, start: int, end: int, types: str, arguments: list[tuple[int, int]]
    ) -> None:
        self.name, self.start, self.end = name, start, end
        self.types, self.arguments = types, arguments


class FunctionAt:
    """A named function: where it stands, its parameters' span and its body's."""

    __slots__ = ("body", "exported", "name", "parameters", "start")

    def __init__(
        self,
        name: str,
        start: int,
        parameters: tuple[int, int],
        body: tuple[int, int],
        exported: bool,
    ) -> None:
        self.name, self.start, self.exported = name, start, exported
        self.parameters, self.body = parameters, body


class Code:
    """A page with its blanked text, its brackets paired, and its constants' values."""

    __slots__ = ("_constants", "_pairs", "blanked", "confidence", "page")

    def __init__(self, page: Page, syntax: str) -> None:
        self.page = page
        by_tree = _by_tree(page.text, "." + page.name.rpartition(".")[2].lower())
        self.confidence = LIKELY if by_tree is None else SURE
        self.blanked = _BLANKED[syntax].sub(_blank, page.text) if by_tree is None else by_tree
        self._pairs: dict[int, int] | None = None
        self._constants: dict[str, str] | None = None

    def line(self, offset: int) -> int:
        return self.page.line(offset)

    def close(self, opening: int) -> int:
        """Where the bracket that opens at `opening` closes; the end of the text if it does not."""
        if self._pairs is None:
            self._pairs = {}
            stack: list[int] = []
            for match in _BRACKET.finditer(self.blanked):
                sign = match.group()
                if sign not in _OPENS:
                    stack.append(match.start())
                elif stack and self.blanked[stack[-1]] == _OPENS[sign]:
                    self._pairs[stack.pop()] = match.start()
        return self._pairs.get(opening, len(self.blanked))

    def split(self, start: int, end: int, sign: str = ",") -> list[tuple[int, int]]:
        """The spans between top-level commas, stripped, none of them empty."""
        spans, begun, at = [], start, start
        while at < end:
            here = self.blanked[at]
            if here in "([{":
                at = self.close(at)
            elif here == sign:
                spans.append((begun, at))
                begun = at + 1
            at += 1
        spans.append((begun, min(end, len(self.blanked))))
        return [span for span in map(self._strip, spans) if span[0] < span[1]]

    def _strip(self, span: tuple[int, int]) -> tuple[int, int]:
        # A comment is blank, so it is stripped with the space around it.
        piece = self.blanked[span[0] : span[1]]
        start = span[0] + len(piece) - len(piece.lstrip())
        return start, max(start, span[0] + len(piece.rstrip()))

    def calls(self, names: str, start: int = 0, end: int | None = None) -> Iterator[Call]:
        """Calls of what the pattern `names` matches (it is to be a dotted name's whole)."""
        pattern = re.compile(
            rf"(?<![\w.$])(?P<name>{names})\s*(?P<types><[^;(){{}}]*(?:\([^()]*\)[^;(){{}}]*)?>)?\s*"
            r"(?:\?\.)?(?P<open>\()"
        )
        for match in pattern.finditer(
            self.blanked, start, len(self.blanked) if end is None else end
        ):
            opening = match.start("open")
            closing = self.close(opening)
            name = re.sub(r"\s", "", match.group("name"))
            yield Call(
                name, match.start(), closing, match.group("types") or "",
                self.split(opening + 1, closing),
            )  # fmt: skip

    def source(self, span: tuple[int, int]) -> str:
        return self.page.text[span[0] : span[1]]

    def entries(self, opening: int) -> dict[str, tuple[int, int]]:
        """The entries of an object literal: key -> the value's span (the key's for a method)."""
        found: dict[str, tuple[int, int]] = {}
        for start, end in self.split(opening + 1, self.close(opening)):
            match = re.match(
                r"(?:(?:public|static|get|set)\s+)?(?:async\s*\*?\s*)?\*?\s*"
                r"(?:(['\"])(?P<quoted>[^'\"]*)\1|\[(?P<computed>[\w.]+)\]|(?P<plain>[\w$]+))\s*"
                r"(?P<next>[:(<,]|$)",
                self.page.text[start:end],
            )
            if not match:
                continue
            key = match.group("quoted") or match.group("plain") or match.group("computed") or ""
            if match.group("computed"):
                key = self.constants.get(key, key)
            at = self._strip((start + match.end(), end)) if match.group("next") == ":" else None
            found[key] = at or (start, end)
        return found

    @property
    def constants(self) -> dict[str, str]:
        """Names that the file gives a string to, the first one where there are several."""
        if self._constants is None:
            self._constants = {}
            for match in _CONSTANT.finditer(self.page.text):
                if self.blanked[match.start(1)] != " ":
                    self._constants.setdefault(match.group(1), match.group(3))
        return self._constants

    def value(self, span: tuple[int, int]) -> str:
        """The text that a string literal or the name of a constant stands for; else ""."""
        said = self.source(span).strip()
        match = re.fullmatch(r"(['\"`])([^'\"`]*)\1", said)
        if match:
            return match.group(2)
        return self.constants.get(said.rpartition(".")[2], "")
