"""What a canvas is made of, and the tasks, needs and arguments that follow from it.

    Chain([Signature(a), Group([Signature(b), Signature(c)]), Signature(d)])

A group that is followed by something is a chord, and a chord is a group with what follows it: both
say the same here. Each signature becomes a task of its own, so two of one function are two tasks.

What comes before a signature is its first argument, unless it is immutable: the result of a task,
or, after a group, the list of the results of its members. As Celery does it (5.7, observed): a
group that is itself a member of a group gives its results to the list one by one, a chain that
ends in a group gives it one list; and a group of one member in a chain is that member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = [
    "Chain",
    "Group",
    "Part",
    "Signature",
    "Value",
    "Wired",
    "begin",
    "chained",
    "ends",
    "joins_groups",
    "wired",
]

#: The place of a signature whose result it is, or a list of values.
Value = int | list["Value"]


class Signature(msgspec.Struct):
    """One call of a task: its name, what it is called with, the options it is sent with. `over` is
    `map` or `starmap` where it is called for each of `items`; `links` are called with its result.
    """

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    immutable: bool = False
    line: int | None = None
    over: str = ""
    items: list[Any] | None = None
    links: list[Part] = []


class Chain(msgspec.Struct):
    parts: list[Part]


class Group(msgspec.Struct):
    """`lazy`: made by a generator, so that Celery does not see how many there are."""

    parts: list[Part]
    lazy: bool = False


Part = Signature | Chain | Group


class Wired(msgspec.Struct):
    """A signature, the places of those that it waits for, and what its first argument is, if what
    comes before it is one."""

    signature: Signature
    before: list[int]
    first: Value | None = None


def chained(parts: list[Part]) -> Part:
    """What `chain(...)` makes of its parts."""
    # Celery passes over empty groups, unless there is nothing else.
    parts = [one for one in parts if not (isinstance(one, Group) and not one.parts)] or parts[:1]
    if len(parts) == 1:
        return parts[0] if isinstance(parts[0], Chain) else Chain(parts)
    found: list[Part] = []
    for part in parts:
        one = part
        of_chord = len(found) == 1 and isinstance(
            found[0], Group
        )  # whose body may be a group of one
        while isinstance(one, Group) and len(one.parts) == 1 and not (one.lazy or of_chord):
            one = one.parts[0]
        found += one.parts if isinstance(one, Chain) else [one]
    return Chain(found)


def wired(part: Part) -> list[Wired]:
    """Each signature, those before it first."""
    found: list[Wired] = []

    def put(part: Part, before: list[int], value: Value | None) -> tuple[list[int], Value | None]:
        """Places a part after some; returns the places of its ends, and its value."""
        if isinstance(part, Signature):
            found.append(Wired(part, before, None if part.immutable else value))
            place = len(found) - 1
            for link in part.links:
                put(link, [place], place)
            return [place], place
        if isinstance(part, Group):
            ends: list[int] = []
            values: list[Value] = []
            for member in _flat(part):
                its_ends, its_value = put(member, before, value)
                ends += its_ends
                values += [] if its_value is None else [its_value]
            return ends or before, values
        for inner in part.parts:
            before, value = put(inner, before, value)
        return before, value

    put(part, [], None)
    return found


def begin(part: Part, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Puts arguments before those of what a part begins with."""
    if isinstance(part, Signature):
        if not part.immutable:
            part.args, part.kwargs = [*args, *part.args], {**part.kwargs, **kwargs}
    else:
        for inner in part.parts if isinstance(part, Group) else part.parts[:1]:
            begin(inner, args, kwargs)


def ends(part: Part) -> list[Signature]:
    """The signatures that a part ends with: what is linked to a part is linked to each of them."""
    if isinstance(part, Signature):
        return [part]
    parts = part.parts if isinstance(part, Group) else part.parts[-1:]
    return [end for inner in parts for end in ends(inner)]


def joins_groups(part: Part) -> bool:
    """Whether somewhere something takes the results of a group that has a group for a member."""
    if isinstance(part, Signature):
        return False
    parts = part.parts[:-1] if isinstance(part, Chain) else []
    nested = any(isinstance(one, Group) and any(isinstance(inner, Group) for inner in one.parts)
                 for one in parts)  # fmt: skip
    return nested or any(joins_groups(one) for one in part.parts)


def _flat(group: Group) -> Iterator[Part]:
    for part in group.parts:
        if isinstance(part, Group):
            yield from _flat(part)
        else:
            yield part
