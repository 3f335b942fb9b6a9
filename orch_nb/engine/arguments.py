"""What a task is called with.

By name, in this order: `with`, then the results of what the task needs, then the plan's parameters.
`*upstream` takes the results of all it needs in the order of `needs`, `**upstream` by id. Where
`with` has `"*"`, a list of arguments by position, results come only where it says so. An
instance of a `foreach` task also gets its item; a shell command has its templates filled in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import msgspec

from orch_nb.engine.results_view import Results
from orch_nb.graph import topology
from orch_nb.graph.items import item_parameter
from orch_nb.model.fold import RunState
from orch_nb.model.parameters import STAR, placed
from orch_nb.model.plan import Parameters, parameters
from orch_nb.model.status import Status
from orch_nb.model.task import Call, Task

__all__ = ["Given", "Inputs", "arguments"]

_NOTHING: tuple[str, ...] = ()
_BRACES = ("{{", "{%")
_STARS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Given(msgspec.Struct):
    """What one attempt gets. `names` are those that only it knows: its item, the failures."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    command: str = ""
    index: int | None = None
    item: Any = None
    names: dict[str, Any] = {}


class Inputs:
    """What the tasks of one run are called with."""

    def __init__(self, state: RunState, results: Results) -> None:
        self._state, self._results = state, results
        self._edges: topology.Edges | None = None
        self._items: dict[str, list[Any]] = {}

    def none(self, task: Task) -> bool:
        """Whether the task takes nothing at all: a function without parameters, asked for often."""
        function = task.run
        if type(function) is FunctionType and task.foreach is None:
            code = function.__code__
            return not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & _STARS)
        return False

    def of(self, name: str, task: Task) -> Given:
        """Everything for one attempt of `name`. Raises LookupError for a result that cannot be
        had, ValueError for a template that cannot be filled in."""
        given = Given()
        state = self._state.task(name)
        needs = self.needs(name, task)
        if task.foreach is not None and state.index is not None:
            given.index, given.item = state.index, self.items(task.id)[state.index]
            given.names = {"index": given.index, task.foreach.item or "item": given.item}
        if name == "on_failure":
            given.names = {"failures": self.failures()}
        if task.sh is not None:
            given.command = task.sh
            if any(brace in task.sh for brace in _BRACES):
                from orch_nb.graph.expressions import render_command

                given.command = render_command(task.sh, self.values(needs, given))
            return given
        with_ = self._with(task, needs, given)
        if task.notebook is not None:
            given.kwargs = {**given.names, **with_}
            return given
        extra: dict[str, Any] = {}
        if given.index is not None:
            extra["index"] = given.index
            named = item_parameter(task, needs, self._state.whole.params)
            if named is not None:
                extra[named] = given.item
        if name == "on_failure":
            extra |= given.names
        given.args, given.kwargs = arguments(
            task.run, needs, self._results.given, self._state.whole.params, with_, extra
        )
        return given

    def call(self, name: str, task: Task, function: Callable[..., Any]) -> Any:
        """What a `when` or `foreach` function gives, called as the task's own is."""
        needs = self.needs(name, task)
        args, kwargs = arguments(
            function, needs, self._results.given, self._state.whole.params, {}, {}
        )
        return function(*args, **kwargs)

    def needs(self, name: str, task: Task) -> Sequence[str]:
        """Whose results the task gets; a compensation also that of the task which it undoes."""
        if self._edges is None:
            self._edges = topology.upstream(self._state.whole)
        if task.id in self._edges:
            return self._edges[task.id]
        origin = self._state.task(name).of
        return _NOTHING if origin is None else (origin, *self._edges[origin])

    def values(self, needs: Sequence[str], given: Given | None = None) -> dict[str, Any]:
        """The names of an expression: results by id, parameters, `params`, `results`, `item`."""
        plan, results = self._state.whole, self._results.given
        upstream = {need: results[need] for need in needs}
        found = {**plan.params, **upstream, "params": plan.params, "results": upstream}
        found["run_id"] = self._state.run_id
        if given is not None:
            found |= given.names
            if given.index is not None:
                found["item"] = given.item
        return found

    def items(self, task: str) -> list[Any]:
        """What the instances of a `foreach` task are for."""
        if task not in self._items:
            ref = self._state.tasks[task].items
            assert ref is not None
            self._items[task] = self._results.load(ref)
        return self._items[task]

    def keep_items(self, task: str, items: list[Any]) -> None:
        self._items[task] = items

    def failures(self) -> dict[str, str]:
        """What `on_failure` is told: the error of each failed task."""
        return {
            t.task: str(t.last_error or t.reason)
            for t in self._state.every()
            if t.status is Status.FAILED and t.task != "on_failure"
        }

    def _with(self, task: Task, needs: Sequence[str], given: Given) -> dict[str, Any]:
        """`with`, where a text that is one whole template stands for what it gives."""
        star = task.with_.get(STAR)
        every = [*task.with_.values(), *(star if isinstance(star, list) else ())]
        if not any(isinstance(v, str) and v.startswith("{{") for v in every):
            return task.with_
        from orch_nb.graph.expressions import evaluate

        values = self.values(needs, given)

        def filled(value: Any) -> Any:
            whole = isinstance(value, str) and value.startswith("{{") and value.endswith("}}")
            return evaluate(value[2:-2].strip(), values) if whole else value

        return {
            key: [filled(one) for one in value]
            if key == STAR and isinstance(value, list)
            else filled(value)
            for key, value in task.with_.items()
        }


