"""A cell that begins with `%%orchestrate` becomes an `await`, so that its buttons work.

While a cell runs synchronously, ipykernel 7.4 queues every click until it ends; while it awaits,
clicks are handled, and nbclient still waits for its end. So the cell is rewritten before it runs:

    %%orchestrate Release --workers 4          await __orchestrate__('Release --workers 4', '...')
    goal: ...                            ─►

and a line `%orchestrate run|recover|retry ...` that stands alone likewise. This happens only if the
cell is what the current request asked to run: under `%%time` or `%%capture`, in a nested
`run_cell`, outside of a kernel, or without autoawait, the plain magic runs, synchronously.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CALL", "Transformer"]

#: The hidden name under which the cell's coroutine function stands in the user's namespace.
CALL = "__orchestrate__"

_CELL = re.compile(r"%%orchestrate(?=\s|$)[ \t]*(?P<line>[^\n]*)(?:\n(?P<body>.*))?\Z", re.DOTALL)
_VERBS = "run|recover|retry|skip|compensate|approve|reject"
_LINE = re.compile(rf"%orchestrate[ \t]+(?P<line>(?:{_VERBS})\b[^\n]*)\s*\Z")


class Transformer:
    """Registered in `input_transformers_cleanup`; takes and gives the lines of a cell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        text = "".join(lines)
        if not text.startswith(("%%orchestrate", "%orchestrate")) or not self._asked_for(text):
            return lines
        cell = _CELL.match(text)
        if cell is not None and cell["line"].strip() != "?" and cell["body"] is not None:
            return [f"await {CALL}({cell['line']!r}, {cell['body'] or ''!r})\n"]
        line = _LINE.match(text)
        if line is not None:
            return [f"await {CALL}({line['line']!r}, None)\n"]
        return lines

    def _asked_for(self, text: str) -> bool:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None or not self._shell.autoawait:
            return False
        parent = kernel.get_parent("shell") or {}
        code = str((parent.get("content") or {}).get("code", ""))
        return code.strip() == text.strip()
