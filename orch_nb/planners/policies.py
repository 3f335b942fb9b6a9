"""How often, how many, how long: the keys that say how a task is tried and what bounds it.

retry: {maximum_attempts: 3, retry_on: OSError}     RetryPolicy(3, retry_on=("OSError",))
pool: {db: 2}                                       {"db": 2}
pools: {api: {slots: 4, rate: 10/s}}                {"api": Pool(4, Rate(10, 1.0))}
"""

from __future__ import annotations

import re
from typing import Any

from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.duration import parse_duration
from orch_nb.model.task import Pool, Rate, RetryPolicy, TriggerRule
from orch_nb.planners.fields import Fields, name_of
from orch_nb.planners.nodes import Node

__all__ = [
    "read_estimate",
    "read_pool",
    "read_pools",
    "read_retry",
    "read_tolerate",
    "read_trigger",
]

_RETRY_KEYS = {
    "maximum_attempts": "maximum_attempts",
    "initial_interval": "initial_interval_s",
    "maximum_interval": "maximum_interval_s",
    "backoff_coefficient": "backoff_coefficient",
    "jitter": "jitter",
    "non_retryable": "non_retryable",
    "retry_on": "retry_on",
}
_RULES = {str(rule): rule for rule in TriggerRule}
_SHARE = re.compile(r"(?:100|\d{1,2}(?:\.\d+)?)%")
_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d.*|[a-z]+)\s*")
_PERIODS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0,
    "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip


def read_trigger(fields: Fields, node: Node) -> TriggerRule | None:
    name = node.value if isinstance(node.value, str) else ""
    if name not in _RULES:
        fields.wrong("trigger", node, f"is no trigger rule: {node.described()}",
                     did_you_mean(name, _RULES) or f"There are {', '.join(_RULES)}.")  # fmt: skip
    return _RULES.get(name)


def read_estimate(fields: Fields, node: Node) -> float | list[float] | None:
    if node.kind != "list":
        return fields.duration("estimate", node)
    if len(node.value) != 3:
        fields.wrong("estimate", node, f"is one duration or three, not {len(node.value)}",
                     "Write [optimistic, likely, pessimistic].")  # fmt: skip
        return None
    found = [fields.duration("estimate", item) for item in node.value]
    seconds = [value for value in found if value is not None]
    if len(seconds) == 3 and seconds != sorted(seconds):
        fields.wrong("estimate", node, "goes from optimistic to pessimistic; these do not rise")
        return None
    return seconds if len(seconds) == 3 else None


# -- retrying


def read_retry(fields: Fields, node: Node) -> RetryPolicy | int | None:
    if isinstance(node.origin, RetryPolicy):
        return node.origin
    if node.kind == "scalar":
        return _attempts(fields, "retry", node)
    if node.kind == "list":
        fields.wrong("retry", node, "is a number of attempts or a mapping, not a list")
        return None
    found: dict[str, Any] = {}
    for key, at, value in node.pairs():
        name = _RETRY_KEYS.get(key.removesuffix("_s"))
        if name is None:
            fields.unknown("retry", at, key, _RETRY_KEYS)
        elif not value.empty:
            found[name] = _retry_part(fields, name, f"retry.{key}", value)
    return RetryPolicy(**{key: part for key, part in found.items() if part is not None})


def _retry_part(fields: Fields, name: str, key: str, node: Node) -> Any:
    if name == "maximum_attempts":
        return _attempts(fields, key, node)
    if name.endswith("interval_s"):
        return fields.duration(key, node)
    if name in ("non_retryable", "retry_on"):
        return _exceptions(fields, key, node)
    low, high = (1.0, 100.0) if name == "backoff_coefficient" else (0.0, 1.0)
    return fields.number(key, node, low, high)


def _attempts(fields: Fields, key: str, node: Node) -> int | None:
    value = node.value
    if isinstance(value, int) and value < 1 and not isinstance(value, bool):
        fields.wrong(key, node, f"is at least 1 (one attempt, no retry), not {value}")
        return None
    also = " or a mapping" if key == "retry" else ""
    return fields.whole(key, node, 1, what=f"a number of attempts{also}")


