"""Masking: what must not be seen is replaced in every text that leaves a run.

    Mask({"DB_PASSWORD": ["hunter2!"]}).text("login root hunter2!")
                                         ─► "login root ‹secret DB_PASSWORD›"
    Mask().text("pushed with ghp_0123...")   ─► "pushed with ‹secret GitHub token›"

What a person has named is found in whatever it is written: as it is, as JSON, in a URL, in base64.
What nobody has named is found by its shape (`model.shapes`). The longest comes first, so that a
secret which holds another is masked whole. The mark has no letter that JSON, HTML, Markdown or a
terminal would take for its own, and is never masked again.

A text that was cut may end in the beginning of a secret, and so may what a task has printed so far:
`tail` says where that would be.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orch_nb.errors import UsageError
from orch_nb.model.shapes import KEY_BEGIN, KEY_END, SHAPES, START, Shape
from orch_nb.model.unseen import seen, seen_bytes

__all__ = ["PLAIN", "SHORTEST", "KeyLines", "Mask", "mark", "marked", "texts_of"]

#: A named secret that is shorter would be found in half of all texts.
SHORTEST = 4
_LEAST = 14  # characters that a secret with a shape has at least, with what says that it is one
_SEARCHED = 1 << 23  # bytes of a result that are searched for shapes
_LOOK_BACK = 400  # characters before the end of a text in which a secret may have begun
_KEY_LINES = 200  # no private key has more


def mark(name: str) -> str:
    """What stands in the place of a secret."""
    return f"‹secret {name}›"


_MARK = re.compile(r"‹secret [^‹›\n]*›")


def marked(text: str) -> str:
    """The first mark in a text, or nothing."""
    found = _MARK.search(text)
    return found[0] if found else ""


def _alternatives(texts: Iterable[str]) -> str:
    """The longest first."""
    return "|".join(map(re.escape, sorted(texts, key=lambda text: (-len(text), text))))


def _numbered(pattern: str, n: int) -> str:
    return f"(?P<k{n}>{pattern.replace('(?P<v>', f'(?P<v{n}>')})"


_BEGINS = tuple({begin.lower() for shape in SHAPES for begin in shape.begins})
_HINT = re.compile("|".join([_alternatives(_BEGINS), *{h for s in SHAPES for h in s.hints}]))


# The same by the methods of str, which take a fraction of what the expression does: of what is said
# there is a word and a sign, and a token is a long word.
_SIGNS = ("=", ":", "--", "bearer")
_WORDS = ("passw", "passphrase", "pwd", "secret", "token", "key", "credential", "authoriz", "://",
          "bearer", "--api")  # fmt: skip
_LONG = 15


def _may_hold(text: str) -> bool:
    """Whether something in a text may have the shape of a secret."""
    lower = text.lower()
    for sign in _SIGNS:
        if sign in lower:
            for word in _WORDS:
                if word in lower:
                    return _HINT.search(lower) is not None
            break
    if len(max(lower.split(), key=len, default="")) >= _LONG or "-----begin" in lower:
        for begin in _BEGINS:
            if begin in lower:
                return True
    return False


# Compiled when there is something to be found, since that takes as long as a hundred short tasks.
@functools.cache
def _any() -> re.Pattern[str]:
    shapes = (_numbered(shape.pattern, n) for n, shape in enumerate(SHAPES))
    return re.compile("|".join([_MARK.pattern, *shapes]), re.DOTALL)


_GROUPS = {f"k{n}": (shape.kind, f"v{n}") for n, shape in enumerate(SHAPES)}
_CERTAIN = [
    (shape, [begin.encode() for begin in shape.begins]) for shape in SHAPES if shape.certain
]


@functools.cache
def _of_bytes(shape: Shape) -> re.Pattern[bytes]:
    if shape.kind == "private key":  # a text about keys has such a line as well, and then no key
        return re.compile((KEY_BEGIN + r"[\\nr\s]*[A-Za-z0-9+/]{16}").encode())
    # Before a text of a pickle stands its length, which may be a letter's number.
    start = rf"(?:{START}|(?<=\x8c.)|(?<=C.))"
    return re.compile(shape.pattern.replace(START, start).encode(), re.DOTALL)


@functools.cache
def _begun() -> re.Pattern[str]:
    """A shape that has begun, up to the end of a text in lower case."""
    return re.compile(
        rf"(?:{_alternatives(_BEGINS)}|://|(?:passw|passphrase|pwd|secret|token|key"
        r"|credential|authoriz|bearer)[a-z_-]{0,12}[\\\"'\]]{0,3}\s{0,3}(?:=>|:=|=|:|\s)\s{0,3}"
        r"[\"']?(?=\S)(?:(?:bearer|basic|digest|token|apikey)\s{1,3})?)\S*\Z"
    )


_LAST_WORD = re.compile(r"[a-z0-9_.:/-]+\Z")


def _masked(found: re.Match[str]) -> str:
    if found.lastgroup is None:  # it is a mark already
        return found[0]
    kind, group = _GROUPS[found.lastgroup]
    if group not in found.re.groupindex:
        return mark(kind)
    (start, end), (first, _) = found.span(group), found.span()
    return f"{found[0][: start - first]}{mark(kind)}{found[0][end - first :]}"


class Mask:
    """`values`: what is secret, by the name that stands in its place. Raises UsageError for one
    that is too short to be told from other text.

    `shortest`: no text of fewer characters has anything in it that would be masked.
    """

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._names: dict[str, str] = {}
        self._bytes: dict[bytes, str] = {}
        for name, texts in (values or {}).items():
            for text in texts:
                self._learn(name, text)
        self.named = bool(self._names)
        self.shortest = min([_LEAST, *map(len, self._names)])
        self._all = None
        if self._names:
            self._all = re.compile(f"{_MARK.pattern}|{_alternatives(self._names)}")

    def _learn(self, name: str, text: str) -> None:
        if len(text.strip()) < SHORTEST:
            raise UsageError(
                f"The secret {name} has fewer than {SHORTEST} characters: masking it would garble "
                "every text that has them. Use a longer one, or do not name it."
            )
        for written in _writings(text):
            self._names.setdefault(written, name)
        for coding in ("utf-16-le", "utf-32-le"):
            self._bytes[text.encode(coding, "surrogatepass")] = name
        for written in self._names:
            self._bytes.setdefault(written.encode("utf-8", "surrogatepass"), self._names[written])

    # -- text ----------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """`text` with each secret in it replaced by its mark; the same object if there is none.

        One that is told in pieces, with a terminal's colours between them, is masked with them: the
        text is then as it is seen, without colours.
        """
        found = self._plainly(text)
        bare = seen(found)
        if bare is not found:
            masked = self._plainly(bare)
            if masked != bare:
                return masked
        return found

    def _plainly(self, text: str) -> str:
        if self._all is not None:
            text = self._all.sub(self._by_name, text)
        if _may_hold(text):
            text = _any().sub(_masked, text)
        return text

    def clean(self, text: str) -> bool:
        """Whether nothing in a text can be secret, by the quick look alone."""
        text = seen(text)
        named = self._all is not None and self._all.search(text) is not None
        return not (named or _may_hold(text))

    def _by_name(self, found: re.Match[str]) -> str:
        name = self._names.get(found[0])
        return found[0] if name is None else mark(name)

    def tail(self, text: str) -> int:
        """Where at the end of `text` a secret may have begun; its length, if nowhere."""
        last = text[-_LOOK_BACK:]
        at = len(last)
        for written in self._names:
            for size in range(min(len(written) - 1, len(last)), 0, -1):
                if last.endswith(written[:size]):
                    at = min(at, len(last) - size)
                    break
        lower = last.lower()
        begun = _begun().search(lower)
        if begun:
            at = min(at, begun.start())
        word = _LAST_WORD.search(lower)
        if word and any(begin.startswith(word[0]) for begin in _BEGINS):
            at = min(at, word.start())
        return len(text) - len(last) + at

    def shown(self, text: str) -> str:
        """`text` of a short text for people that may have been cut, as one is that ends in `…`."""
        if not text.endswith("…"):
            return self.text(text)
        whole = self.text(text[:-1])
        return f"{whole[: self.tail(whole)]}…"

    # -- values --------------------------------------------------------------------------------

    def value(self, value: Any) -> Any:
        """A value as documents have them (text, lists, mappings), masked; others as they are. The
        same object where nothing had to be."""
        if isinstance(value, str):
            found = self.text(value)
            return value if found == value else found
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            name = self._names.get(str(value))  # a PIN, an account
            return value if name is None else mark(name)
        if isinstance(value, Mapping):
            pairs = {key: self.value(one) for key, one in value.items()}
            return value if all(pairs[key] is one for key, one in value.items()) else pairs
        if isinstance(value, (list, tuple)):
            items = [self.value(one) for one in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else type(value)(items)
        return value

    def within(self, data: bytes) -> str:
        """What secret the bytes of a result hold, by its mark; empty if they hold none.

        Only certain shapes count, since nobody sees these bytes: they would be found by who looks
        for such tokens.
        """
        data = seen_bytes(data)
        for written, name in self._bytes.items():
            if written in data:
                return mark(name)
        if len(data) < _LEAST:
            return ""
        head = data if len(data) <= _SEARCHED else data[:_SEARCHED]
        for shape, begins in _CERTAIN:
            if any(begin in head for begin in begins) and _of_bytes(shape).search(head):
                return mark(shape.kind)
        return ""


def _writings(text: str) -> Iterator[str]:
    """A secret as it may stand in a text: each of its lines, and what encoders make of it."""
    from urllib.parse import quote, quote_plus  # for who has a secret only

    plain = {text, text.strip()}
    plain |= {line.strip() for line in text.splitlines() if len(line.strip()) >= 2 * SHORTEST}
    yield from plain
    for one in (text, text.strip()):
        for ascii_only in (True, False):
            yield json.dumps(one, ensure_ascii=ascii_only)[1:-1]
        yield repr(one)[1:-1]
        yield quote(one, safe="", errors="replace")
        yield quote_plus(one, errors="replace")
        data = one.encode("utf-8", "surrogatepass")
        if len(data) >= 2 * SHORTEST:
            yield data.hex()
            yield from _in_base64(data)


def _in_base64(data: bytes) -> Iterator[str]:
    """What of base64 is the same whatever stands before and behind the secret (as in
    `user:password`), for each of the three places that it may begin at."""
    for before in range(3):
        bits = base64.b64encode(b"\0" * before + data)
        first = (before * 8 + 5) // 6  # the letter in which the secret begins is not its own
        own = bits[first : (before + len(data)) * 8 // 6].decode()
        if len(own) >= 2 * SHORTEST:
            yield own
            yield own.replace("+", "-").replace("/", "_")


class KeyLines:
    """A private key over several lines of an output: its first becomes the mark, the others go."""

    _begin, _end = re.compile(KEY_BEGIN), re.compile(KEY_END)
    _body = re.compile(r"[A-Za-z0-9+/=:,.()_ \t-]*\Z")

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = 0  # lines that the key may still have

    def __bool__(self) -> bool:
        return self._left > 0

    def line(self, line: str) -> str | None:
        """The line; None if it is of a key."""
        if self._left:
            end = self._end.search(line)
            if end:
                self._left = 0
                return line[end.end() :].lstrip() or None
            self._left -= 1
            if self._body.match(line):
                return None
            self._left = 0
        begin = self._begin.search(line) if "-----BEGIN" in line else None
        if begin and not self._end.search(line, begin.end()):
            self._left = _KEY_LINES
        return line


def texts_of(value: Any) -> Iterator[str]:
    """What is written of a secret value: of a number its digits, of a list or mapping each leaf."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


#: Nothing named: secrets are found by their shape.
PLAIN = Mask()
