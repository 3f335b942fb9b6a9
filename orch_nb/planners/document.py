"""A plan document, node by node: every fault found, each with its line, before anything is made.

    goal: Release                     Reading(goal="Release",
    stories:                                  tasks=[Task("lint", story="Verify", ...)],
      Verify:                                 lines={("lint", ""): 5, ("lint", "sh"): 5, ...},
        tasks:                                problems=[...])
          lint: {sh: ruff check .}

What the document says of names (needs, parents, criteria) is `graph.validate`'s to judge; here are
its form, its keys and its types. A task with faults is kept as far as it is sound, so that the
others are judged against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.plan import Story
from orch_nb.model.task import Task
from orch_nb.planners.body import TOP_KEYS
from orch_nb.planners.fields import Fields, name_of
from orch_nb.planners.keys import normalise
from orch_nb.planners.nodes import Node
from orch_nb.planners.record import Entries, Reading
from orch_nb.planners.sections import FOR_WORK, criteria_of, defaults_of, on_failure_of, pools_of
from orch_nb.planners.task_keys import ACTIONS, LATER, TASK_KEYS, WORK, read_key

__all__ = ["Reading", "read"]

_STORY_KEYS = ("tasks", "title", "description", "owner")


def read(root: Node, goal: str = "") -> Reading:
    """Reads a document from its nodes; `goal` holds where it names none."""
    reading = Reading(goal)
    if root.kind == "list":
        key = Node("scalar", "tasks", "tasks", root.line, root.column)
        root = Node("map", [(key, root)], line=root.line, column=root.column)
    if root.kind != "map":
        reading.findings.add(
            f"A plan is a mapping, not {root.described()}.", root,
            hint="Begin with `goal:` and `tasks:`.",
        )  # fmt: skip
        return reading
    normalise(root, reading.findings)
    _Reader(reading).document(root)
    return reading


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self._reading, self._findings = reading, reading.findings
        self._stories_seen: set[str] = set()

    def document(self, root: Node) -> None:
        entries = {key: (at, value) for key, at, value in root.pairs()}
        self._reading.unknown(entries, TOP_KEYS, "A plan")
        self._beginning(entries, root)
        for key, (at, value) in entries.items():
            if key == "tasks":
                self._reading.tasks += self.tasks(value, at, None, "`tasks`")
            elif key == "stories":
                self._stories(value)
        if "criteria" in entries:
            criteria_of(self._reading, entries["criteria"][1])
        if "on_failure" in entries:
            on_failure_of(self._reading, *entries["on_failure"])
        if not self._reading.places and not self._findings.problems:
            self._findings.add("The plan has no tasks.", root, hint="List them under `tasks:`.")
        self._known_stories()

    def _beginning(self, entries: Entries, root: Node) -> None:
        """What is said of the plan as a whole, before its tasks are read."""
        fields = Fields(self._findings, "")
        if "goal" in entries and not entries["goal"][1].empty:
            self._reading.goal = fields.text("goal", entries["goal"][1]) or self._reading.goal
        elif not self._reading.goal.strip():
            self._findings.add("The plan has no `goal`.", root, hint="Say in words what it is for.")
        if "params" in entries and not entries["params"][1].empty:
            self._reading.params = fields.values("params", entries["params"][1]) or {}
        if "secrets" in entries and not entries["secrets"][1].empty:
            self._reading.secrets = fields.texts("secrets", entries["secrets"][1]) or ()
        if "pools" in entries and not entries["pools"][1].empty:
            pools_of(self._reading, entries["pools"][1])
        if "defaults" in entries:
            defaults_of(self._reading, entries["defaults"][1])

    def _named(self, node: Node, what: str) -> Iterator[tuple[str, Node, Node]]:
        """Name, where it stands, and body, of a mapping by name or a list of mappings with `id`."""
        if node.kind == "map":
            yield from ((name_of(key) or key.text, key, value) for key, value in node.value)
        for item in node.value if node.kind == "list" else ():
            pairs = item.value if item.kind == "map" else []
            ids = [pair for pair in pairs if pair[0].text == "id"]
            name = name_of(ids[0][1]) if ids else None
            if name is None:
                self._findings.add(f"An entry of a list of {what} is a mapping with an `id`.", item,
                                   hint="Write - {id: name, ...}, or name: {...}.")  # fmt: skip
                continue
            rest = [pair for pair in pairs if pair[0].text != "id"]
            yield name, ids[0][1], Node("map", rest, line=item.line, column=item.column)

    def _stories(self, node: Node) -> None:
        if node.kind == "scalar":
            if not node.empty:
                self._findings.add(f"`stories` is a mapping, not {node.described()}.", node,
                                   hint="Write name: {tasks: {...}}.")  # fmt: skip
            return
        for name, at, body in self._named(node, "stories"):
            self._story(name, at, body)

    def _story(self, name: str, at: Node, body: Node) -> None:
        if name in self._stories_seen:
            self._findings.add(f"Two stories are called `{name}`.", at)
        elif not name.strip():
            self._findings.add("A story's name is empty.", at)
        self._stories_seen.add(name)
        found: dict[str, Any] = {}
        entries: Entries = {}
        if body.kind == "map":
            entries = {key: (place, value) for key, place, value in body.pairs()}
        elif not body.empty:
            self._findings.add(f"The story `{name}` is a mapping, not {body.described()}.", body,
                               hint="Put its tasks below `tasks:`.")  # fmt: skip
        self._reading.unknown(entries, _STORY_KEYS, f"The story `{name}`")
        fields = Fields(self._findings, f"the story `{name}`")
        for key in ("title", "description", "owner"):
            if key in entries and not entries[key][1].empty:
                found[key] = fields.text(key, entries[key][1]) or ""
        self._reading.stories.append(Story(id=name, **found))
        if "tasks" in entries:
            place, value = entries["tasks"]
            self._reading.tasks += self.tasks(value, place, name, f"`tasks` of `{name}`")

    def tasks(
        self, node: Node, at: Node, story: str | None, what: str, parent: str | None = None
    ) -> list[Task]:
        if node.kind == "scalar":
            given = "is empty" if node.empty else f"is {node.described()}"
            self._findings.add(f"{what} {given}; it is a mapping of tasks.",
                               node if node.line is not None else at,
                               hint="Write name: {sh: ...} below it.")  # fmt: skip
            return []
        found = (self.task(*named, story, parent) for named in self._named(node, "tasks"))
        return [task for task in found if task is not None]

    def task(
        self, name: str, at: Node, body: Node, story: str | None, parent: str | None
    ) -> Task | None:
        first = self._reading.places.get(name)
        if first is not None:
            where = f"; the other is on line {first.line}" if first.line is not None else ""
            self._findings.add(f"Two tasks are called `{name}`{where}.", at, task=name,
                               hint="Give one another name.")  # fmt: skip
            return None
        self._reading.places[name] = at
        self._reading.place(name, "", at)
        if body.kind != "map":
            if body.empty:
                return Task(id=name, story=story)
            words = body.text[:60] if isinstance(body.value, str) else "..."
            hint = f'Write {{sh: "{words}"}} for a command, {{run: name}} for a function.'
            if name in TASK_KEYS:
                hint = f"If `{name}` belongs to the task above, indent it further."
            self._findings.add(f"The task `{name}` is a mapping, not {body.described()}.", body,
                               hint=hint, task=name)  # fmt: skip
            return Task(id=name, story=story)
        return self._built(name, body, story, parent)

    def _built(self, name: str, body: Node, story: str | None, parent: str | None) -> Task:
        entries = {key: (at, value) for key, at, value in body.pairs()}
        self._reading.unknown(entries, TASK_KEYS, f"`{name}`", LATER, name)
        fields = Fields(self._findings, f"`{name}`", name)
        found: dict[str, Any] = {}
        if self._reading.defaults:
            self._defaulted(entries, found)
        for key, (at, value) in entries.items():
            self._reading.place(name, key, at)
            if key == "subtasks" or key not in TASK_KEYS:
                continue
            found.pop(key, None)
            if value.empty and key not in ACTIONS:
                continue
            read_value = read_key(fields, key, value)
            if read_value is not None:
                found[key] = read_value
            if key == "needs":
                for need, place in zip(found.get("needs", ()), _items(value), strict=False):
                    self._reading.place(name, f"needs.{need}", place)
            elif key == "compensate" and value.kind == "map":
                for word, place, _ in value.pairs():
                    self._reading.place(name, f"compensate.{word}", place)
        self._family(name, found, entries, story, parent)
        if "subtasks" in entries and not entries["subtasks"][1].empty:
            at, value = entries["subtasks"]
            found["subtasks"] = self.tasks(
                value, at, found.get("story"), f"`subtasks` of `{name}`", name
            )
        if "with" in found:
            found["with_"] = found.pop("with")
        return Task(id=name, **found)

    def _defaulted(self, entries: Entries, found: dict[str, Any]) -> None:
        works = any(key in entries for key in WORK)
        for key, value in self._reading.defaults.items():
            if key == "max_active":
                holds = works and "foreach" in entries
            else:
                holds = works or key not in FOR_WORK
            if holds:
                found[key] = value

    def _family(
        self, name: str, found: dict[str, Any], entries: Entries,
        story: str | None, parent: str | None,
    ) -> None:  # fmt: skip
        """A task's own word on story and parent, against the place where it stands."""
        for key, given in (("story", story), ("parent", parent)):
            if given is None:
                continue
            own = found.get(key, given)
            if own != given:
                self._findings.add(
                    f"`{name}` stands in `{given}` and says `{key}: {own}`.", entries[key][1],
                    hint="Leave it out or move it.", task=name,
                )  # fmt: skip
            if key == "story":
                found[key] = given
            else:
                found.pop(key, None)

    def _known_stories(self) -> None:
        """A document that lists its stories means them: another name is a slip."""
        if not self._reading.stories:
            return
        known = dict.fromkeys(story.id for story in self._reading.stories)
        for task in self._reading.tasks:
            if task.story is not None and task.story not in known:
                line = self._reading.lines.get((task.id, "story"))
                at = Node("scalar", task.story, task.story, line)
                self._findings.add(
                    f"`{task.id}` is in story `{task.story}`, which is not listed.", at,
                    hint=did_you_mean(task.story, known), task=task.id,
                )  # fmt: skip


def _items(node: Node) -> list[Node]:
    return [item for item in node.value if name_of(item)] if node.kind == "list" else [node]
