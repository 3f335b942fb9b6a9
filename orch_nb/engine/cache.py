"""Kept results used again: what a result depends on, and whether any of that has changed.

    key = hash(source, arguments, each upstream task's result)

`source` is a function with the functions of the person's own that it calls, as they are compiled:
an edit of a comment changes nothing, an edit of a helper two calls away does. For a shell command
it is its text, for a notebook its content. A result that was not kept has no hash, and what depends
on it is never taken from the cache.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orch_nb.engine.arguments import Inputs
from orch_nb.engine.ports import Cached, Journal
from orch_nb.graph import topology
from orch_nb.graph.items import item_parameter
from orch_nb.model.event import ResultRef
from orch_nb.model.fold import RunState
from orch_nb.model.plan import encode, parameters
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.model.task_state import TaskState

__all__ = ["Cache", "key_of", "source_hash"]

_PLAIN = (str, int, float, bool, bytes, type(None))


def _digest(*texts: str) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    for text in texts:
        hashed.update(text.encode("utf-8", "surrogatepass"))
        hashed.update(b"\0")
    return hashed.hexdigest()


def key_of(parts: Mapping[str, str]) -> str:
    """The key of what a result depends on."""
    return _digest(*(f"{name}={parts[name]}" for name in sorted(parts)))


def source_hash(task: Task, workspace: str = "") -> str:
    """A hash of what the task does, without its arguments."""
    if task.run is not None:
        seen: dict[int, str] = {}
        return _digest("run", _callable(task.run, seen))
    if task.notebook is not None:
        path = Path(workspace or ".") / task.notebook
        try:
            return _digest("notebook", hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            return _digest("notebook", task.notebook, str(error))
    return _digest("sh", task.sh or "")


def _callable(function: Any, seen: dict[int, str]) -> str:
    """What a callable is made of, the person's own functions that it names included."""
    if id(function) in seen:
        return seen[id(function)]
    seen[id(function)] = getattr(function, "__qualname__", "?")  # it may call itself
    inner = getattr(function, "__wrapped__", None)
    code = getattr(function, "__code__", None)
    if code is None:
        target = getattr(function, "func", None) or getattr(function, "__func__", None)
        parts = [f"{type(function).__module__}.{type(function).__qualname__}"]
        if target is not None:
            parts.append(_callable(target, seen))
            parts.append(
                repr(getattr(function, "args", "")) + repr(getattr(function, "keywords", ""))
            )
        elif isinstance(function, type):
            parts += _members(function, seen)
        else:
            parts.append(getattr(function, "__qualname__", ""))
            call = getattr(type(function), "__call__", None)  # noqa: B004
            if hasattr(call, "__code__"):
                parts.append(_callable(call, seen))
    else:
        parts = [_code(code), repr(function.__defaults__), _values(function.__kwdefaults__ or {})]
        parts += _globals(function, code, seen)
        for cell in function.__closure__ or ():
            try:
                parts.append(_value(cell.cell_contents, seen))
            except ValueError:  # not filled in yet
                parts.append("empty")
    if inner is not None:
        parts.append(_callable(inner, seen))
    seen[id(function)] = _digest(*parts)
    return seen[id(function)]


def _members(cls: type, seen: dict[int, str]) -> list[str]:
    if not _own(cls):
        return [f"{cls.__module__}.{cls.__qualname__}"]
    return [
        f"{name}:{_value(value, seen)}"
        for name, value in sorted(vars(cls).items())
        if name not in ("__dict__", "__weakref__", "__doc__", "__firstlineno__")
    ]


def _code(code: types.CodeType) -> str:
    """A code object without its lines and file, which an edit elsewhere in the cell moves."""
    consts = [_code(c) if isinstance(c, types.CodeType) else _constant(c) for c in code.co_consts]
    return _digest(
        code.co_code.hex(), *consts, *code.co_names, *code.co_varnames, *code.co_freevars,
        f"{sys.version_info[:2]}",
    )  # fmt: skip


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):  # its order differs from process to process
        return "{" + ",".join(sorted(map(repr, value))) + "}"
    return f"{type(value).__name__}:{value!r}"


def _globals(function: Any, code: types.CodeType, seen: dict[int, str]) -> list[str]:
    names = set(code.co_names)
    stack = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    while stack:
        inner = stack.pop()
        names |= set(inner.co_names)
        stack += [c for c in inner.co_consts if isinstance(c, types.CodeType)]
    known = function.__globals__
    return [f"{name}={_value(known[name], seen)}" for name in sorted(names) if name in known]


def _value(value: Any, seen: dict[int, str]) -> str:
    """What a name stands for: the person's own code by what it is made of, plain values as they
    are, everything else (a library, a connection) by its name and type only."""
    if isinstance(value, _PLAIN) or (
        isinstance(value, (tuple, list, dict, set, frozenset)) and len(value) < 1000
    ):
        return _values(value)
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, (staticmethod, classmethod, property)):
        value = getattr(value, "__func__", None) or getattr(value, "fget", None)
    if callable(value) and _own(value):
        return _callable(value, seen)
    name = getattr(value, "__qualname__", "") if callable(value) else ""
    return f"{type(value).__module__}.{type(value).__qualname__} {name}"


