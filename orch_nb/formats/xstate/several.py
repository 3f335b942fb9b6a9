"""Which machine of a script is meant, where it creates several: the one that uses the others.

const child = createMachine({...});
export const parent = setup({ actors: { child } }).createMachine({...});     this one
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.script_literals import Code, ScriptError, arguments

__all__ = ["Machine", "chosen"]

#: A configuration, and the line of its call.
Machine = tuple[dict[str, Any], int]
_NAMED = re.compile(r"(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*(?::[^=]{0,500})?=\s*")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")


def chosen(text: str, machines: list[Machine]) -> tuple[Machine, list[tuple[str, int]]]:
    """The machine that no other uses, and name and line of the others. Raises PlanError where it is
    not one."""
    if len(machines) == 1:
        return machines[0], []
    names = {line: _name(text, line) for _, line in machines}
    used = {word for config, _ in machines for word in _words(config)}
    try:
        used |= {word for given, _ in arguments(text, "setup") for word in _words(given)}
    except ScriptError as error:
        raise PlanError(f"The script cannot be read: {error}") from None
    outer = [machine for machine in machines if names[machine[1]] not in used]
    if len(outer) == 1:
        others = [(names[line], line) for _, line in machines if line != outer[0][1]]
        return outer[0], others
    listed = ", ".join(f"{names[line] or 'one'} in line {line}" for _, line in machines)
    raise PlanError(
        [Problem(f"The script creates several machines ({listed}), and none that uses all others.",
                 hint="Keep one of them in the file.")]
    )  # fmt: skip


def _name(text: str, line: int) -> str:
    """The name that is declared last up to a line, which is that of the machine created there."""
    until = "\n".join(text.split("\n")[:line])
    found = _NAMED.findall(until)
    return found[-1] if found else ""


def _words(value: Any) -> Iterator[str]:
    """Names in what is no literal."""
    if isinstance(value, Code):
        yield from _WORD.findall(value.text)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
