"""Machines of XState 4, said as XState 5 says them.

    cond                              guard
    on: {"": ...}                     always
    in: "#a.b"                        a guard `in #a.b`
    activities                        invoke
    {target: "b"}, external           {target: "b", reenter: true}, which `internal: true` is not
    done.invoke.ID, done.state.ID     xstate.done.actor.ID, xstate.done.state.ID

Source: https://stately.ai/docs/migration
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["older", "renewed"]

_ROOT = ("predictableActionArguments", "preserveActionOrder", "schema", "strict", "tsTypes")
_WAY = ("cond", "in", "internal")
_EVENTS = {
    "done.invoke.": "xstate.done.actor.", "error.platform.": "xstate.error.actor.",
    "done.state.": "xstate.done.state.",
}  # fmt: skip


def older(config: Mapping[str, Any]) -> list[str]:
    """The words in a machine that only XState 4 has; none in one of XState 5."""
    found = [word for word in _ROOT if word in config]
    for state in _states(config):
        if "activities" in state:
            found.append("activities")
        on = state.get("on")
        if isinstance(on, Mapping):
            found += ['""' for event in on if event == ""]
            found += [e for e in on if isinstance(e, str) and e.startswith(tuple(_EVENTS))]
        for way in _ways(state):
            found += [word for word in _WAY if word in way]
    return list(dict.fromkeys(found))


def _states(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    todo = [config]
    while todo:
        state = todo.pop(0)
        yield state
        inner = state.get("states")
        if isinstance(inner, Mapping):
            todo += [one for one in inner.values() if isinstance(one, Mapping)]


def _ways(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What is said of transitions in a state."""
    said = [state.get("always"), state.get("onDone")]
    for place in ("on", "after"):
        inner = state.get(place)
        said += list(inner.values()) if isinstance(inner, Mapping) else []
    for one in said:
        yield from (way for way in _many(one) if isinstance(way, Mapping))


def renewed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The machine as XState 5 would say it."""
    state = dict(config)
    if isinstance(state.get("on"), Mapping):
        on = {_event(event): _all(said) for event, said in state["on"].items()}
        at_once = on.pop("", None)
        if at_once is not None:
            state["always"] = [*_many(at_once), *_many(_all(state.get("always")))]
        elif "always" in state:
            state["always"] = _all(state["always"])
        state["on"] = on
    elif "always" in state:
        state["always"] = _all(state["always"])
    if isinstance(state.get("after"), Mapping):
        state["after"] = {delay: _all(said) for delay, said in state["after"].items()}
    if "onDone" in state:
        state["onDone"] = _all(state["onDone"])
    started = [
        {"src": one} if isinstance(one, str) else one for one in _many(state.get("activities"))
    ]
    if started:
        state["invoke"] = [*_many(state.get("invoke")), *started]
    if isinstance(state.get("states"), Mapping):
        state["states"] = {
            key: renewed(inner) if isinstance(inner, Mapping) else inner
            for key, inner in state["states"].items()
        }
    return state


def _event(event: str) -> str:
    for before, now in _EVENTS.items():
        if event.startswith(before):
            return now + event.removeprefix(before)
    return event


def _all(said: Any) -> Any:
    return [_way(one) for one in said] if isinstance(said, list) else _way(said)


def _way(said: Any) -> Any:
    """One transition: in XState 4 it leaves its state and enters it anew, unless it is internal."""
    if isinstance(said, str):
        said = {"target": said}
    if not isinstance(said, Mapping):
        return said
    way = dict(said)
    guards = [way.pop("cond")] if "cond" in way else []
    if "in" in way:
        guards.append(f"in {way.pop('in')}")
    if guards:
        way["guard"] = guards[0] if len(guards) == 1 else " and ".join(map(_name, guards))
    targets = [one for one in _many(way.get("target")) if isinstance(one, str)]
    inside = bool(targets) and all(one.startswith(".") for one in targets)
    if targets and not way.pop("internal", inside):
        way["reenter"] = True
    return way


def _name(guard: Any) -> str:
    return str(guard.get("type", "?")) if isinstance(guard, Mapping) else str(guard)


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
