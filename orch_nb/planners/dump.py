"""A plan as a YAML document that reads as if written by hand, and loads back as an equal plan.

The nested form (`stories`, `subtasks`) is used where it says the same: where the tasks of a story
and of a parent stand together. Else tasks are listed flat, with `story:` and `parent:`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.planners.nodes import plain_value
from orch_nb.planners.spelling import (
    Line,
    Pairs,
    is_short,
    spell_action,
    spell_afterwards,
    spell_policies,
    spell_pool,
    spell_value,
)

__all__ = ["dump_plan"]

#: Deeper families are listed flat: nobody reads them, and a document's depth is bounded.
_DEEPEST_FAMILY = 10
_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[misc]  # PyYAML's C dumper is untyped
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text.strip("\n") and all(row == row.rstrip() for row in text.split("\n")):
        style = "|"
    elif type(plain_value(text)) is not str:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _flow(dumper: Any, value: Any) -> Any:
    if isinstance(value, list):
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _float(dumper: Any, value: float) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Line, _flow)
_Dumper.add_representer(Pairs, _flow)
_Dumper.add_representer(float, _float)


def dump_plan(plan: Plan) -> str:
    """The document of a plan. Callables become names: of the notebook, or `module:function`.

    Raises TypeError for a value (in `params` or `with`) that has no form in a document.
    """
    document: dict[str, Any] = {"goal": plan.goal}
    if plan.params:
        document["params"] = {
            key: spell_value(value, "params") for key, value in plan.params.items()
        }
    if plan.secrets:
        document["secrets"] = Line(plan.secrets)
    if plan.criteria:
        document["criteria"] = _criteria(plan)
    if plan.pools:
        document["pools"] = {name: spell_pool(pool) for name, pool in plan.pools.items()}
    document.update(_Hierarchy(plan).sections())
    if plan.on_failure is not None:
        document["on_failure"] = spell_afterwards(plan.on_failure)
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _criteria(plan: Plan) -> Any:
    texts = [criterion.text for criterion in plan.criteria]
    if len(set(texts)) == len(texts):
        return {criterion.text: Line(criterion.tasks) for criterion in plan.criteria}
    return [
        {"criterion": criterion.text, "tasks": Line(criterion.tasks)} for criterion in plan.criteria
    ]


class _Hierarchy:
    """Decides what is nested, and writes `stories` and `tasks`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._children: dict[str | None, list[Task]] = {}
        for task in plan.tasks:
            self._children.setdefault(task.parent, []).append(task)
        self._elders = {
            child.id: (elder.id,) if elder is not None else ()
            for parent, family in self._children.items()
            if parent is not None
            for elder, child in zip([None, *family], family, strict=False)
        }
        self._nested = self._nests()

    def _nests(self) -> bool:
        """Whether walking the families down gives the tasks in their order, stories included."""
        walked: list[str] = []

        def walk(tasks: Iterable[Task], depth: int) -> bool:
            for task in tasks:
                walked.append(task.id)
                family = self._children.get(task.id, [])
                if family and depth == _DEEPEST_FAMILY:
                    return False
                if any(child.story != task.story for child in family):
                    return False
                if not walk(family, depth + 1):
                    return False
            return True

        return walk(self._children.get(None, []), 1) and walked == [t.id for t in self._plan.tasks]

    def sections(self) -> dict[str, Any]:
        roots = self._children.get(None, []) if self._nested else list(self._plan.tasks)
        blocks: list[str | None] = []
        for task in roots:
            if not blocks or blocks[-1] != task.story:
                blocks.append(task.story)
        told = [block for block in blocks if block is not None]
        declared = [story.id for story in self._plan.stories]
        in_order = [story for story in declared if story in told] == told
        whole = blocks.count(None) <= 1 and None not in blocks[1:-1]
        if self._nested and in_order and whole:
            return self._by_story(roots, blocks)
        found: dict[str, Any] = {}
        if self._plan.stories:
            found["stories"] = self._stories({})
        found["tasks"] = {task.id: self._task(task, says_story=True) for task in roots}
        return found

    def _by_story(self, roots: list[Task], blocks: list[str | None]) -> dict[str, Any]:
        free = {task.id: self._task(task) for task in roots if task.story is None}
        found: dict[str, Any] = {}
        if free and blocks[0] is None:
            found["tasks"] = free
        if self._plan.stories:
            tasks: dict[str, dict[str, Any]] = {}
            for task in roots:
                if task.story is not None:
                    tasks.setdefault(task.story, {})[task.id] = self._task(task)
            found["stories"] = self._stories(tasks)
        if free and blocks[0] is not None:
            found["tasks"] = free
        return found

    def _stories(self, tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for story in self._plan.stories:
            said = {
                key: getattr(story, key)
                for key in ("title", "description", "owner")
                if getattr(story, key)
            }
            if story.id in tasks:
                said["tasks"] = tasks[story.id]
            found[story.id] = said or Pairs()
        return found

    def _task(self, task: Task, says_story: bool = False) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for key in ("title", "description"):
            if getattr(task, key):
                said[key] = getattr(task, key)
        if says_story and task.story is not None:
            said["story"] = task.story
        if not self._nested and task.parent is not None:
            said["parent"] = task.parent
        said.update(spell_action(task))
        needs = self._needs(task)
        if needs is not None:
            said["needs"] = Line(needs)
        said.update(spell_policies(task))
        family = self._children.get(task.id, [])
        if family and self._nested:
            said["subtasks"] = {child.id: self._task(child) for child in family}
        if len(said) <= 3 and "subtasks" not in said and is_short(said):
            return Pairs(said)
        return said

    def _needs(self, task: Task) -> tuple[str, ...] | None:
        """What has to be said: of a subtask, whatever is not just its elder sibling."""
        needs = task.needs or ()
        if task.parent is None:
            return needs or None
        if not self._nested:
            return needs
        return None if needs == self._elders[task.id] else needs
