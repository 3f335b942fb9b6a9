"""Brackets, quotations and abbreviations, set aside while a text is split.

>>> held = Held()
>>> held.give(held.take('ask "a, b" (or c, d), then go'))
'ask "a, b" (or c, d), then go'
"""

from __future__ import annotations

import re

__all__ = ["Held"]

_WHOLE = re.compile(
    r"\([^()]*\)|\"[^\"]*\"|“[^”]*”|`[^`]*`|\b(?:e\.g|i\.e|etc|vs|approx|incl|resp)\.",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\x02(\d+)\x03")


class Held:
    """Takes what must stay whole out of a text, and puts it back."""

    def __init__(self) -> None:
        self._kept: list[str] = []

    def take(self, text: str) -> str:
        """`text` with a mark for each bracket, quotation and abbreviation."""

        def keep(match: re.Match[str]) -> str:
            self._kept.append(match.group(0))
            return f"\x02{len(self._kept) - 1}\x03"

        return _WHOLE.sub(keep, text)

    def give(self, text: str) -> str:
        """`text` with its marks replaced again."""
        return _PLACE.sub(lambda match: self._kept[int(match[1])], text)
