"""How Airflow says when and how often a task is tried, as a plan says it.

Source: airflow/sdk/bases/operator.py (the arguments of every operator, and their defaults)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from orch_nb.formats.airflow.symbols import Operator
from orch_nb.model.task import RetryPolicy, TriggerRule

__all__ = ["Lose", "policies", "seconds"]

Lose = Callable[[str, str, str], None]

_DEFAULT_DELAY_S = 300.0
_LONGEST_DELAY_S = 86_400.0
_RULES = {"dummy": "always", "all_done_setup_success": "all_done",
          "none_failed_or_skipped": "none_failed_min_one_success"}  # fmt: skip


def seconds(value: Any) -> float | None:
    """A duration, as `timedelta` or a number; None for anything else."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return None


def policies(task: Operator, said: Mapping[str, Any], lose: Lose) -> dict[str, Any]:
    """The fields of a `Task` that `said`, the arguments of an operator, gives values to."""
    found: dict[str, Any] = {}
    if (retry := _retry(said, lose)) is not None:
        found["retry"] = retry
    if said.get("execution_timeout") is not None:
        limit = seconds(said["execution_timeout"])
        if limit is None:
            lose("execution_timeout", "it is not known without running the file", "dropped")
        else:
            found["timeout_s"] = limit
    found["trigger"] = _trigger(task, said.get("trigger_rule"), lose)
    if task.teardown and not task.kwargs.get("on_failure_fail_dagrun"):
        found["required"] = False
    _pool(said, found, lose)
    _priority(said, found, lose)
    owner = said.get("owner")
    if isinstance(owner, str) and owner != "airflow":
        found["owner"] = owner
    return found


def _retry(said: Mapping[str, Any], lose: Lose) -> RetryPolicy | None:
    if "retries" not in said:
        return None
    retries = said["retries"]
    if not isinstance(retries, int) or retries < 0:
        lose("retries", "the number is not known without running the file", "dropped")
        return None
    if not retries:
        return RetryPolicy()
    delay = seconds(said.get("retry_delay", _DEFAULT_DELAY_S))
    if delay is None:
        lose("retry_delay", "it is not known without running the file; Airflow's 5 minutes hold",
             "changed")  # fmt: skip
        delay = _DEFAULT_DELAY_S
    backoff = said.get("retry_exponential_backoff", 0)
    factor = (
        2.0 if backoff is True else float(backoff) if isinstance(backoff, (int, float)) else 1.0
    )
    if factor < 1:
        factor = 1.0
    most = seconds(said.get("max_retry_delay"))
    if factor > 1 and most is None:
        most = _LONGEST_DELAY_S
    if most is not None and abs(most - 100 * delay) < 1e-6:
        most = None  # what a plan takes where nothing is said
    return RetryPolicy(
        maximum_attempts=retries + 1, initial_interval_s=delay, backoff_coefficient=factor,
        maximum_interval_s=most, jitter=0.1 if factor > 1 else 0.0,
    )  # fmt: skip


def _trigger(task: Operator, rule: Any, lose: Lose) -> TriggerRule:
    if task.teardown:
        setups = [other.id for other in task.up if other.setup]
        if setups:
            names = ", ".join(f"`{name}`" for name in setups)
            lose("teardown", "it runs once all it waits for has ended; in Airflow only if "
                 f"{names}, its setup, has succeeded", "changed")  # fmt: skip
        return TriggerRule.ALL_DONE
    if rule is None:
        return TriggerRule.ALL_SUCCESS
    try:
        return TriggerRule(_RULES.get(rule, rule))
    except (ValueError, TypeError):
        lose("trigger_rule", "it is not known; `all_success` holds", "dropped")
        return TriggerRule.ALL_SUCCESS


def _pool(said: Mapping[str, Any], found: dict[str, Any], lose: Lose) -> None:
    pool, slots = said.get("pool"), said.get("pool_slots", 1)
    if pool in (None, "default_pool"):
        return
    if not isinstance(pool, str) or not isinstance(slots, int):
        lose("pool", "it is not known without running the file", "dropped")
        return
    found["pool"] = {pool: max(slots, 1)}


def _priority(said: Mapping[str, Any], found: dict[str, Any], lose: Lose) -> None:
    weight = said.get("priority_weight")
    if weight is None:
        return
    if not isinstance(weight, int):
        lose("priority_weight", "it is not known without running the file", "dropped")
        return
    found["priority"] = weight
    if said.get("weight_rule") != "absolute":
        lose("weight_rule", "Airflow adds the weights of what comes after; here a priority is the "
             "task's own", "changed")  # fmt: skip