def arguments(
    function: Callable[..., Any],
    needs: Sequence[str],
    results: Mapping[str, Any],
    params: Mapping[str, Any],
    with_: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of one call; `extra` is the engine's own (`item`, `index`).

    Raises LookupError naming a result that cannot be had (it was not kept across processes).
    """
    if isinstance(function, Call):
        function = function.function
    taken = parameters(function)
    if STAR in with_:
        return _as_written(taken, params, with_, extra)
    named: dict[str, Any] = {}
    for name in taken.names:
        if name in with_:
            named[name] = with_[name]
        elif name in extra:
            named[name] = extra[name]
        elif name in needs:
            named[name] = results[name]
        elif name in params:
            named[name] = params[name]
    positional, whole = _by_position(taken, named)
    others = [name for name in needs if name not in taken.names]
    if taken.var_positional and whole:
        positional += [results[name] for name in others]
    if taken.var_keyword:
        named |= {name: results[name] for name in others}
        named |= {name: value for name, value in with_.items() if name not in taken.names}
    return tuple(positional), named


def _as_written(
    taken: Parameters, params: Mapping[str, Any], with_: Mapping[str, Any], extra: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call that says some by position: no result comes unless `with` says so.

    Too many of them are told of by Python's own TypeError.
    """
    star = with_[STAR]
    if not isinstance(star, list | tuple):
        raise ValueError(f"`*` of `with` gives {star!r}, and it takes a list of arguments")
    filled = placed(taken, with_)
    named = {name: value for name, value in with_.items() if name != STAR}
    for name in taken.names:
        if name not in filled and name not in named:
            if name in extra:
                named[name] = extra[name]
            elif name in params:
                named[name] = params[name]
    return tuple(star), named


def _by_position(taken: Parameters, named: dict[str, Any]) -> tuple[list[Any], bool]:
    """Takes out of `named` what cannot come by name: in f(a, b=1, *upstream) all before the star.

    A default keeps its place, lest what follows slips into it. False if a place stays empty: then
    nothing may follow, and Python's own TypeError names it.
    """
    places = taken.positional_only
    if taken.var_positional:
        places = tuple(name for name in taken.names if name not in taken.keyword_only)
    positional: list[Any] = []
    for name in places:
        if name not in named and name not in taken.defaults:
            return positional, False
        positional.append(named.pop(name) if name in named else taken.defaults[name])
    return positional, True
