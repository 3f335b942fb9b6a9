"""The literals in a JavaScript or TypeScript file, read without running it.

    createMachine({ initial: 'a', states: { a: { entry: () => log() } } })
    arguments(text, "createMachine")  ->  [{"initial": "a", "states": {"a": {"entry": Code(...)}}}]

Objects, arrays, texts, numbers, true, false and null are read as what they are; a name that the
file declares as a literal (`const CONFIG = {...}`) stands for it. Everything else, functions and
calls, is `Code`: its text, unread. What is spread into an object stands under `...` in it.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["Code", "ScriptError", "arguments"]

_DEEPEST = 150
_AGAIN = 8  #: how often, on average, a character is read: what is code is read once more
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_PLAIN = re.compile(r"[\w$.]+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?)")
_PRODUCT = re.compile(rf"{_NUMBER.pattern}(?:\s*\*\s*{_NUMBER.pattern}){{0,8}}")  # 60 * 1000
_FILLED = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
_TEXT = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\n|.))", re.DOTALL
)
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_ENDS = {")": "(", "]": "[", "}": "{"}
_REGEX = re.compile(r"/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
_DECLARED = re.compile(
    r"(?<![\w$.])(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*(?::[^=;]{0,2000})?=(?![=>])"
)
_MEMBERS = r"(?:\??\.[\w$]+|\[[^\]\n]{0,80}\])"
#: `kids = ...` that declares nothing, `tree.children = ...`, `kids[0] += ...`, `kids.push(...)`
_CHANGED = re.compile(
    rf"(?<![\w$.])(?:(?<!const )(?<!let )(?<!var )({_NAME.pattern})\s*"
    rf"|({_NAME.pattern}){_MEMBERS}+\s*)"
    r"(?:[-+*/%]|\*\*|\|\||&&|\?\?)?=(?![=>])"
    rf"|(?<![\w$.])({_NAME.pattern}){_MEMBERS}*?\??\."
    r"(?:push|unshift|splice|pop|shift|reverse|sort|fill)\s*\("
    rf"|\bObject\.assign\(\s*({_NAME.pattern})"
)
_CAST = re.compile(r"as\b|satisfies\b|!")


class ScriptError(ValueError):
    """The text is not what it seemed to be; says the line."""


class Code(msgspec.Struct, frozen=True):
    """An expression that is no literal, as it is written."""

    text: str
    line: int

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:  # within a value that is shown
        return self.text


def arguments(text: str, called: str) -> list[tuple[list[Any], int]]:
    """The arguments of each call of `called` (a regular expression), with its line."""
    reader = _Reader(text)
    types = r"(?:<[^()]{0,2000}?>)?"
    return list(reader.calls(re.compile(rf"(?<![\w$])(?:{called})\s*{types}\s*\(")))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at, self._deep = text, 0, 0
        self._newlines: list[int] | None = None
        self._left = 100_000 + _AGAIN * len(text)
        self._known: dict[int, Any] = {}  # what is declared at a place
        self._declarations: dict[str, list[int]] | None = None
        self._changed: set[str] = set()
        self._quiet = _blanked(text)  # nothing is found in comments and texts

    def calls(self, pattern: re.Pattern[str]) -> Iterator[tuple[list[Any], int]]:
        for match in pattern.finditer(self._quiet):
            self.at, self._deep = match.end(), 0
            yield self._several(")"), self._line(match.start())

    def _line(self, at: int) -> int:
        if self._newlines is None:
            self._newlines = [match.start() for match in re.finditer("\n", self.text)]
        return bisect_left(self._newlines, at) + 1

    def _wrong(self, what: str) -> ScriptError:
        return ScriptError(f"line {self._line(self.at)}: {what}")

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _peek(self) -> str:
        self._skip()
        return self.text[self.at : self.at + 1]

    def _count(self, characters: int) -> None:
        """Calls within calls, and literals that are none after all, are read again and again."""
        self._left -= characters
        if self._left < 0:
            raise self._wrong("calls and brackets are nested too much to be read")

    def _several(self, end: str) -> list[Any]:
        """Values up to `end`, which is passed."""
        found = []
        while (char := self._peek()) != end:
            if not char:
                raise self._wrong(f"`{end}` is missing")
            if char == ",":
                self.at += 1
                continue
            found.append(self._value())
        self.at += 1
        return found

    def _value(self) -> Any:
        """One expression, whole: what begins as a literal and goes on is code."""
        self._skip()
        begun = self.at
        self._deep += 1
        if self._deep > _DEEPEST:
            raise self._wrong("it is nested too deep")
        found = self._literal()
        self._deep -= 1
        char = self._peek()
        if found is not _NOTHING and _CAST.match(self.text, self.at):
            self._rest()
        elif found is _NOTHING or char not in (",", ")", "]", "}", ";", ""):
            self.at = begun
            self._rest()
            if self.at == begun:  # nothing would ever come of it
                raise self._wrong(f"`{self.text[begun : begun + 1]}` begins no value")
            return Code(self.text[begun : self.at].strip(), self._line(begun))
        return found

    def _literal(self) -> Any:
        char = self._peek()
        if char == "{":
            return self._object()
        if char == "[":
            self.at += 1
            return self._several("]")
        if match := _TEXT.match(self.text, self.at):
            if char == "`" and _FILLED.search(match[0]):
                return _NOTHING
            self.at = match.end()
            return _unescaped(match[0][1:-1])
        if match := _PRODUCT.match(self.text, self.at):
            self.at = match.end()
            return math.prod(map(_number, match[0].split("*")))
        if match := _NAME.match(self.text, self.at):
            self.at = match.end()
            name = match[0]
            if name in _CONSTANTS:
                return _CONSTANTS[name]
            return self._declared(name) if self._peek() in (",", ")", "]", "}", ";") else _NOTHING
        return _NOTHING

    def _object(self) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while (char := self._peek()) != "}":
            if not char:
                raise self._wrong("`}` is missing")
            if char == ",":
                self.at += 1
            elif self.text.startswith("...", self.at):
                self.at += 3
                self._spread(found, self._value())
            else:
                key = self._key()
                if self._peek() == ":":
                    self.at += 1
                    found[key] = self._value()
                elif self._peek() in (",", "}"):
                    found[key] = self._declared(key, Code(key, self._line(self.at)))
                else:  # a method
                    begun = self.at
                    self._rest(method=True)
                    found[key] = Code(self.text[begun : self.at].strip(), self._line(begun))
        self.at += 1
        return found

    def _spread(self, into: dict[str, Any], value: Any) -> None:
        if isinstance(value, dict):
            into.update(value)
        else:
            into.setdefault("...", []).append(value)

    def _key(self) -> str:
        if match := _TEXT.match(self.text, self.at):
            self.at = match.end()
            return _unescaped(match[0][1:-1])
        if match := _NUMBER.match(self.text, self.at):
            self.at = match.end()
            return str(_number(match[0]))
        if self._peek() == "[":
            self.at += 1
            value = self._several("]")
            return str(value[0]) if len(value) == 1 else ""
        match = _NAME.match(self.text, self.at)
        if match is None:
            raise self._wrong(f"no key begins with `{self.text[self.at]}`")
        self.at = match.end()
        if match[0] in ("async", "get", "set") and _NAME.match(self.text[self.at :].lstrip()):
            return self._key_after_word()
        return match[0]

    def _key_after_word(self) -> str:
        self._skip()
        return self._key()

    def _rest(self, *, method: bool = False) -> None:
        """To the end of the expression: the comma or bracket that is not its own."""
        open_: list[str] = []
        before = ""
        while self.at < len(self.text):
            begun = self.at
            self._skip()
            if (plain := _PLAIN.match(self.text, self.at)) is not None:
                self.at, before = plain.end(), plain[0][-1]
                self._count(self.at - begun)
                continue
            self._count(1 + self.at - begun)
            char = self.text[self.at : self.at + 1]
            match = _TEXT.match(self.text, self.at)
            if match is None and char == "/" and before in "(,=:[!&|?{};+>":
                match = _REGEX.match(self.text, self.at)
            if match is not None:
                self.at, before = match.end(), '"'
                continue
            if char in ("(", "[", "{"):
                open_.append(char)
            elif char in _ENDS:
                if not open_:
                    return
                if open_.pop() != _ENDS[char]:
                    raise self._wrong(f"`{char}` closes nothing")
                if method and char == "}" and not open_:
                    self.at += 1
                    return
            elif char in (",", ";") and not open_:
                return
            self.at, before = self.at + 1, char or before

    def _declared(self, name: str, otherwise: Any = None) -> Any:
        """What the file declares `name` to be, if that is a literal and stays one."""
        found, place = _NOTHING, self._declaration(name)
        if place is not None and place not in self._known:
            self._known[place] = _NOTHING  # should it name itself
            here, self.at = self.at, place
            value = self._value()
            self.at = here
            if not isinstance(value, Code):
                self._known[place] = value
        if place is not None:
            found = self._known[place]
        return otherwise if found is _NOTHING and otherwise is not None else found

    def _declaration(self, name: str) -> int | None:
        """Where the value of a name begins: the last one before here, as a function has its own.
        None for a name that the file gives another value, or changes what it stands for."""
        if self._declarations is None:
            self._declarations = {}
            for match in _DECLARED.finditer(self._quiet):
                self._declarations.setdefault(match[1], []).append(match.end())
            changes = _CHANGED.finditer(self._quiet)
            self._changed = {match[match.lastindex or 0] for match in changes}
        places = self._declarations.get(name)
        if places is None or name in self._changed:
            return None
        return places[max(bisect_left(places, self.at) - 1, 0)]


class _Nothing:
    pass


_NOTHING = _Nothing()


def _unescaped(text: str) -> str:
    found = _ESCAPE.sub(_escaped, text)
    if not any(0xD800 <= ord(char) < 0xE000 for char in found):
        return found
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escaped(match: re.Match[str]) -> str:
    number = match[1] or match[2] or match[3]
    if number is not None:
        code = int(number, 16)
        return chr(code) if code <= 0x10FFFF else "\ufffd"
    return _ESCAPES.get(match[4], match[4])


def _number(text: str) -> int | float:
    text = text.strip().replace("_", "")
    if text.lstrip("+-").lower().startswith("0x"):
        return int(text, 16)
    number = float(text)
    return int(number) if number.is_integer() and "e" not in text.lower() else number


def _blanked(text: str) -> str:
    """The text with blanks where comments and texts are, at the same places."""

    def blank(match: re.Match[str]) -> str:
        return "".join("\n" if char == "\n" else " " for char in match[0])

    return re.sub(rf"{_SPACE.pattern}|{_TEXT.pattern}", blank, text, flags=re.DOTALL)
