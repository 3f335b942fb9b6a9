"""The history of a run as a film: how each task stood after each event, and what mattered.

    film(history)      every change of a state, as numbers: for a slider
    frames(history)    at most eight moments, each with its states: for a strip of pictures

    0 s              2.4 s             3.4 s              11.6 s
    lint ▶ tests ▶   lint ✓ tests ↻    lint ✓ tests ▶     lint ✓ tests ✓ wheel ✗
    first tasks      `tests` fails     `tests` again      failed

It is folded by the fold that makes a `Run`, so a film cannot show what a run did not have. Only the
plan's own tasks are in it: an instance or a compensation is told by the task that it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.quantity import count, listed, number
from orch_nb.model.status import RunStatus, Status

__all__ = ["Change", "Film", "Frame", "film", "frames"]

_AT_ONCE = 0.002  # of the whole time: what happens within is one moment
_BURST = 0.04  # failures within are one moment too
_FEW = 4


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A task's state from a moment on: `at` in seconds since the run's start, `task` its place in
    `Film.tasks`. As JSON: `[2.4, 3, "backing_off", 1]`."""

    at: float
    task: int
    status: Status
    attempts: int


class Film(msgspec.Struct, frozen=True):
    """`tasks` are the ids of the plan's tasks, in its order; before their first change they are
    pending, with no attempt. `changes` are in the order in which they were committed."""

    tasks: tuple[str, ...]
    changes: tuple[Change, ...]
    duration_s: float

    def states(self, upto: int) -> list[tuple[Status, int]]:
        """How each task stood after the first `upto` changes: its status, and its attempts."""
        found = [(Status.PENDING, 0)] * len(self.tasks)
        for change in self.changes[:upto]:
            found[change.task] = (change.status, change.attempts)
        return found


class Frame(msgspec.Struct, frozen=True):
    """A moment that matters: `at` seconds after the start, what happened in words, names between
    backticks, and how each task of the plan then stood (status, attempts). `loud`: something
    happened that a plain run has not."""

    at: float
    caption: str
    states: dict[str, tuple[Status, int]]
    loud: bool = False


class _Moment(msgspec.Struct):
    """Something that happened: `weight` says how much it matters (9: always shown, 1: only where
    there is little else), `upto` how many changes there were when it was over."""

    at: float
    upto: int
    weight: int
    verb: str
    names: list[str]

    loud: bool = False

    @property
    def caption(self) -> str:
        several = len(set(self.names)) > 1
        return self.verb.format(
            names=listed([f"`{name}`" for name in dict.fromkeys(self.names)], 2),
            s="" if several else "s", es="" if several else "es", has="have" if several else "has",
        )  # fmt: skip


def film(history: Sequence[ev.Event]) -> Film:
    """Every change of a task's state. `history` begins with `RunStarted`; () gives no film."""
    took = _Take.of(history)
    return took.film if took is not None else Film((), (), 0.0)


def frames(history: Sequence[ev.Event], most: int = 8) -> tuple[Frame, ...]:
    """The moments that matter, in order, at most `most` (two or more): the first starts and the
    end, and between them what went wrong, what waited for a person, what was undone. A run in which
    little happened has marks on its way instead."""
    took = _Take.of(history)
    if took is None:
        return ()
    whole = took.film
    found: list[Frame] = []
    states: dict[str, tuple[Status, int]] = dict.fromkeys(whole.tasks, (Status.PENDING, 0))
    done = 0
    for moment in _chosen(_with_marks(took.moments, whole), most):
        for change in whole.changes[done : moment.upto]:
            states[whole.tasks[change.task]] = (change.status, change.attempts)
        done = moment.upto
        found.append(Frame(moment.at, moment.caption, dict(states), moment.loud))
    return tuple(found)


# -- one pass over the events --------------------------------------------------------------------


