"""A statechart: states within states, side by side where they are parallel, and what leads from one
to another. A value, and pure: `step` gives the configuration after an event and changes nothing.

    chart = read_chart({"id": "door", "initial": "shut", "states": {
        "shut": {"on": {"OPEN": "open"}}, "open": {"on": {"SHUT": "shut"}}}})
    here = chart.begin()                    # Configuration({"door", "door.shut"})
    chart.step(here, "OPEN").states         # {"door", "door.open"}
    chart.at().send("OPEN")                 # the same for a notebook: shows where it stands

A step runs to completion, as in SCXML and XState: transitions of the event, inner states first, one
for each parallel region; then whatever follows without an event from outside: `always`, and the
ends of compound states (`xstate.done.state.ID`). Delays are events (`xstate.after.MS.ID`) that
somebody sends. A guard is a name: whether it holds is asked of the caller.

Sources: https://www.w3.org/TR/scxml/ (appendix D); https://stately.ai/docs/machines
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from orch_nb.model.view import View

__all__ = [
    "Configuration", "GuardUnknown", "Holds", "Standing", "State", "Statechart", "Transition",
    "UnknownEvent",
]  # fmt: skip

_NOTHING: frozenset[str] = frozenset()


class GuardUnknown(ValueError):
    """A step depends on a guard, and nobody said whether it holds."""


class UnknownEvent(ValueError):
    """An event that nothing in a chart listens to, in any state."""


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

    #: A row a transition: source, event, guard, targets, reenter, actions.
    df = View("statechart.df")

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
        return self._above[state]

    @functools.cached_property
    def _above(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for state in self.states:  # those around come before those within
            parent = state.parent
            found[state.id] = () if parent is None else (parent, *found[parent])
        return found

    def entered(self, state: str) -> tuple[str, ...]:
        """The atomic states that entering one leads to; a history state to what it leads to as long
        as it remembers nothing."""
        return tuple(dict.fromkeys(self._leaves(state, frozenset())))

    def _leaves(self, state: str, seen: frozenset[str]) -> Iterator[str]:
        here = self.by_id[state]
        if state in seen or here.kind in ("atomic", "final"):
            if here.kind != "history":
                yield state
            return
        inner = here.initial
        if here.kind == "parallel":
            inner = tuple(c for c in here.children if self.by_id[c].kind != "history")
        elif here.kind == "history" and not inner and here.parent is not None:
            inner = (here.parent,)
        if not inner:
            yield state
        for child in inner:
            yield from self._leaves(child, seen | {state})

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

    def takes(
        self, configuration: Configuration, event: str, holds: Holds | None = None
    ) -> tuple[Transition, ...]:
        """The transitions that an event would take. Raises GuardUnknown."""
        from orch_nb.model.statechart_step import Going

        return () if configuration.done else tuple(Going(self, configuration, holds).enabled(event))

    def at(self, here: Configuration | None = None, holds: Holds | None = None) -> Standing:
        """The chart where it stands (at its beginning): drawn so, and stepped by `send`. Raises
        GuardUnknown."""
        return Standing(self, self.begin(holds) if here is None else here, holds)

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
    """A chart and where it stands: `send` gives the next one, `standing["OPEN"]` is the same and
    completes the events that may come."""

    chart: Statechart
    here: Configuration
    holds: Holds | None = None

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("statechart.at").__get__(self, Standing)

    @property
    def value(self) -> Any:
        """Where it stands, as XState writes it."""
        return self.chart.value(self.here)

    @property
    def done(self) -> bool:
        return self.here.done

    @property
    def events(self) -> tuple[str, ...]:
        """What it listens to here, whether or not a guard lets it pass."""
        heard = {t.event for t in self.chart.transitions if t.source in self.here.states}
        return () if self.done else tuple(e for e in self.chart.events if e in heard)

    def send(self, event: str, holds: Holds | None = None) -> Standing:
        """Where it stands after an event; where it stood, if nothing takes it here. Raises
        UnknownEvent for one that nothing takes anywhere, GuardUnknown."""
        if not any(event_matches(known, event) for known in self.chart.events):
            raise UnknownEvent(
                f"Nothing in `{self.chart.root.id}` listens to `{event}`. There are: "
                f"{', '.join(self.chart.events) or 'no events'}."
            )
        asked = holds or self.holds
        return Standing(self.chart, self.chart.step(self.here, event, asked), asked)

    def __getitem__(self, event: str) -> Standing:
        return self.send(event)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.events)


def event_matches(descriptor: str, event: str) -> bool:
    """Whether an event is one that `descriptor` speaks of: its name, `a.*` or `*`."""
    if descriptor in (event, "*"):
        return True
    if not descriptor.endswith(".*"):
        return False
    parts = event.split(".")
    for n, wanted in enumerate(descriptor.split(".")):
        if wanted == "*":
            return n == descriptor.count(".")  # one that is not the last stands for nothing
        if n >= len(parts) or parts[n] != wanted:
            return False
    return True
