"""What comes after what in a DAG, and which group each task stands in.

    wires.enter("extract", 12)            a group: names below it begin with `extract.`
    wires.follow(("a", "b"), ("extract",))
    wires.leave()
    wires.wire()                          gives the draft its edges, once all is known

A group stands for its first tasks where something comes before it, and for its last where something
comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from orch_nb.analysis.workflows.page import Draft

__all__ = ["Nodes", "Wires"]

#: Tasks and groups, by their full names; none of them where a value is no task.
Nodes = tuple[str, ...]


class Wires:
    """The wires of one DAG, between tasks and groups as they are named in its file."""

    __slots__ = ("_around", "_draft", "_groups", "_pairs", "_prefix", "setups", "teardowns")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._groups: dict[str, list[str]] = {}
        self._pairs: dict[tuple[str, str], None] = {}
        self._prefix: list[str] = []
        self._around: list[tuple[Nodes, Nodes]] = []
        self.setups: set[str] = set()
        self.teardowns: set[str] = set()

    # -- groups

    def full(self, name: str) -> str:
        """The name of a task or a group within the groups that are entered."""
        return f"{self._prefix[-1]}.{name}" if self._prefix else name

    def place(self, full: str) -> None:
        """It stands in the group that is entered."""
        if self._prefix:
            self._groups.setdefault(self._prefix[-1], []).append(full)

    def enter(self, name: str, line: int) -> str:
        """Begin a group; its full name."""
        full = self.full(name)
        self.place(full)
        self._groups.setdefault(full, [])
        self._draft.part(full, "group", line)
        self._prefix.append(full)
        return full

    def leave(self) -> None:
        self._prefix.pop()

    # -- wires

    def follow(self, before: Nodes, after: Nodes) -> None:
        """Everything in `after` comes after everything in `before`."""
        self._pairs |= dict.fromkeys((one, other) for one in before for other in after)

    def chain(self, steps: Sequence[tuple[Nodes, bool]], *, linear: bool) -> None:
        """Step after step; True stands beside a list. Two lists of one length are wired in pairs,
        unless the chain is `linear`."""
        for (one, is_list), (other, also) in pairwise(steps):
            if is_list and also and len(one) == len(other) and not linear:
                self._pairs |= dict.fromkeys(zip(one, other, strict=True))
            else:
                self.follow(one, other)

    def around(self, managers: Nodes, inside: Nodes) -> None:
        """`with setup >> teardown:`: what has nothing before it there comes after the setups, what
        has nothing after it before the teardowns."""
        self._around.append((managers, inside))

    # -- edges

    def wire(self) -> None:
        """Give the draft its edges."""
        pairs = [(before, after) for before, after in self._pairs if before != after]
        inside = {group: self._members(group) for group in self._groups}
        edges: dict[tuple[str, str], None] = {}
        for before, after in pairs:
            for one in self._ends(before, pairs, inside, last=True):
                for other in self._ends(after, pairs, inside, last=False):
                    edges[one, other] = None
        for managers, tasks in self._around:
            edges |= dict.fromkeys(self._managed(managers, tasks, list(edges)))
        for one, other in edges:
            self._draft.edge(one, other)

    def _members(self, group: str) -> set[str]:
        found: set[str] = set()
        for member in self._groups.get(group, ()):
            found |= self._members(member) if member in self._groups else {member}
        return found

    def _ends(
        self, node: str, pairs: list[tuple[str, str]], inside: dict[str, set[str]], *, last: bool
    ) -> list[str]:
        if node not in self._groups:
            return [node]
        members = inside[node]
        own = {m for m in self._groups if m.startswith(node + ".")} | members
        busy = set()
        for before, after in pairs:
            if before in own and after in own:
                busy |= (inside.get(before) or {before}) if last else (inside.get(after) or {after})
        return [m for m in self._draft.tasks if m in members and m not in busy]

    def _managed(
        self, managers: Nodes, inside: Nodes, edges: list[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Source: airflow/sdk/definitions/_internal/setup_teardown.py"""
        downs = [one for one in managers if one in self.teardowns]
        ups = [one for one in managers if one in self.setups]
        ups += [one for one, other in edges if other in downs and one in self.setups]
        work = [one for one in inside if one not in self.setups | self.teardowns]
        begun, gone_on = {other for _, other in edges}, {one for one, _ in edges}
        found = [(up, one) for up in dict.fromkeys(ups) for one in work if one not in begun]
        return found + [(one, down) for down in downs for one in work if one not in gone_on]
