"""What a task's callable is called with.

By name, in this order: `with`, then the results of what the task needs, then the plan's parameters.
`*upstream` takes the results of all it needs in the order of `needs`, `**upstream` by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch_nb.model.plan import parameters
from orch_nb.model.task import Task

__all__ = ["arguments"]


def arguments(
    task: Task, needs: Sequence[str], results: Mapping[str, Any], params: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of one attempt.

    Raises LookupError naming a result that cannot be had (it was not kept across processes).
    """
    taken = parameters(task.run)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name in taken.names:
        if name in task.with_:
            value = task.with_[name]
        elif name in needs:
            value = results[name]
        elif name in params:
            value = params[name]
        else:
            continue  # a default, or a TypeError of Python's own that names it
        if name in taken.positional_only:
            positional.append(value)
        else:
            named[name] = value
    if taken.var_positional:
        if not positional and taken.required and any(n in named for n in taken.names):
            # f(a, *upstream): what stands before the star must be passed by position too.
            positional = [named.pop(name) for name in taken.names if name in named]
        spent = set(taken.names)
        positional += [results[name] for name in needs if name not in spent]
    if taken.var_keyword:
        rest = {name: value for name, value in task.with_.items() if name not in named}
        named |= {name: results[name] for name in needs if name not in taken.names}
        named |= rest
    return tuple(positional), named
