"""How a function of a plan comes into a DAG file: imported, written out, or asked for.

shop.sales:orders        from shop.sales import orders
a notebook's function    its source, with the imports and constants that it uses
anything else            raise NotImplementedError, with the way out
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from orch_nb.formats.airflow.layout import inside_texts, literal, shifted, styled
from orch_nb.model.task import callable_name

__all__ = ["Source", "source_of"]

_MARKS = ("task", "nb.task", "orch_nb.task")


@dataclass
class Source:
    """`module` and `name` of what is imported; else `lines` of a `def` called `name`, with `blocks`
    of lines that have to stand before it; else `why` there is neither. `runs`: it is a coroutine
    function; `calls_itself`: by its name, which must mean the function; `asks`: it uses orch_nb."""

    name: str = ""
    module: str = ""
    lines: list[str] = field(default_factory=list)
    blocks: list[tuple[str, ...]] = field(default_factory=list)
    runs: bool = False
    calls_itself: bool = False
    asks: bool = False
    why: str = ""

    @property
    def before(self) -> list[str]:
        """The lines of `blocks`, with space around what is no single line."""
        found: list[str] = []
        last: tuple[str, ...] = ()
        for block in self.blocks:
            apart = last and (_rank(last)[0] < 2 <= _rank(block)[0] or len(last) + len(block) > 2)
            found += ["", *block] if apart else block
            last = block
        return found


def source_of(function: Callable[..., Any] | str) -> Source:
    if isinstance(function, str):
        module, _, name = function.rpartition(":")
        if not module or not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
            return Source(why=f"`{function}` is no `module:function`")
        return Source(name, module)
    runs = asyncio.iscoroutinefunction(function)
    module, _, name = callable_name(function).partition(":")
    if module != "__main__" and _found(module, name) is function:
        return Source(name, module, runs=runs)
    if not isinstance(function, FunctionType):
        return Source(why=f"`{name}` is no function that can be imported or written out")
    found = _written(function)
    found.runs = runs
    return found


def _found(module: str, name: str) -> Any:
    """What a name of a loaded module stands for."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _written(function: FunctionType, depth: int = 5) -> Source:
    name = function.__name__
    if not name.isidentifier():
        return Source(why="a lambda has no name that it could be imported by")
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return Source(why=f"the source of `{name}` is not to be had")
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return Source(why=f"the source of `{name}` is not to be had")
    others = [ast.unparse(mark) for mark in tree.decorator_list
              if ast.unparse(mark).partition("(")[0] not in _MARKS]  # fmt: skip
    if others:
        return Source(why=f"`{name}` is under the decorator @{others[0]}")
    bound = _bound_elsewhere(function)
    if bound:
        return Source(why=f"`{name}` {bound}")
    blocks: list[tuple[str, ...]] = []
    asks = "orch_nb" in function.__code__.co_names
    defaults = [node.id for node in ast.walk(tree.args) if isinstance(node, ast.Name)]
    known = [*_globals_of(function.__code__), *defaults]
    calls_itself = name in known and function.__globals__.get(name) is function
    for used in known:
        if used == name and calls_itself:
            continue
        asks |= _is_ours(function.__globals__.get(used))
        if used in function.__globals__:
            found = _blocks_for(used, function.__globals__[used], depth)
            if found is None:
                return Source(why=f"`{name}` uses `{used}` of the notebook")
            blocks += found
        elif not hasattr(builtins, used):
            return Source(why=f"`{name}` uses `{used}`, which nothing defines")
    return Source(name, lines=_lines(tree, text), blocks=_in_order(blocks),
                  calls_itself=calls_itself, asks=asks)  # fmt: skip


def _in_order(blocks: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Each once: imports, then constants and functions, those first that others use."""
    once = list(dict.fromkeys(blocks))
    return sorted(once, key=_rank)


def _rank(block: tuple[str, ...]) -> tuple[int, str]:
    """Imports as isort has them: whole modules first; what else there is as it stands."""
    if not block[0].startswith(("import ", "from ")):
        return 2, ""
    return int(block[0].startswith("from ")), block[0].lower()


def _bound_elsewhere(function: FunctionType) -> str:
    """What a function has of names that are bound around it; "" if only globals that it reads."""
    if function.__closure__:
        return f"uses {', '.join(function.__code__.co_freevars)} of the function around it"
    written = _written_globals(function.__code__)
    return f"binds `{written[0]}` of the notebook anew" if written else ""


def _written_globals(code: Any) -> list[str]:
    """The global names that a function and those in it bind, which would be another's there."""
    import dis

    found = [str(i.argval) for i in dis.get_instructions(code)
             if i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")]  # fmt: skip
    for constant in code.co_consts:
        if inspect.iscode(constant):
            found += _written_globals(constant)
    return found


def _is_ours(value: Any) -> bool:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return str(name).partition(".")[0] == "orch_nb"


def _globals_of(code: Any) -> list[str]:
    """The global names that a function and those in it use, in order."""
    found: dict[str, None] = {}
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found[str(instruction.argval)] = None
    for constant in code.co_consts:
        if inspect.iscode(constant):
            found |= dict.fromkeys(_globals_of(constant))
    return list(found)


def _blocks_for(name: str, value: Any, depth: int) -> list[tuple[str, ...]] | None:
    """The lines that bind a global of a function anew: an import, a constant, a function with what
    that needs."""
    if isinstance(value, ModuleType):
        bound = f"import {value.__name__}"
        return [(bound if value.__name__ == name else f"{bound} as {name}",)]
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if module and own and module != "__main__" and "." not in own and _found(module, own) is value:
        return [(f"from {module} import {own}" + ("" if own == name else f" as {name}"),)]
    if isinstance(value, FunctionType) and value.__name__ == name and depth:
        inner = _written(value, depth - 1)
        return None if inner.why else [*inner.blocks, tuple(inner.lines)]
    written = literal(value, exact=True)
    return None if written is None else [tuple(f"{name} = {written}".split("\n"))]


def _lines(tree: ast.FunctionDef | ast.AsyncFunctionDef, text: str) -> list[str]:
    """The function without decorators and annotations, its body as it is written."""
    body, rows = tree.body, text.splitlines()
    first = body[0]
    head = ast.parse(text).body[0]
    assert isinstance(head, (ast.FunctionDef, ast.AsyncFunctionDef))
    head.decorator_list, head.returns = [], None
    for argument in ast.walk(head.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    head.body = [ast.Pass()]
    signature = styled(ast.unparse(head).splitlines()[0])
    begin = _after_signature(tree, rows)
    if first.lineno == begin or rows[first.lineno - 1][: first.col_offset].strip():
        lines = styled("\n".join(ast.unparse(part) for part in body))
    else:
        lines = _dedented("\n".join(rows[begin : tree.end_lineno]), first.col_offset)
    return [signature, *shifted(lines).split("\n")]


def _after_signature(tree: ast.FunctionDef | ast.AsyncFunctionDef, rows: list[str]) -> int:
    """The number of rows up to the end of the signature; comments below it are the body's."""
    row = tree.body[0].lineno - 1
    while row > tree.lineno and (
        not rows[row - 1].strip() or rows[row - 1].lstrip().startswith("#")
    ):
        row -= 1
    return row


def _dedented(text: str, columns: int) -> str:
    """Lines further out; what stands in texts of several lines is left as it is."""
    inside = inside_texts(text)
    return "\n".join(
        row if n in inside else row[min(columns, len(row) - len(row.lstrip())) :]
        for n, row in enumerate(text.split("\n"))
    )
