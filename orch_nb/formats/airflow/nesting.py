"""Where the tasks of a plan stand in a DAG file: their order, their groups, and the arrows.

A story is a group, and the subtasks of a task are one. Tasks are written upstream first, so that
their results have names, and those of a group together as far as that allows; a group that is gone
on with is entered once more (`with verify:`).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orch_nb.formats.airflow.block import Block
from orch_nb.formats.airflow.layout import call, quoted, shifted, spelled_out
from orch_nb.formats.airflow.names import SUBTASKS, dotless, identifier, spelled, unique
from orch_nb.formats.airflow.options import Options, Tell
from orch_nb.model.plan import Plan, Story

__all__ = ["Nesting", "arrows", "ordered"]

Path = tuple[str, ...]


@dataclass
class _Group:
    variable: str
    arguments: list[str]
    open: bool = False


class Nesting:
    """The groups of a plan; `paths` has those that each task stands in, the outermost first."""

    def __init__(self, plan: Plan, taken: set[str], tell: Tell) -> None:
        self._plan, self._taken, self._tell = plan, taken, tell
        self._ids = {spelled(task.id) for task in plan.tasks}
        self._groups: dict[str, _Group] = {}
        self.used = False
        stories = {story.id: story for story in plan.stories}
        keys = {name: self._story(story) for name, story in stories.items()
                if any(task.story == name for task in plan.tasks)}  # fmt: skip
        for name in stories.keys() - keys.keys():
            tell("story", f"`{name}` has no tasks", "dropped")
        self._parents = {task.parent for task in plan.tasks if task.parent is not None}
        families = {task.id: self._family(task.id) for task in plan.tasks
                    if task.id in self._parents}  # fmt: skip
        self.paths: dict[str, Path] = {}
        for task in plan.tasks:
            self.paths[task.id] = self._path(task.id, keys, families)

    def _path(self, name: str, keys: Mapping[str, str], families: Mapping[str, str]) -> Path:
        chain: list[str] = []
        task = self._plan[name]
        while task.parent is not None:
            chain.insert(0, families[task.parent])
            above = self._plan[task.parent]
            if above.story != task.story:
                self._tell("story", f"`{task.id}` is in that of the task which it is a part of",
                           "changed")  # fmt: skip
            task = above
        return (*([keys[task.story]] if task.story is not None else []), *chain)

    def _story(self, story: Story) -> str:
        key = unique(dotless(story.id), {*self._ids, *self._groups})
        shown = story.title or ("" if key == story.id else story.id)
        said: Options = {"group_id": quoted(key)}
        if shown:
            said["group_display_name"] = quoted(shown)
        if story.description:
            said["tooltip"] = spelled_out(story.description)
        if story.title and dotless(story.title) == key != story.id:
            self._tell("story", f"an import calls `{story.id}` otherwise", "note")
        elif story.title and key != story.id:
            self._tell("story", f"`{story.id}` is `{key}` in Airflow", "changed")
        if story.owner:
            self._tell(
                "owner", f"the story `{story.id}` has one; Airflow's groups have not", "dropped"
            )
        return self._added(key, said)

    def _family(self, parent: str) -> str:
        key = unique(f"{dotless(spelled(parent))}{SUBTASKS}", {*self._ids, *self._groups})
        return self._added(key, {"group_id": quoted(key)})

    def _added(self, key: str, said: Options) -> str:
        self._ids.add(key)
        variable = unique(identifier(key.lower()), self._taken)
        self._taken.add(variable)
        arguments = [f"{name}={value}" for name, value in said.items()]
        self._groups[key] = _Group(variable, [*arguments, "prefix_group_id=False"])
        return key

    def lines(self, order: Sequence[str], blocks: Mapping[str, list[Block]]) -> list[str]:
        """The blocks of all tasks, in their groups."""
        found: list[str] = []
        before: Path = ()
        reopened = {path[:n] for path in _again([self.paths[name] for name in order])
                    for n in range(1, len(path) + 1)}  # fmt: skip
        simple = True
        for name in order:
            path = self.paths[name]
            same = 0
            while same < min(len(path), len(before)) and path[same] == before[same]:
                same += 1
            for depth in range(same, len(path)):
                gap = [] if found and found[-1].endswith(":") else [""]
                found += [*gap, *_shifted(self._opened(path[: depth + 1], reopened), depth)]
                simple = True
            if same < len(before) and same == len(path):
                found.append("")
            for block in blocks[name]:
                lines = block.lines(4 + 4 * len(path))
                short = len(lines) == 1
                opened = bool(found) and found[-1].endswith(":") and not lines[0].startswith("@")
                if found and found[-1] and not (short and simple) and not opened:
                    found.append("")
                simple = short
                found += _shifted(lines, len(path))
            before = path
        return found[1:] if found and not found[0] else found

    def _opened(self, path: Path, reopened: set[Path]) -> list[str]:
        self.used = True
        group = self._groups[path[-1]]
        if group.open:
            return [f"with {group.variable}:"]
        group.open = True
        name = f" as {group.variable}" if path in reopened else ""
        made = call("TaskGroup", group.arguments, 4 * len(path) + len("with :") + len(name))
        return f"with {made}{name}:".split("\n")


def _again(paths: Sequence[Path]) -> list[Path]:
    """Every path that is entered a second time."""
    seen: set[Path] = set()
    found: list[Path] = []
    before: Path = ()
    for path in paths:
        for depth in range(1, len(path) + 1):
            if path[:depth] == before[:depth]:
                continue
            if path[:depth] in seen:
                found.append(path[:depth])
            seen.add(path[:depth])
        before = path
    return found


def _shifted(lines: Sequence[str], depth: int) -> list[str]:
    return shifted("\n".join(lines), 4 * depth).split("\n")


def ordered(plan: Plan, up: Mapping[str, Sequence[str]], paths: Mapping[str, Path]) -> list[str]:
    """Upstream first, groups together, else as the plan has it."""
    place = {task.id: n for n, task in enumerate(plan.tasks)}
    ids = [task.id for task in plan.tasks]
    waits = {name: len(up[name]) for name in ids}
    down: dict[str, list[str]] = {name: [] for name in ids}
    for name in ids:
        for need in up[name]:
            down[need].append(name)
    everywhere: list[int] = []
    in_group: dict[Path, list[int]] = {}

    def ready(name: str) -> None:
        heapq.heappush(everywhere, place[name])
        path = paths[name]
        for depth in range(len(path), 0, -1):
            heapq.heappush(in_group.setdefault(path[:depth], []), place[name])

    for name in ids:
        if not waits[name]:
            ready(name)
    found: list[str] = []
    done: set[int] = set()
    path: Path = ()
    while len(found) < len(ids):
        heaps = [in_group.get(path[:depth], []) for depth in range(len(path), 0, -1)]
        chosen = _first([*heaps, everywhere], done)
        done.add(chosen)
        found.append(ids[chosen])
        path = paths[ids[chosen]]
        for after in down[ids[chosen]]:
            waits[after] -= 1
            if not waits[after]:
                ready(after)
    return found


def _first(heaps: Sequence[list[int]], done: set[int]) -> int:
    """The least number of the first heap that has one which is not done."""
    for heap in heaps:
        while heap and heap[0] in done:
            heapq.heappop(heap)
        if heap:
            return heapq.heappop(heap)
    raise LookupError("a cycle")  # which no plan has that was checked


def arrows(waits: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> list[str]:
    """`a >> [b, c] >> d`, `[a, b] >> c` and `a >> b >> c` for what no result says."""
    together: dict[tuple[str, ...], list[str]] = {}
    for after, before in waits.items():
        together.setdefault(tuple(before), []).append(after)
    links: list[tuple[list[str], list[str]]] = []
    for first, then in together.items():
        if len(first) == 1:
            links.append((list(first), then))
        else:
            links += [(list(first), [one]) for one in then]
    begins: dict[frozenset[str], tuple[list[str], list[str]]] = {}
    for link in links:
        begins.setdefault(frozenset(link[0]), link)
    ends_in = {frozenset(last) for _, last in links}
    inner = {id(begins[last]) for last in ends_in if last in begins}
    found: list[str] = []
    used: set[int] = set()
    for link in sorted(links, key=lambda one: id(one) in inner):
        if id(link) in used or (id(link) in inner and _owner(link, links, used, ends_in)):
            continue
        chain = [link[0]]
        now: tuple[list[str], list[str]] | None = link
        while now is not None and id(now) not in used:
            used.add(id(now))
            chain.append(now[1])
            now = begins.get(frozenset(now[1]))
        found += _chained([[names[name] for name in part] for part in chain])
    return found


def _owner(
    link: tuple[list[str], list[str]], links: Sequence[tuple[list[str], list[str]]],
    used: set[int], ends_in: set[frozenset[str]],
) -> bool:  # fmt: skip
    """Whether another chain that is not written yet will go on with this link."""
    begin = frozenset(link[0])
    if begin not in ends_in:
        return False
    return any(id(other) not in used and other is not link and frozenset(other[1]) == begin
               for other in links)  # fmt: skip


def _chained(parts: Sequence[Sequence[str]]) -> list[str]:
    """One line, or several where one would be too long."""
    lines: list[str] = []
    line = _side(parts[0])
    last = line
    for part in parts[1:]:
        side = _side(part)
        if len(line) + len(side) + 4 > 92 and ">>" in line:
            lines.append(line)
            line = last
        line = f"{line} >> {side}"
        last = side
    return [*lines, line]


def _side(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    line = f"[{', '.join(names)}]"
    if len(line) <= 80:
        return line
    return "[\n" + "".join(f"    {name},\n" for name in names) + "]"
