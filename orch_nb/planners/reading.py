"""What is wrong with a cell's Python body, as far as it can be read without running it.

`static_problems` looks at functions decorated with `task` (also `nb.task`): option names, options
that are literals, and the plan that names and parameters make. Where the body does more with `task`
than decorate (marks in a loop, say), names that it does not define may still be tasks, and unknown
ones are left to the check after the run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import msgspec

from orch_nb.errors import Problem
from orch_nb.graph.items import taker
from orch_nb.graph.validate import check
from orch_nb.model.plan import Parameters, Plan
from orch_nb.model.task import Foreach, Task
from orch_nb.planners.arguments import unsupplied
from orch_nb.planners.functions import INSTEAD, read_options
from orch_nb.planners.nodes import Findings, Node, from_python

__all__ = ["nothing_marked", "static_problems"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Marked(msgspec.Struct):
    """A function that a decorator marks, as it is written."""

    node: Any
    decorator: Any
    top_level: bool
    options: dict[str, Node | None]
    complete: bool

    @property
    def at(self) -> Node:
        return Node("scalar", "", "", self.decorator.lineno, self.decorator.col_offset + 1)

    @property
    def at_the_end(self) -> bool:
        """Whether it is no task, but what runs when the plan has failed."""
        said = self.options.get("on_failure")
        return said is not None and said.value is True

    @property
    def name(self) -> str:
        said = self.options.get("id")
        return said.text if said is not None else str(self.node.name)


def static_problems(tree: ast.Module, first_line: int) -> list[Problem]:
    """Every fault that can be seen in the tree, whose lines are the cell's."""
    marked = list(_marked(tree))
    mentions = sum(_is_task(node) for node in ast.walk(tree))
    if not mentions and not _may_mark(tree):
        return [nothing_marked(tree, first_line)]
    open_ended = mentions > len(marked) or not all(m.top_level and m.complete for m in marked)
    findings = Findings()
    lines: dict[tuple[str, str], int] = {}
    tasks: list[Task] = []
    ends = [m for m in marked if m.at_the_end]
    marked = [m for m in marked if not m.at_the_end]
    names = {m.name for m in marked}
    seen: dict[str, int] = {}
    for one in ends:
        _options_of(one, findings)
    for one in marked:
        task = _task(one, names, findings, lines, open_ended)
        if one.name in seen and one.top_level:
            findings.add(
                f"Two tasks are called `{one.name}`; the other is on line {seen[one.name]}.",
                one.at, hint="Give one another name.", task=one.name,
            )  # fmt: skip
        elif one.name not in seen:
            tasks.append(task)
        seen.setdefault(one.name, one.decorator.lineno)
    if not tasks:
        return findings.problems
    plan = Plan(goal="", tasks=tuple(tasks))
    problems = findings.problems + check(plan, lines)
    if not open_ended:
        problems += _unsupplied(marked, plan, names)
    return sorted(problems, key=lambda p: (p.line or 0, p.column or 0))


def _may_mark(tree: ast.Module) -> bool:
    """Whether something marks functions under a name that is not `task`."""
    return any(
        (isinstance(node, _Function) and node.decorator_list)
        or (isinstance(node, ast.Attribute) and node.attr == "task")
        for node in ast.walk(tree)
    )


def nothing_marked(tree: ast.Module, first_line: int) -> Problem:
    functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    if not functions:
        return Problem("This cell defines no task.", line=first_line,
                       hint="Write `@task` above `def name(): ...`.")  # fmt: skip
    return Problem("No function is marked as a task.", line=functions[0].lineno,
                   hint="Write `@task` above each function that is one.")  # fmt: skip


def _is_task(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "task" and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Attribute) and node.attr == "task" and (
        isinstance(node.value, ast.Name) and node.value.id in ("nb", "orch_nb")
    )  # fmt: skip


