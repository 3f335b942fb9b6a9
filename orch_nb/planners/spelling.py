"""How the fields of a task are spelled in a document: the inverse of the readers of `task_keys`."""

from __future__ import annotations

import json
from typing import Any

from orch_nb.model.contract import Contract
from orch_nb.model.duration import duration_text, parse_duration
from orch_nb.model.task import (
    Approval,
    Call,
    Foreach,
    Pool,
    Rate,
    RetryPolicy,
    Task,
    TriggerRule,
    callable_name,
)

__all__ = [
    "Line", "Pairs", "is_short", "spell_action", "spell_afterwards", "spell_policies", "spell_pool",
    "spell_value",
]  # fmt: skip


class Line(list[Any]):
    """A list that is written on one line."""


class Pairs(dict[str, Any]):
    """A short mapping that is written on one line."""


def is_short(said: dict[str, Any]) -> bool:
    text = json.dumps(said, default=str)
    return len(text) <= 72 and "\\n" not in text


def spell_action(task: Task) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if task.run is not None:
        said["run"] = _callable(task.run)
    for key in ("sh", "notebook", "todo"):
        if getattr(task, key) is not None:
            said[key] = getattr(task, key)
    if task.approval is not None:
        said["approval"] = _approval(task.approval)
    if task.with_:
        said["with"] = {
            key: spell_value(value, f"`with` of `{task.id}`") for key, value in task.with_.items()
        }
    return said


def _approval(gate: Approval) -> Any:
    said = Pairs(prompt=gate.prompt)
    if gate.default is not None:
        said["default"] = gate.default
    if gate.timeout_s is not None:
        said["timeout"] = _duration(gate.timeout_s)
    return said if len(said) > 1 else gate.prompt


def _callable(run: Any) -> str:
    name = callable_name(run)
    return name.removeprefix("__main__:") if not isinstance(run, str) else name


def spell_policies(task: Task) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if task.trigger is not TriggerRule.ALL_SUCCESS:
        said["trigger"] = str(task.trigger)
    said.update(_fan_out(task))
    said.update(_tries(task))
    if task.estimate_range_s is not None:
        said["estimate"] = Line(_duration(value) for value in task.estimate_range_s)
    elif task.estimate_s is not None:
        said["estimate"] = _duration(task.estimate_s)
    if task.priority:
        said["priority"] = task.priority
    if task.outputs:
        said["outputs"] = Line(task.outputs)
    if task.check:
        said["check"] = _checks(task.check)
    if not task.required:
        said["required"] = False
    if task.compensate is not None:
        said["compensate"] = spell_afterwards(task.compensate)
    if task.cache:
        said["cache"] = True
    if task.owner:
        said["owner"] = task.owner
    return said


def _checks(checks: tuple[Contract, ...]) -> Any:
    found = [_check(check) for check in checks]
    return Line(found) if len(found) > 1 else found[0]


def _check(check: Contract) -> Any:
    name: Any = check.of if isinstance(check.of, bool) else check.name or _callable(check.of)
    name = name if isinstance(name, bool) else name.removeprefix("builtins:")
    return name if check.required else Pairs(check=name, required=False)


def _fan_out(task: Task) -> dict[str, Any]:
    """Whether the task runs, and how many times."""
    said: dict[str, Any] = {}
    if task.when is not None:
        said["when"] = _asked(task.when)
    if task.foreach is not None:
        said["foreach"] = _foreach(task.foreach, f"`foreach` of `{task.id}`")
    if task.max_active is not None:
        said["max_active"] = task.max_active
    if task.tolerate:
        said["tolerate"] = task.tolerate
    return said


def _asked(asked: str | Call) -> Any:
    return Pairs(run=_callable(asked.function)) if isinstance(asked, Call) else asked


def _foreach(foreach: Foreach, where: str) -> Any:
    over = foreach.over
    said = Line(spell_value(over, where)) if isinstance(over, list) else _asked(over)
    return Pairs({foreach.item: said}) if foreach.item else said


def _tries(task: Task) -> dict[str, Any]:
    """How a task, or what undoes it, is tried, and within which limits."""
    said: dict[str, Any] = {}
    if task.retry != RetryPolicy():
        said["retry"] = _retry(task.retry)
    for key, seconds in (("timeout", task.timeout_s), ("total_timeout", task.total_timeout_s)):
        if seconds is not None:
            said[key] = _duration(seconds)
    if task.pool is not None:
        once = all(slots == 1 for slots in task.pool.values())
        names = list(task.pool)
        said["pool"] = (
            Pairs(task.pool) if not once else names[0] if len(names) == 1 else Line(names)
        )
    return said


def spell_afterwards(task: Task) -> Any:
    """A compensation, or what runs when the plan has failed; a callable alone is its name."""
    said = {
        key: getattr(task, key) for key in ("title", "description", "owner") if getattr(task, key)
    }
    said |= {**spell_action(task), **_tries(task)}
    if list(said) == ["run"]:
        return said["run"]
    return Pairs(said) if len(said) <= 2 and is_short(said) else said


def spell_pool(pool: Pool) -> Any:
    if pool.rate is None:
        return pool.slots
    said = Pairs() if pool.slots is None else Pairs(slots=pool.slots)
    said["rate"] = _rate(pool.rate)
    return said


def _rate(rate: Rate) -> Any:
    units = {1.0: "s", 60.0: "min", 3600.0: "h"}
    period = units.get(rate.period_s) or _duration(rate.period_s)
    if isinstance(period, str):
        return f"{rate.starts}/{period}"
    return Pairs(starts=rate.starts, period=period)


def _retry(policy: RetryPolicy) -> Any:
    default = RetryPolicy()
    if policy == RetryPolicy(maximum_attempts=policy.maximum_attempts):
        return policy.maximum_attempts
    said: dict[str, Any] = {"maximum_attempts": policy.maximum_attempts}
    for name in ("initial_interval_s", "maximum_interval_s"):
        seconds = getattr(policy, name)
        if seconds is not None and seconds != getattr(default, name):
            said[name.removesuffix("_s")] = _duration(seconds)
    for name in ("backoff_coefficient", "jitter"):
        if getattr(policy, name) != getattr(default, name):
            said[name] = getattr(policy, name)
    for name in ("non_retryable", "retry_on"):
        if getattr(policy, name):
            said[name] = Line(getattr(policy, name))
    return Pairs(said)


def _duration(seconds: float) -> str | float:
    """As a person writes it, where that is exact."""
    text = duration_text(seconds)
    return text if parse_duration(text) == seconds else seconds


def spell_value(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [spell_value(item, where) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: spell_value(item, where) for key, item in value.items()}
    raise TypeError(
        f"{where} holds a {type(value).__name__}, which has no form in a document; let a task read "
        "or make it"
    )
