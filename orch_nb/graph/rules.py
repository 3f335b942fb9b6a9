"""What is wrong with a plan's fan-outs, limits, sagas and caching.

    load:   {run: load, pool: {db: 3}}           `load` takes 3 slots of the pool `db`, which has 2.
    chosen: {approval: "Which?", foreach: [1]}   `chosen` is an approval, and has `foreach`.

`graph.validate` asks for this only where a plan has such things: a plain one pays nothing. What
expressions name is judged in `graph.spoken`.
"""

from __future__ import annotations

import re
from typing import Any

from orch_nb.graph.spoken import Add, Place, Spoken
from orch_nb.model.plan import Plan
from orch_nb.model.task import Call, Foreach, Pool, Task

__all__ = ["rules"]

_SHARE = re.compile(r"(?:100|\d{1,2}(?:\.\d+)?)%")
_WORK = ("run", "sh", "notebook")
_ACTIONS = (*_WORK, "approval", "todo")
#: What a compensation and `on_failure` may say.
_AFTERWARDS = frozenset(
    ("id", "title", "description", "owner", "with_", "retry", "timeout_s", "total_timeout_s",
     "pool", *_ACTIONS)
)  # fmt: skip
_NO_ITEM = ("results", "params", "run_id", "index", "run")


def rules(plan: Plan, add: Add) -> None:
    """Tells `add` everything that is wrong with what `graph.validate` does not judge itself."""
    judge = _Judge(plan, add)
    for name, pool in plan.pools.items():
        judge.pool(name, pool)
    for task in plan.tasks:
        judge.task(task)
    if plan.on_failure is not None:
        place = Place("`on_failure`", "on_failure", extra=("failures",))
        judge.afterwards(plan.on_failure, place)