def _marked(tree: ast.Module) -> Iterator[_Marked]:
    """Decorated functions at the top level and in its `if`, `with`, `for` and `try` blocks."""
    stack: list[tuple[ast.stmt, bool]] = [(node, True) for node in reversed(tree.body)]
    while stack:
        node, top = stack.pop()
        if isinstance(node, _Function):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if _is_task(called):
                    options, complete = _options(decorator)
                    yield _Marked(node, decorator, top, options, complete)
                    break
        elif not isinstance(node, ast.ClassDef):
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
            for handler in getattr(node, "handlers", []):
                inner += handler.body
            stack += [(child, False) for child in reversed(inner)]


def _options(decorator: ast.expr) -> tuple[dict[str, Node | None], bool]:
    """The options of a decorator, None for one that is no literal; False if `**` hides some."""
    found: dict[str, Node | None] = {}
    complete = True
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg is None:
            complete = False
        else:
            found[keyword.arg] = _literal(keyword.value)
    if found.get("id", _NAMED) is None:
        complete = False
    return found, complete


_NAMED = Node("scalar", "", "")


def _literal(expression: ast.expr) -> Node | None:
    """A node for a literal, each entry of a list with its own line; None for anything else."""
    line, column = expression.lineno, expression.col_offset + 1
    try:
        value = ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(expression, (ast.List, ast.Tuple)):
        items = [_literal(item) for item in expression.elts]
        node = Node("list", items, line=line, column=column)
        node.origin = value
        return node
    return from_python(value, line, column)


def _task(
    one: _Marked, names: set[str], findings: Findings, lines: dict[tuple[str, str], int],
    open_ended: bool,
) -> Task:  # fmt: skip
    """The task that a decorated function will be, as far as it is written out."""
    name = one.name
    lines.setdefault((name, ""), one.decorator.lineno)
    if isinstance(one.decorator, ast.Call) and one.decorator.args:
        findings.add("`@task` takes its options by name.", one.at, task=name,
                     hint="Write @task(story=...), say.")  # fmt: skip
    found = _options_of(one, findings)
    for key, node in one.options.items():
        if node is not None and node.line is not None:
            lines.setdefault((name, key), node.line)
    instead = [key for key in INSTEAD if key in one.options]
    _body(one, instead, findings)
    needs = [*found.get("needs", ()), *_implied(one, found, names, bool(instead), lines)]
    if open_ended:
        needs = [need for need in needs if need in names]
    fields = {key: found[key] for key in _judged(one, open_ended) if key in found}
    if open_ended and "sh" in fields:
        fields["sh"] = "..."  # what its templates name may yet be marked
    if "parent" in found and (found["parent"] in names or not open_ended):
        fields["parent"] = found["parent"]
    if not instead:
        fields["run"] = _not_made_yet
    said_needs = tuple(dict.fromkeys(needs)) if needs or "needs" in found else None
    return Task(id=name, needs=said_needs, **fields)


def _not_made_yet() -> None:
    """Stands for a function that is there when the body has run; its parameters are read."""


def _implied(
    one: _Marked, found: dict[str, Any], names: set[str], instead: bool,
    lines: dict[tuple[str, str], int],
) -> Iterator[str]:  # fmt: skip
    """The needs that parameters are; and the lines of all needs."""
    needs = one.options.get("needs")
    for item in () if needs is None else needs.value if needs.kind == "list" else [needs]:
        lines.setdefault((one.name, f"needs.{item.text}"), item.line or one.decorator.lineno)
    given = set(found.get("with_", ()))
    taken = [argument for argument in _arguments(one.node) if argument.arg not in given]
    asked = [argument for _, argument in _asked_of(one)]
    for argument in [*(_arguments(one.node) if instead else taken), *asked]:
        known = argument.arg in names and argument.arg != one.name
        if known or (instead and argument not in asked):
            yield argument.arg
            lines.setdefault((one.name, f"needs.{argument.arg}"), argument.lineno)


