"""Which parameter of a `foreach` task's function takes the item.

@task(foreach="orders")
def priced(order): ...          the only parameter that nothing else supplies

@task(foreach={"region": ["eu", "us"]})
def sales(region, orders): ...  the one that `foreach` names; `orders` is a need
"""

from __future__ import annotations

from collections.abc import Collection

from orch_nb.model.parameters import placed
from orch_nb.model.plan import Parameters, parameters
from orch_nb.model.task import Foreach, Task

__all__ = ["item_parameter", "taker"]


def item_parameter(task: Task, needs: Collection[str], params: Collection[str]) -> str | None:
    """The parameter of `task.run` that takes the item of an instance; None if none does.

    The one that `foreach` names; else `item`; else the one called like the task that is iterated
    over; else the only required one that nothing else supplies: no need, no `with`, no parameter of
    the plan, and not `index`.
    """
    assert task.foreach is not None
    taken = parameters(task.run)
    return taker(
        task.foreach, taken, {*needs, *params, *task.with_, *placed(taken, task.with_), "index"}
    )


def taker(foreach: Foreach, taken: Parameters, supplied: Collection[str]) -> str | None:
    """The same of parameters as they are written; `supplied` are those that have a value."""
    if foreach.item:
        return foreach.item
    for name in ("item", foreach.over):
        if isinstance(name, str) and name in taken.names:
            return name
    left = [name for name in taken.required if name not in supplied]
    return left[0] if len(left) == 1 else None
