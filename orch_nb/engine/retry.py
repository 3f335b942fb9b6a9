"""When a failed attempt is tried again, and after how long.

Temporal's formula (https://docs.temporal.io/encyclopedia/retry-policies), with a jitter as AWS
advises (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/):

    wait(n) = min(maximum_interval,
                  initial_interval * backoff_coefficient ** (n - 1) * (1 - jitter + 2 * jitter * u))

with u from 0 to 1, after the n-th failure. `u` is no random draw but a hash of run, task and
attempt: spread between tasks, and the same in every replay.
"""

from __future__ import annotations

import hashlib

from orch_nb.model.event import Failure
from orch_nb.model.task import RetryPolicy

__all__ = ["backoff_s", "retryable", "spread"]

_DEFAULT_MAXIMUM = 100.0  # initial intervals; Temporal's default


def spread(run_id: str, task: str, attempt: int) -> float:
    """A number from 0 to 1 that depends on nothing else: where in the jitter a wait falls."""
    # A hash that mixes: a checksum would give shard1 and shard2 nearly the same number.
    key = f"{run_id}\0{task}\0{attempt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / (2**64 - 1)


def backoff_s(policy: RetryPolicy, failures: int, u: float = 0.5) -> float:
    """Seconds to wait after the `failures`-th failure (from 1)."""
    most = policy.maximum_interval_s
    if most is None:
        most = policy.initial_interval_s * _DEFAULT_MAXIMUM
    try:
        wait = policy.initial_interval_s * policy.backoff_coefficient ** (failures - 1)
    except OverflowError:
        wait = most
    return min(most, min(most, wait) * (1 - policy.jitter + 2 * policy.jitter * u))


def retryable(policy: RetryPolicy, failures: int, failure: Failure) -> bool:
    """Whether there is a next attempt after `failures` of them, the last with `failure`."""
    if failures >= policy.maximum_attempts:
        return False
    if _named(policy.non_retryable, failure):
        return False
    return not policy.retry_on or _named(policy.retry_on, failure)


def _named(names: tuple[str, ...], failure: Failure) -> bool:
    """Whether one of `names` is the failure's class or a base of it, by name or by module.name."""
    kinds = {failure.type, *failure.kinds}
    return any(name in kinds or any(kind.endswith(f".{name}") for kind in kinds) for name in names)
