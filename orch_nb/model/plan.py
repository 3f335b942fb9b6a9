"""A plan: one epic (the goal), its stories, tasks and subtasks, as a DAG.

A `Plan` is normalised when it is made and judged later: nested subtasks become tasks with `parent`,
unsaid needs become said, and a parameter named after a task becomes a need. What is *wrong* with a
plan, `graph.validate` says, all at once.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from orch_nb.model.goal import Criterion
from orch_nb.model.parameters import STAR, Parameters, parameters
from orch_nb.model.task import Pool, Task, callable_name
from orch_nb.model.view import View

__all__ = ["Parameters", "Plan", "Story", "decode_plan", "encode", "parameters"]

_STORY, _SUBTASKS = attrgetter("story"), attrgetter("subtasks")


class Story(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the goal that can be told and checked by itself; tasks name it in `story`."""

    id: str
    title: str = ""
    description: str = ""
    owner: str = ""

    @property
    def label(self) -> str:
        return self.title or self.id


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True, weakref=True):
    """A goal and the tasks that reach it.

    `plan.df` is a pandas DataFrame with a row a task, `plan.graph` a networkx DiGraph, `plan[id]` a
    task. `params` are values that functions take by name and shell tasks find in
    `ORCH_PARAM_<NAME>`. `pools` are limits that tasks share (a number stands for its slots).
    `on_failure` is a task that runs when the run has failed, after every compensation; a function
    that takes `failures` gets the error of each failed task by its id. `secrets` names parameters
    and environment variables whose values are masked in all that a run of it tells.
    """

    goal: str
    tasks: tuple[Task, ...] = ()
    stories: tuple[Story, ...] = ()
    params: dict[str, Any] = {}
    criteria: tuple[Criterion, ...] = ()
    pools: dict[str, Pool] = {}
    on_failure: Task | None = None
    secrets: tuple[str, ...] = ()

    df = View("plan.df")
    graph = View("plan.graph")

    def __post_init__(self) -> None:
        tasks = tuple(self.tasks)
        if any(map(_SUBTASKS, tasks)):
            tasks = tuple(_flattened(tasks))
        tasks = _settled(tasks)
        force_setattr(self, "tasks", tasks)
        force_setattr(self, "stories", _stories(self.stories, tasks))
        force_setattr(self, "criteria", tuple(self.criteria))
        if type(self.secrets) is not tuple:
            given = self.secrets
            force_setattr(self, "secrets", (given,) if isinstance(given, str) else tuple(given))
        if self.on_failure is not None:
            force_setattr(self, "on_failure", _at_last(self.on_failure))
        if any(type(pool) is not Pool for pool in self.pools.values()):
            force_setattr(self, "pools", {name: _pool(pool) for name, pool in self.pools.items()})

    @functools.cached_property
    def by_id(self) -> dict[str, Task]:
        """Tasks by id, in the order of the plan (of duplicates the last)."""
        return {task.id: task for task in self.tasks}

    @functools.cached_property
    def hash(self) -> str:
        """A hash of the plan as a document: equal plans have equal hashes, in any process."""
        return self.encoded()[1]

    def encoded(self) -> tuple[bytes, str]:
        """The plan as a JSON document, and its hash. Raises TypeError for what none can hold."""
        document = encode(self)
        found = self.__dict__["hash"] = hashlib.sha256(document).hexdigest()[:16]
        return document, found

    def __getitem__(self, task: str) -> Task:
        return self.by_id[task]

    def __contains__(self, task: object) -> bool:
        return task in self.by_id

    def __repr__(self) -> str:
        # Bounded: tracebacks and debuggers repr what they hold, 100,000 tasks too.
        goal = self.goal.strip().split("\n")[0]
        shown = goal if len(goal) <= 60 else goal[:59] + "…"
        return f"<Plan {shown!r}: {len(self.tasks)} task{'s' * (len(self.tasks) != 1)}>"

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def _repr_mimebundle_(self, **_: Any) -> Any:
        from orch_nb.model.masked import masked  # which knows of plans
        from orch_nb.model.secrets import PLAIN

        return View("plan.show").__get__(masked(self, PLAIN), Plan)


