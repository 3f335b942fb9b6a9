"""What the expressions and templates of a plan speak of, and whether it will be there.

    export: {sh: "gzip {{ fetch.path }}"}     `export` speaks of `fetch`, which `export` does not
                                              need. Write needs: [fetch].

A task can name the results of what it waits for, the plan's parameters, and the words that
`expressions.scope` adds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import msgspec
from msgspec.structs import replace

from orch_nb.graph import expressions
from orch_nb.graph.expressions import ExpressionError, Mentions
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.topology import upstream
from orch_nb.model.parameters import STAR
from orch_nb.model.plan import Plan
from orch_nb.model.task import Call, Task

__all__ = ["Add", "Place", "Spoken", "names_callables"]

_WORD = re.compile(r"[^\W\d]\w*")


class Add(Protocol):
    """Takes a fault: the message, its task, and the keys at which a line is looked for."""

    def __call__(self, message: str, task: str = "", *keys: str, hint: str = "") -> None: ...


def names_callables(task: Task) -> bool:
    """Whether a task calls something by a name that is still to be looked up."""
    if isinstance(task.run, str) or any(contract.reference for contract in task.check):
        return True
    over = task.foreach.over if task.foreach is not None else None
    return any(
        isinstance(asked, Call) and isinstance(asked.function, str) for asked in (task.when, over)
    )


class Place(msgspec.Struct, frozen=True):
    """Where an expression stands, and what it can name besides the plan's parameters.

    `of` is how a message begins, `task` and `key` whose it is and where; `within` is the key that
    holds it, if it is part of a compensation. `needs` are the tasks whose results it has, `extra`
    further names.
    """

    of: str
    task: str
    key: str = ""
    within: str = ""
    needs: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def keys(self, key: str = "") -> tuple[str, ...]:
        """Where a line is looked for: at `key`, or the place's own."""
        key = key or self.key
        return (f"{self.within}.{key}", self.within) if self.within else (key,)


class Spoken:
    """Judges expressions and templates against one plan."""

    def __init__(self, plan: Plan, add: Add) -> None:
        self._plan, self._add = plan, add
        self._edges: Mapping[str, tuple[str, ...]] | None = None
        self._hints = 25  # looking for the nearest name is dear: a flood of faults gets none

    def near(self, name: str, names: Iterable[str]) -> str:
        self._hints -= 1
        return did_you_mean(name, names) if self._hints >= 0 else ""

    def expression(self, text: str, place: Place) -> None:
        try:
            found = expressions.mentions(text)
        except ExpressionError as error:
            self._add(f"{place.of}: {error.message}", place.task, *place.keys(), hint=error.hint)
        else:
            self._names(found, place)

    def templates(self, task: Task, place: Place) -> None:
        """The command of a task, or its arguments that are one template each."""
        if isinstance(task.sh, str) and expressions.is_template(task.sh):
            self._command(task.sh, replace(place, key="sh"))
        star = task.with_.get(STAR)
        more = enumerate(star, 1) if isinstance(star, list) else ()
        for name, value in (*task.with_.items(), *((f"{STAR}[{n}]", one) for n, one in more)):
            if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
                of = f"`with.{name}` of {place.of}"
                self.expression(value[2:-2], replace(place, of=of, key="with"))

    def _command(self, text: str, place: Place) -> None:
        try:
            found = expressions.command_mentions(text)
            misplaced = expressions.quoted_places(text)
        except ExpressionError as error:
            self._add(f"{place.of}: {error.message}", place.task, *place.keys(), hint=error.hint)
            return
        if self._names(found, place, in_command=True):
            for one in misplaced:
                message = f"{place.of}: `{one.written}` stands {one.where}."
                self._add(message, place.task, *place.keys(), hint=one.hint)

    def _may_have(self, task: str, name: str) -> bool:
        """Whether a task waits for another by way of its family, or of parameters that are not
        known yet: those of a callable that is only named."""
        if self._edges is None:
            try:
                self._edges = upstream(self._plan)
            except TypeError:  # needs that could be no names, which is told already
                self._edges = {}
        if name in self._edges.get(task, ()):
            return True
        return name in self._plan and name != task and task in self._plan and (
            names_callables(self._plan[task])
        )  # fmt: skip

    def _names(self, found: Mentions, place: Place, in_command: bool = False) -> bool:
        """Whether everything that is named will be there; tells what is not."""
        params, sound = self._plan.params, True
        given = {*params, "results", "params", "run_id", *place.extra}
        for name in dict.fromkeys([*sorted(found.names - given), *sorted(found.results)]):
            if name not in place.needs and not self._may_have(place.task, name):
                sound = False
                message, hint = self._absent(name, found, place, {*given, *place.needs}, in_command)
                self._add(f"{place.of} speaks of {message}.", place.task, *place.keys(), hint=hint)
        for name in sorted(found.params - set(params)):
            sound = False
            message = f"{place.of} speaks of `params.{name}`, which the plan does not have."
            self._add(message, place.task, *place.keys(), hint=self.near(name, params))
        return sound

    def _absent(
        self, name: str, found: Mentions, place: Place, given: Collection[str], in_command: bool
    ) -> tuple[str, str]:
        """What a name is, if it is not there, and the way out."""
        if name == place.task:
            return "its own result, which is not there yet", ""
        if name in self._plan.by_id and place.task not in self._plan.by_id:
            return f"`{name}`, whose result is not there then", "It has `failures` and `params`."
        if name in self._plan.by_id:
            needs = ", ".join([need for need in place.needs if need != place.task] + [name])
            return f"`{name}`, which `{place.task}` does not need", f"Write needs: [{needs}]."
        what = f"`{name}`, which is no task and no parameter"
        for task in self._plan.by_id if self._hints > 0 else ():
            parts = set(_WORD.findall(task))
            if not task.isidentifier() and name in parts and parts <= found.names:
                return what, f'The task `{task}` is results["{task}"].'
        if name in ("item", "index"):
            return what, "It is there in the command of a task with `foreach`."
        near = self.near(name, [*given, *self._plan.by_id])
        if near or not in_command:
            return (
                what,
                near or "It names results of what the task needs, and parameters of the plan.",
            )
        return what, expressions.MEANS_BRACES % "{{ }}"
