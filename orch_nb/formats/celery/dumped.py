"""A canvas as JSON, as `json.dumps(canvas)` writes it."""

from __future__ import annotations

from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.celery.pieces import Chain, Group, Part, Signature

__all__ = ["is_canvas", "part_of"]

_DEEPEST = 200


def is_canvas(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("task"), str) and "subtask_type" in value
    )


def part_of(value: Any, deep: int = 0) -> Part:
    """The part that a dict stands for. Raises PlanError for what is none."""
    if deep > _DEEPEST or not is_canvas(value):
        raise PlanError(f"This is no part of a canvas: {str(value)[:80]}")
    task, kwargs = value["task"], value.get("kwargs") or {}
    if task == "celery.chain":
        return Chain([part_of(inner, deep + 1) for inner in kwargs.get("tasks", ())])
    if task == "celery.group":
        return Group([part_of(inner, deep + 1) for inner in kwargs.get("tasks", ())])
    if task == "celery.chord":
        header = kwargs.get("header", ())
        if isinstance(header, dict):
            header = (header.get("kwargs") or {}).get("tasks", ())
        parts = Group([part_of(inner, deep + 1) for inner in header])
        body = kwargs.get("body")
        return parts if body is None else Chain([parts, part_of(body, deep + 1)])
    if task in ("celery.map", "celery.starmap", "celery.chunks"):
        inner = part_of(kwargs.get("task"), deep + 1)
        assert isinstance(inner, Signature)
        return Signature(inner.task, kwargs={"it": kwargs.get("it")}, immutable=True,
                         options={"map": task.removeprefix("celery.")})  # fmt: skip
    return Signature(
        task, list(value.get("args") or ()), dict(kwargs), dict(value.get("options") or {}),
        bool(value.get("immutable")),
    )  # fmt: skip
