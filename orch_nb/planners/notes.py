"""Where the readers of a goal write down what they read, before it is frozen as `Facts`."""

from __future__ import annotations

import msgspec

__all__ = ["Item", "Notes"]


class Item(msgspec.Struct, frozen=True):
    """An item of a list fact: what is shown for {item}, how one checks it, where it was seen.

    `words` are the goal's own words for it, if the goal names it.
    """

    text: str
    check: str = ""
    evidence: str = ""
    words: str = ""


class Notes(msgspec.Struct):
    """Texts, lists and flags by name."""

    text: dict[str, str] = {}
    items: dict[str, tuple[Item, ...]] = {}
    flags: set[str] = set()
