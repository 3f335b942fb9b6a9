"""What was tried more than once, why, and what came of it.

    fetch[0..499]   ConnectionError: reset          500 tries more    4 min 10 s waited   succeeded
    build           OSError: disk full; MemoryError   2 tries more    3 s waited          failed

Tasks of causes that are alike (`masked`) and of the same end are told together, with the
causes of the first: a fan-out may have retried a thousand.
An attempt that was lost with its process used up no try; it is told as lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from orch_nb.model.account import masked
from orch_nb.model.quantity import times
from orch_nb.model.report import Retried
from orch_nb.model.run import Attempt, Run, TaskRun

__all__ = ["retried"]

_CAUSE_CHARS = 200


def retried(run: Run) -> tuple[Retried, ...]:
    """Of every task, instance and compensation with more than one attempt, in groups, the one with
    most attempts first."""
    groups: dict[tuple[tuple[str, ...], str], list[TaskRun]] = {}
    for part in (run.tasks, run.derived):
        for done in part:
            if len(done.attempts) > 1:
                alike = tuple(map(masked, _causes(done.attempts)))
                groups.setdefault((alike, str(done.status)), []).append(done)
    found = [_retried(ended, group) for (_, ended), group in groups.items()]
    return tuple(sorted(found, key=lambda one: -one.again))


def _retried(ended: str, group: Sequence[TaskRun]) -> Retried:
    return Retried(
        tasks=tuple(done.task for done in group),
        causes=_causes(group[0].attempts),
        again=sum(len(done.attempts) - 1 for done in group),
        waited_s=sum(_waited_s(done.attempts) for done in group),
        ended=ended,
    )


def _causes(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Why each but the last was not the last: equal ones that follow one another are counted."""
    said = [_why(attempt) for attempt in attempts[:-1]]
    told: list[tuple[str, int]] = []
    for why in said:
        if told and masked(told[-1][0]) == masked(why):
            told[-1] = (told[-1][0], told[-1][1] + 1)
        else:
            told.append((why, 1))
    return tuple(f"{why} ({times(n)})" if n > 1 else why for why, n in told)


def _why(attempt: Attempt) -> str:
    if attempt.status == "lost":
        return "lost with its process"
    if attempt.status == "succeeded":
        return "it had succeeded and ran again"
    if attempt.status == "cancelled":
        return "cancelled"
    text = " ".join(str(attempt.error or attempt.status).split())
    return text if len(text) <= _CAUSE_CHARS else text[: _CAUSE_CHARS - 1] + "…"


def _waited_s(attempts: Sequence[Attempt]) -> float:
    """Seconds between the end of an attempt and the start of the next, all together."""
    return sum(_gaps(attempts))


def _gaps(attempts: Sequence[Attempt]) -> Iterable[float]:
    for before, after in itertools.pairwise(attempts):
        if before.finished is not None:
            yield max(0.0, (after.started - before.finished).total_seconds())
