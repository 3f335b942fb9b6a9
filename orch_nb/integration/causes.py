"""What is known of why tasks failed: in words, which of them alike, and what a person can do.

    fetch   ConnectionError: reset by peer 10.0.0.7     ┐ one cause, of two tasks; it may pass by
    load    ConnectionError: reset by peer 10.0.0.9     ┘ itself: such errors come from outside

Errors are alike where type and message are, numbers, quoted words and addresses aside; instances
only those of one `foreach` task. Whether one
passes by itself is told only as far as its kind says (a refused connection, a full table of
processes), or as its attempts do: the same error three times over rarely passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from orch_nb.model.account import alike, control_line, failed_instances, masked, shell_line
from orch_nb.model.event import Failure
from orch_nb.model.quantity import times
from orch_nb.model.report import Cause, FailureReport, Way
from orch_nb.model.run import Attempt, Run, TaskRun
from orch_nb.model.status import Status

__all__ = ["causes", "ways"]

_LOOKED_AT = 30  # failures whose output is read: a journal may hold two megabytes of each
_LINES, _CHARS = 12, 2000
#: Exceptions that tell of the world, by the names of classes, and words in messages that do.
_OUTSIDE = frozenset(
    ("ConnectionError", "TimeoutError", "InterruptedError", "BlockingIOError", "ConnectTimeout",
     "ReadTimeout", "URLError", "gaierror", "IncompleteRead", "RemoteDisconnected",
     "BrokenPipeError", "OperationalError", "Throttled", "TooManyRequests", "ServiceUnavailable",
     "BrokenProcessPool"),
)  # fmt: skip
_PASSING = re.compile(
    r"timed? ?out|temporar|connection (?:reset|refused|aborted)|unreachable|rate limit|too many "
    r"requests|\b(?:429|502|503|504)\b|try again|database is locked|resource busy",
    re.IGNORECASE,
)
#: Exceptions that tell of the code: another attempt finds it as it was.
_OF_THE_CODE = frozenset(
    ("NameError", "UnboundLocalError", "AttributeError", "TypeError", "SyntaxError", "ImportError",
     "ModuleNotFoundError", "AssertionError", "NotImplementedError", "ZeroDivisionError",
     "IndexError", "KeyError"),
)  # fmt: skip


def causes(run: Run, failed: Sequence[FailureReport]) -> tuple[Cause, ...]:
    """The failures by cause, what most failed of first; what could not be undone by itself."""
    groups: dict[tuple[Any, ...], list[FailureReport]] = {}
    for failure in failed:
        groups.setdefault(_alike(failure), []).append(failure)
    more = _unnamed(run, failed)
    found = [
        _cause(run, group, n, more.get(key, ())) for n, (key, group) in enumerate(groups.items())
    ]
    # What could not be undone leaves something as nobody wants it: it stays first.
    return tuple(sorted(found, key=lambda cause: (not cause.undo, -cause.total)))


def _unnamed(
    run: Run, failed: Sequence[FailureReport]
) -> Mapping[tuple[Any, ...], Sequence[Failure]]:
    """Of what more instances failed, alike: of each `foreach` task only the first are named."""
    named = {failure.task for failure in failed}
    found: dict[tuple[Any, ...], list[Failure]] = {}
    for task, one in {f.of: f for f in failed if f.of and not f.undo}.items():
        for done in failed_instances(run, task):
            if done.task not in named and done.status is Status.FAILED and done.error is not None:
                key = _alike(replace(one, task=done.task, error=done.error))
                found.setdefault(key, []).append(done.error)
    return found


def _alike(failure: FailureReport) -> tuple[Any, ...]:
    group = "" if failure.undo else failure.of
    return *alike(failure.error), group, failure.undo, failure.tolerated


def _cause(run: Run, group: Sequence[FailureReport], place: int, more: Sequence[Failure]) -> Cause:
    first = group[0]
    messages = {error.message for error in (*(failure.error for failure in group), *more)}
    kept = dict.fromkeys(task for failure in group for task in failure.kept)
    return Cause(
        tasks=tuple(failure.task for failure in group),
        error=first.error,
        how=_how(run, first),
        outlook=_outlook(run, group),
        owners=tuple(dict.fromkeys(failure.owner for failure in group if failure.owner)),
        kept=tuple(kept),
        attempts=sum(failure.attempts for failure in group) if not more else 0,
        total=len(group) + len(more),
        differ=len(messages) > 1,
        last_lines=_last_lines(run, first.task) if place < _LOOKED_AT else "",
        undo=first.undo,
        tolerated=first.tolerated,
        of=first.of,
    )


def _how(run: Run, failure: FailureReport) -> str:
    """What is known beyond the error's own words."""
    ended = _ended(run, failure.task)
    if ended is None or not ended.attempts:
        return ""
    last = ended.attempts[-1]
    if last.injected:
        return "on purpose, by a fault that was asked for"
    if last.timed_out:
        return "stopped by its timeout" + ("; it still runs" if last.abandoned else "")
    if last.exit_code is not None and last.exit_code < 0:
        return f"its process was killed by signal {-last.exit_code}"
    lost = sum(attempt.status == "lost" for attempt in ended.attempts)
    if lost:
        return f"its process was lost {times(lost)} before"
    return ""


def _outlook(run: Run, group: Sequence[FailureReport]) -> str:
    """Whether another attempt may end otherwise, as far as that can be told; else empty."""
    failure = group[0]
    ended = _ended(run, failure.task)
    errors = _errors(ended.attempts if ended is not None else ())
    if failure.error.type in ("Rejected", "Cancelled") or (ended and ended.decided_by):
        return ""
    if ended is not None and ended.attempts and ended.attempts[-1].injected:
        return ""
    if _from_outside(failure):
        often = f", though not in {times(len(errors))}" if len(errors) > 1 else ""
        return f"may pass by itself: such errors come from outside{often}"
    if failure.error.type.rpartition(".")[2] in _OF_THE_CODE:
        return "will most likely come again until the code or its input changes"
    if len(errors) > 1 and len(set(errors)) == 1:
        return f"the same error {times(len(errors))}: it does not seem to pass by itself"
    if len(set(errors)) > 1:
        return "another error than before: it may not be the only one"
    return ""


def _from_outside(failure: FailureReport) -> bool:
    names = {kind.rpartition(".")[2] for kind in (failure.error.type, *failure.error.kinds)}
    return bool(names & _OUTSIDE or _PASSING.search(failure.error.message))


def _errors(attempts: Sequence[Attempt]) -> list[str]:
    return [masked(str(a.error)) for a in attempts if a.error is not None]


def _ended(run: Run, task: str) -> TaskRun | None:
    try:
        return run[task]
    except KeyError:
        return None


def _last_lines(run: Run, task: str) -> str:
    """The end of what the task printed, where the journal can be asked."""
    read = getattr(run.results, "log", None)
    if read is None:
        return ""
    lines = str(read(task)).rstrip().splitlines()
    return "\n".join(lines[-_LINES:])[-_CHARS:]


def ways(run: Run, failure: FailureReport) -> tuple[Way, ...]:
    """The lines that act on a failure: retry, skip; of what could not be undone, compensate."""
    if failure.undo:
        return (_way(run, "compensate", failure.of),)
    if failure.task not in run.plan and not failure.of:  # `on_failure`
        return ()
    return _way(run, "retry", failure.task), _way(run, "skip", failure.task)


def _way(run: Run, verb: str, task: str) -> Way:
    return Way(verb, control_line(run, verb, task), shell_line(run, verb, task))