def _values(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted(map(repr, value))) + "}"
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__


def _own(value: Any) -> bool:
    """Whether code is the person's: not of the standard library, not of an installed package."""
    module = sys.modules.get(getattr(value, "__module__", "") or "")
    if module is None or module.__name__ == "__main__":
        return True
    where = getattr(module, "__file__", None)
    if where is None:
        return module.__name__ not in sys.builtin_module_names
    return not any(
        f"{part}" in where for part in ("site-packages", "dist-packages", f"{sys.base_prefix}/lib/")
    )


class Cache:
    """Kept results for one run: keys of its tasks, looked up before and remembered after."""

    def __init__(self, state: RunState, inputs: Inputs, journal: Journal) -> None:
        self._state, self._inputs, self._journal = state, inputs, journal
        self._keys: dict[str, tuple[str, dict[str, str]] | None] = {}
        self._sources: dict[str, str] = {}
        self._new: list[Cached] = []
        self._active: bool | None = None

    @property
    def active(self) -> bool:
        """Whether any task of the run uses kept results."""
        if self._active is None:
            plan = self._state.whole
            self._active = self._state.options.cache or any(task.cache for task in plan.tasks)
        return self._active

    def uses(self, task: Task) -> bool:
        """Whether a kept result may stand for running the task. What has a compensation is run: its
        result says nothing of whether it was undone since."""
        if not (task.cache or self._state.options.cache) or task.compensate is not None:
            return False
        return task.kind in ("python", "shell", "notebook") and task.id in self._state.whole

    def look_up(self, name: str, task: Task) -> Cached | None:
        """The kept result of `name`, if nothing that it depends on has changed."""
        found = self._keys[name] = self._key(name, task)
        if found is None or self._state.options.fresh:
            return None
        return self._journal.recall(found[0])

    def succeeded(self, name: str, task: Task, ref: ResultRef) -> None:
        """Take a new result; it is remembered by `flush`, when its success is committed."""
        known = name in self._keys
        found = self._keys.pop(name, None)
        if ref.format == "unstored":
            return
        if not known:
            found = self._key(name, task)
        if found is not None:
            key, parts = found
            self._new.append(Cached(key, name, self._state.run_id, ref, parts))

    def tried_anew(self, names: Iterable[str]) -> None:
        """These get other arguments, perhaps; what runs meanwhile has got what they gave before."""
        for name in names:
            self._keys.pop(name, None)
            for other in topology.downstream(self._state.whole).get(name, ()):
                group = self._state.tasks[other]
                every = [f"{other}[{n}]" for n in range(group.instances or 0)]
                for one in (other, *every):
                    if self._state.task(one).status in (Status.RUNNING, Status.BACKING_OFF):
                        self._keys[one] = None

    def flush(self) -> None:
        if self._new:
            self._journal.remember(self._new)
            self._new = []

    def _key(self, name: str, task: Task) -> tuple[str, dict[str, str]] | None:
        parts = self.parts(name, task)
        return None if parts is None else (key_of(parts), parts)

    def parts(self, name: str, task: Task) -> dict[str, str] | None:
        """What the result of `name` depends on, each by its hash; None where one has none."""
        source = self._sources.get(task.id)
        if source is None:
            source = self._sources[task.id] = source_hash(task, self._state.options.workspace)
        needs = self._inputs.needs(name, task)
        parts = {"source": source, "arguments": self._arguments(name, task)}
        for need in needs:
            found = self.result_hash(self._state.task(need))
            if found is None:
                return None
            parts[f"result of {need}"] = found
        return parts

    def result_hash(self, state: TaskState) -> str | None:
        """The content hash of a task's result; None for one that was not kept."""
        if state.status is not Status.SUCCEEDED:
            return f"({state.status.value})"
        if state.instances is not None:
            every = (self._state.derived[f"{state.task}[{n}]"] for n in range(state.instances))
            found = [self.result_hash(instance) for instance in every]
            return None if None in found else _digest(*(str(part) for part in found))
        return self._journal.content_hash(state.result or ResultRef())

    def _arguments(self, name: str, task: Task) -> str:
        plan = self._state.whole
        taken: Any = plan.params
        if task.run is not None:
            accepts = parameters(task.run)
            taken = {k: v for k, v in plan.params.items() if k in accepts.names}
        texts = [_text(task.with_), _text(taken)]
        state = self._state.task(name)
        if task.foreach is not None and state.index is not None:
            texts += [_text(self._inputs.items(task.id)[state.index])]
            if task.run is not None:
                needs = self._inputs.needs(name, task)
                texts.append(item_parameter(task, needs, plan.params) or "")
        return _digest(*texts)


def _text(value: Any) -> str:
    try:
        return encode(value).decode()
    except (TypeError, ValueError, OverflowError):
        try:
            return json.dumps(value, sort_keys=True, default=repr)
        except (TypeError, ValueError):
            return repr(value)
