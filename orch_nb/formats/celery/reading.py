"""A canvas as a plan: each signature a task that needs those before it."""

from __future__ import annotations

import json
import os
from pathlib import PurePath
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.celery.calls import called, too_long
from orch_nb.formats.celery.canvas import GATHER
from orch_nb.formats.celery.dumped import is_canvas, part_of
from orch_nb.formats.celery.options import policy
from orch_nb.formats.celery.pieces import Part, Signature, Wired, joins_groups, wired
from orch_nb.formats.celery.source import Module, Written
from orch_nb.graph.topology import order
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.model.translation import Import, Loss

__all__ = ["read", "recognises"]

#: Options by which Celery itself finds things again.
_OF_NO_MEANING = {"link", "task_id", "group_id", "root_id", "parent_id", "reply_to", "chord"}
_NOT_HERE = (
    ("queueName", "bullmq", "a flow of BullMQ"), ("states", "xstate", "a machine of XState"),
)  # fmt: skip


def recognises(text: str, path: str | os.PathLike[str] = "") -> bool:
    """Whether a file has a canvas: a module that imports what makes one, or its JSON."""
    if text.lstrip().startswith("{"):
        return '"subtask_type"' in text and '"task"' in text
    if os.fspath(path) and PurePath(path).suffix != ".py":
        return False
    return "celery" in text and any(word in text for word in ("chain", "group", "chord", ".s("))


def read(text: str, path: str | os.PathLike[str] = "") -> Import:
    """The plan of a canvas, never by running anything. Raises PlanError where there is none."""
    source = os.fspath(path)
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"This is no JSON: {error}") from None
        if not is_canvas(value):
            raise PlanError([_no_canvas(value)])
        return _Reader(None, "", source).read(part_of(value))
    module = Module(text)
    try:
        found = module.canvases()
    except RecursionError:
        raise PlanError("The canvas is nested too deep to be read.") from None
    if not found:
        raise PlanError("No chain, group, chord or signature is made in this module.")
    if len(found) > 1:
        lines = ", ".join(str(line) for _, line in found)
        raise PlanError(
            [Problem(f"The module makes several canvases (lines {lines}).",
                     hint="Keep one of them in the file.")]
        )  # fmt: skip
    return _Reader(module, PurePath(source).stem, source).read(found[0][0])


def _no_canvas(value: Any) -> Problem:
    hint = next(
        (f"It looks like {what}: import it as `{system}`." for key, system, what in _NOT_HERE
         if key in value),
        "json.dumps(canvas) of Celery writes one.",
    )  # fmt: skip
    return Problem("This JSON is no canvas: it has no `task` and `subtask_type`.", hint=hint)