class _Judge:
    def __init__(self, plan: Plan, add: Add) -> None:
        self._plan, self._add = plan, add
        self._spoken = Spoken(plan, add)
        self._parents = {task.parent for task in plan.tasks if task.parent is not None}

    def task(self, task: Task) -> None:
        name, needs = task.id, _needs(task)
        place = Place(f"`{name}`", name, needs=needs)
        self._limits(task, place)
        if task.foreach is not None:
            self._fan_out(task, task.foreach)
        else:
            self._no_fan_out(task)
        if task.when is not None:
            self._asked(task.when, Place(f"`when` of `{name}`", name, "when", needs=needs))
        if task.cache:
            self._cached(task)
        if task.notebook is not None:
            self._notebook(task, place)
        extra = () if task.foreach is None else ("item", "index", task.foreach.item)
        self._spoken.templates(task, Place(f"`{name}`", name, needs=needs, extra=extra))
        if task.compensate is not None:
            if task.approval is not None or (task.todo is None and not _works(task)):
                self._add(f"`{name}` is {_kind(task)}, which leaves nothing to compensate.", name,
                          "compensate")  # fmt: skip
            of = f"`compensate` of `{name}`"
            place = Place(of, name, within="compensate", needs=(name, *needs))
            self.afterwards(task.compensate, place)

    # -- limits

    def pool(self, name: str, pool: Pool) -> None:
        keys = (f"pools.{name}", "pools")
        if not isinstance(name, str) or not name.strip():
            self._add("A pool's name is empty.", "", *keys)
        elif pool.slots is None and pool.rate is None:
            self._add(f"The pool `{name}` limits nothing.", "", *keys,
                      hint="Give it slots (2) or a rate ({rate: 10/s}).")  # fmt: skip

    def _limits(self, task: Task, place: Place) -> None:
        keys = place.keys("pool")
        for name, slots in (task.pool or {}).items():
            pool = self._plan.pools.get(name)
            if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
                self._add(f"{place.of} takes {slots!r} slots of the pool `{name}`; it is at least "
                          "1.", place.task, *keys)  # fmt: skip
            elif pool is None:
                near = self._spoken.near(str(name), self._plan.pools)
                self._add(f"{place.of} is in the pool `{name}`, which the plan does not have.",
                          place.task, *keys,
                          hint=near or f"Declare it: pools: {{{name}: {slots}}}.")  # fmt: skip
            elif pool.slots is not None and pool.slots < slots:
                self._add(f"{place.of} takes {slots} slots of the pool `{name}`, which has "
                          f"{pool.slots}: it would never start.", place.task, *keys)  # fmt: skip
        if not isinstance(task.priority, int) or isinstance(task.priority, bool):
            self._add(f"`priority` of {place.of} is a whole number, not {task.priority!r}.",
                      place.task, *place.keys("priority"))  # fmt: skip
        if task.total_timeout_s is not None and task.total_timeout_s <= 0:
            self._add(f"`total_timeout` of {place.of} is longer than nothing.", place.task,
                      *place.keys("total_timeout"), hint="Leave it out for no limit.")  # fmt: skip

    # -- fan-out

    def _fan_out(self, task: Task, foreach: Foreach) -> None:
        name = task.id
        if name in self._parents:
            self._add(f"`{name}` has `foreach` and subtasks.", name, "foreach", "subtasks",
                      hint="Give each subtask a `foreach`, or make one task of them.")  # fmt: skip
        elif not _works(task):
            self._add(f"`{name}` is {_kind(task)}, and has `foreach`.", name, "foreach",
                      hint="A `run`, an `sh` or a `notebook` is done once an item.")  # fmt: skip
        most, tolerated = task.max_active, task.tolerate
        if most is not None and not _whole(most, 1):
            self._add(f"`max_active` of `{name}` is a number from 1, not {most!r}.", name,
                      "max_active")  # fmt: skip
        share = isinstance(tolerated, str) and (tolerated == "all" or _SHARE.fullmatch(tolerated))
        if not share and not _whole(tolerated, 0):
            self._add(f"`tolerate` of `{name}` is a number, a share or `all`, not {tolerated!r}.",
                      name, "tolerate", hint='Write 2, "20%" or all.')  # fmt: skip
        self._item(name, foreach)
        if foreach.over == name:
            self._add(f"`{name}` iterates over itself.", name, "foreach")
        elif not isinstance(foreach.over, str) or foreach.over not in self._plan.by_id:
            of = f"`foreach` of `{name}`"
            self._asked(foreach.over, Place(of, name, "foreach", needs=_needs(task)))

    def _item(self, name: str, foreach: Foreach) -> None:
        item, why = foreach.item, ""
        if item and not item.isidentifier():
            why = "which is no name"
        elif item in _NO_ITEM:
            why = "which means something else"
        elif item in self._plan and item != foreach.over:
            why = "which is a task"
        if why:
            self._add(f"`foreach` of `{name}` calls its item `{item}`, {why}.", name, "foreach",
                      hint="Give it another name.")  # fmt: skip

    def _no_fan_out(self, task: Task) -> None:
        for key, said in (("max_active", task.max_active), ("tolerate", task.tolerate)):
            if said:
                self._add(f"`{task.id}` has `{key}`, and no `foreach` that it could bound.",
                          task.id, key)  # fmt: skip

    def _asked(self, asked: Any, place: Place) -> None:
        """A `when` or a `foreach`: a callable or its name, a list, or an expression."""
        function = asked.function if isinstance(asked, Call) else asked
        if isinstance(asked, str):
            self._spoken.expression(asked, place)
        elif not isinstance(asked, list) and not callable(function) and not (
            isinstance(asked, Call) and isinstance(function, str)
        ):  # fmt: skip
            self._add(f"{place.of} is an expression or a callable, not {function!r}.", place.task,
                      *place.keys())  # fmt: skip

    # -- caching, notebooks, and what runs at the end

    def _cached(self, task: Task) -> None:
        if task.cache is not True:
            self._add(f"`cache` of `{task.id}` is true or false, not {task.cache!r}.", task.id,
                      "cache")  # fmt: skip
        elif not _works(task):
            self._add(f"`{task.id}` is {_kind(task)}, which has no result to keep.", task.id,
                      "cache", hint="Leave `cache` out.")  # fmt: skip

    def _notebook(self, task: Task, place: Place) -> None:
        if isinstance(task.notebook, str) and not task.notebook.endswith(".ipynb"):
            self._add(f"`notebook` of {place.of} is a path that ends in .ipynb, not "
                      f"`{task.notebook}`.", place.task, *place.keys("notebook"))  # fmt: skip

    def afterwards(self, task: Task, place: Place) -> None:
        """An action and how it is tried: no task that others could wait for."""
        actions = [name for name in _ACTIONS if getattr(task, name) is not None]
        if len(actions) > 1:
            listed = " and ".join(f"`{name}`" for name in actions)
            self._add(f"{place.of} has {listed}; it has one action.", place.task,
                      *place.keys(actions[1]))  # fmt: skip
        elif not _works(task):
            self._add(f"{place.of} runs nothing.", place.task, *place.keys(),
                      hint="Give it `run`, `sh` or `notebook`.")  # fmt: skip
        default = Task(id=task.id)
        for name in task.__struct_fields__:
            if name not in _AFTERWARDS and getattr(task, name) != getattr(default, name):
                key = name.removesuffix("_s")
                message = f"{place.of} has `{key}`, which means nothing there."
                hint = "It has an action, and how it is tried."
                self._add(message, place.task, *place.keys(key), hint=hint)
        if task.with_ and task.run is None and task.notebook is None:
            self._add(f"{place.of} has `with`, but no `run` that takes arguments.", place.task,
                      *place.keys("with"))  # fmt: skip
        self._limits(task, place)
        self._notebook(task, place)
        self._spoken.templates(task, place)


def _needs(task: Task) -> tuple[str, ...]:
    return tuple(need for need in task.needs or () if isinstance(need, str))


def _works(task: Task) -> bool:
    return task.run is not None or task.sh is not None or task.notebook is not None


def _kind(task: Task) -> str:
    return {"approval": "an approval", "todo": "a todo"}.get(task.kind, "a milestone")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