def _exceptions(fields: Fields, key: str, node: Node) -> tuple[str, ...] | None:
    """Names of exception classes, or the classes themselves."""
    items = node.value if node.kind == "list" else [node]
    found = []
    for item in items:
        kind = item.origin
        if isinstance(kind, type) and issubclass(kind, BaseException):
            prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            found.append(prefix + kind.__qualname__)
        else:
            name = fields.text(key, item)
            if name is not None and not all(part.isidentifier() for part in name.split(".")):
                fields.wrong(key, item, f"names exceptions, and {item.described()} is no name",
                             "Write [OSError, requests.Timeout].")  # fmt: skip
                name = None
            found.append(name or "")
    return tuple(found) if all(found) else None


def read_tolerate(fields: Fields, node: Node) -> int | str | None:
    value = node.value
    if isinstance(value, str) and (value == "all" or _SHARE.fullmatch(value)):
        return value
    what = "a number, a share or `all`"
    if isinstance(value, int) and not isinstance(value, bool):
        return fields.whole("tolerate", node, 0, what=what)
    fields.wrong("tolerate", node, f"is {what}, not {node.described()}", 'Write 2, "20%" or all.')
    return None


# -- pools

#: In place of a pool that has a fault: the tasks that are in it are not to blame.
_ENOUGH = Pool(1_000_000)


def read_pool(fields: Fields, node: Node) -> dict[str, int] | None:
    """The pools of a task, and how many slots of each it takes."""
    found: dict[str, int] = {}
    if node.kind != "map":
        for name, at in fields.names("pool", node):
            if name in found:
                fields.wrong("pool", at, f"names `{name}` twice", f"Write {{{name}: 2}}.")
            found[name] = 1
        return found or None
    for _, at, value in node.pairs():
        pool = name_of(at)
        slots = fields.whole(f"pool.{at.text}", value, 1, what="a number of slots")
        if pool is not None and slots is not None:
            found[pool] = slots
    return found or None


def read_pools(fields: Fields, node: Node) -> dict[str, Pool]:
    """The pools of a plan: a number of slots, or a mapping with `slots` and `rate`."""
    if node.kind != "map":
        fields.wrong("pools", node, f"is a mapping of names to slots, not {node.described()}",
                     "Write pools: {db: 2}.")  # fmt: skip
        return {}
    return {name: _pool(fields, f"pools.{name}", value) for name, _, value in node.pairs()}


def _pool(fields: Fields, key: str, node: Node) -> Pool:
    if isinstance(node.origin, Pool):
        return node.origin
    if node.kind != "map":
        slots = fields.whole(key, node, 1, what="a number of slots, or {slots: 4, rate: 10/s}")
        return Pool(slots) if slots is not None else _ENOUGH
    found: dict[str, Any] = {}
    for name, at, value in node.pairs():
        if name == "slots":
            found["slots"] = fields.whole(f"{key}.slots", value, 1, what="a number of slots")
        elif name == "rate":
            found["rate"] = _rate(fields, f"{key}.rate", value)
        else:
            found[name] = None
            fields.unknown(key, at, name, ("slots", "rate"))
    return Pool(**found) if None not in found.values() else _ENOUGH


def _rate(fields: Fields, key: str, node: Node) -> Rate | None:
    if isinstance(node.origin, Rate):
        return node.origin
    if node.kind == "map":
        return _rate_in_parts(fields, key, node)
    match = _RATE.fullmatch(node.value) if isinstance(node.value, str) else None
    period = _period(match[2]) if match else None
    starts = int(match[1]) if match and len(match[1]) < 10 else 0
    if starts < 1 or not period:
        fields.wrong(key, node, f"is so many starts in a time, not {node.described()}",
                     "Write 10/s, 100/min, 1000/h or 5/10s.")  # fmt: skip
        return None
    return Rate(starts, period)


def _rate_in_parts(fields: Fields, key: str, node: Node) -> Rate | None:
    found: dict[str, Any] = {}
    for name, at, value in node.pairs():
        if name == "starts":
            found["starts"] = fields.whole(f"{key}.starts", value, 1)
        elif name in ("period", "period_s"):
            found["period_s"] = fields.positive(f"{key}.period", value)
        else:
            fields.unknown(key, at, name, ("starts", "period"))
    if len(found) < 2:
        fields.wrong(key, node, "has `starts` and `period`", "Or write 10/s.")
    return Rate(**found) if len(found) == 2 and None not in found.values() else None


def _period(text: str) -> float | None:
    if text in _PERIODS:
        return _PERIODS[text]
    try:
        return parse_duration(text) if not text[-1].isdigit() else None
    except ValueError:
        return None
