"""What is wrong with a plan: everything, all at once, before anything runs.

`check` judges a `Plan` whatever it was made from, so a YAML cell, marked functions and
`Task(...)` values get the same messages; `lines` says where in a cell each thing stands.

    a ─► b ─► c          Problem("`a → b → c → a` is a cycle: each needs the next.", line=4)
    ▲─────────┘

Cycles are looked for in what tasks really wait for (`topology.upstream`), families included: a task
that needs a parent of which it is itself a need's need is caught too. Every check is linear in the
plan; the nearest names of unknown ones are looked up for the first few only.

Most plans are sound: `_is_sound` reads those once, at a glance, and only what it will not vouch for
is judged in full. Which plans were found sound is kept with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import Problem
from orch_nb.graph import glance
from orch_nb.graph.cycles import find_cycles
from orch_nb.graph.glance import LONGEST_ID
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.topology import compiled, upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

__all__ = ["LONGEST_ID", "Lines", "check"]

#: Lines by (task id, document key); key "" is the task itself, "needs.b" one entry of its needs.
Lines = Mapping[tuple[str, str], int]

_ACTIONS = ("run", "sh", "notebook", "approval", "todo")
_TEXTS = ("title", "description", "owner")
_HINTS = 25
#: An instance of a task with `foreach`, or the undoing of one with `compensate`, in a run.
_MADE = re.compile(r"(?s)(?P<each>.+)\[\d+\]|compensate\((?P<undone>.+)\)")


class _Findings:
    """Collects problems, each with the most precise line that is known for it."""

    def __init__(self, plan: Plan, lines: Lines | None) -> None:
        self.problems: list[Problem] = []
        self._lines = lines or {}
        self._plan = plan
        self._hints = 0

    def add(self, message: str, task: str = "", *keys: str, hint: str = "") -> None:
        places = (self._lines.get((task, key)) for key in (*keys, ""))
        line = next((place for place in places if place is not None), None)
        self.problems.append(Problem(message, line=line, task=task or None, hint=hint))

    def near(self, name: str, other_than: str = "") -> str:
        """A hint for an unknown task; looking it up is dear, so a flood of them gets none."""
        if "," in name:
            return "Write several as a list: [a, b]."
        self._hints += 1
        if self._hints > _HINTS:
            return ""
        known = (task.id for task in self._plan.tasks if isinstance(task.id, str))
        return did_you_mean(name, (other for other in known if other != other_than))


def check(plan: Plan, lines: Lines | None = None) -> list[Problem]:
    """Every fault of `plan`; an empty list if it is sound.

    `lines` maps (task id, document key) to a line, key "" being the task itself.
    """
    if plan.__dict__.get("_sound"):
        return []
    found = _Findings(plan, lines)
    if _is_sound(plan, _Findings(plan, None)):
        plan.__dict__["_sound"] = True
        return []
    if not plan.tasks:
        found.add("The plan has no tasks.", hint="Give it at least one.")
    distinct = _ids(plan, found)
    for task in plan.tasks:
        _fields(task, found)
    every = plan.tasks
    if len(distinct) < len(plan.tasks):
        plan = replace(plan, tasks=distinct)
    known = plan.by_id
    sound_parents = _parents(plan, found)
    bad_needs = _needs(every, known, sound_parents, found)
    _criteria(plan, known, found)
    _more(plan, found)
    _cycles(plan, sound_parents, bad_needs, found)
    return found.problems


def _is_sound(plan: Plan, found: _Findings) -> bool:
    """Whether there is nothing to tell; only a plan that is sound for sure is said to be."""
    tasks = plan.tasks
    if not tasks or not glance.names_hold([task.id for task in tasks]):
        return False
    try:
        graph = compiled(plan)
    except TypeError:  # needs that could be no names
        return False
    if not graph.whole or not len(graph.order) == len(graph.ids) == len(tasks):
        return False
    nested = False
    more = bool(plan.pools) or plan.on_failure is not None
    function: Any = None  # what the task before ran: many tasks may share it
    for task in tasks:
        if task.run is not function:
            function = task.run
            if not glance.can_run(function):
                return False
        if not glance.holds(task):
            _fields(task, found)
        nested = nested or task.parent is not None
        more = more or glance.has_more(task)
    if nested:
        _needs(tasks, plan.by_id, _parents(plan, found), found)
    _criteria(plan, graph.index, found)
    if more and not found.problems:
        _more(plan, found)
    return not found.problems


def _more(plan: Plan, found: _Findings) -> None:
    """Fan-outs, limits, sagas and caching, and the names that they make in a run."""
    if not (plan.pools or plan.on_failure is not None or any(map(glance.has_more, plan.tasks))):
        return
    from orch_nb.graph.rules import rules  # a plain plan needs none of what it brings

    rules(plan, found.add)
    another = "Give the task another name."
    for task in plan.tasks:
        name = task.id
        if name == "on_failure" and plan.on_failure is not None:
            found.add("`on_failure` is the name of what runs when the plan has failed.", name,
                      hint=another)  # fmt: skip
        made = _MADE.fullmatch(name) if name[-1:] in ("]", ")") else None
        if made is None:
            continue
        each, undone = plan.by_id.get(made["each"] or ""), plan.by_id.get(made["undone"] or "")
        if each is not None and each.foreach is not None:
            found.add(f"`{name}` is the name of an instance of `{each.id}`, which has `foreach`.",
                      name, hint=another)  # fmt: skip
        if undone is not None and undone.compensate is not None:
            found.add(f"`{name}` is the name of what undoes `{undone.id}`.", name, hint=another)


def _ids(plan: Plan, found: _Findings) -> tuple[Task, ...]:
    """Reports names that cannot be; returns the tasks that have one, the first of each."""
    seen: dict[str, Task] = {}
    for task in plan.tasks:
        name = task.id
        if not isinstance(name, str):
            found.add(f"A task's id is a text, not {name!r}.")
            continue
        if name in seen:
            found.add(f"Two tasks are called `{name}`.", name, hint="Give one another name.")
        elif not name.strip():
            found.add("A task's name is empty.", name)
        elif name != name.strip():
            found.add(f"The name `{name}` begins or ends with a space.", name)
        elif len(name) > LONGEST_ID:
            short = f"{name[:40]}…"
            found.add(f"The name `{short}` has {len(name)} characters; {LONGEST_ID} are allowed.",
                      name, hint="Put the long form into `title`.")  # fmt: skip
        elif not name.isprintable() and glance.UNSEEN.search(name):
            found.add(f"The name {name!r} has a control character in it.", name)
        seen.setdefault(name, task)
    return tuple(seen.values())


def _fields(task: Task, found: _Findings) -> None:
    """One action at most, texts that are texts, arguments where something takes them."""
    name = task.id
    actions = [key for key in _ACTIONS if getattr(task, key) is not None]
    if len(actions) > 1:
        listed = " and ".join(f"`{key}`" for key in actions)
        found.add(f"`{name}` has {listed}; a task has one action.", name, actions[1],
                  hint="Make two tasks of it.")  # fmt: skip
    if task.run is not None and not callable(task.run) and not isinstance(task.run, str):
        found.add(f"`run` of `{name}` is a callable or its name, not {task.run!r}.", name, "run")
    if glance.generates(task.run):
        found.add(f"`run` of `{name}` is a generator, which would do nothing when it is called.",
                  name, "run", hint="Return a list of what it yields.")  # fmt: skip
    for key in ("sh", "todo", "notebook"):
        value = getattr(task, key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            what = "is empty" if isinstance(value, str) else f"is a text, not {value!r}"
            found.add(f"`{key}` of `{name}` {what}.", name, key)
    for key in _TEXTS:
        if not isinstance(getattr(task, key), str):
            found.add(f"`{key}` of `{name}` is a text, not {getattr(task, key)!r}.", name, key)
    if task.story is not None and not (isinstance(task.story, str) and task.story.strip()):
        found.add(f"`story` of `{name}` names no story.", name, "story")
    if task.with_ and task.run is None and task.notebook is None:
        found.add(
            f"`{name}` has `with`, but no `run` that takes arguments.", name, "with",
            hint="A shell command finds `params` as $ORCH_PARAM_<NAME>." if task.sh else "",
        )  # fmt: skip


def _parents(plan: Plan, found: _Findings) -> dict[str, str]:
    """The parents that are tasks and do not go round in a circle, by subtask."""
    known = plan.by_id
    parents: dict[str, str] = {}
    for task in plan.tasks:
        if task.parent is None:
            continue
        if task.parent == task.id:
            found.add(f"`{task.id}` is its own parent.", task.id, "parent")
        elif task.parent not in known:
            found.add(
                f"`{task.id}` is a subtask of `{task.parent}`, which is no task.", task.id,
                "parent", hint=found.near(str(task.parent), task.id),
            )  # fmt: skip
        else:
            parents[task.id] = task.parent
            story = known[task.parent].story
            if task.story is not None and story is not None and task.story != story:
                found.add(
                    f"`{task.id}` is in story `{task.story}`, its parent `{task.parent}` in "
                    f"`{story}`.", task.id, "story", "parent",
                    hint="A subtask belongs to its parent's story.",
                )  # fmt: skip
    for cycle in find_cycles({task.id: _one(parents.get(task.id)) for task in plan.tasks}):
        path = " → ".join([*cycle, cycle[0]])
        found.add(f"`{path}` is a circle of parents.", cycle[0], "parent")
        for name in cycle:
            del parents[name]
    return parents


def _one(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _needs(
    tasks: tuple[Task, ...],
    known: Mapping[str, Task],
    parents: Mapping[str, str],
    found: _Findings,
) -> set[tuple[str, str]]:
    """Reports needs that cannot be; returns those (task, need) that cycles must not count again."""
    bad: set[tuple[str, str]] = set()
    for task in tasks:
        for need in task.needs or ():
            keys = (f"needs.{need}", "needs", "run")
            if not isinstance(need, str):
                found.add(f"`needs` of `{task.id}` holds {need!r}, not the name of a task.",
                          task.id, *keys)  # fmt: skip
            elif need == task.id:
                found.add(f"`{task.id}` needs itself.", task.id, *keys)
                bad.add((task.id, need))
            elif need not in known:
                found.add(f"`{task.id}` needs `{need}`, which is no task.", task.id, *keys,
                          hint=found.near(need, task.id))  # fmt: skip
            elif parents and _within(task.id, need, parents):
                found.add(
                    f"`{task.id}` is a subtask of `{need}` and cannot need it: `{need}` ends after "
                    "its subtasks.", task.id, *keys,
                )  # fmt: skip
                bad.add((task.id, need))
            elif parents and _within(need, task.id, parents):
                found.add(
                    f"`{task.id}` needs its own subtask `{need}`.", task.id, *keys,
                    hint="It waits for its subtasks anyway: leave it out.",
                )  # fmt: skip
                bad.add((task.id, need))
    return bad


def _within(task: str, ancestor: str, parents: Mapping[str, str]) -> bool:
    at = parents.get(task)
    while at is not None:
        if at == ancestor:
            return True
        at = parents.get(at)
    return False


def _criteria(plan: Plan, known: Mapping[str, Any], found: _Findings) -> None:
    for criterion in plan.criteria:
        for name in criterion.tasks:
            if name not in known:
                found.add(
                    f"The criterion `{criterion.text}` names `{name}`, which is no task.", "",
                    f"criteria.{criterion.text}", "criteria", hint=found.near(str(name)),
                )  # fmt: skip


def _cycles(
    plan: Plan, parents: Mapping[str, str], bad: set[tuple[str, str]], found: _Findings
) -> None:
    edges = upstream(_cleaned(plan, parents, bad) if found.problems else plan)
    for cycle in find_cycles(edges):
        path = " → ".join([*cycle, cycle[0]])
        hint = "Take one of these needs out."
        for task, other in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            if other in (plan[task].needs or ()):
                continue
            if parents.get(other) == task:
                hint = f"(`{task}` ends after its subtask `{other}`.) {hint}"
            else:
                hint = f"(`{task}` waits for what its parent needs.) {hint}"
        found.add(f"`{path}` is a cycle: each needs the next.", cycle[0],
                  f"needs.{cycle[1 % len(cycle)]}", "needs", "run", hint=hint)  # fmt: skip


def _cleaned(plan: Plan, parents: Mapping[str, str], bad: set[tuple[str, str]]) -> Plan:
    """The plan without what was reported already, so that a cycle is not told twice."""
    tasks = [
        replace(
            task,
            run=None,
            parent=parents.get(task.id),
            needs=tuple(
                need
                for need in task.needs or ()
                if isinstance(need, str) and (task.id, need) not in bad
            ),
        )
        for task in plan.tasks
    ]
    return Plan(goal=plan.goal, tasks=tuple(tasks))