class _Reader:
    def __init__(self, module: Module | None, stem: str, source: str) -> None:
        self._module, self._stem, self._source = module, stem, source
        self.losses: list[Loss] = []

    def read(self, part: Part) -> Import:
        signatures = wired(part)
        if not signatures:
            raise PlanError("The canvas has no tasks.")
        names = self._names([one.signature for one in signatures])
        if joins_groups(part):
            why = (
                "a worker gives the results of a group within a group in another order (Celery 5.7 "
                "reverses them); here they come as they are written"
            )
            self.losses.append(Loss("group", why, severity="changed"))
        tasks = {names[n]: self._task(one, names, n) for n, one in enumerate(signatures)}
        tasks = self._without_gather(tasks)
        written = {w.step["task"]: w for w in self._written() if w.step is not None}
        if written:
            tasks = self._as_said(tasks, written)
        params = self._module.value("PARAMS") if self._module is not None and written else None
        goal = self._module.goal if self._module is not None else ""
        plan = Plan(
            goal=goal or f"The canvas of {self._stem or next(iter(tasks))}",
            tasks=tuple(tasks.values()),
            params=params if isinstance(params, dict) else {},
            on_failure=self._on_failure(),
        )
        told = self._module.losses if self._module is not None else []
        if plan.on_failure is not None:
            told = [loss for loss in told if loss.what != "on_error"]
        return Import("celery", plan, (*told, *self.losses), self._source)

    def _written(self) -> list[Written]:
        return [] if self._module is None else list(self._module.tasks.values())

    def _on_failure(self) -> Task | None:
        for one in self._written():
            if one.step is not None and one.step["task"] == "on_failure":
                return Task(id="on_failure", **_fields(one))
        return None

    def _names(self, signatures: list[Signature]) -> list[str]:
        """A name for each: what an export called it, else its task's, numbered where it repeats."""
        found: dict[str, None] = {}
        counts: dict[str, int] = {}
        for signature in signatures:
            written = self._definition(signature)
            if written is not None and written.step is not None:
                base = str(written.step["task"])
            else:
                base = signature.task.split(".")[-1]
            name = base
            while name in found:
                counts[base] = counts.get(base, 1) + 1
                name = f"{base}_{counts[base]}"
            found[name] = None
        return list(found)

    def _definition(self, signature: Signature) -> Written | None:
        if self._module is None:
            return None
        tasks = self._module.tasks
        return tasks.get(signature.task) or self._module.by_task_name.get(signature.task)

    def _task(self, wired: Wired, names: list[str], place: int) -> Task:
        name, signature = names[place], wired.signature
        written = self._definition(signature)
        fields: dict[str, Any] = {}
        if written is None or written.step is None:
            known = None if written is None or written.takes_more else written.parameters
            fields = called(wired, names, known, name)
            fields["run"] = self._function(signature, written)
            self._tell_of_arguments(name, signature, fields)
        if written is not None:
            fields |= {"description": written.description} | _tries(written, name, self.losses)
        for option in signature.options:
            if option in ("link_error", "errback"):
                self._lose(option, "it is no task here", name, signature, "dropped")
            elif option not in _OF_NO_MEANING:
                self._lose(option, "it says how to send", name, signature)
        return Task(id=name, needs=tuple(names[b] for b in wired.before), **fields)

    def _tell_of_arguments(
        self, name: str, signature: Signature, fields: dict[str, Any]
    ) -> None:  # fmt: skip
        if signature.over:
            why = "one message there goes over all items in a row; here each is an instance"
            self._lose(signature.over, why, name, signature, "changed")
        if any(
            isinstance(a, str) and a[:2] == "{{"
            for a in (*signature.args, *signature.kwargs.values())
        ):
            why = "a text that begins with {{ is filled in here, as a template"
            self._lose("arguments", why, name, signature, "changed")
        if too_long(fields.get("with_", {})):
            why = "what comes before it is too much to be said in an expression"
            self._lose("arguments", why, name, signature, "changed")

    def _lose(
        self, what: str, why: str, name: str, signature: Signature, severity: str = "note"
    ) -> None:
        self.losses.append(Loss(what, why, name, signature.line, severity))

    def _function(self, signature: Signature, written: Written | None) -> str:
        if written is not None:
            return f"{self._stem}:{written.function}" if self._stem else written.function
        module, _, name = signature.task.rpartition(".")
        return f"{module}:{name}" if module else name

    def _without_gather(self, tasks: dict[str, Task]) -> dict[str, Task]:
        """An export's `gather` is no task: what it waits for, those behind it wait for."""
        written = {one.function for one in self._written()}
        if GATHER not in written or not any(one.step for one in self._written()):
            return tasks
        joins = {n for n in tasks if n.partition("_")[0] == GATHER and tasks[n].run is not None
                 and str(tasks[n].run).endswith(f":{GATHER}")}  # fmt: skip
        if not self._stem:
            joins = {n for n in tasks if tasks[n].run == GATHER}
        found: dict[str, Task] = {}
        behind: dict[str, tuple[str, ...]] = {}
        for name, task in tasks.items():
            needs = tuple(far for need in task.needs or () for far in (behind.get(need, (need,))))
            if name in joins:
                behind[name] = needs
            else:
                found[name] = replace(task, needs=tuple(dict.fromkeys(needs)))
        if behind:
            self.losses = [loss for loss in self.losses if loss.task not in behind]
        return found

    def _as_said(self, tasks: dict[str, Task], written: dict[str, Written]) -> dict[str, Task]:
        """The tasks as an export's `step`s say them, in the order in which they are defined. Where
        the canvas says another order than their needs, both hold."""
        by_canvas = {name: tuple(task.needs or ()) for name, task in tasks.items()}
        by_step = {
            name: tuple((written[name].step or {}).get("needs") or ()) if name in written else needs
            for name, needs in by_canvas.items()
        }
        known = {name: tuple(n for n in needs if n in tasks) for name, needs in by_step.items()}
        same = by_step == known and _orders(known) == _orders(by_canvas)
        if not same:
            why = "the canvas was changed since its export: its order and the needs of tasks hold"
            self.losses.append(Loss("needs", why, severity="note"))
        found = {}
        for name in [*(one for one in written if one in tasks), *tasks]:
            needs = known[name] if same else tuple(dict.fromkeys((*known[name], *by_canvas[name])))
            more = _fields(written[name]) if name in written else {}
            found[name] = replace(tasks[name], needs=needs, **more)
        return found


def _orders(needs: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """All that comes before each task, as bits; a task on a cycle is not there."""
    place = {name: n for n, name in enumerate(sorted(needs))}
    found: dict[str, int] = {}
    for name in order(needs):
        found[name] = 0
        for need in needs[name]:
            found[name] |= found[need] | 1 << place[need]
    return found


def _fields(written: Written) -> dict[str, Any]:
    """What an export's task does."""
    step = written.step or {}
    return {
        "run": step.get("run"), "sh": step.get("sh"), "with_": step.get("arguments", {}),
        "description": written.description, **_tries(written, "", []),
    }  # fmt: skip


def _tries(written: Written, name: str, losses: list[Loss]) -> dict[str, Any]:
    options = written.options
    try:
        retry = policy(options)
    except (ValueError, TypeError):
        losses.append(Loss("retry", "its options are no numbers", name))
        retry = RetryPolicy()
    found: dict[str, Any] = {"retry": retry}
    limit = options.get("soft_time_limit", options.get("time_limit"))
    if isinstance(limit, int | float):
        found["timeout_s"] = float(limit)
    known = {"name", "bind", "autoretry_for", "dont_autoretry_for", "max_retries", "retry_backoff",
             "retry_backoff_max", "retry_jitter", "default_retry_delay", "soft_time_limit",
             "time_limit"}  # fmt: skip
    why = "a task has no such option"
    losses += [Loss(o, why, name, severity="note") for o in options if o not in known]
    if written.bound and "max_retries" in options and "autoretry_for" not in options:
        how = "it retries by `self.retry`, in its own code"
        losses.append(Loss("retry", how, name, severity="changed"))
    return found
