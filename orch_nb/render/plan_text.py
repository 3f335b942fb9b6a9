"""A plan's document where there is room for a part of it only: whole tasks, and what is left out.

tasks:
  fetch: {run: fetch}
  load: {run: load, needs: [fetch]}
# … 998 of 1,000 tasks are left out here. All are in this file's data: orch_nb.load(FILE).document
"""

from __future__ import annotations

import re

from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, number

__all__ = ["excerpt"]

_LINES, _CHARS = 400, 20_000
_KEY = re.compile(r"""( +)(?:- +(?:id: *)?)?["']?([^\s"':]+)["']? *(?::|$)""")


def excerpt(document: str, plan: Plan) -> str:
    """The document, if it is short; else as many of its tasks as there is room for, whole, so that
    it is still YAML, with a comment that says what is left out."""
    lines = document.split("\n")
    if len(lines) <= _LINES and len(document) <= _CHARS:
        return document
    starts = _starts(lines, plan)
    room = _room(lines)
    cut = max((at for at in starts if at <= room), default=starts[0] if starts else 0)
    left = sum(at >= cut for at in starts)
    of = f"{number(left)} of {count(len(starts), 'task')}" if starts else "its tasks"
    where = "All are in this file's data: orch_nb.load(FILE).document"
    return "\n".join([*lines[:cut], f"# … {of} are left out here. {where}"])


def _room(lines: list[str]) -> int:
    """How many lines there is room for."""
    taken = 0
    for at, text in enumerate(lines[:_LINES]):
        taken += len(text) + 1
        if taken > _CHARS:
            return at
    return min(len(lines), _LINES)


def _starts(lines: list[str], plan: Plan) -> list[int]:
    """The lines on which tasks begin that belong to no other: those that stand furthest left."""
    tasks = {task.id for task in plan.tasks if task.parent is None}
    found = []
    for at, text in enumerate(lines):
        key = _KEY.match(text)
        if key is not None and key[2] in tasks:
            found.append((len(key[1]), at))
    least = min((indent for indent, _ in found), default=0)
    return [at for indent, at in found if indent == least]
