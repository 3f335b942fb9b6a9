"""Dynamic fan-out: a `foreach` task and the instances that it becomes.

fetch (expanded) ── fetch[0]  succeeded
                 ── fetch[1]  failed        the task ends when they all have: it succeeded if
                 ── fetch[2]  succeeded     no more of them failed than `tolerate` allows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch_nb.engine.limits import Limit
from orch_nb.engine.states import (
    ASKING,
    CANCELLED,
    EXPANDED,
    FAILED,
    FANS_OUT,
    LIMITED,
    MEMBER,
    PASSED,
    PENDING,
    PRELUDE,
    SAGA,
    SPECIAL,
    STAYS,
    SUCCEEDED,
)
from orch_nb.model import event as ev
from orch_nb.model.quantity import number

if TYPE_CHECKING:
    from orch_nb.engine.board import Board

__all__ = ["Groups", "tolerated"]


def tolerated(tolerate: int | str, total: int) -> int:
    """How many of `total` instances may fail: a number, a share ("20%"), or "all"."""
    if isinstance(tolerate, int):
        return tolerate
    if tolerate == "all":
        return total
    return int(total * float(tolerate.rstrip("% ")) / 100)


class _Group:
    __slots__ = ("cancelled", "failed", "left", "members", "tolerated")

    def __init__(self, members: range, tolerate: int | str) -> None:
        self.members = members
        self.left = len(members)
        self.failed = self.cancelled = 0
        self.tolerated = tolerated(tolerate, len(members))


class Groups:
    """The `foreach` tasks of one run that have been expanded."""

    def __init__(self, board: Board) -> None:
        self._mind: Any = board  # its lists are this one's too
        self._groups: dict[int, _Group] = {}
        self._of: dict[int, int] = {}
        self._tries: dict[str, int] = {}  # of instances that were dropped

    def expand(self, event: ev.Expanded, out: list[ev.Event] | None) -> None:
        """`out` None: it is history, nothing is decided."""
        mind = self._mind
        g = mind.index[event.task]
        if mind.states[g] > EXPANDED or g in self._groups:
            return
        mind.leave(g)
        mind.states[g] = EXPANDED
        task, first = mind.tasks[g], len(mind.ids)
        members = range(first, first + event.count)
        self._groups[g] = _Group(members, task.tolerate)
        self._grow(g, event.count, Limit(event.task, task.max_active) if task.max_active else None)
        if out is None:
            return
        if not event.count:
            mind.close(g, event.at, SUCCEEDED, "there was nothing to do", out)
        elif mind.flags[first] & PRELUDE:
            mind.todo.extend(members)
        else:
            for n in members:
                mind.make_ready(n, event.at)

    def _grow(self, g: int, count: int, limit: Limit | None) -> None:
        mind, task = self._mind, self._mind.tasks[g]
        first = len(mind.ids)
        flags = mind.flags[g] & ~(PRELUDE | SPECIAL | SAGA | LIMITED | FANS_OUT) | MEMBER
        if task.cache or mind.options.cache:
            flags |= PRELUDE | SPECIAL
        place = mind.keys[g] >> 32 << 32
        for i in range(count):
            n = first + i
            name = f"{task.id}[{i}]"
            mind.ids.append(name)
            mind.index[name] = n
            mind.keys.append(place | n)
            self._of[n] = g
            limited = mind.limits.want(n, task.pool, limit)
            mind.flags.append(flags | (LIMITED | STAYS if limited else 0))
        mind.tasks += [task] * count
        mind.up += [()] * count
        mind.down += [()] * count
        mind.left += [0] * count
        mind.states += [PENDING] * count
        mind.since += [0.0] * count
        mind.tries += [self._tries.get(name, 0) for name in mind.ids[first:]]
        mind.open += count

    def ended(self, n: int, status: int, at: float, out: list[ev.Event] | None) -> None:
        """An instance has ended; the last one ends its task."""
        mind, g = self._mind, self._of[n]
        group = self._groups[g]
        group.left -= 1
        group.failed += status == FAILED
        group.cancelled += status == CANCELLED
        if out is None:
            return
        if status == FAILED and group.failed > group.tolerated:
            mind.fail_fast(g, at, out)
        if not group.left and mind.states[g] == EXPANDED:
            self._close(g, group, at, out)

    def _close(self, g: int, group: _Group, at: float, out: list[ev.Event]) -> None:
        """All instances have ended. One that a person cancelled by itself counts as failed."""
        mind, total = self._mind, len(group.members)
        missing = group.failed + group.cancelled
        enough = group.failed <= group.tolerated
        if g in mind.passing:
            mind.close(g, at, PASSED, mind.left_out(g), out)
            return
        if enough and group.cancelled and (g in mind.cancelled or mind.cancelling):
            mind.close(g, at, CANCELLED, f"cancelled{mind.because(g)}", out)
        elif missing > group.tolerated:
            fine = (SUCCEEDED, PASSED)
            first = next(m for m in group.members if mind.states[m] not in fine)
            how = f"{number(missing)} of {number(total)} instances did not succeed"
            mind.close(g, at, FAILED, how, out, mind.ids[first])
        else:
            some = f"{number(missing)} of {number(total)} instances failed, which it allows"
            mind.close(g, at, SUCCEEDED, some if missing else "", out)

    def unended(self, n: int, before: int) -> None:
        """The instance `n`, which had ended as `before`, is tried anew."""
        group = self._groups[self._of[n]]
        group.left += 1
        group.failed -= before == FAILED
        group.cancelled -= before == CANCELLED

    def with_members(self, n: int) -> list[int]:
        """`n` itself, or its instances where it has become some."""
        group = self._groups.get(n)
        return [n] if group is None else list(group.members)

    def reset(self, n: int, *, alone: bool = False) -> list[int]:
        """What a retry of `n` resets of it: of a `foreach` task the instances that did not succeed
        (unless `alone`, or a person skipped them); of an instance also its task."""
        if n in self._of:
            return [n, self._of[n]]
        group = self._groups.get(n)
        if group is None or alone:
            return [n]
        states = self._mind.states
        skipped = states[n] == PASSED  # then so may they be that were to run
        bad = (m for m in group.members if states[m] > SUCCEEDED)
        return [n, *(m for m in bad if skipped or states[m] != PASSED)]

    def reopened(self, reset: list[int]) -> set[int]:
        """The `foreach` tasks of which only instances are reset: they stay what they became."""
        return {self._of[n] for n in reset if n in self._of}

    def drop(self, g: int) -> None:
        """Forget the instances of `g`: its items are worked out anew."""
        mind, group = self._mind, self._groups.pop(g, None)
        if group is None:
            return
        for n in group.members:
            self._tries[mind.ids[n]] = mind.tries[n]
            if mind.index.get(mind.ids[n]) == n:
                del mind.index[mind.ids[n]]
            if mind.states[n] <= EXPANDED:
                mind.leave(n)
                mind.open -= 1
            mind.states[n] = CANCELLED if mind.states[n] != SUCCEEDED else SUCCEEDED

    def active(self, n: int) -> int:
        """How many instances of `n` have not ended."""
        group = self._groups.get(n)
        return group.left if group is not None else 0

    def waits_to_be_asked(self, n: int) -> bool:
        return bool(self._mind.states[n] == ASKING)
