"""Temporal in Python: workflows and what they call, activities, workers, schedules."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orch_nb.analysis.workflows.page import LIKELY, SURE, Draft, Page, Pages
from orch_nb.analysis.workflows.python_names import (
    FunctionNode,
    Module,
    Packages,
    dotted,
    keyword,
)
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "temporal_python"]

NEEDLES = ("temporalio",)
_LISTENS = {"signal": "signal", "query": "query", "update": "update"}
_STARTS = {
    f"{verb}_{what}": kind
    for verb in ("execute", "start")
    for what, kind in (
        ("activity", "activity"), ("activity_method", "activity"), ("activity_class", "activity"),
        ("local_activity", "activity"), ("local_activity_method", "activity"),
        ("local_activity_class", "activity"), ("child_workflow", "child"),
    )
}  # fmt: skip
_TIMERS = frozenset({"sleep", "wait_condition"})


def temporal_python(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """One workflow for each class marked so, one for the activities of each file, its workers."""
    for page in pages:
        module = packages.read(page)
        if module is None or not any("temporalio" in o for o in module.imports.values()):
            continue
        for node in module.classes:
            for decorator, origin in module.decorators(node):
                if origin == "temporalio.workflow.defn":
                    yield _workflow(module, page, node, decorator)
        yield from _activities(module, page)
        yield from _workers(module, page)


def _name(module: Module, decorator: ast.expr, default: str) -> str:
    given = keyword(decorator, "name") if isinstance(decorator, ast.Call) else None
    return module.text(given) or default


def _workflow(module: Module, page: Page, node: ast.ClassDef, decorator: ast.expr) -> Workflow:
    draft = Draft(
        _name(module, decorator, node.name), "temporal", "workflow",
        Evidence("@workflow.defn", page.path, node.lineno),
    )  # fmt: skip
    for method in node.body:
        if not isinstance(method, FunctionNode):
            continue
        for mark, origin in module.decorators(method):
            kind = _LISTENS.get(origin.removeprefix("temporalio.workflow."), "")
            if kind and origin.startswith("temporalio.workflow."):
                draft.part(_name(module, mark, method.name), kind, method.lineno)
    _calls(module, node, draft)
    return draft.done()


def _calls(module: Module, node: ast.ClassDef, draft: Draft) -> None:
    """The activities and children that a workflow starts, one behind another where it waits."""
    before = ""
    waited = {
        n.value
        for n in ast.walk(node)
        if isinstance(n, ast.Await) and isinstance(n.value, ast.Call)
    }
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset)):
        origin = module.origin(call.func)
        if not origin.startswith("temporalio.workflow."):
            continue
        last = origin.rpartition(".")[2]
        if last in _TIMERS:
            draft.part(last, "timer", call.lineno)
        kind = _STARTS.get(last)
        target = (
            (call.args[0] if call.args else keyword(call, "activity", "workflow")) if kind else None
        )
        if kind is None or target is None:
            continue
        name = module.text(target) or _short(target, kind)
        if not name:
            continue
        draft.task(name, kind, call.lineno, last)
        if call in waited:
            draft.edge(before, name)
            before = name


def _short(target: ast.expr, kind: str) -> str:
    name = dotted(target)
    if kind == "child" and name.endswith((".run", ".execute")):
        name = name.rpartition(".")[0]
    return name.rpartition(".")[2]


def _activities(module: Module, page: Page) -> Iterator[Workflow]:
    found: list[tuple[int, str]] = []
    for function, _ in module.functions:
        for decorator, origin in module.decorators(function):
            if origin == "temporalio.activity.defn":
                found.append((function.lineno, _name(module, decorator, function.name)))
    if found:
        found.sort()
        draft = Draft(
            f"{page.stem} activities", "temporal", "activities",
            Evidence("@activity.defn", page.path, found[0][0]),
        )  # fmt: skip
        for line, name in found:
            draft.task(name, "activity", line)
        yield draft.done()


def _workers(module: Module, page: Page) -> Iterator[Workflow]:
    for call in module.calls:
        origin = module.origin(call.func)
        if origin in {"temporalio.worker.Worker", "temporalio.worker._worker.Worker"}:
            queue = module.text(keyword(call, "task_queue"))
            draft = Draft(
                queue or f"{page.stem} worker", "temporal", "worker",
                Evidence("Worker", page.path, call.lineno), SURE if queue else LIKELY,
            )  # fmt: skip
            if queue:
                draft.part(queue, "queue", call.lineno)
            yield draft.done()
        elif origin == "temporalio.client.Schedule":
            draft = Draft(
                f"{page.stem} schedule", "temporal", "schedule",
                Evidence("Schedule", page.path, call.lineno),
            )  # fmt: skip
            for inner in ast.walk(call):
                if not isinstance(inner, ast.Call) or not inner.args:
                    continue
                if module.origin(inner).endswith("ScheduleActionStartWorkflow"):
                    name = _short(inner.args[0], "child") or module.text(inner.args[0])
                    draft.task(name or "workflow", "child", inner.lineno)
            yield draft.done()
