"""The statements of a DAG file, walked as Python would run them, with nothing run.

Loops over what is known are unrolled; of an `if` that is not known both sides are read, and said
so; functions of the file that are called while it loads are walked where they are called.
"""

from __future__ import annotations

import ast
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from orch_nb.formats.airflow.build import Builder, usable
from orch_nb.formats.airflow.evaluate import Evaluator, iterable, truth
from orch_nb.formats.airflow.modules import found
from orch_nb.formats.airflow.symbols import (
    Class,
    Dag,
    Function,
    Group,
    Opaque,
    Operator,
    Ref,
    Scope,
    Xcom,
)

__all__ = ["walked"]

_DEPTH = 40
_MOST_MODULES = 60


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def walked(tree: ast.Module, stem: str, path: Path) -> Builder:
    """Everything that the file makes when it is loaded."""
    builder = Builder(stem)
    walker = _Walker(builder, path)
    builder.call = walker.call
    builder.beside = walker.beside
    module = Scope({"__name__": stem, "__file__": Opaque(), "__doc__": ""})
    try:
        walker.body(tree.body, module)
    except _Return:
        builder.loss("return", "it stands outside of a function", None)
    return builder


def _one(values: list[Any]) -> Any:
    """What a function gives, of which it is not known which: all where they are tasks."""
    said = [value for value in values if value is not None]
    if len(said) < 2 or all(value is said[0] for value in said):
        return said[0] if said else None
    return said if all(isinstance(v, (Operator, Xcom, Group)) for v in said) else Opaque()


