"""The life of a task in a run, as one statechart: what may happen to it, and where it stands then.

    pending ─► ready ─► running ─► succeeded | failed, and the ways round, aside and back

`LIFECYCLE` is the data, in XState's notation: it is drawn (docs/lifecycle.svg), exported
(docs/lifecycle.json) and tested by paths through it. `lifecycle()` is the chart, and `status` what
a person sees of where a task is in it. The events are the engine's, as `happened` tells them; only
`ready` is none, since it is the scheduler's alone: the record of a run goes from pending to
running. A person may decide of a task before it asks: that changes nothing yet. What runs when a
run has failed (a compensation, the plan's `on_failure`) lives once more when the run, gone on with,
fails once more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from orch_nb.model import event as ev
from orch_nb.model.statechart import Configuration, Statechart
from orch_nb.model.statechart_config import read_chart
from orch_nb.model.status import Status

__all__ = ["LIFECYCLE", "ends", "happened", "lifecycle", "status"]

_STATUSES = frozenset(map(str, Status))
#: How a task may end without an attempt's outcome of its own.
_ENDED = ("succeeded", "failed", "skipped", "upstream_failed", "cancelled")


def ends(*statuses: str) -> dict[str, str]:
    """The transitions to these ends."""
    return {f"ended.{end}": f"#{end}" for end in statuses}


LIFECYCLE: dict[str, Any] = {
    "id": "task",
    "description": "The life of a task in a run",
    "initial": "begin",
    "states": {
        "begin": {
            "initial": "pending",
            "on": {
                "started": "running",
                "waiting": "waiting",
                "expanded": "#instances",
                **ends(*_ENDED),
            },
            "states": {
                "pending": {
                    "description": "waits for what it needs",
                    "id": "pending",
                    "on": {"ready": "ready", "decided": {}},
                },
                "ready": {"description": "starts when there is room"},
            },
        },
        "running": {
            "initial": "attempt",
            "states": {
                "attempt": {
                    "description": "an executor has it",
                    "on": {
                        "succeeded": "#succeeded",
                        "failed": "failing",
                        "lost": "#pending",
                        "returned": "#pending",
                    },
                },
                "failing": {
                    "description": "its attempt has failed",
                    "on": {"backing_off": "#backing_off", **ends("failed", "skipped", "cancelled")},
                },
                "instances": {
                    "description": "one for each item",
                    "id": "instances",
                    "on": {
                        "cut_off": "#pending",
                        **ends("succeeded", "failed", "skipped", "cancelled"),
                    },
                },
            },
        },
        "backing_off": {
            "description": "waits for its next attempt",
            "id": "backing_off",
            "on": {"started": "running", **ends("failed", "skipped", "cancelled")},
        },
        "waiting": {
            "description": "a person is asked",
            "on": {"decided": {}, **ends("succeeded", "failed", "skipped", "cancelled")},
        },
        "ended": {
            "initial": "succeeded",
            "on": {"retry": "#pending"},
            "states": {
                "succeeded": {
                    "id": "succeeded",
                    "on": {"compensated": "compensated", "reopened": "#instances"},
                },
                "failed": {"id": "failed", "on": {"reopened": "#instances"}},
                "skipped": {"id": "skipped", "on": {"reopened": "#instances"}},
                "cancelled": {"id": "cancelled", "on": {"reopened": "#instances"}},
                "upstream_failed": {"id": "upstream_failed"},
                "compensated": {},
            },
        },
    },
}


@functools.cache
def lifecycle() -> Statechart:
    """The chart; `pending` is where a task begins."""
    return read_chart(LIFECYCLE)


def status(here: Configuration) -> Status:
    """The status of a task that is in a configuration of the chart."""
    keys = (state.key for state in lifecycle().states if state.id in here.states)
    return next(Status(key) for key in keys if key in _STATUSES)


def happened(event: ev.Event, undone: str | None = None) -> Iterator[tuple[str, str]]:
    """What an event of a run is to tasks: (task, event of the chart). `undone`: the task that its
    task is the compensation of. What a request resets is told by `RetryRequested.reset`; whether a
    task that is no instance is thereby tried anew or opened again, the chart's user knows."""
    match event:
        case ev.AttemptStarted(task=task):
            yield task, "started"
        case ev.AttemptSucceeded(task=task):
            yield task, "succeeded"
            if undone is not None:
                yield undone, "compensated"
        case ev.AttemptFailed(task=task):
            yield task, "failed"
        case ev.AttemptLost(task=task):
            yield task, "lost"
        case ev.AttemptReturned(task=task):
            yield task, "returned"
        case ev.BackingOff(task=task):
            yield task, "backing_off"
        case ev.Waiting(task=task):
            yield task, "waiting"
        case ev.Decided(task=task):
            yield task, "decided"
        case ev.Expanded(task=task):
            yield task, "expanded"
        case ev.TaskEnded(task=task, status=ended):
            yield task, f"ended.{ended.value}"
