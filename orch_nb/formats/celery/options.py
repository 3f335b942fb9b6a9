"""A task's retry policy and timeout as options of a Celery task, and back.

Celery waits `retry_backoff * 2 ** retries` in whole seconds, or `default_retry_delay` each time.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from orch_nb.model.task import RetryPolicy, Task
from orch_nb.model.translation import Loss

__all__ = ["options", "policy"]


def options(task: Task) -> tuple[dict[str, Any], list[Loss]]:
    """The options, and what they cannot say; exceptions are tuples of names."""
    found: dict[str, Any] = {}
    told: list[Loss] = []
    if task.timeout_s is not None:
        found["soft_time_limit"] = _whole(task.timeout_s)
        why = "workers of the pool `prefork` keep it, those of threads or gevent do not"
        told.append(Loss("timeout", why, task.id, severity="changed"))
    retry = task.retry
    if retry.maximum_attempts == 1:
        return found, told
    known, unknown = _exceptions(retry.retry_on)
    found["autoretry_for"] = known or ("Exception",)
    never, unknown_too = _exceptions(retry.non_retryable)
    if never:
        found["dont_autoretry_for"] = never
    if unknown or unknown_too:
        why = (
            f"only built-in exceptions are named in the module: {', '.join(unknown + unknown_too)}"
        )
        told.append(Loss("non_retryable", why, task.id))
    found["max_retries"] = retry.maximum_attempts - 1
    found |= _waits(retry, task.id, told)
    if retry.jitter and retry.initial_interval_s:
        why = "Celery's own is all or nothing; here it is nothing"
        told.append(Loss("jitter", why, task.id, severity="changed"))
    return found, told


def _waits(retry: RetryPolicy, task: str, told: list[Loss]) -> dict[str, Any]:
    first, factor = retry.initial_interval_s, retry.backoff_coefficient
    most = first * 100 if retry.maximum_interval_s is None else retry.maximum_interval_s
    start = max(1, round(first))
    exact = start == first and factor == 2 and most == int(most)
    if factor == 1 or not first or (retry.maximum_attempts == 2 and not exact):
        return {"default_retry_delay": _whole(min(first, most))}
    if not exact:
        why = f"waits are of {start} s, {2 * start} s, {4 * start} s ... there"
        told.append(Loss("backoff", why, task, severity="changed"))
    return {"retry_backoff": start, "retry_backoff_max": math.ceil(most), "retry_jitter": False}


def _whole(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds


def _exceptions(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that a module knows without an import, and the others."""
    known = tuple(name for name in names if _is_exception(getattr(builtins, name, None)))
    return known, tuple(name for name in names if name not in known)


def _is_exception(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def policy(said: dict[str, Any]) -> RetryPolicy:
    """The policy that options say; exceptions are lists of names. Raises ValueError, TypeError."""
    retried = [name for name in said.get("autoretry_for", ()) if name != "Exception"]
    if "autoretry_for" not in said:
        return RetryPolicy()
    backoff = said.get("retry_backoff", False)
    delay = float(said.get("default_retry_delay", 180))
    if backoff:
        delay = max(1.0, float(int(backoff)))
    most = float(said.get("retry_backoff_max", 600)) if backoff else None
    return RetryPolicy(
        maximum_attempts=int(said.get("max_retries", 3)) + 1,
        initial_interval_s=delay,
        backoff_coefficient=2.0 if backoff else 1.0,
        maximum_interval_s=None if most == delay * 100 else most,
        jitter=0.5 if backoff and said.get("retry_jitter", True) else 0.0,
        retry_on=tuple(retried),
        non_retryable=tuple(said.get("dont_autoretry_for", ())),
    )