def _flattened(tasks: Iterable[Task]) -> Iterator[Task]:
    """Each task, then its subtasks below it, with `parent`, `story` and unsaid needs filled in."""
    for task in tasks:
        if not task.subtasks:
            yield task
            continue
        yield replace(task, subtasks=())
        children: list[Task] = []
        for child in task.subtasks:
            needs = child.needs
            if needs is None:
                needs = (children[-1].id,) if children else ()
            children.append(replace(child, parent=task.id, story=task.story, needs=needs))
        yield from _flattened(children)


def _settled(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Unsaid needs become the elder sibling (of a subtask) or none; a parameter and what `foreach`
    goes over become needs, where they are tasks; a subtask is of its parent's story.

    One pass, and of tasks that say all this the same ones: a plan may have a million.
    """
    changed: list[Task] | None = None
    families: _Families | None = None
    ids: set[str] | None = None
    function: Any = None  # what the task before ran: many tasks may share it
    taken: tuple[str, ...] = ()
    for n, task in enumerate(tasks):
        needs, story = task.needs, task.story
        if task.parent is not None:
            families = families or _Families(tasks)
            needs, story = families.join(task)
        elif needs is None:
            needs = ()
        if task.run is not function:
            function = task.run
            taken = parameters(function).names if callable(function) else ()
        if taken or task.foreach is not None:
            ids = ids or {other.id for other in tasks}
            needs += _implied(task, needs, taken, ids)
        if needs is not task.needs or story is not task.story:
            changed = changed or list(tasks)
            changed[n] = replace(task, needs=needs, story=story)
    return tasks if changed is None else tuple(changed)


def _implied(
    task: Task, needs: tuple[str, ...], taken: tuple[str, ...], ids: set[str]
) -> tuple[str, ...]:
    """The tasks that are named by parameters or gone over, and are no need yet."""
    names = [name for name in taken if name in ids and name not in task.with_]
    names = [] if STAR in task.with_ else names  # such a call takes results where it says so
    over = None if task.foreach is None else task.foreach.over
    if type(over) is str and over in ids and over not in names:
        names.append(over)
    return tuple(name for name in names if name not in needs and name != task.id)


class _Families:
    """What subtasks get from their siblings and parents, told in the order of the plan."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._stories = {task.id: task.story for task in tasks}
        self._youngest: dict[str | None, str] = {}

    def join(self, task: Task) -> tuple[tuple[str, ...], str | None]:
        """The needs and the story of a subtask."""
        needs, story = task.needs, task.story
        if needs is None:
            elder = self._youngest.get(task.parent)
            needs = () if elder is None else (elder,)
        self._youngest[task.parent] = task.id
        if story is None:
            story = self._stories[task.id] = self._stories.get(task.parent or "")
        return needs, story


def _at_last(action: Any) -> Task:
    """The plan's `on_failure`: a task under any id, a mapping, or a callable."""
    if isinstance(action, Task):
        return action if action.id == "on_failure" else replace(action, id="on_failure")
    fields = dict(action) if isinstance(action, dict) else {"run": action}
    return Task(id="on_failure", **fields)


def _pool(value: Any) -> Pool:
    if isinstance(value, Pool):
        return value
    return Pool(**value) if isinstance(value, dict) else Pool(value)


def _stories(declared: Iterable[Story], tasks: tuple[Task, ...]) -> tuple[Story, ...]:
    """The declared stories, then those that only tasks name."""
    known = {story.id: story for story in declared}
    for name in dict.fromkeys(map(_STORY, tasks)):
        if name is not None and name not in known:
            known[name] = Story(id=name)
    return tuple(known.values())


def _enc_hook(value: Any) -> Any:
    if callable(value):
        return callable_name(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in a plan document")


_ENCODER = msgspec.json.Encoder(enc_hook=_enc_hook, order="deterministic")


def encode(value: Any) -> bytes:
    """JSON of a value of the model; callables become `module:name`. Raises TypeError."""
    try:
        return _ENCODER.encode(value)
    except NotImplementedError as error:
        raise TypeError(str(error)) from None


def decode_plan(document: bytes | str) -> Plan:
    """The plan that `encode` wrote; callables stay names until somebody supplies them."""
    return msgspec.json.decode(document, type=Plan)
