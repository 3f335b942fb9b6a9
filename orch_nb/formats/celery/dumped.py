"""A canvas as JSON, as `json.dumps(canvas)` writes it."""

from __future__ import annotations

from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.celery.pieces import Chain, Group, Part, Signature, begin, chained, ends

__all__ = ["in_chunks", "is_canvas", "part_of"]

_DEEPEST, _MOST = 200, 100_000


def is_canvas(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("task"), str) and "subtask_type" in value
    )


def part_of(value: Any) -> Part:
    """The part that a dict stands for. Raises PlanError for what is none."""
    return _Reader().part(value, 0)


def in_chunks(signature: Signature, items: list[Any], size: int) -> Group:
    """A signature called for each item, so many to a message."""
    return Group(
        [
            Signature(
                signature.task, options=signature.options, immutable=True, line=signature.line,
                over="starmap", items=items[n : n + size],
            )
            for n in range(0, len(items), size)
        ]
    )  # fmt: skip


class _Reader:
    def __init__(self) -> None:
        self._count = 0

    def part(self, value: Any, deep: int) -> Part:
        self._count += 1
        if deep > _DEEPEST or self._count > _MOST:
            raise PlanError("The canvas is too large or nested too deep to be a plan.")
        if not is_canvas(value):
            raise PlanError(f"This is no part of a canvas: {str(value)[:80]}")
        task, kwargs = value["task"], _mapping(value, "kwargs")
        options = _mapping(value, "options")
        links = options.get("link") or []
        links = self._several(links if isinstance(links, list) else [links], task, deep)
        if task == "celery.chain":
            found = chained(self._several(kwargs.get("tasks"), task, deep))
        elif task == "celery.group":
            found = Group(self._several(kwargs.get("tasks"), task, deep))
        elif task == "celery.chord":
            found = self._chord(value, kwargs, deep)
        elif task in ("celery.map", "celery.starmap", "celery.chunks"):
            found = self._over(task.removeprefix("celery."), kwargs, deep)
        else:
            found = Signature(
                task, list(_sequence(value.get("args"), task)), kwargs, {},
                bool(value.get("immutable")),
            )  # fmt: skip
        for end in ends(found):  # what is called with a canvas's result is called with each of them
            end.options = {**options, **end.options}
            end.links = [*end.links, *links]
        return found

    def _several(self, values: Any, of: str, deep: int) -> list[Part]:
        return [self.part(inner, deep + 1) for inner in _sequence(values, of)]

    def _chord(self, value: dict[str, Any], kwargs: dict[str, Any], deep: int) -> Part:
        header = kwargs.get("header")
        if isinstance(header, dict):
            header = _mapping(header, "kwargs").get("tasks")
        parts = Group(self._several(header, "celery.chord", deep))
        given = list(_sequence(value.get("args"), "celery.chord"))
        if given:  # `chord(...).clone(args)`: those of each member
            begin(parts, given, {})
        body = kwargs.get("body")
        return parts if body is None else Chain([parts, self.part(body, deep + 1)])

    def _over(self, kind: str, kwargs: dict[str, Any], deep: int) -> Part:
        inner = self.part(kwargs.get("task"), deep + 1)
        items = list(_sequence(kwargs.get("it"), f"celery.{kind}"))
        if not isinstance(inner, Signature):
            raise PlanError(f"A celery.{kind} goes over items with one task, not with a canvas.")
        if kind == "chunks":
            size = kwargs.get("n")
            if not isinstance(size, int) or size < 1:
                raise PlanError(f"`n` of a celery.chunks is a number of items, not {size!r}.")
            return in_chunks(inner, items, size)
        inner.over, inner.items, inner.immutable = kind, items, True
        return inner


def _mapping(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key) or {}
    if not isinstance(found, dict):
        raise PlanError(f"`{key}` of `{value.get('task')}` is an object, not {str(found)[:60]!r}.")
    return dict(found)


def _sequence(value: Any, of: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise PlanError(f"A list is missing in `{of}`: {str(value)[:60]!r} stands there.")
    return value or []
