"""What a body's names stand for after each of its statements: lists that grow, chains that go on.

    steps = [a.s(1)]                      c = a.s(1)
    steps.append(b.s())                   c |= b.s()
    for i in range(3):                    c = c | d.s()
        steps.append(c.s(i))              for i in range(3):
                                              c |= e.s(i)

What is changed in a way that is not followed (under a condition, by `insert`) is told where it is
used.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence

__all__ = ["Names", "Step", "statements", "values"]

_GROW = {"append", "extend"}
_CHANGE = {"clear", "insert", "pop", "remove", "reverse", "sort"}

#: A statement, the loops that it stands in, and whether it may not be run.
Step = tuple[ast.stmt, tuple[ast.comprehension, ...], bool]


def statements(
    body: Sequence[ast.stmt], loops: tuple[ast.comprehension, ...] = (), maybe: bool = False
) -> Iterator[Step]:
    """Statements, those within `if`, `with`, `try` and loops too, not those of functions."""
    for statement in body:
        yield statement, loops, maybe
        if isinstance(statement, ast.For):
            loop = ast.comprehension(statement.target, statement.iter, [], 0)
            yield from statements(statement.body, (*loops, loop), maybe)
            yield from statements(statement.orelse, loops, True)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            yield from statements(statement.body, loops, maybe)
        elif isinstance(statement, ast.If | ast.Try | ast.While | ast.AsyncFor):
            sure = maybe or not isinstance(statement, ast.Try)
            yield from statements(statement.body, loops, sure)
            for handler in getattr(statement, "handlers", ()):
                yield from statements(handler.body, loops, True)
            yield from statements(statement.orelse, loops, True)
            yield from statements(getattr(statement, "finalbody", ()), loops, sure)


def values(statement: ast.stmt) -> list[ast.expr]:
    """The expressions that a statement speaks of whole."""
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr):
        return [] if statement.value is None else [statement.value]
    return []


class Names:
    """`known`: what each name stands for. `unsure`: the line in which one was changed in a way
    that is not followed. `changed`: those that stand for more than any statement says."""

    def __init__(self) -> None:
        self.known: dict[str, ast.expr] = {}
        self.unsure: dict[str, int] = {}
        self.changed: set[str] = set()
        self.before: set[int] = set()  # ids of what they stood for
        self._folded = False

    def after(self, step: Step) -> bool:
        """Takes a statement in. True where it changes what a name stands for: then it is the name
        that says a part of a canvas, and not the statement."""
        self._folded = False
        self._take(step)
        return self._folded

    def is_list(self, node: ast.expr) -> bool:
        """Whether it is a list as it is written, or a name, a sum or a multiple of such."""
        if isinstance(node, ast.Name):
            value = self.known.get(node.id)
            return value is not None and not isinstance(value, ast.Name) and self.is_list(value)
        if isinstance(node, ast.BinOp):
            sides = [self.is_list(node.left), self.is_list(node.right)]
            return (isinstance(node.op, ast.Add) and all(sides)) or (
                isinstance(node.op, ast.Mult) and any(sides)
            )
        return isinstance(node, ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp)

    def _take(self, step: Step) -> None:
        statement, loops, _ = step
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    self._assigned(target.id, statement.value, step)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            if isinstance(statement.op, ast.BitOr):
                self._put_on(name, statement.value, step)
            else:
                listed = isinstance(statement.op, ast.Add) and not loops
                self._changed(name, self._sum(name, statement.value) if listed else None, step)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            self._called(statement.value, step)

    def _assigned(self, name: str, value: ast.expr, step: Step) -> None:
        old = self.known.get(name)
        own = [one for one in ast.walk(value) if isinstance(one, ast.Name) and one.id == name]
        if old is None or not own:
            if old is not None and step[2] and ast.dump(old) != ast.dump(value):
                self.unsure[name] = value.lineno
            elif not step[2]:
                self.unsure.pop(name, None)
            self.known[name] = value
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr) and (
            isinstance(value.left, ast.Name) and len(own) == 1
        ):  # fmt: skip
            self._put_on(name, value.right, step)
        else:
            self._changed(name, None if step[1] else _with(value, name, old), step)

    def _put_on(self, name: str, value: ast.expr, step: Step) -> None:
        """`c |= b.s()`: within loops `chain(c, *[b.s() for ...])`."""
        old = self.known.get(name)
        if old is None:
            return
        if not step[1]:
            self._changed(name, _at(value, ast.BinOp(old, ast.BitOr(), value)), step)
            return
        each = ast.Starred(_at(value, ast.ListComp(value, list(step[1]))), ast.Load())
        chain = ast.Call(ast.Name("chain", ast.Load()), [old, each], [])
        self._changed(name, _at(value, chain), step)

    def _called(self, call: ast.Call, step: Step) -> None:
        if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name):
            return
        name, method = call.func.value.id, call.func.attr
        if method == "set" and name in self.known:
            self._changed(name, None if step[1] else _with(call, name, self.known[name]), step)
        elif method in _CHANGE:
            self._changed(name, None, step)
        elif method in _GROW and len(call.args) == 1 and not call.keywords:
            only = call.args[0]
            if method == "extend":
                grown = None if step[1] else self._sum(name, only)
            elif step[1]:
                grown = self._sum(name, _at(only, ast.ListComp(only, list(step[1]))))
            else:
                grown = self._sum(name, _at(only, ast.List([only], ast.Load())))
            self._changed(name, grown, step)

    def _sum(self, name: str, value: ast.expr) -> ast.expr | None:
        old = self.known.get(name)
        return None if old is None else _at(value, ast.BinOp(old, ast.Add(), value))

    def _changed(self, name: str, value: ast.expr | None, step: Step) -> None:
        if name not in self.known:
            return
        self._folded = True
        self.changed.add(name)
        if value is None or step[2]:
            self.unsure.setdefault(name, step[0].lineno)
        else:
            self.before.add(id(self.known[name]))
            self.known[name] = value


def _with(value: ast.expr, name: str, old: ast.expr) -> ast.expr:
    """An expression in which a name stands for what it stood for before."""

    class Before(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:  # ast's name
            return old if node.id == name else node

    found: ast.expr = Before().visit(copy.deepcopy(value))
    return _at(value, found)


def _at(where: ast.expr, made: ast.expr) -> ast.expr:
    """A made node at the place of a written one."""
    return ast.fix_missing_locations(ast.copy_location(made, where))
