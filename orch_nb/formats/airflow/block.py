"""One task as lines of a DAG file, and how lines of a function's body are put together."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from orch_nb.formats.airflow.layout import WIDTH, shifted, width

__all__ = ["Block", "fitted", "inner", "tidy", "with_lines"]


@dataclass
class Block:
    """`task` is an id in the plan, or that of a task that an export adds; `defined` its function,
    if it has one, and `made` the call that makes it, behind so many columns. `data` are those whose
    results flow into it, so that nothing else has to say that it waits for them; `named`: somebody
    uses its own."""

    task: str
    variable: str
    defined: Callable[[int], list[str]] | None
    made: Callable[[int], str]
    data: dict[str, None] = field(default_factory=dict)
    named: bool = True

    def lines(self, columns: int) -> list[str]:
        """Its source, which will stand `columns` further in."""
        name = f"{self.variable} = " if self.named else ""
        made = f"{name}{self.made(columns + len(name))}".split("\n")
        return [*self.defined(columns), "", *made] if self.defined is not None else made


def fitted(line: str, before: int) -> str:
    """A `raise` with a long message, broken where it stands further in than it was laid out for."""
    plain = line.lstrip()
    if not plain.startswith("raise ") or "\n" in line or before + width(line) <= WIDTH:
        return line
    head, _, message = plain.partition("(")
    return shifted(f"{head}(\n    {message[:-1]}\n)", len(line) - len(plain))


def tidy(lines: list[str]) -> list[str]:
    """No empty line first, and none beside another."""
    found: list[str] = []
    for line in lines:
        if line or (found and found[-1]):
            found.append(line)
    return found


def with_lines(function: list[str], lines: list[str]) -> list[str]:
    """A function with `lines` put at the beginning of its body, behind its docstring."""
    if not lines:
        return function
    tree = ast.parse("\n".join(function)).body[0]
    assert isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
    at = 1
    if ast.get_docstring(tree) is not None:
        at = tree.body[0].end_lineno or 1
    return [*function[:at], *inner(tidy([*lines, ""])), *function[at:]]


def inner(lines: list[str]) -> list[str]:
    return shifted("\n".join(lines)).split("\n")
