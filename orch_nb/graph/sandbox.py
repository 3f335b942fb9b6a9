"""The Jinja that expressions are read and evaluated in: sandboxed, bounded, and poor on purpose.

An expression may come out of somebody else's plan, so it can look at values and do no more:

    fetch.rows > 0 and region in params.regions        names, attributes, comparisons
    fetch | map(attribute="id") | unique | list        filters: those of _FILTERS
    len(fetch), name.removesuffix(".csv")              those of FUNCTIONS, methods that only read

Names that begin with an underscore are closed (Jinja's sandbox). Methods of anything but Python's
own values are not called, unless they take nothing and summarise (`sales.sum()`): a DataFrame can
write files, and `eval`. What could eat the machine is bounded: `*` and `**`, text that is made
longer (counted over the whole expression: `LARGEST` characters), `range`. There is no time and no
chance in here, so an expression gives the same wherever it is asked.

Only `graph.expressions` imports this, and only where there is an expression: Jinja costs 50 ms.
The idea of counting what is worked on is that of the step limits of interpreters of untrusted code
(Lua's count hook, Starlark's `set_max_execution_steps`).
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from jinja2 import StrictUndefined, Undefined, pass_environment
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import missing

from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.shell_words import Unquoted

__all__ = ["FUNCTIONS", "LARGEST", "Sandbox", "spending"]

#: Characters and entries that one evaluation may read in filters and make anew.
LARGEST = 10_000_000
_LARGEST_RANGE = 100_000
_LARGEST_REPETITION = 10_000
_LARGEST_BITS = 20_000
_SCALARS = (str, int, float, bool, type(None))
_SIZED = (str, bytes, list, tuple, dict, set, frozenset, range)

_spent: ContextVar[list[int] | None] = ContextVar("orch_nb_expression_spent", default=None)


class spending:  # noqa: N801  # read as a verb: `with spending(): ...`
    """Counts what one evaluation reads and makes, from zero."""

    def __enter__(self) -> None:
        self._token = _spent.set([0])

    def __exit__(self, *_: object) -> None:
        _spent.reset(self._token)


def _spend(size: int) -> None:
    spent = _spent.get()
    if spent is None:
        spent = [0]
    spent[0] += size
    if spent[0] > LARGEST:
        raise SecurityError(f"it goes through more than {LARGEST:,} characters or entries")


class Missing(StrictUndefined):
    """What is not there; whoever uses it is told of it in words."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name, value = self._undefined_name, self._undefined_obj
        if self._undefined_exception is SecurityError:
            return f"`{name}` is closed to expressions"
        if value is missing:  # a name, not an attribute
            return f"nothing here is called `{name}`"
        known = [str(key) for key in value] if isinstance(value, Mapping) else dir(value)
        near = did_you_mean(str(name), [key for key in known if not key.startswith("_")])
        hint = f". {near.removesuffix('?')}?" if near else ""
        return f"{_article(value)} has no `{name}`{hint}"


def _article(value: Any) -> str:
    kind = "None" if value is None else f"a {type(value).__name__}"
    return kind.replace("a int", "an int")


# -- functions and filters that could make much out of little ------------------------------------


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > _LARGEST_RANGE:
        raise SecurityError(f"a range has at most {_LARGEST_RANGE:,} numbers here")
    _spend(len(found))
    return found


def _str(value: Any = "") -> str:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001  # Jinja's own way to raise it
    text = str(value)
    _spend(len(text))
    return text


def _sum(values: Iterable[Any]) -> Any:
    return sum(values)


@pass_environment
def _sum_filter(environment: Environment, values: Iterable[Any], attribute: Any = None) -> Any:
    return sum(_each(environment, values, attribute))


@pass_environment
def _join_filter(
    environment: Environment, values: Iterable[Any], separator: Any = "", attribute: Any = None
) -> str:
    return _join(_each(environment, values, attribute), separator)


def _each(environment: Environment, values: Iterable[Any], attribute: Any) -> Iterable[Any]:
    return values if attribute is None else map(make_attrgetter(environment, attribute), values)


def _join(values: Iterable[Any], separator: Any = "") -> str:
    texts = [_str(value) for value in values]
    _spend(len(str(separator)) * len(texts))
    return str(separator).join(texts)


