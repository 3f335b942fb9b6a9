"""What a task's result must be: `check` of a task, held against the result when a run is reported.

    check: int                            a type; also `list[int]`, `pandas.DataFrame`
    check: orders_schema                  what has a `validate`: a pandera schema or model
    check: is_sorted                      a function of the result: False, or an error, is a no
    check: true                           what the function says that it returns
    check: [int, {check: is_even, required: false}]

A contract keeps the callable itself, as a task does, and is written down as its name. What has no
name of its own (a schema that a variable holds) is `Held`, under the name that the plan gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

import msgspec
from msgspec.structs import force_setattr

__all__ = ["Contract", "Held", "contracts"]


class Held:
    """A value without a name of its own, as something callable that has one."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.__qualname__ = f"<{type(value).__name__}>"
        self.__module__ = "__main__"

    def __call__(self) -> Any:
        """The value itself."""
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.value is self.value

    def __hash__(self) -> int:
        return hash(id(self.value))

    def __repr__(self) -> str:
        return self.__qualname__


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a result must be. `of`: a class, a function of the result, what has a
    `validate`, the name of one, or True for the function's own return annotation.

    `name` is what a plan calls it by. Where it is not `required`, a report is complete without it.
    """

    of: Any
    name: str = ""
    required: bool = True

    def __post_init__(self) -> None:
        of = self.of
        plain = isinstance(of, (str, bool, type, FunctionType, BuiltinFunctionType, Held))
        if not plain or hasattr(of, "__origin__"):  # `list[int]` passes for a class
            force_setattr(self, "of", Held(of))
            if not self.name:
                force_setattr(self, "name", _shown(of))

    @property
    def label(self) -> str:
        """What a person knows it by."""
        if self.name or isinstance(self.of, str):
            name = self.name or self.of
            return name.removeprefix("__main__:").removeprefix("builtins:")
        if isinstance(self.of, bool):
            return "its return annotation"
        name = str(getattr(self.of, "__qualname__", None) or type(self.of).__name__)
        return name.rpartition("<locals>.")[2]

    @property
    def reference(self) -> str:
        """The name to look it up by; "" where it is here already, or has none."""
        if not isinstance(self.of, str):
            return ""
        name = self.name or self.of
        return "" if "<" in name or "[" in name else name


def _shown(value: Any) -> str:
    """`list[int]`, `Orders <DataFrameSchema>`: what no name stands for, in words."""
    if hasattr(value, "__origin__"):
        return str(value)
    name = getattr(value, "name", None)
    kind = f"<{type(value).__name__}>"
    return f"{name} {kind}" if isinstance(name, str) and 0 < len(name) <= 80 else kind


def contracts(value: Any) -> tuple[Contract, ...]:
    """What `check` may be given as, as contracts. Raises TypeError, ValueError."""
    if isinstance(value, (list, tuple)):
        return tuple(found for one in value for found in contracts(one))
    if isinstance(value, Contract):
        return (value,)
    if isinstance(value, Mapping):
        unknown = set(value) - {"check", "required"}
        if unknown or "check" not in value:
            raise ValueError("check: a mapping has `check`, and `required` where that is false")
        (found,) = contracts(value["check"])
        return (msgspec.structs.replace(found, required=bool(value.get("required", True))),)
    if value is None or (isinstance(value, (int, float)) and value is not True):
        raise TypeError(f"check: a type, a schema, a function or a name, not {value!r}")
    return (Contract(value),)
