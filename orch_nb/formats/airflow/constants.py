"""What can be computed of a file's constants without running it: operators, methods, formats.

Everything is bounded, in time and in size: a file that is read may be anybody's. What is beyond the
bounds, or unknown, is None as a `Known`, and the reader takes the value for opaque.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

__all__ = [
    "BUILTINS",
    "MOST",
    "Unknown",
    "binary",
    "called",
    "compared",
    "duration",
    "formatted",
    "light",
    "method",
]

MOST = 10_000  # items of a sequence, and ten times as many characters
_PLAIN = (str, int, float, bool, type(None), timedelta)
_WIDE = re.compile(r"\d{4,}|\*|__")


class Unknown(Exception):
    """Only running the file would tell."""


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 10 * MOST:
        raise Unknown
    if isinstance(value, (list, tuple, dict, set, range)) and len(value) > MOST:
        raise Unknown
    if isinstance(value, int) and abs(value) > 10**30:
        raise Unknown
    return value


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, whole: item in whole,
    ast.NotIn: lambda item, whole: item not in whole,
}


def light(value: Any) -> bool:
    """Whether a value is no more than `MOST` parts, however they nest. A list that holds another
    twice, which holds another twice, is short to write and has no end to walk."""
    left = [value]
    for _ in range(2 * MOST):
        if not left:
            return True
        part = left.pop()
        if isinstance(part, (list, tuple, set, frozenset)):
            left += part
        elif isinstance(part, dict):
            left += part.values()
            left += (key for key in part if isinstance(key, tuple))
    return False


def _attempted(act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `act` gives, or Unknown: a fault in somebody's file is not ours to raise."""
    try:
        return _bounded(act(*args, **kwargs))
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Unknown from error


def binary(kind: ast.operator, left: Any, right: Any) -> Any:
    """`left + right` and its kin, of constants. Raises Unknown."""
    act = _OPERATORS.get(type(kind))
    plain = (*_PLAIN, list, tuple, dict, set)
    if act is None or not isinstance(left, plain) or not isinstance(right, plain):
        raise Unknown
    if not light(left) or not light(right):
        raise Unknown
    if isinstance(kind, ast.Mult):
        for whole, times in ((left, right), (right, left)):
            length = len(whole) if isinstance(whole, (str, list, tuple)) else 0
            if isinstance(times, int) and length * times > MOST:
                raise Unknown
    if isinstance(kind, ast.Mod) and isinstance(left, str) and _WIDE.search(left):
        raise Unknown
    return _attempted(act, left, right)


def compared(kind: ast.cmpop, left: Any, right: Any) -> bool:
    if not light(left) or not light(right):
        raise Unknown
    return bool(_attempted(_COMPARED[type(kind)], left, right))


def formatted(value: Any, spec: str, conversion: int) -> str:
    """What stands in an f-string for a constant. Raises Unknown."""
    if (
        not isinstance(value, (*_PLAIN, list, tuple, dict))
        or _WIDE.search(spec)
        or not light(value)
    ):
        raise Unknown
    if conversion == ord("r"):
        value = repr(value)
    elif conversion == ord("s"):
        value = str(value)
    elif conversion == ord("a"):
        value = ascii(value)
    found: str = _attempted(format, value, spec)
    return found


_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        "capitalize casefold count endswith find format isdigit join lower lstrip partition "
        "removeprefix removesuffix replace rpartition rsplit rstrip split splitlines startswith "
        "strip swapcase title upper".split()
    ),
    list: frozenset("append copy count extend index insert pop remove reverse sort".split()),
    dict: frozenset("copy get items keys pop setdefault update values".split()),
    set: frozenset("add copy difference discard intersection union update".split()),
    tuple: frozenset(("count", "index")),
    timedelta: frozenset(("total_seconds",)),
}


def method(value: Any, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    """A method of a constant that is known to be harmless. Raises Unknown."""
    if name not in _METHODS.get(type(value), ()):
        raise Unknown
    if name == "format" and _WIDE.search(value):
        raise Unknown
    if name == "replace" and len(value) * max(1, *(len(str(a)) for a in args)) > 100 * MOST:
        raise Unknown
    if name == "sort" and (kwargs.keys() - {"reverse"} or not light(value)):
        raise Unknown
    found = _attempted(getattr(value, name), *args, **kwargs)
    _bounded(value)
    if isinstance(value, dict) and name in ("items", "keys", "values"):
        return list(found)
    return found


def _range(*bounds: int) -> list[int]:
    found = range(*bounds)
    if len(found) > MOST:
        raise Unknown
    return list(found)


def _sorted(values: Any, reverse: bool = False) -> list[Any]:
    return sorted(values, reverse=reverse)


#: Functions of Python that are called as they are, on constants.
BUILTINS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "dict": dict, "float": float,
    "frozenset": frozenset, "int": int, "len": len, "list": list, "max": max, "min": min,
    "range": _range, "repr": repr, "round": round, "set": set, "sorted": _sorted, "str": str,
    "sum": sum, "tuple": tuple,
    "enumerate": lambda values, start=0: list(enumerate(values, start)),
    "reversed": lambda values: list(reversed(values)),
    "zip": lambda *values, strict=False: list(zip(*values, strict=strict)),
}  # fmt: skip


def called(name: str, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    """A builtin on constants. Raises Unknown."""
    return _attempted(BUILTINS[name], *args, **kwargs)


def duration(args: list[Any], kwargs: Mapping[str, Any]) -> timedelta:
    """`timedelta(...)`, and pendulum's `duration(...)`, of numbers. Raises Unknown."""
    found: timedelta = _attempted(timedelta, *args, **kwargs)
    return found
