"""What was read of a document so far: tasks, faults, and where everything stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orch_nb.errors import Problem
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Pool, Task
from orch_nb.planners.nodes import Findings, Node

__all__ = ["Entries", "Reading"]

#: The entries of a mapping by key: where the key stands, and its value.
Entries = dict[str, tuple[Node, Node]]


class Reading:
    """What was read of a document, its faults, and where everything stands."""

    def __init__(self, goal: str = "") -> None:
        self.goal = goal
        self.tasks: list[Task] = []
        self.stories: list[Story] = []
        self.params: dict[str, Any] = {}
        self.criteria: list[Criterion] = []
        self.pools: dict[str, Pool] = {}
        self.secrets: tuple[str, ...] = ()
        self.on_failure: Task | None = None
        self.defaults: dict[str, Any] = {}
        self.lines: dict[tuple[str, str], int] = {}
        self.findings = Findings()
        self.places: dict[str, Node] = {}

    @property
    def problems(self) -> list[Problem]:
        return self.findings.problems

    def plan(self) -> Plan:
        return Plan(
            goal=self.goal,
            tasks=tuple(self.tasks),
            stories=tuple(self.stories),
            params=self.params,
            criteria=tuple(self.criteria),
            pools=self.pools,
            on_failure=self.on_failure,
            secrets=self.secrets,
        )

    def place(self, task: str, key: str, node: Node) -> None:
        if node.line is not None:
            self.lines.setdefault((task, key), node.line)

    def unknown(
        self, entries: Entries, known: Iterable[str], owner: str, later: Iterable[str] = (),
        task: str = "",
    ) -> None:  # fmt: skip
        """Tells keys that `owner` does not have, with the nearest that it has."""
        for key, (at, _) in entries.items():
            if key in later:
                of = f"{owner}: " if task else ""
                self.findings.add(f"{of}`{key}` is not yet supported.", at, task=task,
                                  hint="Leave it out.")  # fmt: skip
            elif key not in known:
                hint = did_you_mean(key, known)
                if key == "default" and task:
                    hint = 'Write approval: {prompt: "Ship it?", default: approve}.'
                self.findings.add(f"{owner} has no key `{key}`.", at, task=task, hint=hint)
