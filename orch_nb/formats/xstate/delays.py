"""Delays as `after`, those too that no timer of JavaScript takes: one of more than 2^31 - 1
milliseconds (24.8 days) would be over at once, so it is several in a row.

    { wait1: {after: {2147483647: "wait2"}}, wait2: {after: {REST: "over"}}, over: final }

Source: https://developer.mozilla.org/en-US/docs/Web/API/Window/setTimeout#maximum_delay_value
"""

from __future__ import annotations

from typing import Any

from orch_nb.model.task import RetryPolicy, Task

__all__ = ["LONGEST_S", "clock", "delay", "longest_s", "milliseconds", "wait_s"]

_TIMER_MS = 2**31 - 1
#: The longest delay that is exported, in seconds: five years.
LONGEST_S = 5 * 366 * 86400.0

State = dict[str, Any]


def delay(seconds: float, then: str) -> State:
    """What a state without states of its own has more, so that it goes on to `then` by itself."""
    if milliseconds(seconds) <= _TIMER_MS:
        return {"after": {str(milliseconds(seconds)): then}}
    return clock(seconds) | {"onDone": then}


def clock(seconds: float) -> State:
    """States that are done when the time is over."""
    whole, rest = divmod(milliseconds(seconds), _TIMER_MS)
    lengths = [_TIMER_MS] * whole + [rest] * (rest > 0 or not whole)
    states: State = {
        f"wait{n}": {"after": {str(length): f"wait{n + 1}" if n < len(lengths) else "over"}}
        for n, length in enumerate(lengths, 1)
    }
    return {"initial": "wait1", "states": states | {"over": {"type": "final"}}}


def wait_s(policy: RetryPolicy, failures: int) -> float:
    """The wait after so many failures, before any jitter, in seconds."""
    most = policy.maximum_interval_s
    if most is None:
        most = policy.initial_interval_s * 100
    try:
        wait = policy.initial_interval_s * policy.backoff_coefficient ** (failures - 1)
    except OverflowError:
        return most
    return min(most, wait)


def longest_s(task: Task) -> float:
    """The longest delay that a task's states have, in seconds."""
    limits = [task.timeout_s or 0.0, task.total_timeout_s or 0.0]
    if task.approval is not None:
        limits.append(task.approval.timeout_s or 0.0)
    if task.retry.maximum_attempts > 1:
        limits.append(wait_s(task.retry, task.retry.maximum_attempts - 1))
    return max(limits)


def milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
