"""Retries written by hand: tenacity, stamina and backoff decorators, and loops that sleep.

A hand-written loop is one that tries, catches, and sleeps before it tries again: a loop that only
polls, or that sleeps without having caught anything, is none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.page import LIKELY, SURE, Draft, Pages
from orch_nb.analysis.workflows.python_names import Module, Packages, dotted
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "retries"]

NEEDLES = ("tenacity", "stamina", "import backoff", "from backoff", "retrying", "sleep(")
_MARKS = {
    "tenacity.retry", "stamina.retry", "backoff.on_exception", "backoff.on_predicate",
    "retrying.retry", "retry.retry",
}  # fmt: skip
_SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "trio.sleep", "anyio.sleep", "gevent.sleep"})
_LOOP = re.compile(r"^\s+(?:while|for|async for)\b", re.MULTILINE)


def retries(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """One workflow for the retries of each file; its tasks are the functions that try again."""
    for page in pages:
        marked = any(needle in page.text for needle in NEEDLES[:-1])
        if not marked and ("except" not in page.text or not _LOOP.search(page.text)):
            continue
        module = packages.read(page)
        if module is None:
            continue
        found: dict[str, tuple[int, str, float]] = {}
        for function, _ in module.functions:
            for decorator, origin in module.decorators(function):
                if origin in _MARKS:
                    said = f"@{dotted(decorator)}"
                    found.setdefault(function.name, (function.lineno, said, SURE))
            loop = _retrying(module, function)
            if loop is not None:
                found.setdefault(
                    function.name, (loop, "a loop that sleeps and tries again", LIKELY)
                )
        if found:
            line, said, sure = min(found.values())
            draft = Draft(page.stem, "retry", "retries", Evidence(said, page.path, line), sure)
            for name, (line, said, sure) in found.items():
                draft.task(name, "task", line, said, sure)
            yield draft.done()


def _retrying(module: Module, function: ast.AST) -> int | None:
    """The line of a loop of the function that tries, catches and sleeps; None if there is none."""
    for node in _own(function):
        if isinstance(node, ast.For | ast.AsyncFor) and any(
            module.origin(call)
            in {"tenacity.Retrying", "tenacity.AsyncRetrying", "stamina.retry_context"}
            for call in [node.iter]
        ):
            return node.lineno
        if not isinstance(node, ast.While | ast.For):
            continue
        inside = list(_own(node))
        caught = [n for n in inside if isinstance(n, ast.ExceptHandler)]
        sleeps = {id(n) for n in inside if isinstance(n, ast.Call) and module.origin(n) in _SLEEPS}
        if not caught or not sleeps:
            continue
        if any(id(n) in sleeps for handler in caught for n in ast.walk(handler)):
            return node.lineno
        leaves = any(
            isinstance(n, ast.Return | ast.Break)
            for tried in inside if isinstance(tried, ast.Try) for n in [*tried.body, *tried.orelse]
        )  # fmt: skip
        counted = isinstance(node, ast.For) and dotted(node.iter) == "range"
        if leaves and counted:
            return node.lineno
    return None


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a node, functions within it left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own(child)