def _options_of(one: _Marked, findings: Findings) -> dict[str, Any]:
    """The options of a decorator as far as they are literals; of the others the names."""
    said = {key: node for key, node in one.options.items() if node is not None}
    found = read_options(one.name, said, findings, one.at)
    marks = {key: node for key, node in said.items() if key == "on_failure"}
    hidden = {key: Node("scalar", None, "") for key, node in one.options.items() if node is None}
    if hidden:
        read_options(one.name, {**marks, **hidden}, findings, one.at)
    return found


#: What can be judged before the functions are there; of an open-ended body less, since names that
#: nothing defines may still come. Which pools there are, a body does not say.
_SOUND = (*INSTEAD, "story")
_NAMING = ("when", "foreach", "max_active", "tolerate", "cache", "compensate", "priority")


def _judged(one: _Marked, open_ended: bool) -> tuple[str, ...]:
    hidden = "foreach" in one.options and one.options["foreach"] is None
    if open_ended:
        return _SOUND
    return (*_SOUND, *(key for key in _NAMING if not hidden or key in ("when", "compensate")))


def _asked_of(one: _Marked) -> Iterator[tuple[str, ast.arg]]:
    """The required parameters of lambdas that `when` and `foreach` are, each with its option."""
    for keyword in one.decorator.keywords if isinstance(one.decorator, ast.Call) else ():
        if keyword.arg in ("when", "foreach") and isinstance(keyword.value, ast.Lambda):
            yield from ((keyword.arg, argument) for argument in _required(keyword.value.args))


def _body(one: _Marked, instead: list[str], findings: Findings) -> None:
    if not instead:
        return
    for statement in one.node.body:
        silent = isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )
        if not silent:
            at = Node("scalar", "", "", statement.lineno, statement.col_offset + 1)
            findings.add(
                f"`{one.name}` has a body, which `{instead[0]}` would never run.", at,
                hint="Leave only a docstring, or make two tasks of it.", task=one.name,
            )  # fmt: skip
            return


def _arguments(node: _Function) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _required(taken: ast.arguments) -> list[ast.arg]:
    positional = [*taken.posonlyargs, *taken.args]
    defaults = len(taken.defaults)
    required = positional[: len(positional) - defaults] if defaults else positional
    pairs = zip(taken.kwonlyargs, taken.kw_defaults, strict=True)
    return required + [argument for argument, default in pairs if default is None]


def _unsupplied(marked: list[_Marked], plan: Plan, names: set[str]) -> Iterator[Problem]:
    for one in marked:
        for key, argument in _asked_of(one):
            if argument.arg not in names:
                of = f"`{key}` of `{one.name}`"
                yield unsupplied(one.name, argument.arg, plan, argument.lineno, of=of)
        # Another decorator may supply arguments; a computed `with_` may name anything, and a
        # computed `foreach` its item.
        plain = len(one.node.decorator_list) == 1
        foreach = plan[one.name].foreach
        hidden = any(key in one.options and one.options[key] is None for key in _SUPPLYING)
        hidden = hidden or ("foreach" in one.options and foreach is None)  # it has a fault
        if not plain or hidden or any(key in one.options for key in INSTEAD):
            continue
        given = one.options.get("with_")
        values = {key.text for key, _ in given.value} if given and given.kind == "map" else set()
        required = _required(one.node.args)
        if foreach is not None:
            values |= {"index", _item(one, foreach, names | values)}
        for argument in required:
            if argument.arg not in names and argument.arg not in values:
                yield unsupplied(one.name, argument.arg, plan, argument.lineno,
                                 fans_out=foreach is not None)  # fmt: skip


_SUPPLYING = ("with_", "foreach")


def _item(one: _Marked, foreach: Foreach, supplied: set[str]) -> str:
    """The parameter that takes the item, as far as it can be read."""
    required = [argument.arg for argument in _required(one.node.args)]
    every = [argument.arg for argument in _arguments(one.node)]
    optional = tuple(name for name in every if name not in required)
    taken = Parameters(tuple(required), optional)
    return taker(foreach, taken, supplied | {"index"}) or ""
