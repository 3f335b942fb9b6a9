"""A cell's Python body: checked as far as it can be read, then run once, as a plan.

    text ─ compile ─► tree ─ static checks ─► run in the namespace ─► marked functions ─► Plan
                            (nothing ran yet)

What can be read without running is: the options of the decorators where they are literals, names
that stand twice, needs and parameters that name no task, cycles. So a broken plan executes nothing.
What only running tells (an option that is computed, a function marked in a loop) is checked after.

Lines are the cell's: the source is padded so that line 2 is line 2 in tracebacks too, and it stays
in `linecache`, from which tracebacks and `inspect.getsource` read it as long as the process lives.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import inspect
import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import NestedLoopError, PlanError, Problem
from orch_nb.model.plan import Plan
from orch_nb.planners.compose import sized
from orch_nb.planners.functions import plan_from_functions
from orch_nb.planners.marking import MARK, collecting, task
from orch_nb.planners.reading import nothing_marked, static_problems

__all__ = ["plan_from_source", "plan_from_source_async"]

_MISSING = object()


def plan_from_source(
    source: str,
    namespace: dict[str, Any],
    goal: str = "",
    first_line: int = 2,
    filename: str | None = None,
) -> Plan:
    """Runs a cell's body in `namespace` and returns the plan of the functions it marks.

    `task` is there while it runs. `first_line` is the line of the cell on which `source` begins;
    `filename` is what tracebacks call it. Raises PlanError before anything has run, if the plan can
    be seen to be broken; what the body itself raises passes through.
    """
    code, tree = _prepared(source, first_line, filename)
    if code.co_flags & inspect.CO_COROUTINE:
        if _in_loop():
            raise NestedLoopError(
                "A loop is running already, so this cell cannot wait at its top level: put the "
                "`await` into an `async def` that is a task."
            )
        return asyncio.run(_run_async(code, tree, namespace, goal, first_line))
    with _visible(namespace, _binds(tree, "task")) as marked:
        exec(code, namespace)  # noqa: S102  # running the person's cell is the purpose
    return _plan(marked, tree, namespace, goal, first_line)


async def plan_from_source_async(
    source: str,
    namespace: dict[str, Any],
    goal: str = "",
    first_line: int = 2,
    filename: str | None = None,
) -> Plan:
    """The same where a loop runs: `await` at the top level of the body awaits on it."""
    code, tree = _prepared(source, first_line, filename)
    return await _run_async(code, tree, namespace, goal, first_line)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run_async(
    code: CodeType, tree: ast.Module, namespace: dict[str, Any], goal: str, first_line: int
) -> Plan:
    with _visible(namespace, _binds(tree, "task")) as marked:
        result = eval(code, namespace)  # noqa: S307  # running the person's cell is the purpose
        if code.co_flags & inspect.CO_COROUTINE:
            await result
    return _plan(marked, tree, namespace, goal, first_line)


def _plan(
    marked: list[Callable[..., Any]], tree: ast.Module, namespace: dict[str, Any], goal: str,
    first_line: int,
) -> Plan:  # fmt: skip
    if not marked:
        raise PlanError([nothing_marked(tree, first_line)])
    pools = namespace.get("pools") if _assigns(tree, "pools") else None
    return plan_from_functions(
        _current(marked, namespace), goal, pools=pools if isinstance(pools, dict) else None
    )


def _assigns(tree: ast.Module, name: str) -> bool:
    """Whether the body says `name = ...` at its top level."""
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _prepared(source: str, first_line: int, filename: str | None) -> tuple[CodeType, ast.Module]:
    """Compiled code of a body in which nothing wrong can be seen. Raises PlanError."""
    sized(source, "cell")
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    padded = "\n" * (first_line - 1) + source
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + first_line
        raise PlanError([Problem("A null byte stands here.", line=line, hint="Delete it.")])
    digest = hashlib.sha256(padded.encode("utf-8", "replace")).hexdigest()[:12]
    name = filename or f"<orchestrate-{digest}>"
    rows = padded.split("\n")
    try:
        tree = compile(padded, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                       dont_inherit=True)  # fmt: skip
        assert isinstance(tree, ast.Module)
        code = compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise PlanError([_syntax(error, rows)]) from None
    except (ValueError, RecursionError, MemoryError) as error:
        what = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise PlanError([Problem(f"This is not Python: {what}.", line=first_line)]) from None
    problems = static_problems(tree, first_line)
    if problems:
        raise PlanError([_sourced(problem, rows) for problem in problems])
    linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
    return code, tree


def _syntax(error: SyntaxError, rows: list[str]) -> Problem:
    line = error.lineno
    row = rows[line - 1] if line is not None and line <= len(rows) else ""
    hint = ""
    if row.lstrip().startswith(("%", "!")):
        hint = "Magics and shell lines do not work in this cell; put them into one of their own."
    message = f"This is not Python: {error.msg}."
    return Problem(message, line=line, column=error.offset, hint=hint, source=row.rstrip())


def _sourced(problem: Problem, rows: list[str]) -> Problem:
    if problem.line is None or problem.line > len(rows):
        return problem
    return replace(problem, source=rows[problem.line - 1].rstrip()[:200])


def _binds(tree: ast.Module, name: str) -> bool:
    """Whether the body gives `name` a meaning of its own, which then has to stay."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == name:
            return True
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and node.name == name:
            return True
    return False


@contextmanager
def _visible(namespace: dict[str, Any], stays: bool) -> Iterator[list[Callable[..., Any]]]:
    """`task` in the namespace while the body runs, and the list of what it marks."""
    namespace.setdefault("__name__", "__main__")
    before = namespace.get("task", _MISSING)
    namespace["task"] = task
    marked: list[Callable[..., Any]] = []
    token = collecting.set((namespace, marked))
    try:
        yield marked
    finally:
        collecting.reset(token)
        if not stays and namespace.get("task") is task:
            if before is _MISSING:
                del namespace["task"]
            else:
                namespace["task"] = before


def _current(
    marked: list[Callable[..., Any]], namespace: dict[str, Any]
) -> list[Callable[..., Any]]:
    """What was marked, once each; a decorator above `@task` that wraps it properly wins."""
    found: dict[int, Callable[..., Any]] = {}
    for function in marked:
        outer = namespace.get(getattr(function, "__name__", ""))
        same = outer is not None and getattr(outer, MARK, None) is getattr(function, MARK, None)
        chosen = outer if same and callable(outer) else function
        found[id(chosen)] = chosen
    return list(found.values())
