"""The rows of a room: stories, tasks and subtasks of the plan, then what came to be in the run.

A row is a dict for the page: `label`, `depth`, `parent` (the row above it), and for a task its `id`
and what does not change in a run. `Rows` knows the row of every name.
"""

from __future__ import annotations

from typing import Any

from orch_nb.graph.topology import upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.model.task_state import TaskState
from orch_nb.render.facts import critical, entries
from orch_nb.render.plaintext import one_line

__all__ = ["Rows"]

_LABEL = 300


class Rows:
    """The rows of one run, in the order in which they are shown."""

    def __init__(self, plan: Plan) -> None:
        self.every: list[dict[str, Any]] = []
        self.of: dict[str, int] = {}
        self.names: list[str | None] = []
        self._plan = plan
        self._needs = upstream(plan)
        self._stories = {story.id: one_line(story.label, _LABEL) for story in plan.stories}
        self._critical = critical(plan)
        above: list[int] = []
        for entry in entries(plan):
            del above[entry.depth :]
            row: dict[str, Any] = {
                "depth": entry.depth,
                "parent": above[-1] if above else None,
            }
            if entry.task is not None:
                row |= self._task(entry.task)
            elif entry.story is not None:
                row["label"] = one_line(entry.story.label, _LABEL)
            above.append(len(self.every))
            self._add(row)
        self.planned = len(self.every)

    def _add(self, row: dict[str, Any]) -> None:
        name = row.get("id")
        if name is not None:
            self.of[name] = len(self.every)
        self.names.append(name)
        self.every.append(row)

    def _task(self, task: Task) -> dict[str, Any]:
        found = {
            "id": task.id, "label": one_line(task.label, _LABEL) or task.id,
            "needs": list(self._needs.get(task.id, ())), "estimate": task.estimate_s,
            "owner": task.owner, "critical": task.id in self._critical,
            "todo": task.todo is not None, "story": self._stories.get(task.story or "", ""),
        }  # fmt: skip
        return {name: value for name, value in found.items() if value or name in ("id", "label")}

    def derive(self, task: TaskState) -> int:
        """The row of an instance, of a compensation, of `on_failure`; made when first asked for."""
        known = self.of.get(task.task)
        if known is not None:
            return known
        parent = self.of.get(task.of) if task.of is not None else None
        above = self.every[parent] if parent is not None else {"depth": -1}
        row = {
            "depth": above["depth"] + 1, "parent": parent, "id": task.task, "label": task.task,
            "derived": True, "story": above.get("story", ""),
        }  # fmt: skip
        self._add(row)
        return len(self.every) - 1
