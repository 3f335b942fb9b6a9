"""What a task's callable is called with.

By name, in this order: `with`, then the results of what the task needs, then the plan's parameters.
`*upstream` takes the results of all it needs in the order of `needs`, `**upstream` by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch_nb.model.plan import Parameters, parameters
from orch_nb.model.task import Task

__all__ = ["arguments"]


def arguments(
    task: Task, needs: Sequence[str], results: Mapping[str, Any], params: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of one attempt.

    Raises LookupError naming a result that cannot be had (it was not kept across processes).
    """
    taken = parameters(task.run)
    named: dict[str, Any] = {}
    for name in taken.names:
        if name in task.with_:
            named[name] = task.with_[name]
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
        named |= {name: value for name, value in task.with_.items() if name not in taken.names}
    return tuple(positional), named


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
