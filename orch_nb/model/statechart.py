"""A statechart: states within states, side by side where they are parallel, and what leads from one
to another. A value, and pure: `step` gives the configuration after an event and changes nothing.

    chart = read_chart({"id": "door", "initial": "shut", "states": {
        "shut": {"on": {"OPEN": "open"}}, "open": {"on": {"SHUT": "shut"}}}})
    here = chart.begin()                    # Configuration({"door", "door.shut"})
    chart.step(here, "OPEN").states         # {"door", "door.open"}

A step runs to completion, as in SCXML and XState: transitions of the event, inner states first, one
for each parallel region; then whatever follows without an event from outside: `always`, and the
ends of compound states (`xstate.done.state.ID`). Delays are events (`xstate.after.MS.ID`) that
somebody sends. A guard is a name: whether it holds is asked of the caller.

Sources: https://www.w3.org/TR/scxml/ (appendix D); https://stately.ai/docs/machines
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from orch_nb.model.view import View

__all__ = ["Configuration", "GuardUnknown", "Holds", "State", "Statechart", "Transition"]

_NOTHING: frozenset[str] = frozenset()


class GuardUnknown(ValueError):
    """A step depends on a guard, and nobody said whether it holds."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: atomic, compound, parallel, final or history. `initial`: where it is entered (of a
    history state: where there is none yet). `does`: what it invokes."""

    id: str
    key: str
    kind: str = "atomic"
    parent: str | None = None
    children: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()
    deep: bool = False
    label: str = ""
    does: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """From `source` at `event` ("": at once) to `targets` (none: nothing is left), where `guard`
    holds. `reenter`: the source is left and entered anew."""

    source: str
    event: str
    targets: tuple[str, ...] = ()
    guard: str = ""
    reenter: bool = False
    actions: tuple[str, ...] = ()


class Configuration(msgspec.Struct, frozen=True):
    """The states that a chart is in, ancestors included; what history remembers; whether it has
    ended."""

    states: frozenset[str] = _NOTHING
    history: tuple[tuple[str, frozenset[str]], ...] = ()
    done: bool = False


Holds = Callable[[str], bool]


class Statechart(msgspec.Struct, frozen=True, dict=True):
    """States in the order of the document, the first being the root; transitions likewise."""

    states: tuple[State, ...]
    transitions: tuple[Transition, ...]

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("statechart.show").__get__(self, Statechart)

    @functools.cached_property
    def by_id(self) -> dict[str, State]:
        return {state.id: state for state in self.states}

    @functools.cached_property
    def place(self) -> dict[str, int]:
        return {state.id: n for n, state in enumerate(self.states)}

    @functools.cached_property
    def leaving(self) -> dict[str, dict[str, list[Transition]]]:
        found: dict[str, dict[str, list[Transition]]] = {}
        for transition in self.transitions:
            by_event = found.setdefault(transition.source, {})
            by_event.setdefault(transition.event, []).append(transition)
        return found

    @property
    def root(self) -> State:
        return self.states[0]

    @property
    def events(self) -> tuple[str, ...]:
        """What may come from outside, in the order of the document; of states' ends and `always`
        nobody tells."""
        every = dict.fromkeys(transition.event for transition in self.transitions)
        return tuple(e for e in every if e and not e.startswith("xstate.done.state."))

    def ancestors(self, state: str) -> tuple[str, ...]:
        """The states around one, the nearest first."""
        found = []
        parent = self.by_id[state].parent
        while parent is not None:
            found.append(parent)
            parent = self.by_id[parent].parent
        return tuple(found)

    def entered(self, state: str) -> tuple[str, ...]:
        """The atomic states that entering one leads to, history apart."""
        here = self.by_id[state]
        inner = here.children if here.kind == "parallel" else here.initial
        if here.kind in ("atomic", "final") or not inner:
            return (state,)
        return tuple(leaf for child in inner for leaf in self.entered(child))

    # -- going

    def begin(self, holds: Holds | None = None) -> Configuration:
        """Where the chart starts. Raises GuardUnknown."""
        from orch_nb.model.statechart_step import Going  # which knows of charts

        going = Going(self, Configuration(), holds)
        going.enter_first()
        return going.settle()

    def step(
        self, configuration: Configuration, event: str, holds: Holds | None = None
    ) -> Configuration:
        """The configuration after an event, run to completion; the same one where nothing takes
        the event. `holds` says whether a guard does. Raises GuardUnknown."""
        from orch_nb.model.statechart_step import Going

        if configuration.done:
            return configuration
        going = Going(self, configuration, holds)
        taken = going.enabled(event)
        if not taken:
            return configuration
        going.take(taken)
        return going.settle()

    def standing(self, configuration: Configuration) -> Standing:
        """The chart with the states that are active marked; it shows itself."""
        return Standing(self, configuration)

    def takes(
        self, configuration: Configuration, event: str, holds: Holds | None = None
    ) -> tuple[Transition, ...]:
        """The transitions that an event would take. Raises GuardUnknown."""
        from orch_nb.model.statechart_step import Going

        return () if configuration.done else tuple(Going(self, configuration, holds).enabled(event))

    def value(self, configuration: Configuration) -> Any:
        """The configuration as XState writes it: "a", {"a": "b"}, {"p": {"x": "a", "y": "b"}}."""

        def inside(state: State) -> Any:
            active = [self.by_id[c] for c in state.children if c in configuration.states]
            if state.kind == "parallel":
                return {child.key: inside(child) for child in active}
            if not active:
                return {}
            (child,) = active
            return {child.key: inside(child)} if child.children else child.key

        return inside(self.root)


class Standing(msgspec.Struct, frozen=True):
    """A chart, and where a machine of it stands."""

    chart: Statechart
    here: Configuration

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("standing.show").__get__(self, Standing)
