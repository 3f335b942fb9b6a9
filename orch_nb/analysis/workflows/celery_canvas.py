"""Celery's canvases: chains, groups and chords, and `|` between signatures, with their edges."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from orch_nb.analysis.workflows.page import LIKELY, Draft, Page
from orch_nb.analysis.workflows.python_names import Module, dotted, keyword
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["canvases"]

_CANVAS = frozenset({"chain", "group", "chord"})
_SIGNATURE = frozenset({"s", "si", "signature", "subtask"})
# Canvases: what a value of a canvas begins with and ends with.
Ends = tuple[tuple[str, ...], tuple[str, ...]]
_NONE: Ends = ((), ())


def canvases(module: Module, page: Page) -> Iterator[Workflow]:
    """The canvases of a file, each named by the function or the variable that it stands in."""
    names = {n for n, o in module.imports.items() if o in {f"celery.{c}" for c in _CANVAS}}
    names |= {n for n, o in module.imports.items() if o in {f"celery.canvas.{c}" for c in _CANVAS}}
    piped = "|" in page.text and (".s(" in page.text or ".si(" in page.text)
    if not names and not piped and "celery." not in page.text:
        return
    inner: set[ast.AST] = set()
    for node in ast.walk(module.tree):
        if node in inner or not isinstance(node, ast.Call | ast.BinOp):
            continue
        if not _is_canvas(module, node):
            continue
        inner.update(ast.walk(node))
        where = _named_by(module, node)
        draft = Draft(
            where or page.stem, "celery", "canvas",
            Evidence(_what(module, node), page.path, node.lineno), LIKELY,
        )  # fmt: skip
        _canvas(module, node, draft)
        if draft.tasks:
            yield draft.done()


def _named_by(module: Module, node: ast.AST) -> str:
    for name, value in module.assigned.items():
        if value is node:
            return name
    call = next((n for n in ast.walk(node) if n in module.within), None)
    return module.within.get(call, "") if call is not None else ""


def _what(module: Module, node: ast.expr) -> str:
    return module.origin(node).rpartition(".")[2] if isinstance(node, ast.Call) else "|"


def _is_canvas(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and any(
            _is_signature(n) or _is_canvas(module, n) for n in (node.left, node.right)
        )
    if not isinstance(node, ast.Call):
        return False
    origin = module.origin(node.func) if not isinstance(node.func, ast.Call) else ""
    if origin.startswith("celery.") and origin.rpartition(".")[2] in _CANVAS:
        return bool(node.args)
    return isinstance(node.func, ast.Call) and _is_canvas(module, node.func)


def _is_signature(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _SIGNATURE
    )


def _canvas(  # noqa: C901, PLR0911, PLR0912  a case a shape of canvas
    module: Module, node: ast.expr, draft: Draft, depth: int = 12
) -> Ends:
    """Add what a canvas performs to the draft; the tasks it begins and ends with."""
    if depth == 0:
        return _NONE  # a name that is made of itself, as `job = job | next.s()`
    if isinstance(node, ast.Starred):
        return _canvas(module, node.value, draft, depth - 1)
    if isinstance(node, ast.List | ast.Tuple):
        return _beside([_canvas(module, item, draft, depth - 1) for item in node.elts])
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        return _canvas(module, node.elt, draft, depth - 1)
    if isinstance(node, ast.Name):
        value = module.assigned.get(node.id)
        return (
            _canvas(module, value, draft, depth - 1)
            if isinstance(value, ast.Call | ast.BinOp)
            else _NONE
        )
    if isinstance(node, ast.BinOp):
        parts = [
            _canvas(module, node.left, draft, depth - 1),
            _canvas(module, node.right, draft, depth - 1),
        ]
        return _behind(parts, draft)
    if not isinstance(node, ast.Call):
        return _NONE
    if _is_signature(node):
        assert isinstance(node.func, ast.Attribute)
        name = dotted(node.func.value) or ast.unparse(node.func.value)[:60]
        if name.rpartition(".")[2] == "signature" and node.args:
            name = module.text(node.args[0]) or name
        name = name.rpartition(".")[2]
        draft.task(name, "task", node.lineno)
        return (name,), (name,)
    if isinstance(node.func, ast.Call) and _is_canvas(module, node.func):
        head = _canvas(module, node.func, draft, depth - 1)  # chord(header)(callback)
        return _behind([head, *(_canvas(module, a, draft, depth - 1) for a in node.args)], draft)
    kind = module.origin(node).rpartition(".")[2]
    parts = [_canvas(module, argument, draft, depth - 1) for argument in node.args]
    if kind == "signature" and node.args and (name := module.text(node.args[0])):
        draft.task(name, "task", node.lineno)
        return (name,), (name,)
    if kind == "chain":
        if len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
            parts = [_canvas(module, item, draft, depth - 1) for item in node.args[0].elts]
        return _behind(parts, draft)
    if kind == "chord":
        body = keyword(node, "body")
        return _behind(
            [*parts, *([_canvas(module, body, draft, depth - 1)] if body else [])], draft
        )
    return _beside(parts) if kind == "group" else _NONE


def _beside(parts: list[Ends]) -> Ends:
    return tuple(n for p in parts for n in p[0]), tuple(n for p in parts for n in p[1])


def _behind(parts: list[Ends], draft: Draft) -> Ends:
    known = [part for part in parts if part[0] or part[1]]
    for one, other in pairwise(known):
        for before in one[1]:
            for after in other[0]:
                draft.edge(before, after)
    return (known[0][0], known[-1][1]) if known else _NONE
