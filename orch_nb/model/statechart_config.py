"""A statechart from the notation of XState: nested objects, as its machines are written in JSON.

    read_chart({"id": "light", "initial": "green", "states": {
        "green": {"after": {"3000": "red"}}, "red": {"on": {"GO": "green"}}}})

What is no JSON (a function in a script) comes as a value whose text stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orch_nb.model.statechart import State, Statechart, Transition

__all__ = ["ChartError", "read_chart"]

_DEEPEST = 60


class ChartError(ValueError):
    """What is no statechart, and where."""


def read_chart(config: Mapping[str, Any]) -> Statechart:
    """The chart of a machine's configuration. Raises ChartError."""
    if not isinstance(config, Mapping) or not isinstance(config.get("states", {}), Mapping):
        raise ChartError("a machine is an object with `states`")
    reader = _Reader(config)
    return Statechart(tuple(reader.states.values()), tuple(reader.transitions()))


class _Reader:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._configs: dict[str, Mapping[str, Any]] = {}
        self._parents: dict[str, str | None] = {}
        self._paths: dict[str, str] = {}
        self._children: dict[str, dict[str, str]] = {}
        root = str(config.get("id") or "(machine)")
        self._put(root, root, None, config, 0)
        self._root = root
        self.states = {name: self._state(name) for name in self._configs}
        for name in self.states:
            self._remembers(name, ())

    def _remembers(self, name: str, before: tuple[str, ...]) -> None:
        """Raises ChartError for a history state that leads to itself as long as it is empty."""
        state = self.states[name]
        if state.kind != "history" or state.parent is None:
            return
        if name in before:
            raise ChartError(f"history `{name}` has nothing to start with but itself")
        for other in state.initial or self.states[state.parent].initial:
            self._remembers(other, (*before, name))

    def _put(
        self, key: str, path: str, parent: str | None, config: Mapping[str, Any], deep: int
    ) -> None:
        name = str(config.get("id") or path)
        if name in self._configs:
            raise ChartError(f"two states have the id `{name}`")
        if deep > _DEEPEST:
            raise ChartError("its states are nested too deep")
        self._configs[name], self._parents[name], self._paths[name] = config, parent, key
        self._children[name] = {}
        inner = config.get("states") or {}
        if not isinstance(inner, Mapping):
            raise ChartError(f"`states` of `{name}` is {_shown(inner)}, not an object")
        if "..." in config:
            raise ChartError(f"what `{name}` has is worked out: {_shown(config)}")
        for child, said in inner.items():
            if child == "..." or not isinstance(said, Mapping | None):
                raise ChartError(
                    f"state `{child}` of `{name}` is {_shown(said)}, which is worked out"
                )
            if not child:
                raise ChartError(f"a state of `{name}` has no name")
            under = f"{path}.{child}"
            while under in self._configs:  # `a.b`, a key with a dot in it, and `b` in `a`
                under += "_"
            found = str((said or {}).get("id") or under)
            self._children[name][str(child)] = found
            self._put(str(child), under, name, said or {}, deep + 1)

    def _state(self, name: str) -> State:
        config, children = self._configs[name], self._children[name]
        kind = config.get("type")
        if kind is None:
            kind = "compound" if children else "history" if config.get("history") else "atomic"
        if kind not in ("atomic", "compound", "parallel", "final", "history"):
            raise ChartError(f"`{name}` is of no type that there is: {_shown(kind)}")
        if children and kind not in ("compound", "parallel"):
            raise ChartError(f"`{name}` is {kind} and has states")
        initial = config.get("initial")
        if isinstance(initial, Mapping):
            initial = initial.get("target")
        if kind == "compound":
            if initial is None:
                raise ChartError(f"`{name}` has no `initial` state")
            entered = self._targets(initial, name, within=True)
            if not entered or any(name not in self._around(one) for one in entered):
                raise ChartError(f"`initial` of `{name}` is {_shown(initial)}, which is not in it")
        elif kind == "history":
            target = config.get("target")
            entered = () if target is None else self._targets(target, name)
        else:
            entered = ()
        return State(
            id=name, key=self._paths[name], kind=kind, parent=self._parents[name],
            children=tuple(children.values()), initial=entered,
            deep=config.get("history") == "deep", label=str(config.get("description") or ""),
            does=tuple(_said(invoked, "src") for invoked in _many(config.get("invoke"))),
            actions=tuple(
                _said(action, "type")
                for place in ("entry", "exit")
                for action in _many(config.get(place))
            ),
        )  # fmt: skip

    def _around(self, name: str) -> Iterator[str]:
        parent = self._parents[name]
        while parent is not None:
            yield parent
            parent = self._parents[parent]

    # -- targets

    def _targets(self, said: Any, source: str, *, within: bool = False) -> tuple[str, ...]:
        return tuple(self._target(one, source, within) for one in _many(said))

    def _target(self, said: Any, source: str, within: bool) -> str:
        if not isinstance(said, str):
            raise ChartError(f"`{source}` leads to {_shown(said)}, which is worked out")
        around: str | None = source
        if said.startswith("#"):
            around, path = self._by_id(said[1:])
        elif said.startswith(".") or within:
            path = said.removeprefix(".")
        else:
            around, path = self._parents[source] or source, said
        found = None if around is None else self._down(around, path)
        if found is None:
            raise ChartError(f"`{source}` leads to `{said}`, which is no state")
        return found

    def _down(self, around: str, path: str) -> str | None:
        """The state that a path leads to; a dot in a key is written with a backslash before it."""
        if not path:
            return around
        found: str | None = around
        for key in _path(path):
            found = self._children.get(found or "", {}).get(key)
        return found or self._children[around].get(path)  # a key with dots, as it stands

    def _by_id(self, said: str) -> tuple[str | None, str]:
        name, *keys = _path(said)
        if name in self._configs:
            return name, ".".join(map(_escaped, keys))
        return (said, "") if said in self._configs else (None, "")

    # -- transitions

    def transitions(self) -> Iterator[Transition]:
        for name, config in self._configs.items():
            for event, said in _object(config.get("on"), name).items():
                # What is `undefined` is forbidden: taken here, and nothing comes of it.
                yield from self._of(name, event, {} if said is None else said)
            yield from self._of(name, f"xstate.done.state.{name}", config.get("onDone"))
            for n, invoked in enumerate(_many(config.get("invoke"))):
                if not isinstance(invoked, str):
                    _object(invoked, name)
                    called = str(invoked.get("id") or f"{n}.{name}")
                    yield from self._of(name, f"xstate.done.actor.{called}", invoked.get("onDone"))
                    yield from self._of(
                        name, f"xstate.error.actor.{called}", invoked.get("onError")
                    )
                    yield from self._of(
                        name, f"xstate.snapshot.{called}", invoked.get("onSnapshot")
                    )
            for delay, said in _object(config.get("after"), name).items():
                yield from self._of(name, f"xstate.after.{delay}.{name}", said)
            yield from self._of(name, "", config.get("always"))
            yield from self._route(name, config)

    def _route(self, name: str, config: Mapping[str, Any]) -> Iterator[Transition]:
        """From anywhere to a state with `route`, by the event `xstate.route` that names it."""
        route = config.get("route")
        if isinstance(route, Mapping) and config.get("id"):
            asked = f"to #{name}"
            if "guard" in route:
                asked += f" and {_said(route['guard'], 'type')}"
            way = {**route, "target": f"#{_escaped(name)}", "guard": asked}
            yield from self._of(self._root, "xstate.route", way)

    def _of(self, source: str, event: str, said: Any) -> Iterator[Transition]:
        for one in _many(said):
            if isinstance(one, str):
                yield Transition(source=source, event=event, targets=self._targets(one, source))
            elif isinstance(one, Mapping) and "..." not in one:
                guard = one.get("guard", one.get("cond"))
                yield Transition(
                    source=source, event=event,
                    targets=self._targets(one.get("target"), source),
                    guard="" if guard is None else _said(guard, "type"),
                    reenter=one.get("reenter") is True,
                    actions=tuple(_said(action, "type") for action in _many(one.get("actions"))),
                )  # fmt: skip
            else:
                at = f"at `{event}`" if event else "at once"
                raise ChartError(f"what `{source}` does {at} is worked out: {_shown(one)}")


def _path(text: str) -> list[str]:
    """The keys in a path: a backslash takes the character after it as it is."""
    keys = [""]
    characters = iter(text)
    for character in characters:
        if character == ".":
            keys.append("")
        else:
            keys[-1] += next(characters, "") if character == "\\" else character
    return keys


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.")


def _object(value: Any, of: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or "..." in value:
        raise ChartError(f"what `{of}` does is worked out: {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value in an error: of an object what is spread into it, else its text."""
    if isinstance(value, Mapping) and "..." in value:
        return ", ".join(f"`...{one}`" for one in _many(value["..."]))
    text = str(value)
    return f"`{text}`" if len(text) <= 80 else f"`{text[:79]}…`"


def _many(value: Any) -> list[Any]:
    """One, several or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _said(value: Any, key: str) -> str:
    """The name of an action, a guard or an actor."""
    if isinstance(value, Mapping):
        value = value.get(key, "?")
    return str(value)