def _replace(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = _str(text), str(old), str(new)
    times = text.count(old) if count is None or count < 0 else min(count, text.count(old))
    _spend(times * len(new))
    found: str = text.replace(old, new, times)
    return found


def _padded(method: Callable[..., str]) -> Callable[..., str]:
    def pad(width: int, *fill: str) -> str:
        if width > _LARGEST_REPETITION:
            raise SecurityError(f"a text is padded to at most {_LARGEST_REPETITION:,} characters")
        _spend(width)
        return method(width, *fill)

    return pad


def _tojson(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    _spend(len(text))
    return text


def _unquoted(value: Any) -> Unquoted:
    if isinstance(value, bool):
        return Unquoted(str(value).lower())
    if isinstance(value, (list, tuple)):
        return Unquoted(" ".join(_unquoted(item) for item in value))
    return Unquoted("" if value is None else _str(value))


#: What an expression may call; a result or a parameter of the same name comes first.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "dict": dict, "enumerate": enumerate,
    "float": float, "int": int, "len": len, "list": list, "max": max, "min": min, "range": _range,
    "round": round, "sorted": sorted, "str": _str, "sum": _sum, "tuple": tuple, "zip": zip,
}  # fmt: skip
_FUNCTION_IDS = frozenset(id(function) for function in FUNCTIONS.values())


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that spends what it is given and makes: `map` and `select` repeat it."""

    @functools.wraps(function)  # keeps the marks by which Jinja knows what to pass
    def counted(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if isinstance(value, _SIZED):
                _spend(len(value))
        made = function(*args, **kwargs)
        if isinstance(made, (str, list)):
            _spend(len(made))
        return made

    return counted


#: Filters of Jinja that neither draw lots, nor mark up, nor lay out.
_KEPT = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "reverse", "round", "select", "selectattr", "sort", "title", "trim", "truncate", "unique",
    "upper", "wordcount",
)  # fmt: skip
_FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _counted(FILTERS[name]) for name in _KEPT if name in FILTERS},
    "join": _counted(_join_filter), "replace": _replace, "string": _str,
    "sum": _counted(_sum_filter), "tojson": _tojson, "unquoted": _unquoted,
}  # fmt: skip

_READING: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, frozenset(
        "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit "
        "isidentifier islower isnumeric isspace istitle isupper lower lstrip partition "
        "removeprefix removesuffix rfind rindex rpartition rsplit rstrip split splitlines "
        "startswith strip swapcase title upper".split()
    )),
    (bytes, frozenset("count decode endswith find hex startswith".split())),
    ((int, float), frozenset(("bit_length", "is_integer"))),
    (Mapping, frozenset("get items keys values".split())),
    ((list, tuple), frozenset(("count", "index"))),
    ((set, frozenset), frozenset(
        "difference intersection isdisjoint issubset issuperset union".split()
    )),
    ((datetime.date, datetime.time), frozenset(
        "date isoformat isoweekday time timestamp toordinal weekday".split()
    )),
    (datetime.timedelta, frozenset(("total_seconds",))),
)  # fmt: skip
#: What may be called of anything, without arguments: it counts or summarises.
_SUMMARIES = frozenset(
    "all any count isna isnull item items keys max mean median min notna notnull nunique std sum "
    "to_list tolist unique values".split()
)
_PADS = frozenset(("center", "ljust", "rjust", "zfill"))


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with the bounds above."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, optimized=False, cache_size=0)
        self.globals = dict(FUNCTIONS)
        self.filters = dict(_FILTERS)
        tests: Mapping[str, Any] = TESTS
        self.tests = {name: _counted(test) for name, test in tests.items()}

    def getattr(self, obj: Any, attribute: str) -> Any:
        # `fetch.count` is the key of a result, not the method of every dict.
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _bounded_product(left, right)
        elif operator == "**":
            _bounded_power(left, right)
        elif isinstance(left, (str, bytes)):
            raise SecurityError("`%` does not format text here; join it with `~`")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        called = _callable(function, bool(args or kwargs))
        return super().call(context, called, *args, **kwargs)


def _callable(function: Any, given: bool) -> Callable[..., Any]:
    """What a call really calls. Raises SecurityError for what must not be called."""
    if isinstance(function, Undefined):
        function._fail_with_undefined_error()  # noqa: SLF001  # Jinja's own way to raise it
    if id(function) in _FUNCTION_IDS:
        return function  # type: ignore[no-any-return]  # one of FUNCTIONS
    name = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, str):
        if name == "join":
            return lambda values: _join(values, owner)
        if name == "replace":
            return lambda old, new, count=-1: _replace(owner, old, new, count)
        if name in _PADS:
            return _padded(function)
    for kinds, names in _READING:
        if isinstance(owner, kinds) and name in names:
            return function  # type: ignore[no-any-return]  # a method, by its name
    if name in _SUMMARIES and not given and owner is not None and not isinstance(owner, type):
        return function  # type: ignore[no-any-return]  # a method, by its name
    of = f" of {_article(owner)}" if owner is not None else ""
    raise SecurityError(f"`{name}`{of} may not be called in an expression, only in a function")


def _bounded_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > _LARGEST_BITS:
            raise SecurityError("that number would be too large")
        return
    for repeated, times in ((left, right), (right, left)):
        if not isinstance(repeated, (str, bytes, list, tuple)):
            continue
        if isinstance(times, int) and len(repeated) * times > _LARGEST_REPETITION:
            raise SecurityError(f"a repetition has at most {_LARGEST_REPETITION:,} entries here")
        if not isinstance(repeated, (str, bytes)) and not _flat(repeated):
            raise SecurityError("a list of lists is not repeated in an expression")
        _spend(len(repeated) * times if isinstance(times, int) and times > 0 else 0)


def _flat(values: Sequence[Any]) -> bool:
    return all(isinstance(value, _SCALARS) and not isinstance(value, str) for value in values) or (
        all(isinstance(value, _SCALARS) and len(str(value)) < 100 for value in values)
    )


def _bounded_power(base: Any, exponent: Any) -> None:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and max(1, base.bit_length()) * exponent > _LARGEST_BITS:
        raise SecurityError("that number would be too large")
