"""Celery: tasks of a file, canvases with their edges, what a beat sends and which queues there are.

A decorator counts where its name leads to Celery: `shared_task`, or the `task` of an object that is
a `Celery(...)`, followed through the repository's own modules; where the trail ends outside of what
was read, a name like `celery_app` has to do, and the finding says that it is less sure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.celery_canvas import canvases
from orch_nb.analysis.workflows.page import GUESSED, LIKELY, SURE, Draft, Page, Pages
from orch_nb.analysis.workflows.python_names import (
    FunctionNode,
    Module,
    Packages,
    dotted,
    keyword,
)
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "celery"]

NEEDLES = ("celery", "Celery", "beat_schedule", "BEAT_SCHEDULE", ".task")
_WORD = re.compile(r"task|chain|chord|group|beat|BEAT")
_MARKED = re.compile(r"^[ \t]*@[\w.]+\.(?:periodic_)?task\b", re.MULTILINE)
_BEATS = frozenset(
    {"beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE", "BEAT_SCHEDULE"}
)
_ROUTES = frozenset({"task_routes", "CELERY_TASK_ROUTES", "CELERY_ROUTES", "task_queues"})


def celery(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """The tasks of each file, and the canvases, beats and routes that it makes."""
    for page in pages:
        said = any(needle in page.text for needle in NEEDLES[:-1]) and _WORD.search(page.text)
        if not said and not _MARKED.search(page.text):
            continue
        module = packages.read(page)
        if module is None:
            continue
        yield from _tasks(module, packages, page)
        yield from canvases(module, page)
        yield from _beats(module, page)
        yield from _routes(module, page)


def _tasks(module: Module, packages: Packages, page: Page) -> Iterator[Workflow]:
    found: list[tuple[int, str, str, float]] = []
    for function, _ in module.functions:
        for decorator in function.decorator_list:
            sure = _marks_task(module, packages, decorator)
            if sure:
                given = keyword(decorator, "name") if isinstance(decorator, ast.Call) else None
                name = module.text(given) or function.name
                found.append((function.lineno, name, _said(decorator), sure))
                break
    for node in module.classes:
        if any(_is_task_class(module, packages, base) for base in node.bases):
            name = next(
                (module.text(s.value) for s in node.body
                 if isinstance(s, ast.Assign) and dotted(s.targets[0]) == "name"), ""
            )  # fmt: skip
            runs = any(isinstance(s, FunctionNode) and s.name == "run" for s in node.body)
            if runs:
                found.append((node.lineno, name or node.name, "class", LIKELY))
    if not found:
        return
    found.sort()
    draft = Draft(
        page.stem, "celery", "tasks", Evidence("tasks", page.path, found[0][0]),
        max(sure for *_, sure in found),
    )  # fmt: skip
    for line, name, said, sure in found:
        draft.task(name, "task", line, said, sure)
    yield draft.done()


def _said(decorator: ast.expr) -> str:
    queue = keyword(decorator, "queue") if isinstance(decorator, ast.Call) else None
    text = f"@{dotted(decorator)}"
    return text if queue is None else f"{text}, queue {ast.unparse(queue)[:60]}"


def _marks_task(module: Module, packages: Packages, decorator: ast.expr) -> float:
    """How surely a decorator makes a Celery task; 0 where it does not."""
    origin = module.origin(decorator)
    if origin in {
        "celery.shared_task",
        "celery.task",
        "celery.decorators.task",
        "celery.app.shared_task",
    }:
        return SURE
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(target, ast.Attribute) or target.attr not in {"task", "periodic_task"}:
        return 0.0
    return _application(module, packages, target.value)


def _application(module: Module, packages: Packages, node: ast.expr) -> float:
    """How surely an expression is a Celery application."""
    origin = module.origin(node)
    if origin.startswith("celery."):
        return SURE if origin in {"celery.current_app", "celery.app.app_or_default"} else 0.0
    found = packages.resolve(module, node)
    if found is not None:
        where, definition = found
        if not isinstance(definition, ast.Call):
            return 0.0
        return _makes_application(where, packages, definition)
    if not origin:
        return 0.0
    module_name, _, name = origin.rpartition(".")
    if "celery" in name.lower() or "celery" in module_name.lower().split(".")[-1]:
        return GUESSED if name == "task" else LIKELY
    return 0.0


def _makes_application(module: Module, packages: Packages, call: ast.Call) -> float:
    origin = module.origin(call)
    if origin in {"celery.Celery", "celery.app.Celery", "celery.app.base.Celery"}:
        return SURE
    found = packages.resolve(module, call.func)
    if found is not None and isinstance(found[1], ast.ClassDef):
        return SURE if any(found[0].origin(b).endswith(".Celery") for b in found[1].bases) else 0.0
    if found is not None and isinstance(found[1], FunctionNode):
        made = [n for n in ast.walk(found[1]) if isinstance(n, ast.Call)]
        return LIKELY if any(found[0].origin(n) == "celery.Celery" for n in made) else 0.0
    return GUESSED if "celery" in dotted(call).lower() else 0.0


def _is_task_class(module: Module, packages: Packages, base: ast.expr) -> bool:
    origin = module.origin(base)
    if origin in {"celery.Task", "celery.app.task.Task", "celery.task.Task"}:
        return True
    target = base
    return (
        isinstance(target, ast.Attribute)
        and target.attr == "Task"
        and _application(module, packages, target.value) >= LIKELY
    )


def _beats(module: Module, page: Page) -> Iterator[Workflow]:
    for name, value in module.assigned.items():
        if name.rpartition(".")[2] in _BEATS and isinstance(value, ast.Dict):
            yield from _beat(module, page, value)
    for call in module.calls:
        last = dotted(call.func).rpartition(".")[2]
        if last == "update" and dotted(call.func).endswith("conf.update"):
            given = keyword(call, "beat_schedule")
            if isinstance(given, ast.Dict):
                yield from _beat(module, page, given)
    timed = [c for c in module.calls if dotted(c.func).endswith(".add_periodic_task")]
    if timed and (module.uses("celery") or any("celery" in o for o in module.imports.values())):
        draft = Draft(
            "beat",
            "celery",
            "beat",
            Evidence("add_periodic_task", page.path, timed[0].lineno),
            LIKELY,
        )
        for call in timed:
            if len(call.args) > 1:
                made = call.args[1]
                what = (
                    dotted(made.func.value)
                    if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute)
                    else dotted(made)
                )
                draft.task(
                    what.rpartition(".")[2] or ast.unparse(made)[:60],
                    "schedule",
                    call.lineno,
                    ast.unparse(call.args[0])[:80],
                )
        yield draft.done()


def _beat(module: Module, page: Page, value: ast.Dict) -> Iterator[Workflow]:
    draft = Draft("beat", "celery", "beat", Evidence("beat schedule", page.path, value.lineno))
    for key, entry in zip(value.keys, value.values, strict=True):
        if isinstance(entry, ast.Dict):
            fields = {module.text(k): v for k, v in zip(entry.keys, entry.values, strict=True) if k}
            when = fields.get("schedule")
            task = module.text(fields.get("task"))
            said = ast.unparse(when)[:80] if when is not None else ""
            name = module.text(key) if key is not None else ""
            if task or name:
                draft.task(
                    task or name, "schedule", entry.lineno, " ".join(filter(None, (name, said)))
                )
    if draft.tasks:
        yield draft.done()


def _routes(module: Module, page: Page) -> Iterator[Workflow]:
    """The queues that a configuration sends tasks to."""
    for name, value in module.assigned.items():
        if name.rpartition(".")[2] not in _ROUTES or not isinstance(value, ast.Dict):
            continue
        draft = Draft(
            "routes", "celery", "routes", Evidence("task routes", page.path, value.lineno), LIKELY
        )
        queues = 0
        for key, entry in zip(value.keys, value.values, strict=True):
            if isinstance(entry, ast.Dict):
                fields = {
                    module.text(k): v for k, v in zip(entry.keys, entry.values, strict=True) if k
                }
                if queue := module.text(fields.get("queue")):
                    draft.part(queue, "queue", entry.lineno, module.text(key))
                    queues += 1
        if queues:
            yield draft.done()
