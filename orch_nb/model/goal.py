"""A goal: what the person wants done, in their words."""

from __future__ import annotations

import msgspec

__all__ = ["Criterion", "Goal"]


class Criterion(msgspec.Struct, frozen=True):
    """Something that the goal must show, and the tasks whose success is the evidence for it."""

    text: str
    tasks: tuple[str, ...] = ()


class Goal(msgspec.Struct, frozen=True):
    """A goal text, and what it says of itself.

    `constraints` are conditions that the text states ("without downtime", "keep a way back"), each
    quoted from it.
    """

    text: str
    constraints: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first sentence or line, at most 80 characters."""
        first = self.text.strip().splitlines()[0] if self.text.strip() else ""
        head = first.split(". ")[0].rstrip(".")
        return head if len(head) <= 80 else head[:79].rstrip() + "…"
