"""One step of a statechart, run to completion: the algorithm of SCXML, as XState 5 does it.

Which of several states that are entered or left comes first is the order of the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orch_nb.model.statechart import (
    Configuration,
    GuardUnknown,
    Holds,
    State,
    Statechart,
    Transition,
    event_matches,
)

__all__ = ["Going"]

_MOST_STEPS = 1000


class _Entries:
    """The states that a step enters, and those around them."""

    def __init__(self, chart: Statechart) -> None:
        self._chart = chart
        self.states: set[str] = set()
        self.around: set[str] = set()

    def add(self, state: str) -> None:
        self.states.add(state)
        self.around.update(self._chart.ancestors(state))


class Going:
    """One step under way."""

    def __init__(
        self, chart: Statechart, configuration: Configuration, holds: Holds | None
    ) -> None:
        self._chart, self._holds = chart, holds
        self._by_id, self._place = chart.by_id, chart.place
        self._leaving = chart.leaving
        self.states = set(configuration.states)
        self.history = dict(configuration.history)
        self.raised: list[str] = []
        self._noted = False  # whether a history was written, be it what it was
        self.done = configuration.done

    def settle(self) -> Configuration:
        """Whatever follows by itself."""
        moved = True
        for _ in range(_MOST_STEPS + 4 * len(self._by_id)):
            if self.done:
                break
            # What follows at once and leads nowhere else would do so for ever.
            taken = self.enabled("") if moved else []
            at_once = bool(taken)
            if not taken and not self.raised:
                break
            taken = taken or self.enabled(self.raised.pop(0))
            before, self._noted = set(self.states), False
            self.take(taken)
            moved = not at_once or self._noted or before != self.states
        else:
            raise ValueError("the chart goes round without an event from outside")
        history = tuple(sorted(self.history.items(), key=lambda pair: self._place[pair[0]]))
        return Configuration(frozenset(self.states), history, self.done)

    # -- which transitions

    def enabled(self, event: str) -> list[Transition]:
        found: list[Transition] = []
        leaves = [
            s for s in self._in_order(self.states)
            if not any(c in self.states for c in self._by_id[s].children)
        ]  # fmt: skip
        for leaf in leaves:
            for state in (leaf, *self._chart.ancestors(leaf)):
                chosen = self._of(state, event)
                if chosen is not None:
                    if chosen not in found:
                        found.append(chosen)
                    break
        # An ancestor's transition is not taken where a region inside it has one of its own.
        inner = {a for t in found for a in self._chart.ancestors(t.source)}
        return self._without_conflicts([t for t in found if t.source not in inner])

    def _of(self, state: str, event: str) -> Transition | None:
        leaving = self._leaving.get(state)
        if leaving is None:
            return None
        matching = (e for e in leaving if event and e != event and event_matches(e, event))
        wild = sorted(matching, key=len, reverse=True)
        candidates = [t for e in (event, *wild) for t in leaving.get(e, ())]
        return next((t for t in candidates if self._allows(t)), None)

    def _allows(self, transition: Transition) -> bool:
        if not transition.guard:
            return True
        if self._holds is None:
            raise GuardUnknown(
                f"whether `{transition.guard}` holds decides what `{transition.event}` does in "
                f"`{transition.source}`; say it with `holds`"
            )
        return self._holds(transition.guard)

    def _without_conflicts(self, found: list[Transition]) -> list[Transition]:
        """Of two that would leave a state in common the one of the inner source, else the first."""
        kept: list[Transition] = []
        for one in found:
            leaves = self._exits(one)
            clash = [other for other in kept if leaves & self._exits(other)]
            if all(other.source in self._chart.ancestors(one.source) for other in clash):
                kept = [other for other in kept if other not in clash] + [one]
        return kept

    # -- leaving and entering

    def _in_order(self, states: Iterable[str]) -> list[str]:
        return sorted(states, key=self._place.__getitem__)

    def _within(self, state: str, outer: str) -> bool:
        return outer in self._chart.ancestors(state)

    def _effective(self, targets: Iterable[str]) -> list[str]:
        """Targets, those of a history state being what it remembers."""
        found: list[str] = []
        for target in targets:
            state = self._by_id[target]
            if state.kind != "history":
                found.append(target)
            elif target in self.history:
                found += self._in_order(self.history[target])
            else:
                found += self._effective(self._default(state))
        return found

    def _default(self, history: State) -> tuple[str, ...]:
        if history.initial:
            return history.initial
        around = self._by_id[history.parent or self._chart.root.id]
        if around.kind == "parallel":
            return tuple(c for c in around.children if self._by_id[c].kind != "history")
        return around.initial

    def _domain(self, transition: Transition) -> str | None:
        """The innermost state that a transition stays in."""
        targets = self._effective(transition.targets)
        source = transition.source
        if not transition.reenter and all(t == source or self._within(t, source) for t in targets):
            return source
        for around in self._chart.ancestors(targets[0]):
            if all(self._within(other, around) for other in (*targets[1:], source)):
                return around
        return None if transition.reenter else self._chart.root.id

    def _exits(self, transition: Transition) -> set[str]:
        if not transition.targets:
            return set()
        domain = self._domain(transition)
        return {s for s in self.states if domain is None or self._within(s, domain)}

    def take(self, transitions: Sequence[Transition]) -> None:
        """All of them at once."""
        exits = {state for t in transitions for state in self._exits(t)}
        for state in exits:
            for child in self._by_id[state].children:
                if self._by_id[child].kind == "history":
                    self.history[child] = self._remembered(self._by_id[child], state)
                    self._noted = True
        entries = _Entries(self._chart)
        for transition in transitions:
            if transition.targets:
                domain = self._domain(transition)
                # A state that leads to itself and is not left is not entered: what is within it is.
                stays = transition.source if domain == transition.source else None
                self._enter(transition.targets, domain, entries, stays)
        self.states -= exits
        self._put(entries.states)

    def _remembered(self, history: State, around: str) -> frozenset[str]:
        if not history.deep:
            return frozenset(s for s in self.states if self._by_id[s].parent == around)
        inside = {s for s in self.states if self._within(s, around)}
        return frozenset(s for s in inside if not self.states.intersection(self._by_id[s].children))

    def enter_first(self) -> None:
        entries = _Entries(self._chart)
        self._down(self._chart.root.id, entries)
        self._put(entries.states)

    def _enter(
        self, targets: Iterable[str], domain: str | None, entries: _Entries,
        stays: str | None = None,
    ) -> None:  # fmt: skip
        found = self._effective(targets)
        if len(found) > 1:
            self._side_by_side(found)
        for target in found:
            self._down(target, entries, stays)
        for target in found:
            self._up(target, domain, entries)

    def _side_by_side(self, targets: Sequence[str]) -> None:
        """Raises ValueError where two targets cannot both be active."""
        for n, one in enumerate(targets):
            around = (one, *self._chart.ancestors(one))
            for other in targets[:n]:
                meet = next(a for a in (other, *self._chart.ancestors(other)) if a in around)
                if self._by_id[meet].kind != "parallel" and meet not in (one, other):
                    raise ValueError(f"`{one}` and `{other}` are never active at the same time")

    def _down(self, state: str, entries: _Entries, stays: str | None = None) -> None:
        """A state, but for one that stays, and what is entered within it."""
        if state != stays:
            entries.add(state)
        here = self._by_id[state]
        if here.kind == "compound":
            self._enter(here.initial, state, entries)
        elif here.kind == "parallel":
            self._regions(here, entries)

    def _up(self, state: str, domain: str | None, entries: _Entries) -> None:
        """The states around one, up to a domain, with the other regions of those in parallel."""
        if state == domain:
            return  # it stays: what is around it was never left
        for around in self._chart.ancestors(state):
            parallel = self._by_id[around].kind == "parallel"
            if around == domain:
                if parallel:
                    self._regions(self._by_id[around], entries)
                return
            entries.add(around)
            if parallel:
                self._regions(self._by_id[around], entries)

    def _regions(self, parallel: State, entries: _Entries) -> None:
        for child in parallel.children:
            if self._by_id[child].kind == "history":
                continue
            if child not in entries.states and child not in entries.around:
                self._down(child, entries)

    def _put(self, entries: Iterable[str]) -> None:
        """They are entered, outer ones first; ends are raised."""
        completed: set[str] = set()
        for state in self._in_order(entries):
            self.states.add(state)
            here = self._by_id[state]
            if here.kind != "final" or here.parent is None:
                continue
            parent = self._by_id[here.parent]
            around = parent if parent.kind == "parallel" else self._parent(parent)
            if parent.kind == "compound":
                self.raised.append(f"xstate.done.state.{parent.id}")
            while around is not None and around.kind == "parallel":
                if around.id in completed or not self._ended(around):
                    break
                completed.add(around.id)
                self.raised.append(f"xstate.done.state.{around.id}")
                around = self._parent(around)
        self.done = self._ended(self._chart.root)

    def _parent(self, state: State) -> State | None:
        return None if state.parent is None else self._by_id[state.parent]

    def _ended(self, state: State) -> bool:
        active = [self._by_id[c] for c in state.children if c in self.states]
        if state.kind == "compound":
            return any(child.kind == "final" for child in active)
        if state.kind == "parallel":
            regions = [c for c in state.children if self._by_id[c].kind != "history"]
            return len(active) == len(regions) and all(map(self._ended, active))
        return state.kind == "final"