class _Take:
    """The film being taken: the run is folded, and after each event it is seen what changed."""

    def __init__(self, first: ev.RunStarted, total: float) -> None:
        self.moments: list[_Moment] = []
        self._state = RunState()
        self._began, self._total = first.at, max(total, 1e-9)
        self._ids = tuple(first.plan.by_id)
        self._place = {task: n for n, task in enumerate(self._ids)}
        self._now: list[tuple[Status, int]] = [(Status.PENDING, 0)] * len(self._ids)
        self._changes: list[Change] = []
        self._starting = True  # nothing has come of anything yet

    @classmethod
    def of(cls, history: Sequence[ev.Event]) -> _Take | None:
        first = history[0] if history else None
        if not isinstance(first, ev.RunStarted):
            return None
        took = cls(first, history[-1].at - first.at)
        for event in history:
            took._see(event)
        took._close()
        return took

    @property
    def film(self) -> Film:
        return Film(self._ids, tuple(self._changes), self._total)

    def _see(self, event: ev.Event) -> None:
        self._state.apply(event)
        at = max(0.0, event.at - self._began)
        for name in _touched(event, self._state):
            n = self._place.get(name)
            if n is None:
                continue
            task = self._state.tasks[name]
            stands = (task.status, task.tries)
            if stands != self._now[n]:
                self._now[n] = stands
                self._changes.append(Change(at, n, *stands))
        self._note(at, self._said(event))

    def _said(self, event: ev.Event) -> tuple[int, str, str] | None:
        """How much an event matters, and what it was, where it matters at all."""
        if isinstance(event, ev.AttemptStarted):
            if self._starting:
                return 9, "{names} start{s}", event.task
            if event.task in self._place or self._state.derived[event.task].index is not None:
                return None
            last = event.task == "on_failure"
            return 4, "{names} run{s}" if last else "{names} undo{es} what was done", event.task
        self._starting = self._starting and isinstance(event, _BEFORE)
        if isinstance(event, ev.Decided) and self._state.decisions[-1].verb == "tick":
            return 5, "{names} ticked as done", event.task
        return _said(event)

    def _note(self, at: float, said: tuple[int, str, str] | None) -> None:
        """A moment more, or more of the last one."""
        last = self.moments[-1] if self.moments else None
        apart = (at - last.at) / self._total if last is not None else 1.0
        if said is None:
            if last is not None and apart <= _AT_ONCE:
                last.upto = len(self._changes)
            return
        weight, verb, name = said
        within = _BURST if verb in (_FAILS, _GIVES_UP) else _AT_ONCE
        if last is not None and last.verb == verb and apart <= within:
            last.upto = len(self._changes)
            last.names.append(name)
        elif last is not None and verb == _GIVES_UP and last.verb == _FAILS and apart <= _AT_ONCE:
            last.upto, last.weight, last.verb = len(self._changes), weight, verb
        else:
            self.moments.append(
                _Moment(at, len(self._changes), weight, verb, [name], 2 < weight < 9)
            )

    def _close(self) -> None:
        """The last moment: how it ended, or stands."""
        ended = self._state.status if self._state.finished is not None else None
        words = _ENDS.get(ended, f"the run {ended}" if ended else "the run goes on")
        last = self.moments[-1] if self.moments else None
        if last is not None and last.upto == len(self._changes) and last.weight < 9:
            last.weight, last.verb = 9, f"{last.verb}; {words}"
            return
        self.moments.append(_Moment(self._total, len(self._changes), 9, words, []))


_BEFORE = (ev.RunStarted, ev.ProcessStarted, ev.Expanded, ev.Waiting, ev.TaskEnded)
_FAILS = "{names} fail{s}"
_GIVES_UP = "{names} {has} failed"
_ENDS: dict[RunStatus | None, str] = {
    RunStatus.WAITING: "the run ends, waiting for a person",
    RunStatus.CANCELLED: "the run is cancelled",
    RunStatus.CUT_OFF: "the run is cut off",
}


def _touched(event: ev.Event, state: RunState) -> Iterator[str]:
    """The tasks that an event may have changed; of an instance or a compensation its own too."""
    if isinstance(event, ev.RetryRequested):
        yield from event.reset or (event.task,)
        return
    name = getattr(event, "task", None)
    if name is None:
        return
    yield name
    if name not in state.tasks:
        derived = state.derived.get(name)
        if derived is not None and derived.of is not None:
            yield derived.of


def _said(event: ev.Event) -> tuple[int, str, str] | None:
    tell = _TELLS.get(type(event))
    weight, verb = tell(event) if tell is not None else (0, "")
    return (weight, verb, getattr(event, "task", None) or "") if weight else None


_TELLS: dict[type[ev.Event], Callable[[Any], tuple[int, str]]] = {
    ev.AttemptFailed: lambda e: (0 if e.cancelled else 3, _FAILS),
    ev.TaskEnded: lambda e: (6 if e.status is Status.FAILED else 0, _GIVES_UP),
    ev.Waiting: lambda _: (5, "{names} wait{s} for a person"),
    ev.Decided: lambda e: (5, f"{{names}} {'approved' if e.approved else 'rejected'}"),
    ev.RunResumed: lambda _: (7, "the run goes on"),
    ev.CancelRequested: lambda e: (
        6,
        "the run is to be cancelled" if e.task is None else "{names} to be cancelled",
    ),
    ev.RetryRequested: lambda _: (5, "{names} to be tried anew"),
    ev.PauseRequested: lambda _: (4, "the run is paused"),
    ev.Expanded: lambda e: (2, f"{{names}} become{{s}} {count(e.count, 'instance')}"),
}


# -- which of them -------------------------------------------------------------------------------


def _with_marks(moments: list[_Moment], whole: Film) -> list[_Moment]:
    """The moments, and on a way without many the marks at which a part of it lay behind."""
    if len(moments) >= _FEW or len(whole.changes) < 2 * _FEW:
        return moments
    marks = []
    for part in range(1, _FEW):
        upto = len(whole.changes) * part // _FEW
        ended = sum(status.ended for status, _ in whole.states(upto))
        words = f"{number(ended)} of {count(len(whole.tasks), 'task')} ended"
        marks.append(_Moment(whole.changes[upto - 1].at, upto, 1, words, []))
    return sorted([*moments, *marks], key=lambda moment: (moment.upto, moment.at))


def _chosen(moments: list[_Moment], most: int) -> list[_Moment]:
    """The first and the last; of the others those that matter most, and of many that matter alike
    some from all over the run."""
    kept = {0, len(moments) - 1}
    by_weight: dict[int, list[int]] = {}
    for n, moment in enumerate(moments[1:-1], 1):
        by_weight.setdefault(moment.weight, []).append(n)
    for weight in sorted(by_weight, reverse=True):
        alike, room = by_weight[weight], most - len(kept)
        if len(alike) > room:
            alike = [alike[n * len(alike) // room] for n in range(room)] if room > 0 else []
        kept |= set(alike)
    return [moments[n] for n in sorted(kept)]
