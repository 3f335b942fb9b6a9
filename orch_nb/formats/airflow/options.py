"""How often and when a task is tried, as arguments of Airflow's operators.

Each is a pair: the argument's name, and its value as source. What Airflow has not is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orch_nb.formats.airflow.layout import docstring, duration, quoted, spelled_out
from orch_nb.formats.airflow.names import spelled
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule

__all__ = ["Options", "Tell", "described", "options", "retries"]

Options = dict[str, str]
Tell = Callable[[str, str, str], None]

_LONGEST_S = 86_400 * 3650.0  # ten years; `timedelta` ends at some more


def options(task: Task, plan: Plan, shared: Options, tell: Tell, tries: bool = True) -> Options:
    """The arguments that every operator takes; `shared` are those that the DAG gives to all.

    `tries`: the task does something that can be tried again.
    """
    found: Options = {}
    if task.title or spelled(task.id) != task.id:
        found["task_display_name"] = quoted(_shown(task, tell))
    if tries:
        policy = retries(task.retry, tell)
        if not shared.items() >= policy.items():
            found |= policy or {"retries": "0"}
        elif not policy and "retries" in shared:
            found["retries"] = "0"
        if task.timeout_s is not None:
            if task.timeout_s <= 0 or task.timeout_s > _LONGEST_S:
                tell("timeout", "Airflow has none that is so long", "dropped")
            else:
                found["execution_timeout"] = duration(task.timeout_s)
    if task.trigger is not TriggerRule.ALL_SUCCESS:
        found["trigger_rule"] = f"TriggerRule.{task.trigger.name}"
    found |= _pool(task, plan, tell)
    if task.priority != 0:
        found["priority_weight"] = repr(task.priority)
    if task.owner:
        found["owner"] = quoted(task.owner)
    _untold(task, tell, tries)
    return found


def _shown(task: Task, tell: Tell) -> str:
    """What Airflow shows for a task; an import finds the id in it again, where it can."""
    if task.title and spelled(task.id) != task.id:
        tell("id", f"its id in Airflow is `{spelled(task.id)}`; its title is shown", "changed")
        return task.title
    if task.title and spelled(task.title) == task.id:
        tell("title", "an import takes it for the id", "note")
    return task.title or task.id


def retries(policy: RetryPolicy, tell: Tell) -> Options:
    """Airflow counts what comes after the first attempt, and waits 5 minutes unless it is told."""
    if policy.retry_on or policy.non_retryable:
        tell("retry", "Airflow tries again whatever was raised; to end a task at once it raises "
             "AirflowFailException", "dropped")  # fmt: skip
    if policy.maximum_attempts == 1:
        return {}
    first = policy.initial_interval_s
    if first > _LONGEST_S:
        tell("retry", "the wait is longer than Airflow can say; it is ten years", "changed")
        first = _LONGEST_S
    found = {"retries": repr(policy.maximum_attempts - 1), "retry_delay": duration(first)}
    if policy.backoff_coefficient > 1:
        most = policy.maximum_interval_s
        most = min(100 * first if most is None else most, _LONGEST_S)
        found["retry_exponential_backoff"] = repr(float(policy.backoff_coefficient))
        found["max_retry_delay"] = duration(most)
        if policy.jitter != 0.1:
            tell("jitter", "Airflow spreads the waits by a measure of its own", "changed")
    elif policy.jitter:
        tell("jitter", "Airflow does not spread waits that do not grow", "dropped")
    if first == 0:
        tell("retry", "Airflow's scheduler takes some seconds to try again", "note")
    return found


def _pool(task: Task, plan: Plan, tell: Tell) -> Options:
    named = [(name, slots) for name, slots in (task.pool or {}).items()
             if name in plan.pools and plan.pools[name].slots is not None]  # fmt: skip
    if len(named) > 1:
        others = ", ".join(f"`{name}`" for name, _ in named[1:])
        tell("pool", f"Airflow has one pool a task: {others} is not held", "dropped")
    if not named:
        return {}
    name, slots = named[0]
    return {"pool": quoted(name)} | ({"pool_slots": repr(slots)} if slots != 1 else {})


def _untold(task: Task, tell: Tell, tries: bool) -> None:
    """What a plan says of a task and Airflow has no word for."""
    untold: list[tuple[Any, str, str]] = [
        (task.outputs, "outputs", "nothing looks whether the files are there"),
        (task.check, "check", "nothing looks at the result"),
        (task.cache, "cache", "Airflow runs the task every time"),
        (task.total_timeout_s is not None, "total_timeout", "only an attempt is bounded"),
        (task.estimate_s is not None, "estimate", "Airflow has none"),
        (task.foreach is not None and task.tolerate, "tolerate", "one failed item fails the task"),
        (not tries and task.retry.maximum_attempts > 1, "retry", "there is nothing to try again"),
        (
            task.waits_for_person and task.timeout_s is not None,
            "timeout",
            "a person is waited for however long: an approval has a `timeout` of its own",
        ),
    ]
    for said, what, why in untold:
        if said:
            tell(what, why, "dropped")


def described(text: str) -> tuple[str, Options]:
    """A description as the docstring of a function, else as an argument; either may be empty."""
    if not text:
        return "", {}
    doc = docstring(text)
    return (doc, {}) if doc is not None else ("", {"doc_md": spelled_out(text)})
