"""Which rows a timeline has: a task each, below a `foreach` task some of its instances, and at the
end what undid things.

    urls       ▇▇
    fetch        ▂▅▇▇▇▇▅▂     how many of its instances ran at once
      fetch[3]     ▇▇          what did not succeed, and what took longest
      fetch[6]        ▇▇▇▇
    joined               ▇

Of many thousand instances the band tells the whole and a few rows what matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from orch_nb.model.account import account
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.plaintext import bounded, one_line

__all__ = ["MOST_ROWS", "Lane", "at_once", "lanes"]

MOST_ROWS = 60
_LONGEST = 40
_ALL, _OF_ONE = 12, 8
_ENDING = 12
_QUIET = (Status.SUCCEEDED, Status.SKIPPED)


class Lane(msgspec.Struct, frozen=True):
    """A row: `members` are the instances that a band tells of, `depth` 1 is one of them."""

    done: TaskRun
    name: str
    depth: int = 0
    members: tuple[TaskRun, ...] = ()


def lanes(run: Run) -> tuple[list[Lane], int, int]:
    """The rows in the order in which they began; how many tasks and how many instances that began
    have none."""
    made = account(run).instances
    begun = _begun(run.tasks, run)
    tasks = _chosen(begun, MOST_ROWS, _LONGEST)
    ending = _begun(run.derived, run, ending=True)
    ends = _chosen(ending, _ENDING, _ENDING)
    bands = [done.task for done in tasks if done.task in made]
    room = max(0, MOST_ROWS - len(tasks) - len(ends))
    each = room // len(bands) if bands else 0
    found: list[Lane] = []
    hidden = 0
    for done in tasks:
        name = bounded(one_line(run.plan[done.task].label), 30)
        members = tuple(_begun(made.get(done.task, ()), run))
        found.append(Lane(done, name, members=members))
        shown = _some(members, each)
        found += [Lane(one, bounded(one_line(one.task), 34), 1) for one in shown]
        hidden += len(members) - len(shown)
    found += [Lane(done, bounded(one_line(done.task), 34)) for done in ends]
    return found, len(begun) - len(tasks) + len(ending) - len(ends), hidden


def _begun(tasks: Sequence[TaskRun], run: Run, *, ending: bool = False) -> list[TaskRun]:
    """Those that have begun, in order; `ending`: of what came to be in the run, no instances."""
    found = [
        done
        for done in tasks
        if done.started is not None and not (ending and done.index is not None)
    ]
    return sorted(found, key=lambda done: done.started or run.started)


def _chosen(begun: list[TaskRun], most: int, longest: int) -> list[TaskRun]:
    """All of a few; of many what did not succeed and what took longest, in order."""
    if len(begun) <= most:
        return begun
    weight = {done.task: (done.status not in _QUIET, done.duration_s or 0.0) for done in begun}
    kept = set(sorted(weight, key=lambda task: weight[task], reverse=True)[:longest])
    return [done for done in begun if done.task in kept]


def _some(members: Sequence[TaskRun], most: int) -> list[TaskRun]:
    """All of a few instances, as far as there is room; of many the first that did not succeed and
    the slowest, half each."""
    if len(members) <= min(most, _ALL):
        return list(members)
    most = min(most, _OF_ONE)
    bad = [done for done in members if done.status not in _QUIET][: max(1, most // 2)]
    named = {done.task for done in bad}
    slow = sorted(
        (done for done in members if done.task not in named),
        key=_elapsed,
        reverse=True,
    )
    kept = named | {done.task for done in slow[: max(0, most - len(bad))]}
    return [done for done in members if done.task in kept][:most]


def _elapsed(done: TaskRun) -> float:
    """Seconds from its start to its end, the waits between its attempts among them."""
    if done.started is None or done.finished is None:
        return 0.0
    return (done.finished - done.started).total_seconds()


def at_once(
    members: Sequence[TaskRun], begin: datetime, end: datetime, parts: int
) -> tuple[list[int], int]:
    """How many instances ran at once at most, in each of `parts` equal parts from `begin` to `end`;
    and at most in any."""
    total = max((end - begin).total_seconds(), 1e-9)
    # An end before a start at the same moment: one after the other is one at once.
    changes = sorted(
        change
        for done in members
        for attempt in done.attempts
        for change in (
            ((attempt.started - begin).total_seconds(), 1),
            (((attempt.finished or end) - begin).total_seconds(), -1),
        )
    )
    most = [0] * parts
    running = at = 0
    for part in range(parts):
        since, until = total * part / parts, total * (part + 1) / parts
        while at < len(changes) and changes[at][0] <= since:  # what changes as the part begins
            running += changes[at][1]
            at += 1
        most[part] = running
        while at < len(changes) and changes[at][0] < until:
            running += changes[at][1]
            most[part] = max(most[part], running)
            at += 1
    return most, max(most, default=0)
