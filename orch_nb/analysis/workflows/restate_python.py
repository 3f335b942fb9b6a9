"""Restate in Python: services, virtual objects and workflows with their handlers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orch_nb.analysis.workflows.page import Draft, Page, Pages
from orch_nb.analysis.workflows.python_names import Module, Packages, dotted, keyword
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "restate_python"]

NEEDLES = ("restate",)
_KINDS = {"Service": "service", "VirtualObject": "object", "Workflow": "workflow"}
_CALLS = frozenset(
    {"service_call", "service_send", "object_call", "object_send", "workflow_call", "workflow_send"}
)


def restate_python(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """One workflow for each service, its handlers as its tasks."""
    for page in pages:
        module = packages.read(page)
        if module is not None and module.uses("restate"):
            yield from _services(module, page)


def _services(module: Module, page: Page) -> Iterator[Workflow]:
    drafts: dict[str, Draft] = {}
    for variable, value in module.assigned.items():
        if not isinstance(value, ast.Call):
            continue
        origin = module.origin(value)
        kind = _KINDS.get(origin.rpartition(".")[2], "")
        if not kind or origin.split(".")[0] != "restate":
            continue
        given = value.args[0] if value.args else keyword(value, "name")
        drafts[variable] = Draft(
            module.text(given) or variable, "restate", kind,
            Evidence(origin.rpartition(".")[2], page.path, value.lineno),
        )  # fmt: skip
    for function, _ in module.functions:
        for decorator in function.decorator_list:
            owner, _, mark = dotted(decorator).rpartition(".")
            if owner in drafts and mark in {"handler", "main"}:
                given = keyword(decorator, "name") if isinstance(decorator, ast.Call) else None
                if given is None and isinstance(decorator, ast.Call) and decorator.args:
                    given = decorator.args[0]
                drafts[owner].task(
                    module.text(given) or function.name, "handler", function.lineno, f"@{mark}"
                )
                _calls(function, drafts[owner])
    yield from (draft.done() for draft in drafts.values())


def _calls(function: ast.AST, draft: Draft) -> None:
    for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
        if isinstance(call.func, ast.Attribute):
            if call.func.attr in _CALLS and call.args:
                name = dotted(call.args[0]).rpartition(".")[2]
                if name:
                    draft.part(name, "child", call.lineno, call.func.attr)
            elif call.func.attr in {"run", "run_typed"} and call.args:
                step = call.args[0]
                if isinstance(step, ast.Constant) and isinstance(step.value, str):
                    draft.part(step.value, "step", call.lineno)
