"""A value as words of a shell's text, quoted so that it means itself and nothing else.

"two words"  'two words'        3, 2.5, True, None   3 2.5 true ''
["a b", 3]   'a b' 3            {"a": [1]}           '{"a":[1]}'
"""

from __future__ import annotations

import datetime
import shlex
from numbers import Number
from typing import Any

import msgspec

__all__ = ["Unquoted", "words"]


class Unquoted(str):
    """Text that goes into a command as it is: what `| unquoted` gives."""

    __slots__ = ()


def words(value: Any) -> str:
    """A text is one word, a list a word an item, whatever else has a form in JSON is that.

    Raises TypeError, saying what it is, for what has none.
    """
    if isinstance(value, Unquoted):
        return str(value)
    value = _listed(value)
    if isinstance(value, (list, tuple)):
        return " ".join(shlex.quote(_plain(item)) for item in value)
    return shlex.quote(_plain(value))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, Number)) or hasattr(value, "__fspath__"):
        return str(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    try:
        if isinstance(value, bytes):
            return value.decode()
        text = _ENCODER.encode(value).decode()
    except (TypeError, ValueError, RecursionError, NotImplementedError):
        raise TypeError(f"a {type(value).__name__}") from None
    # A date or an identifier is the text that JSON would put into quotes.
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


def _listed(value: Any) -> Any:
    """An array or a series as the list that it holds; anything else as it is."""
    made = getattr(value, "tolist", None)
    return made() if callable(made) and not isinstance(value, type) else value


def _hook(value: Any) -> Any:
    made = _listed(value)
    if made is value:
        raise NotImplementedError
    return made


_ENCODER = msgspec.json.Encoder(enc_hook=_hook, order="deterministic")
