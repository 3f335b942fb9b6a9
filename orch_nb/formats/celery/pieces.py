"""What a canvas is made of, and the tasks and needs that follow from it.

    Chain([Signature(a), Group([Signature(b), Signature(c)]), Signature(d)])

A group that is followed by something is a chord, and a chord is a group with what follows it: both
say the same here. Each signature becomes a task of its own, so two of one function are two tasks.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Chain", "Group", "Part", "Signature", "wired"]


class Signature(msgspec.Struct):
    """One call of a task: its name, what it is called with, the options it is sent with."""

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    immutable: bool = False
    line: int | None = None


class Chain(msgspec.Struct):
    parts: list[Part]


class Group(msgspec.Struct):
    parts: list[Part]


Part = Signature | Chain | Group


def wired(part: Part) -> list[tuple[Signature, list[int]]]:
    """Each signature, with the places of those that it waits for."""
    found: list[tuple[Signature, list[int]]] = []

    def put(part: Part, before: list[int]) -> list[int]:
        """Places a part after some; returns the places of its ends."""
        if isinstance(part, Signature):
            found.append((part, before))
            return [len(found) - 1]
        if isinstance(part, Group):
            ends = [end for inner in part.parts for end in put(inner, before)]
            return ends or before
        for inner in part.parts:
            before = put(inner, before)
        return before

    put(part, [])
    return found
