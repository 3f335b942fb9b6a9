"""Whether everything that a plan calls gets what it takes.

def joined(orders, day): ...     `orders` is a need; `day` is in `with` or in `params`
def priced(order): ...           with `foreach`, the item
def refund(pay): ...             the compensation of `pay`: its result, and those that it needs
def tell(failures): ...          `on_failure`: the error of each failed task
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from orch_nb.errors import Problem
from orch_nb.graph.items import item_parameter
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.topology import upstream
from orch_nb.graph.validate import Lines
from orch_nb.model.parameters import STAR, Parameters, placed
from orch_nb.model.plan import Plan, parameters
from orch_nb.model.task import Call, Task

__all__ = ["arguments", "unsupplied"]


def arguments(plan: Plan, lines: Lines | None = None) -> list[Problem]:
    """Parameters that nothing supplies, and `with` names that nothing takes."""
    check = _Check(plan, lines or {})
    function: Any = None  # what the task before ran: many tasks may share it
    takes_nothing = True
    for task in plan.tasks:
        if task.run is not function:
            function = task.run
            takes_nothing = not callable(function) or not parameters(function).required
        if not takes_nothing or task.with_ or task.foreach is not None:
            check.run(task)
        if task.when is not None or task.foreach is not None or task.compensate is not None:
            check.more(task)
    last = plan.on_failure
    if last is not None and callable(last.run):
        check.called(_Called("`on_failure`", "on_failure", ("run",)), last.run, {"failures"}, last)
    return check.problems


class _Called(msgspec.Struct, frozen=True):
    """Who calls a function: the beginning of a message, the task, the keys that have its line."""

    of: str
    task: str
    keys: tuple[str, ...]


class _Check:
    def __init__(self, plan: Plan, lines: Lines) -> None:
        self._plan, self._lines = plan, lines
        self._edges: Mapping[str, tuple[str, ...]] | None = None
        self.problems: list[Problem] = []

    def run(self, task: Task) -> None:
        """A task's own function."""
        if not callable(task.run):
            return
        taken, item = parameters(task.run), None
        supplied = set(task.needs or ())
        caller = _Called(f"`{task.id}`", task.id, ("run",))
        if task.foreach is not None:
            item = item_parameter(task, supplied, self._plan.params)
            supplied |= {"index", item} if item is not None else {"index"}
            if item is not None and item not in taken.names and not taken.var_keyword:
                self._add(f"`{task.id}` takes no `{item}`, as which `foreach` gives it the item.",
                          caller, "foreach", hint=_takes(taken.names))  # fmt: skip
        self.called(caller, task.run, supplied, task, fans_out=task.foreach is not None)

    def more(self, task: Task) -> None:
        """What is called beside it: `when`, `foreach`, `compensate`."""
        over = task.foreach.over if task.foreach is not None else None
        for key, asked in (("when", task.when), ("foreach", over)):
            if isinstance(asked, Call) and callable(asked.function):
                caller = _Called(f"`{key}` of `{task.id}`", task.id, (key,))
                self.called(caller, asked.function, set(task.needs or ()), None)
        undo = task.compensate
        if undo is not None and callable(undo.run):
            caller = _Called(f"`compensate` of `{task.id}`", task.id,
                             ("compensate.run", "compensate"))  # fmt: skip
            self.called(caller, undo.run, {task.id, *(task.needs or ())}, undo)

    def called(
        self, caller: _Called, function: Any, supplied: Collection[str], task: Task | None,
        fans_out: bool = False,
    ) -> None:  # fmt: skip
        """One function, what it takes against what there is; `task` has its `with`."""
        taken = parameters(function)
        with_ = task.with_ if task is not None else {}
        filled = self._by_position(caller, taken, with_)
        comes = STAR not in with_  # else results come where it says so, and nowhere else
        for name in taken.required:
            given = name in filled or name in with_ or name in self._plan.params
            given = given or (name in supplied and (comes or name not in self._plan.by_id))
            if not given and not (comes and self._inherits(caller.task, name)):
                self.problems.append(
                    unsupplied(caller.task, name, self._plan, self._line(caller.task, caller.keys),
                               of=caller.of, fans_out=fans_out)
                )  # fmt: skip
        for name in () if taken.var_keyword else with_:
            if name not in taken.names and name != STAR:
                hint = did_you_mean(name, taken.names) or _takes(taken.names)
                keys = (caller.keys[0].replace("run", "with"), *caller.keys[1:])
                message = f"{caller.of} takes no `{name}`, which `with` gives it."
                self._add(message, caller, *keys, hint=hint)

    def _by_position(
        self, caller: _Called, taken: Parameters, with_: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """The names that `*` of `with` fills; tells where it does not fit."""
        if STAR not in with_:
            return ()
        star, filled = with_[STAR], placed(taken, with_)
        message = ""
        if not isinstance(star, list | tuple) and not (
            isinstance(star, str) and star.startswith("{{")
        ):
            message = f"`with` of {caller.of}: `*` is a list of arguments, not {star!r}."
        elif isinstance(star, list | tuple) and len(star) > len(filled) and (
            not taken.var_positional
        ):  # fmt: skip
            message = f"{caller.of} is given {len(star)} arguments by position."
        elif twice := [name for name in filled if name in with_ and isinstance(star, list | tuple)]:
            message = f"{caller.of} is given `{twice[0]}` twice: by `*` and by name."
        if message:
            self._add(message, caller, "with", *caller.keys, hint=_takes(taken.names))
        return filled

    def _inherits(self, task: str, name: str) -> bool:
        """Whether a task waits for another by way of its family."""
        if name not in self._plan.by_id or name == task:
            return False
        if self._edges is None:
            self._edges = upstream(self._plan)
        return name in self._edges.get(task, ())

    def _add(self, message: str, caller: _Called, *keys: str, hint: str) -> None:
        line = self._line(caller.task, keys)
        self.problems.append(Problem(message, line=line, task=caller.task, hint=hint))

    def _line(self, task: str, keys: Collection[str]) -> int | None:
        places = (self._lines.get((task, key)) for key in (*keys, ""))
        return next((place for place in places if place is not None), None)


def unsupplied(
    task: str, name: str, plan: Plan, line: int | None, *, of: str = "", fans_out: bool = False
) -> Problem:
    """The problem of a required parameter that gets no value."""
    of = of or f"`{task}`"
    if name in plan.by_id:
        if task not in plan.by_id:
            why, hint = "whose result is not there then", "It can take `failures`."
        elif name == task:
            why, hint = "its own result", ""
        else:
            why, hint = f"which `{task}` does not need", f"Add it: needs: [{name}]."
        return Problem(f"{of} takes `{name}`, {why}.", line=line, task=task, hint=hint)
    known = [other.id for other in plan.tasks if other.id != task] + list(plan.params)
    hint = did_you_mean(name, known) or "Give it a default, or a value in `with`."
    if fans_out:
        hint = f"If it takes the item, say so: foreach: {{{name}: ...}}."
    return Problem(
        f"{of} takes `{name}`, which is no task and nothing supplies.", line=line, task=task,
        hint=hint,
    )  # fmt: skip


def _takes(names: tuple[str, ...]) -> str:
    return f"It takes {', '.join(f'`{name}`' for name in names)}." if names else "It takes nothing."
