"""Where the readers of a goal write down what they read, before it is frozen as `Facts`."""

from __future__ import annotations

import msgspec

__all__ = ["Item", "Notes"]


class Item(msgspec.Struct, frozen=True):
    """An item of a list fact: what is shown for {item}, how one checks it, where it was seen.

    `words` are the goal's own words for it, if the goal names it; `name` is what ids are made of,
    where that is shorter; `stage` orders items of which the goal says what comes first.
    """

    text: str
    check: str = ""
    evidence: str = ""
    words: str = ""
    name: str = ""
    stage: int = 0


class Notes(msgspec.Struct):
    """Texts, lists and flags by name; each flag with what it rests on ("the goal says ...")."""

    text: dict[str, str] = {}
    items: dict[str, tuple[Item, ...]] = {}
    flags: dict[str, str] = {}

    def flag(self, name: str, reason: str = "") -> None:
        self.flags.setdefault(name, reason)
