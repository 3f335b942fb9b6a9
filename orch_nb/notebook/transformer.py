"""A cell that begins with `%%orchestrate` becomes an `await`, so that its buttons work.

While a cell runs synchronously, ipykernel 7.4 queues every click until it ends; while it awaits,
clicks are handled, and nbclient still waits for its end. So the cell is rewritten before it runs:

    %%orchestrate Release --workers 4          await __orchestrate__('Release --workers 4', '...')
    goal: ...                            ─►

and a line `%orchestrate run|recover|retry ...` that stands alone likewise. This happens only if the
cell is what the current request asked to run: under `%%time` or `%%capture`, in a nested
`run_cell`, outside of a kernel, or without autoawait, the plain magic runs, synchronously.

A cell that calls `nb.execute` or `nb.recover` itself is helped in the same way, where a person
watches: the call stays what it is, and the cell awaits it.

    run = nb.execute(plan, workers=4)    ─►    run = (await __heard__(nb.execute)(plan, workers=4))
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from orch_nb.notebook.display import heard, watched

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CALL", "HEARD", "Transformer"]

#: The hidden name under which the cell's coroutine function stands in the user's namespace.
CALL = "__orchestrate__"
#: And the one of what makes a call of `execute` something to await.
HEARD = "__heard__"

_PACKAGE = "orch_nb"
_CALLED = ("execute", "recover")

_CELL = re.compile(r"%%orchestrate(?=\s|$)[ \t]*(?P<line>[^\n]*)(?:\n(?P<body>.*))?\Z", re.DOTALL)
_VERBS = "run|recover|retry|skip|compensate|approve|reject"
_LINE = re.compile(rf"%orchestrate[ \t]+(?P<line>(?:{_VERBS})\b[^\n]*)\s*\Z")


class Transformer:
    """Registered in `input_transformers_cleanup`; takes and gives the lines of a cell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        text = "".join(lines)
        if not text.startswith(("%%orchestrate", "%orchestrate")):
            return self._with_calls(lines, text)
        if not self._asked_for(text):
            return lines
        cell = _CELL.match(text)
        if cell is not None and cell["line"].strip() != "?" and cell["body"] is not None:
            return [f"await {CALL}({cell['line']!r}, {cell['body'] or ''!r})\n"]
        line = _LINE.match(text)
        if line is not None:
            return [f"await {CALL}({line['line']!r}, None)\n"]
        return lines

    def _with_calls(self, lines: list[str], text: str) -> list[str]:
        """The cell with its calls of `execute` and `recover` awaited."""
        if not any(name in text for name in _CALLED):
            return lines
        if not (watched() and heard() and self._asked_for(text)):
            return lines
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return lines  # magics among its lines, or something that IPython will tell
        places = []
        for call in _calls(tree, _names(tree, self._shell.user_ns)):
            function = call.func
            places.append((call.lineno, call.col_offset, f"(await {HEARD}("))
            places.append((function.end_lineno or 0, function.end_col_offset or 0, ")"))
            places.append((call.end_lineno or 0, call.end_col_offset or 0, ")"))
        # From the end on, so that no place moves before its turn; of one place the inner first.
        made = [line.encode() for line in text.splitlines(keepends=True)]
        for row, column, words in sorted(places, key=lambda one: (one[0], one[1]), reverse=True):
            line = made[row - 1]
            made[row - 1] = line[:column] + words.encode() + line[column:]
        return [line.decode() for line in made]

    def _asked_for(self, text: str) -> bool:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None or not self._shell.autoawait:
            return False
        parent = kernel.get_parent("shell") or {}
        code = str((parent.get("content") or {}).get("code", ""))
        return code.strip() == text.strip()


def _names(tree: ast.Module, namespace: dict[str, Any]) -> dict[str, str]:
    """What the cell calls the package (`orch_nb`) and its functions (`execute`, `recover`)."""
    found: dict[str, str] = {}
    for name, value in list(namespace.items()):
        if isinstance(value, ModuleType) and value.__name__ == _PACKAGE:
            found[name] = _PACKAGE
        elif isinstance(value, FunctionType) and value.__module__.startswith(f"{_PACKAGE}.phases"):
            found[name] = value.__name__
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name: _PACKAGE for a in node.names if a.name == _PACKAGE}
        elif isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            found |= {a.asname or a.name: a.name for a in node.names if a.name in _CALLED}
    return found


#: What has a scope of its own, where nothing can be awaited, or whose places are not the text's.
_APART = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.JoinedStr, ast.Await,
)  # fmt: skip


def _calls(node: ast.AST, names: dict[str, str]) -> Iterator[ast.Call]:
    """The calls at the cell's own level."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _APART):
            continue
        if isinstance(child, ast.Call) and _is_ours(child.func, names):
            yield child
            continue  # one in the arguments of another is left as it is
        yield from _calls(child, names)


def _is_ours(function: ast.expr, names: dict[str, str]) -> bool:
    if isinstance(function, ast.Name):
        return names.get(function.id) in _CALLED
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _CALLED
        and isinstance(function.value, ast.Name)
        and names.get(function.value.id) == _PACKAGE
    )