def _yields(function: ast.AST) -> bool:
    """Whether a function is a generator itself, whatever the functions within it are."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, inner):
            todo += ast.iter_child_nodes(node)
    return False


class _Walker:
    def __init__(self, builder: Builder, path: Path) -> None:
        self._builder = builder
        self._evaluator = Evaluator(builder, self.call)
        self._depth = 0
        self._generators: dict[ast.AST, bool] = {}
        self._path, self._loads = path, 0
        self._modules: dict[tuple[str, int, Path], Scope | None] = {}

    # -- modules beside the file

    def beside(self, module: str, level: int = 0) -> Scope | None:
        """The names of a module that lies beside the file; None if none that is Python does."""
        key = (module, level, self._path)
        if key not in self._modules:
            self._modules[key] = None  # of one that imports itself
            self._modules[key] = self._loaded(*key)
        return self._modules[key]

    def _loaded(self, module: str, level: int, path: Path) -> Scope | None:
        file = found(module, level, path)
        if file is None or self._loads >= _MOST_MODULES:
            return None
        self._loads += 1
        try:
            tree = ast.parse(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            return None
        scope = Scope({"__name__": module, "__file__": Opaque(), "__doc__": ""})
        self._path = file
        try:
            with self._builder.aside():
                self.body(tree.body, scope)
        except _Return:
            pass  # outside of a function, where Python would not have it
        finally:
            self._path = path
        return scope

    def call(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What a function of the file gives when it is called while the file loads."""
        node = function.node
        if self._depth >= _DEPTH or isinstance(node, ast.AsyncFunctionDef):
            return Opaque()
        if self._generates(node):
            return Opaque()
        scope = Scope(self._bound(function, args, kwargs), function.scope,
                      f"{function.qualname}.<locals>.")  # fmt: skip
        if isinstance(node, ast.Lambda):
            return self._evaluator.value(node.body, scope)
        self._depth += 1
        last = None
        try:
            with self._builder.inside(function):
                self.body(node.body, scope)
        except _Return as found:
            last = found.value
        finally:
            self._depth -= 1
        return _one([*scope.perhaps, last])

    def _generates(self, node: ast.AST) -> bool:
        if node not in self._generators:
            self._generators[node] = _yields(node)
        return self._generators[node]

    def _bound(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        taken = function.node.args
        placed = [argument.arg for argument in (*taken.posonlyargs, *taken.args)]
        named = [argument.arg for argument in taken.kwonlyargs]
        bound: dict[str, Any] = {}
        defaults = zip(reversed(placed), reversed(taken.defaults), strict=False)
        pairs = [*defaults, *zip(named, taken.kw_defaults, strict=True)]
        for name, default in pairs:
            if default is not None:
                bound[name] = self._evaluator.value(default, function.scope)
        bound |= dict(zip(placed, args, strict=False))
        if taken.vararg is not None:
            bound[taken.vararg.arg] = tuple(args[len(placed) :])
        bound |= {name: value for name, value in kwargs.items() if name in (*placed, *named)}
        if taken.kwarg is not None:
            rest = {n: v for n, v in kwargs.items() if n not in (*placed, *named)}
            bound[taken.kwarg.arg] = rest
        for name in (*placed, *named):
            bound.setdefault(name, Opaque())
        return bound

    def body(self, statements: list[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self._evaluator.step()
            if not self._builder.away:
                self._builder.at = statement.lineno
            act = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if act is None:
                kind = type(statement).__name__.lower()
                self._builder.loss(kind, f"a `{kind}` statement is not followed", statement.lineno)
                continue
            act(statement, scope)

    # -- statements that bind names

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            scope.names[alias.asname or top] = Ref(alias.name if alias.asname else top)

    def _importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        module = "." * node.level + (node.module or "")
        beside = self.beside(node.module or "", node.level)
        for alias in node.names:
            known = None if beside is None else usable(beside.names.get(alias.name))
            if known is None:
                known = Ref(f"{module}.{alias.name}")
            scope.names[alias.asname or alias.name] = known

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        found: Any = Function(node, scope, node.name, f"{scope.path}{node.name}")
        for decorator in reversed(node.decorator_list):
            mark = self._evaluator.value(decorator, scope)
            found = self._builder.decorated(mark, found)
        scope.names[node.name] = found

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        bases = [self._evaluator.value(base, scope) for base in node.bases]
        scope.names[node.name] = Class(node.name, bases)

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self._evaluator.value(node.value, scope)
        for target in node.targets:
            self._evaluator.bind(target, value, scope)

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self._evaluator.bind(node.target, self._evaluator.value(node.value, scope), scope)

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        loaded = ast.parse(ast.unparse(node.target), mode="eval").body
        whole = ast.copy_location(ast.BinOp(loaded, node.op, node.value), node)
        self._evaluator.bind(node.target, self._evaluator.value(whole, scope), scope)

    def _expr(self, node: ast.Expr, scope: Scope) -> None:
        self._evaluator.value(node.value, scope)

    def _nothing(self, *_: Any) -> None:
        """Statements that make no task: pass, global, assert, del, raise."""

    _pass = _global = _nonlocal = _assert = _delete = _raise = _nothing

    # -- statements that choose and repeat

    def _every(self, ways: list[list[ast.stmt]], scope: Scope) -> None:
        """All of several ways, of which it is not known which is gone. What stands behind them is
        read as well, unless each of them leaves it."""
        left: list[Exception] = []
        for way in ways:
            try:
                self.body(way, scope)
            except (_Return, _Break, _Continue) as jump:
                left.append(jump)
        given = [jump.value for jump in left if isinstance(jump, _Return)]
        if len(given) == len(ways):
            raise _Return(_one(given))
        scope.perhaps += given
        if len(left) == len(ways):  # the loop goes on if it may
            raise _Continue if any(isinstance(jump, _Continue) for jump in left) else _Break

    def _if(self, node: ast.If, scope: Scope) -> None:
        test = self._evaluator.value(node.test, scope)
        known = truth(test)
        if isinstance(test, Ref) and test.last == "TYPE_CHECKING":
            known = False
        if known is not None:
            self.body(node.body if known else node.orelse, scope)
            return
        self._builder.loss(
            "if",
            f"`{ast.unparse(node.test)[:60]}` is not known without running the "
            "file; all that stands below it is read",
            node.lineno,
            severity="changed",
        )
        self._every([node.body, node.orelse], scope)

    def _for(self, node: ast.For, scope: Scope) -> None:
        items = iterable(self._evaluator.value(node.iter, scope))
        if items is None:
            self._builder.loss("for", f"what it goes over, `{ast.unparse(node.iter)[:60]}`, is not "
                               "known without running the file; it is read for one item",
                               node.lineno, severity="changed")  # fmt: skip
            items = [Opaque()]
        try:
            for item in items:
                self._evaluator.bind(node.target, item, scope)
                try:
                    self.body(node.body, scope)
                except _Continue:
                    continue
        except _Break:
            return
        self.body(node.orelse, scope)

    def _while(self, node: ast.While, scope: Scope) -> None:
        test = self._evaluator.value(node.test, scope)
        if truth(test) is False:
            return
        self._builder.loss("while", "how often it turns is not known without running the file; it "
                           "is read once", node.lineno, severity="changed")  # fmt: skip
        try:
            self.body(node.body, scope)
        except (_Break, _Continue):
            return

    def _break(self, *_: Any) -> None:
        raise _Break

    def _continue(self, *_: Any) -> None:
        raise _Continue

    def _return(self, node: ast.Return, scope: Scope) -> None:
        raise _Return(None if node.value is None else self._evaluator.value(node.value, scope))

    def _try(self, node: ast.Try, scope: Scope) -> None:
        """As if nothing were raised."""
        self.body(node.body, scope)
        self.body(node.orelse, scope)
        self.body(node.finalbody, scope)

    def _match(self, node: ast.Match, scope: Scope) -> None:
        self._builder.loss("match", "which case holds is not looked at; every one is read",
                           node.lineno, severity="changed")  # fmt: skip
        self._every([*(case.body for case in node.cases), []], scope)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        with ExitStack() as stack:
            for item in node.items:
                value = self._evaluator.value(item.context_expr, scope)
                if item.optional_vars is not None:
                    bound = value if isinstance(value, (Dag, Group)) else Opaque()
                    self._evaluator.bind(item.optional_vars, bound, scope)
                self._builder.enter(value)
                stack.callback(self._builder.leave, value)
            self.body(node.body, scope)

    _asyncwith = _with
