"""A plan as a YAML document that reads as if written by hand, and loads back as an equal plan.

The nested form (`stories`, `subtasks`) is used where it says the same: where the tasks of a story
and of a parent stand together. Else tasks are listed flat, with `story:` and `parent:`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import yaml

from orch_nb.model.duration import duration_text, parse_duration
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule, callable_name
from orch_nb.planners.nodes import plain_value

__all__ = ["dump_plan"]

#: Deeper families are listed flat: nobody reads them, and a document's depth is bounded.
_DEEPEST_FAMILY = 10
_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Line(list[Any]):
    """A list that is written on one line."""


class _Pairs(dict[str, Any]):
    """A short mapping that is written on one line."""


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
_Dumper.add_representer(_Line, _flow)
_Dumper.add_representer(_Pairs, _flow)
_Dumper.add_representer(float, _float)


def dump_plan(plan: Plan) -> str:
    """The document of a plan. Callables become names: of the notebook, or `module:function`.

    Raises TypeError for a value (in `params` or `with`) that has no form in a document.
    """
    document: dict[str, Any] = {"goal": plan.goal}
    if plan.params:
        document["params"] = {key: _value(value, "params") for key, value in plan.params.items()}
    if plan.criteria:
        document["criteria"] = _criteria(plan)
    document.update(_Hierarchy(plan).sections())
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _criteria(plan: Plan) -> Any:
    texts = [criterion.text for criterion in plan.criteria]
    if len(set(texts)) == len(texts):
        return {criterion.text: _Line(criterion.tasks) for criterion in plan.criteria}
    return [
        {"criterion": criterion.text, "tasks": _Line(criterion.tasks)}
        for criterion in plan.criteria
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
            found[story.id] = said or _Pairs()
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
        said.update(_action(task))
        needs = self._needs(task)
        if needs is not None:
            said["needs"] = _Line(needs)
        said.update(_policies(task))
        family = self._children.get(task.id, [])
        if family and self._nested:
            said["subtasks"] = {child.id: self._task(child) for child in family}
        if len(said) <= 3 and "subtasks" not in said and _short(said):
            return _Pairs(said)
        return said

    def _needs(self, task: Task) -> tuple[str, ...] | None:
        """What has to be said: of a subtask, whatever is not just its elder sibling."""
        needs = task.needs or ()
        if task.parent is None:
            return needs or None
        if not self._nested:
            return needs
        return None if needs == self._elders[task.id] else needs


def _short(said: dict[str, Any]) -> bool:
    text = json.dumps(said, default=str)
    return len(text) <= 72 and "\\n" not in text


def _action(task: Task) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if task.run is not None:
        said["run"] = _callable(task.run)
    if task.sh is not None:
        said["sh"] = task.sh
    if task.approval is not None:
        said["approval"] = task.approval.prompt
        if task.approval.default is not None:
            said["approval"] = _Pairs(prompt=task.approval.prompt, default=task.approval.default)
    if task.todo is not None:
        said["todo"] = task.todo
    if task.with_:
        said["with"] = {
            key: _value(value, f"`with` of `{task.id}`") for key, value in task.with_.items()
        }
    return said


def _callable(run: Any) -> str:
    name = callable_name(run)
    return name.removeprefix("__main__:") if not isinstance(run, str) else name


def _policies(task: Task) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if task.trigger is not TriggerRule.ALL_SUCCESS:
        said["trigger"] = str(task.trigger)
    if task.retry != RetryPolicy():
        said["retry"] = _retry(task.retry)
    if task.timeout_s is not None:
        said["timeout"] = _duration(task.timeout_s)
    if task.estimate_range_s is not None:
        said["estimate"] = _Line(_duration(value) for value in task.estimate_range_s)
    elif task.estimate_s is not None:
        said["estimate"] = _duration(task.estimate_s)
    if task.outputs:
        said["outputs"] = _Line(task.outputs)
    if not task.required:
        said["required"] = False
    if task.owner:
        said["owner"] = task.owner
    return said


def _retry(policy: RetryPolicy) -> Any:
    default = RetryPolicy()
    if policy == RetryPolicy(maximum_attempts=policy.maximum_attempts):
        return policy.maximum_attempts
    said: dict[str, Any] = {"maximum_attempts": policy.maximum_attempts}
    for name in ("initial_interval_s", "maximum_interval_s"):
        seconds = getattr(policy, name)
        if seconds is not None and seconds != getattr(default, name):
            said[name.removesuffix("_s")] = _duration(seconds)
    for name in ("backoff_coefficient", "jitter"):
        if getattr(policy, name) != getattr(default, name):
            said[name] = getattr(policy, name)
    if policy.non_retryable:
        said["non_retryable"] = _Line(policy.non_retryable)
    return _Pairs(said)


def _duration(seconds: float) -> str | float:
    """As a person writes it, where that is exact."""
    text = duration_text(seconds)
    return text if parse_duration(text) == seconds else seconds


def _value(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_value(item, where) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _value(item, where) for key, item in value.items()}
    raise TypeError(
        f"{where} holds a {type(value).__name__}, which has no form in a document; let a task read "
        "or make it"
    )
