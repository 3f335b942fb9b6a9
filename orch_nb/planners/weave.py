"""A goal's own clauses, woven into a method.

A clause that means what a task of the method does (by the acts of the vocabulary: "type-check the
package" is `types`) is that task, which then quotes it. Any other becomes a task of its own, where
the goal names it: after what is named before it, before what is named after it.

    goal:    test, build, weigh the box, publish
    method:  tests ── build ── approve ── publish
    woven:   tests ── build ── weigh ── approve ── publish

What is named before something that stands behind a gate comes before that gate: nobody can decide
on the evidence of what is still to be done. Where the goal's order contradicts the method's, the
method's holds, since it is there for safety. A clause that names no neighbour stands where the
method's template `part` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from orch_nb.catalog.clauses import Part
from orch_nb.catalog.operations import Method, Step, StoryTemplate
from orch_nb.catalog.vocabulary import acts
from orch_nb.catalog.words import slug
from orch_nb.planners.facts import Facts

__all__ = ["Woven", "weave"]

_PART = "part"
#: Lists whose items the goal may name in a clause of their own, each planned by its own step.
_LISTS = ("packages", "records", "follows", "deliveries", "outgoing")


class Woven(msgspec.Struct, frozen=True):
    """The method with the goal's own tasks, for each task the words that ask for it, and the words
    that only qualify the whole (`beside`)."""

    method: Method
    said: dict[str, list[str]]
    beside: tuple[str, ...] = ()


def weave(method: Method, facts: Facts) -> Woven:
    """`method` with every part of `facts` in it, each once."""
    loom = _Loom(method, facts)
    for part in facts.parts:
        loom.take(part)
    for part in loom.loose:
        loom.place(part)
    loom.order_turns()
    return Woven(loom.method(), loom.said, tuple(dict.fromkeys(loom.beside)))


class _Loom:
    """The steps of a method as a graph by id, and where each part of the goal has its place."""

    def __init__(self, method: Method, facts: Facts) -> None:
        self.whole, self.facts = method, facts
        self.steps = {step.id: step for step in method.steps if step.id != _PART}
        self.part = next((step for step in method.steps if step.id == _PART), None)
        self.stories = [
            (story.title, [step.id for step in story.tasks]) for story in method.stories
        ]
        self.needs: dict[str, list[str]] = {}
        for step in method.steps:
            self.needs[step.id] = [*step.needs, *([step.pairs] if step.pairs else [])]
        self.said: dict[str, list[str]] = {}
        self.anchors: dict[Part, str] = {}
        self.loose: list[Part] = []
        self.beside: list[str] = []

    def take(self, part: Part) -> None:
        """Finds the step that `part` is, or sets it aside to be placed."""
        found = self._listed(part) or self._same(part)
        if found:
            self.anchors[part] = found
            if not (part.leading and not self.steps[found].does):
                self.said.setdefault(found, []).append(part.said or part.text)
        elif part.text.startswith("ensure ") or part.implied:
            self.beside.append(part.said)
        elif self.facts.whole is not part:
            self.loose.append(part)

    def _listed(self, part: Part) -> str:
        """The step over a list of which `part` names an item in the goal's words."""
        for name in _LISTS:
            for item in self.facts.items.get(name, ()):
                if item.words and item.words.lower() in (part.said or part.text).lower():
                    builds = self.steps.get("build")
                    if builds and "build" in acts(part.asks) and "publish" not in acts(part.asks):
                        return "build"
                    return next((s.id for s in self.steps.values() if s.each == name), "")
        return ""

    def _same(self, part: Part) -> str:
        """The step that does what `part` asks for, in other words."""
        steps = [s for s in self.steps.values() if not s.undo and not self.facts.denies(s.unless)]
        steps.sort(key=lambda step: not self.facts.holds(step.when))  # those planned anyway first
        said = [s.id for s in steps if s.says and _finds(s.says, part.asks)]
        does = [s.id for act in acts(part.asks) for s in steps if act in s.does]
        return next(iter(said + does), "")

    def place(self, part: Part) -> None:
        """Gives `part` a task of its own, between its neighbours in the goal."""
        name = _unused(slug(part.text.removeprefix("ensure "), 3), self.needs)
        later = [step for other, step in self.anchors.items() if other.stage > part.stage]
        earlier = sorted(
            (other.stage, step) for other, step in self.anchors.items() if other.stage < part.stage
        )
        after: list[str] = []
        targets = self._targets(later, after)
        for stage in sorted({stage for stage, _ in earlier}, reverse=True):
            near = [step for at, step in earlier if at == stage]
            after = [s for s in near if not any(s == t or self._above(t, s) for t in targets)]
            if after:
                break
        after += self._between(after, later)
        targets = self._targets(later, after) or self._gates_open(after)
        self._insert(part, name, list(dict.fromkeys(after)), targets)

    def _between(self, after: list[str], later: list[str]) -> list[str]:
        """What the method's own template for parts waits for, where that lies between a part's
        neighbours, with no gate on the way: the checks that belong to the step named before it."""
        shut = [g for g in self._gates() if not any(g == a or self._above(g, a) for a in after)]
        return [
            need
            for need in self.needs.get(_PART, ())
            if any(self._above(step, need) for step in after)
            and not any(need == step or self._above(step, need) for step in later)
            and not any(self._above(gate, need) for gate in shut)
        ]

    def _targets(self, later: Iterable[str], after: list[str]) -> list[str]:
        """What must wait for a part that is named before the steps `later`: they, or the gate that
        stands before them."""
        found: dict[str, None] = {}
        for step in later:
            gates = [g for g in self._gates() if self._above(g, step)]
            closed = [g for g in gates if not any(g == a or self._above(g, a) for a in after)]
            last = [g for g in closed if not any(self._above(g, other) for other in closed)]
            found.update(dict.fromkeys(last or [step]))
        return list(found)

    def _gates_open(self, after: list[str]) -> list[str]:
        """The next gate that does not stand before the steps `after`, for a part that is named
        last but still belongs to what is decided on."""
        for gate in self._gates() if after else ():
            passed = any(gate == a or self._above(gate, a) for a in after)
            if not passed and all(self._above(a, gate) for a in after):
                return [gate]
        return []

    def _gates(self) -> list[str]:
        return [step.id for step in self.steps.values() if step.gate]

    def _insert(self, part: Part, name: str, after: list[str], targets: list[str]) -> None:
        template = self.part or Step(id=_PART, title="", done="it is as the goal says")
        if not after and not targets:
            after = list(self.needs.get(_PART, ()))
            after += [
                self.anchors[p]
                for p in self.anchors
                if p in self.loose and p.turn < part.turn and self.anchors[p] not in after
            ]
            targets = [s for s, needs in self.needs.items() if _PART in needs]
            after = [a for a in after if a in self.needs]
            self._sit(name, before=_PART)
        elif after and set(after) & set(self.needs.get(_PART, ())):
            self._sit(name, before=_PART)
        elif after:
            self._sit(name, behind=after)
        else:
            self._sit(name, before=min(targets, key=self._rank))
        self.steps[name] = replace(
            template, id=name, title=_literal(part.text), each="", chain=False, needs=(), says=""
        )
        self.needs[name] = after
        self.said.setdefault(name, []).append(part.said or part.text)
        self.anchors[part] = name
        waiting = [s for s, needs in self.needs.items() if _PART in needs and s != name]
        for target in [*targets, *waiting]:
            self._wait(target, name)

    def _wait(self, step: str, need: str) -> None:
        """`step` waits for `need`, unless that would go in a circle."""
        if need not in self.needs[step] and step != need and not self._above(step, need):
            self.needs[step].append(need)

    def order_turns(self) -> None:
        """What the goal parts by "then" is in order, where the method leaves that open."""
        turns = sorted({part.turn for part in self.anchors})
        for before, then in pairwise(turns):
            for a in [s for p, s in self.anchors.items() if p.turn == before]:
                for b in [s for p, s in self.anchors.items() if p.turn == then]:
                    if a != b and not self._above(a, b):
                        self._wait(b, a)

    def _above(self, first: str, then: str) -> bool:
        """Whether `then` waits for `first`, by whatever way."""
        seen, todo = set(), list(self.needs.get(then, ()))
        while todo:
            step = todo.pop()
            if step == first:
                return True
            if step not in seen:
                seen.add(step)
                todo += self.needs.get(step, ())
        return False

    def _rank(self, step: str) -> int:
        order = [name for _, names in self.stories for name in names]
        return order.index(step)

    def _sit(self, name: str, before: str = "", behind: Iterable[str] = ()) -> None:
        last = max(behind, key=self._rank, default=before)
        for _, names in self.stories:
            if last in names:
                names.insert(names.index(last) + (0 if before else 1), name)
                return
        self.stories[-1][1].append(name)

    def method(self) -> Method:
        """The method as it is now; needs keep naming `part` nowhere."""
        steps = {}
        for name, step in self.steps.items():
            needs = [need for need in self.needs[name] if need != step.pairs]
            if _PART in needs:
                needs += [need for need in self.needs[_PART] if need not in needs]
            steps[name] = replace(step, needs=tuple(need for need in needs if need != _PART))
        stories = tuple(
            StoryTemplate(title, tuple(steps[name] for name in names if name in steps))
            for title, names in self.stories
        )
        return replace(self.whole, stories=stories)


def _finds(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _unused(name: str, taken: Iterable[str]) -> str:
    base, count, known = name, 2, set(taken)
    while name in known:
        name, count = f"{base[:17]}_{count}", count + 1
    return name
