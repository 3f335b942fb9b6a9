"""What a callable takes, by name: how a plan knows needs that nobody wrote down.

    def joined(orders, refunds, *, limit=10): ...     required: orders, refunds; optional: limit

A plan may have a function for each of many thousand tasks, so what `inspect.signature` says in ten
microseconds is read from a function's code in one, once for all that are made by one `def`. Nothing
that a task may hold is kept alive: neither a callable, nor what a method is bound to, nor a default
(each may lead back to the plan).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

__all__ = ["STAR", "Parameters", "parameters", "placed"]

STAR = "*"  #: in `with`: the arguments by position, a list or a template that gives one


class Parameters(msgspec.Struct, frozen=True):
    """What a callable takes: names it requires, names with a default, `*args`, `**kwargs`."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    var_positional: bool = False
    var_keyword: bool = False
    positional_only: tuple[str, ...] = ()
    keyword_only: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return self.required + self.optional


#: What callables take that are no functions. Neither they nor what they hold is kept alive by it.
_SEEN: WeakKeyDictionary[Callable[..., Any], Parameters] = WeakKeyDictionary()


def parameters(function: Callable[..., Any]) -> Parameters:
    """What `function` takes. Functions made by one `def` are read once: a plan may have many."""
    inner, bound = function, 0
    if type(function) is MethodType:
        inner, bound = function.__func__, 1
    if type(inner) is FunctionType and inner.__code__.co_argcount >= bound and not _is_front(inner):
        found = _written(inner.__code__, bound)
        if inner.__defaults__ is None and inner.__kwdefaults__ is None:
            return found
        return _defaulted(found, inner.__defaults__ or (), inner.__kwdefaults__ or {})
    try:
        return _SEEN[function]
    except KeyError:
        found = _signed(function)
        if not found.defaults:  # which may lead back to the callable
            _SEEN[function] = found
        return found
    except TypeError:  # it has no hash, or nothing can point to it weakly
        return _signed(function)


def placed(taken: Parameters, with_: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that `*` of a `with` fills, in order: a list as many as it has values, a template,
    whose length nobody knows yet, all that have a place."""
    if STAR not in with_:
        return ()
    given = with_[STAR]
    places = tuple([name for name in taken.names if name not in taken.keyword_only])
    return places[: len(given)] if isinstance(given, list | tuple) else places


def _is_front(function: FunctionType) -> bool:
    """Whether another function or signature stands behind it, as a decorator leaves it."""
    return hasattr(function, "__wrapped__") or hasattr(function, "__signature__")


def _defaulted(taken: Parameters, last: tuple[Any, ...], by_name: Mapping[str, Any]) -> Parameters:
    """`taken` with defaults for the last that have a place, and for some that have none."""
    placed = taken.required[: len(taken.required) - len(taken.keyword_only)]
    last = last[-len(placed) :] if placed else ()  # a method's first may have one as well
    defaults = {**dict(zip(placed[len(placed) - len(last) :], last, strict=True)), **by_name}
    return Parameters(
        tuple([name for name in taken.required if name not in defaults]),
        tuple([name for name in taken.required if name in defaults]),
        taken.var_positional, taken.var_keyword, taken.positional_only, taken.keyword_only,
        defaults,
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _written(code: CodeType, bound: int) -> Parameters:
    """What a function of that code takes beside the `bound` first, if nothing has a default."""
    names, placed = code.co_varnames, code.co_argcount
    named = placed + code.co_kwonlyargcount
    return Parameters(
        required=names[bound:named],
        var_positional=bool(code.co_flags & inspect.CO_VARARGS),
        var_keyword=bool(code.co_flags & inspect.CO_VARKEYWORDS),
        positional_only=names[bound : code.co_posonlyargcount],
        keyword_only=names[placed:named],
    )


def _signed(function: Callable[..., Any]) -> Parameters:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not say: it gets no arguments
        return Parameters()
    required: list[str] = []
    optional: list[str] = []
    positional_only: list[str] = []
    keyword_only: list[str] = []
    defaults: dict[str, Any] = {}
    var_positional = var_keyword = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            var_positional = True
        elif parameter.kind is parameter.VAR_KEYWORD:
            var_keyword = True
        else:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional_only.append(name)
            elif parameter.kind is parameter.KEYWORD_ONLY:
                keyword_only.append(name)
            if parameter.default is parameter.empty:
                required.append(name)
            else:
                optional.append(name)
                defaults[name] = parameter.default
    return Parameters(
        tuple(required), tuple(optional), var_positional, var_keyword, tuple(positional_only),
        tuple(keyword_only), defaults,
    )  # fmt: skip
