"""A statechart as a plan, where it does not go round: its innermost states are tasks, and a state
needs those from which a transition leads to it.

    a ──NEXT──► b            b needs a
    p: x │ y  ──done──► c    c needs the last states of both regions
    a ──ERROR──► c           c runs when a failed
    a ──X──► b, ──Y──► c     one of the two there, both here: told

A compound state of the outermost level is a story. What goes round is no plan: then there are no
tasks, and what goes round is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from orch_nb.graph.topology import find_cycles
from orch_nb.model.plan import Plan, Story
from orch_nb.model.statechart import State, Statechart, Transition
from orch_nb.model.task import Task, TriggerRule
from orch_nb.model.translation import Loss

__all__ = ["planned"]

_FAILS = re.compile(
    r"xstate\.error\.|"
    r"(?:.*[._\- ])?(?:error|err|fail|failed|failure|reject|rejected|abort|timeout)$",
    re.IGNORECASE,
)  # fmt: skip
_INNER = ("xstate.done.", "xstate.error.", "xstate.after.")


def planned(chart: Statechart) -> tuple[Plan, tuple[Loss, ...]]:
    """The plan and what it cannot say."""
    return _Planner(chart).plan()


class _Planner:
    def __init__(self, chart: Statechart) -> None:
        self._chart = chart
        self.losses: list[Loss] = []
        #: For each innermost state: from which others it is entered, and by which transition.
        self._into: dict[str, list[tuple[str, Transition]]] = {}
        for state in chart.states:
            if not state.children and state.kind != "history":
                self._into[state.id] = []

    def plan(self) -> tuple[Plan, tuple[Loss, ...]]:
        goal = self._chart.root.label or f"The machine {self._chart.root.id}"
        for transition in self._chart.transitions:
            self._add(transition)
        edges = {state: tuple(o for o, _ in into) for state, into in self._into.items()}
        cycles = list(find_cycles({s: tuple(dict.fromkeys(o)) for s, o in edges.items()}))
        if cycles:
            for cycle in cycles:
                path = " → ".join([*reversed(cycle), cycle[-1]])
                why = f"`{path}` goes round, and a plan does not: see `chart`, which has all of it"
                self.losses.append(Loss("cycle", why, severity="changed"))
            return Plan(goal=goal), tuple(self.losses)
        reached = self._reached(edges)
        names = self._names(reached)
        tasks = [self._task(state, names) for state in names]
        self._choices(names)
        stories = tuple(
            Story(id=state.key, title=state.label)
            for state in map(self._chart.by_id.__getitem__, self._chart.root.children)
            if state.children and any(task.story == state.key for task in tasks)
        )
        return Plan(goal=goal, tasks=tuple(tasks), stories=stories), tuple(self.losses)

    def _lose(self, what: str, why: str, state: str = "", severity: str = "dropped") -> None:
        self.losses.append(Loss(what, why, state, severity=severity))

    # -- what leads where

    def _add(self, transition: Transition) -> None:
        source = self._chart.by_id[transition.source]
        if transition.guard:
            why = f"whether `{transition.guard}` holds is not asked: {_words(transition)}"
            self._lose("guard", why, source.key)
        if transition.actions:
            self._lose("actions", f"{', '.join(transition.actions)[:80]}: not done", source.key)
        if not transition.targets:
            return
        sources = self._sources(source, transition.event)
        for target in transition.targets:
            if self._chart.by_id[target].kind == "history":
                self._lose("history", "what it remembers is where it goes: it is a way back",
                           source.key, "changed")  # fmt: skip
                inside = self._chart.by_id[target].parent or self._chart.root.id
                entered = self._chart.entered(inside)
            else:
                entered = self._chart.entered(target)
            for leaf in entered:
                self._into[leaf] += [(state, transition) for state in sources]

    def _sources(self, source: State, event: str) -> list[str]:
        """The innermost states from which a transition of a state may be taken."""
        if not source.children:
            return [source.id]
        if event == f"xstate.done.state.{source.id}":
            ends = self._ends(source)
            if not ends:
                self._lose("onDone", f"`{source.key}` has no final state, so it never is done",
                           source.key)  # fmt: skip
            return ends
        inside = [s for s in self._into if source.id in self._chart.ancestors(s)]
        why = f"`{event}` may come anywhere in `{source.key}`: here it comes after all of it"
        self._lose("compound", why, source.key, "changed")
        return inside

    def _ends(self, state: State) -> list[str]:
        """The final states by which a compound or parallel state is done."""
        if state.kind == "parallel":
            inner = [self._chart.by_id[child] for child in state.children]
            return [end for child in inner for end in self._ends(child)]
        return [c for c in state.children if self._chart.by_id[c].kind == "final"]

    def _reached(self, edges: dict[str, tuple[str, ...]]) -> set[str]:
        """The innermost states that are ever entered; others are told."""
        found = set(self._chart.entered(self._chart.root.id))
        after: dict[str, list[str]] = {}
        for state, before in edges.items():
            for other in before:
                after.setdefault(other, []).append(state)
        todo = list(found)
        while todo:
            for state in after.get(todo.pop(), ()):
                if state not in found:
                    found.add(state)
                    todo.append(state)
        for state in edges:
            if state not in found:
                self._lose("unreachable", "nothing leads to it", self._chart.by_id[state].key)
        return found

    # -- tasks

    def _names(self, states: Iterable[str]) -> dict[str, str]:
        """The name of each state's task, in the order of the document: its key where that is its
        own, else with those around it."""
        ordered = sorted(states, key=self._chart.place.__getitem__)
        found: dict[str, str] = {}
        keys = Counter(self._chart.by_id[state].key for state in ordered)
        taken: set[str] = set()
        for state in ordered:
            key = self._chart.by_id[state].key
            if keys[key] > 1 or not key.strip():
                around = [self._chart.by_id[a].key for a in self._chart.ancestors(state)[:-1]]
                key = ".".join([*reversed(around), key])
            key = key.strip() or state
            while key in taken:
                key += "_"
            taken.add(key)
            found[state] = key
        return found

    def _task(self, state: str, names: dict[str, str]) -> Task:
        here = self._chart.by_id[state]
        into = [(other, t) for other, t in self._into[state] if other in names]
        needs = tuple(dict.fromkeys(names[other] for other, _ in into if other != state))
        name = names[state]
        return Task(
            id=name, description=here.label, needs=needs, story=self._story(state),
            trigger=self._trigger(name, [t for _, t in into]), **self._does(here, name),
        )  # fmt: skip

    def _story(self, state: str) -> str | None:
        around = self._chart.ancestors(state)
        if len(around) > 2:
            self._lose("nesting", "a story has no stories within", self._chart.by_id[state].key,
                       "note")  # fmt: skip
        return self._chart.by_id[around[-2]].key if len(around) > 1 else None

    def _trigger(self, name: str, into: list[Transition]) -> TriggerRule:
        bad = [t for t in into if _FAILS.match(t.event)]
        if bad and len(bad) < len(into):
            why = "it follows failures and successes: here it runs when all before it have ended"
            self._lose("trigger", why, name, "changed")
            return TriggerRule.ALL_DONE
        return TriggerRule.ONE_FAILED if bad else TriggerRule.ALL_SUCCESS

    def _does(self, state: State, name: str) -> dict[str, Any]:
        """What a state's task does: what it invokes; else a person sends what it waits for."""
        if state.actions:
            self._lose("actions", f"{', '.join(state.actions)[:80]}: not done", name)
        if state.does:
            if len(state.does) > 1:
                self._lose("invoke", f"only the first of {', '.join(state.does)} is done", name)
            return {"run": state.does[0]}
        leaving = [t for t in self._chart.transitions if t.source == state.id]
        for transition in leaving:
            if transition.event.startswith("xstate.after."):
                delay = transition.event.split(".")[2]
                self._lose("after", f"a wait of {delay} ms", name)
        awaited = dict.fromkeys(
            t.event for t in leaving if t.event and not t.event.startswith(_INNER)
        )
        return {"todo": " or ".join(awaited)} if awaited else {}

    def _choices(self, names: dict[str, str]) -> None:
        """Where a chart goes one way or another, and the plan goes both."""
        ways: dict[str, dict[str, set[str]]] = {}
        for state, name in names.items():
            for other, transition in self._into[state]:
                if other in names and not _FAILS.match(transition.event):
                    way = f"{transition.event} {transition.guard} {transition.targets}"
                    ways.setdefault(other, {}).setdefault(way, set()).add(name)
        for state, by_event in ways.items():
            if len(by_event) > 1:
                listed = " or ".join(
                    f"`{', '.join(sorted(targets))}`" for targets in by_event.values()
                )
                why = f"it leads to {listed} there; here all of them follow"
                self._lose("choice", why, names[state], "changed")
        for state, name in names.items():
            ways_in = {(t.source, t.event, t.guard) for o, t in self._into[state] if o in names}
            if len(ways_in) > 1:
                why = "one of the ways to it is enough there; here it waits for all of them"
                self._lose("join", why, name, "changed")


def _words(transition: Transition) -> str:
    event = transition.event or "at once"
    return f"`{event}` goes on to {', '.join(transition.targets) or 'itself'} without"
