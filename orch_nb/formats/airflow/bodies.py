"""What a task's function does, as far as its text says so.

def joined(orders, refunds):                 calls "shop.sales:joined", and the parameter
    from shop.sales import joined            `orders` is its `orders`
    return joined(orders, refunds)

def load(fetch):                             when: fetch.rows > 0
    if not fetch["rows"] > 0:
        raise AirflowSkipException("when: fetch.rows > 0")
    return f"load {words(fetch['path'])}"           sh: load {{ fetch.path }}
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from orch_nb.formats.airflow.expressions import of_python
from orch_nb.formats.airflow.names import WHEN
from orch_nb.formats.airflow.symbols import Function, Ref

__all__ = ["Body", "body_of"]

#: Lines of an export that say nothing of a plan.
_OURS = re.compile(r"index = ti\.map_index|failures = \{\}|(\w+) = list\(\1\)")


@dataclass
class Body:
    """`calls`: the function that it only passes on to, as `call`; `names`: what that calls a
    parameter; `by_position`: not all that it gets by position is such a name; `gives`: the
    expression that it returns; `notebook`: what it executes; `empty`: it does nothing."""

    calls: str = ""
    call: ast.Call | None = None
    names: dict[str, str] = field(default_factory=dict)
    by_position: bool = False
    when: str = ""
    empty: bool = False
    gives: ast.expr | None = None
    notebook: ast.Call | None = None
    doc: str = ""


def body_of(function: Function) -> Body:
    node = function.node
    found = Body()
    if isinstance(node, ast.Lambda):
        found.gives = node.body
        return found
    found.doc = ast.get_docstring(node) or ""
    rest = list(node.body)
    if found.doc or (rest and _is_text(rest[0])):
        rest = rest[1:]
    imported: dict[str, str] = {}
    inner: dict[str, str] = {}
    while rest:
        first = rest[0]
        if isinstance(first, ast.ImportFrom) and first.module and not first.level:
            imported |= {a.asname or a.name: f"{first.module}:{a.name}" for a in first.names}
        elif isinstance(first, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in first.names}
        elif (
            isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) and not first.decorator_list
        ):
            inner[first.name] = f":{first.name}"
        elif isinstance(first, ast.If) and (said := _when(first)):
            found.when = said
        elif not _OURS.fullmatch(ast.unparse(first)):
            break
        rest = rest[1:]
    found.empty = not rest and bool(found.when) and not inner
    if len(rest) != 1 or not isinstance(rest[0], (ast.Return, ast.Expr)) or rest[0].value is None:
        return found
    value = rest[0].value
    found.gives = value if isinstance(rest[0], ast.Return) else None
    call = _inner(value, imported)
    if call is not None:
        _passed_on(call, imported | inner, found, function)
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _when(node: ast.If) -> str:
    """The condition that a skip tells in its message."""
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Raise) or node.orelse:
        return ""
    raised = node.body[0].exc
    if not isinstance(raised, ast.Call) or getattr(raised.func, "id", "") != "AirflowSkipException":
        return ""
    said = raised.args[0] if raised.args else None
    if isinstance(said, ast.Constant) and str(said.value).startswith(WHEN):
        return str(said.value)[len(WHEN) :]
    return ""


def _inner(value: ast.expr, imported: dict[str, str]) -> ast.Call | None:
    """The call, out of `asyncio.run(...)` where it is in one."""
    if not isinstance(value, ast.Call):
        return None
    if "asyncio" in imported and ast.unparse(value.func) == "asyncio.run" and value.args:
        inner = value.args[0]
        return inner if isinstance(inner, ast.Call) else None
    return value


def _passed_on(call: ast.Call, imported: dict[str, str], found: Body, function: Function) -> None:
    """Tells in `found` what function a call is of, if its arguments have names."""
    if "papermill" in imported and ast.unparse(call.func) == "papermill.execute_notebook":
        found.notebook = call
        return
    found.by_position = not _named(call, function)
    if found.by_position and not _can_be_placed(call, function):
        return
    origin, attributes = _origin(call.func, imported, function)
    if origin.startswith(":"):
        found.call = call
        return
    if origin and ":" not in origin and attributes:
        origin = f"{origin}:{attributes.pop(0)}"
    if ":" not in origin:
        return
    for given in call.keywords:
        if given.arg is not None and isinstance(given.value, ast.Name):
            found.names[given.value.id] = given.arg
    found.call = call
    found.calls = ".".join([origin, *attributes])


def _named(call: ast.Call, function: Function) -> bool:
    """Whether all that comes by position is a name, taken for that of the parameter it fills, or
    the star of the function itself."""
    star = function.node.args.vararg
    return all(
        star is not None and ast.unparse(given.value) == star.arg
        if isinstance(given, ast.Starred)
        else isinstance(given, ast.Name)
        for given in call.args
    )


def _can_be_placed(call: ast.Call, function: Function) -> bool:
    """Whether `*` of a `with` can say what comes by position: expressions, or one with a star."""
    if any(isinstance(given, ast.Starred) for given in call.args) and len(call.args) > 1:
        return False
    names = [argument.arg for argument in function.node.args.args]
    plain = (given.value if isinstance(given, ast.Starred) else given for given in call.args)
    return all(of_python(given, dict.fromkeys(names, ""), ("params",)) for given in plain)


def _origin(
    called: ast.expr, imported: dict[str, str], function: Function
) -> tuple[str, list[str]]:
    """Where what is called comes from, and the attributes that are taken of it; "" if from here."""
    attributes: list[str] = []
    while isinstance(called, ast.Attribute):
        attributes.insert(0, called.attr)
        called = called.value
    if not isinstance(called, ast.Name):
        return "", []
    if called.id in imported:
        return imported[called.id], attributes
    try:
        known = function.scope.get(called.id)
    except KeyError:
        return "", []
    if isinstance(known, Function) and known.module != function.module:
        return f"{known.module}:{known.qualname}", attributes
    if not isinstance(known, Ref) or known.of_airflow or "." not in known.origin:
        return "", []
    module, _, name = known.origin.rpartition(".")
    return f"{module}:{name}", attributes
