"""Airflow DAGs: a DAG's body is followed statement by statement, and its tasks are wired.

Values are followed as far as tasks go: a variable holds a task, a list of them or a group; `>>`,
`<<`, `chain`, `cross_downstream`, `set_upstream` and the arguments of a TaskFlow call make edges.
A loop over a literal is unrolled; any other is read once, and its tasks are less sure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.airflow_body import Body
from orch_nb.analysis.workflows.page import SURE, Draft, Page, Pages
from orch_nb.analysis.workflows.python_names import (
    FunctionNode,
    Module,
    Packages,
    dotted,
    keyword,
)
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "airflow"]

NEEDLES = ("airflow", "cosmos")
_DAG_CLASSES = frozenset({"DAG", "DbtDag"})
_FILE_STEM = re.compile(r"Path\(__file__\)(?:\.resolve\(\))?\.stem")


def airflow(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """One workflow for each DAG that a file makes."""
    for page in pages:
        if "DAG(" not in page.text and "dag" not in page.text and "DbtDag(" not in page.text:
            continue
        module = packages.read(page)
        if module is not None and module.uses("airflow", "cosmos"):
            yield from _of_module(module, page, packages)


def _of_module(module: Module, page: Page, packages: Packages) -> Iterator[Workflow]:
    drafts: list[Draft] = []
    for function, _ in module.functions:
        for decorator, origin in module.decorators(function):
            if origin.startswith("airflow.") and origin.endswith(".dag"):
                drafts.append(_decorated(module, page, packages, function, decorator))
    with_dags = [
        (node, item)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.With)
        for item in node.items
        if _is_dag(module, item.context_expr)
    ]
    entered = {id(item.context_expr) for _, item in with_dags}
    for node, item in with_dags:
        assert isinstance(item.context_expr, ast.Call)
        draft = _draft(module, page, item.context_expr)
        body = Body(module, packages, draft)
        body.statements(_before(module, node))
        body.open()
        body.statements(node.body)
        body.statements(_after(module, node, item))
        body.wires.wire()
        drafts.append(draft)
    for name, value in module.assigned.items():
        if id(value) in entered or not _is_dag(module, value):
            continue
        assert isinstance(value, ast.Call)
        draft = _draft(module, page, value)
        body = Body(module, packages, draft, dag=name)
        body.open()
        body.statements(module.tree.body)
        body.wires.wire()
        drafts.append(draft)
    drafts += [
        _draft(module, page, call)
        for call in module.calls
        if id(call) not in entered and _is_dag(module, call) and _nameless(module, call)
    ]
    drafts.sort(key=lambda draft: draft.evidence.line or 0)
    yield from (draft.done() for draft in drafts)


def _nameless(module: Module, call: ast.Call) -> bool:
    return all(value is not call for value in module.assigned.values())


def _before(module: Module, node: ast.With) -> list[ast.stmt]:
    """What a module does before it enters a DAG: values that its body may name."""
    return [s for s in module.tree.body if s.lineno < node.lineno and s is not node]


def _after(module: Module, node: ast.With, item: ast.withitem) -> list[ast.stmt]:
    """Edges that stand behind the block of a DAG, and tasks that join it by one of them."""
    own = "" if item.optional_vars is None else dotted(item.optional_vars)
    behind = [s for s in module.tree.body if s.lineno > node.lineno]
    edges = [s for s in behind if isinstance(s, ast.Expr) and isinstance(s.value, ast.BinOp)]
    wired = {one.id for s in edges for one in ast.walk(s) if isinstance(one, ast.Name)}
    made = [
        s
        for s in behind
        if isinstance(s, ast.Assign)
        and isinstance(s.value, ast.Call)
        and ((dag := keyword(s.value, "dag")) is None or dotted(dag) == own)
        and any(isinstance(target, ast.Name) and target.id in wired for target in s.targets)
    ]
    return sorted([*edges, *made], key=lambda s: s.lineno)


def _is_dag(module: Module, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    origin = module.origin(node)
    return origin.split(".")[0] in {"airflow", "cosmos"} and (
        origin.rpartition(".")[2] in _DAG_CLASSES and dotted(node.func).rpartition(".")[2] != ""
    )


def _draft(module: Module, page: Page, call: ast.Call) -> Draft:
    given = keyword(call, "dag_id") or (call.args[0] if call.args else None)
    name = module.text(given) or (ast.unparse(given) if given is not None else "?")
    if _FILE_STEM.fullmatch(name):
        name, given = page.stem, ast.Constant(page.stem)
    cosmos = module.origin(call).endswith("DbtDag")
    draft = Draft(
        name, "airflow", "dag", Evidence("DbtDag" if cosmos else "DAG", page.path, call.lineno),
        SURE if module.text(given) and "{" not in name else 0.7,
    )  # fmt: skip
    _schedule(module, draft, call)
    return draft


def _schedule(module: Module, draft: Draft, call: ast.Call) -> None:
    when = keyword(call, "schedule", "schedule_interval", "timetable")
    if when is not None and not (isinstance(when, ast.Constant) and when.value is None):
        draft.part(module.text(when) or ast.unparse(when)[:60], "schedule", when.lineno)


def _decorated(
    module: Module, page: Page, packages: Packages, function: FunctionNode, decorator: ast.expr
) -> Draft:
    name = function.name
    confidence = SURE
    if isinstance(decorator, ast.Call):
        given = keyword(decorator, "dag_id") or (decorator.args[0] if decorator.args else None)
        name = module.text(given) or name
    called = any(isinstance(c.func, ast.Name) and c.func.id == function.name for c in module.calls)
    if not called:
        confidence = 0.7  # a DAG that is declared and never made
    draft = Draft(name, "airflow", "dag", Evidence("@dag", page.path, function.lineno), confidence)
    if isinstance(decorator, ast.Call):
        _schedule(module, draft, decorator)
    body = Body(module, packages, draft)
    body.statements(module.tree.body)
    body.open()
    body.statements(function.body)
    body.wires.wire()
    return draft
