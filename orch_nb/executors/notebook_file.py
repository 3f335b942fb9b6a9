"""A notebook as a file: read, given parameters, written when executed, its scraps taken out.

Parameters come in as papermill has them: a cell of assignments, tagged `injected-parameters`, after
the one tagged `parameters`, or at the top. Scraps go out as scrapbook has them: outputs that name a
value of the notebook in JSON. Files that either of these made are read here, and the other way
round.

Sources: https://papermill.readthedocs.io/en/latest/usage-parameterize.html and
https://nteract-scrapbook.readthedocs.io/en/latest/
"""

from __future__ import annotations

import hashlib
import importlib
import json
import keyword
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["executed_path", "inject", "literal", "masked", "read", "scraps", "write"]

_FOLDER = ".orch_nb/notebooks"
_LITERAL = 1_000_000  # characters of one parameter: what is larger belongs into a file
# An assignment at the beginning of a line, as papermill looks for them.
_ASSIGNED = re.compile(r"^(\w+)\s*(?::[^=\n]*)?=(?!=)", re.MULTILINE)
_SCRAP = re.compile(r"application/scrapbook\.scrap\.(json|text)\+json")


# -- the file ------------------------------------------------------------------------------------


def read(path: Path) -> Any:
    """The notebook at `path` in today's format, whatever version it was written in.

    Raises FileNotFoundError, and ValueError for what is no notebook.
    """
    reader: Any = importlib.import_module("nbformat.reader")
    converter: Any = importlib.import_module("nbformat.converter")
    if not path.is_file():
        raise FileNotFoundError(f"there is no notebook {path}")
    try:
        notebook = converter.convert(reader.reads(path.read_text("utf-8")), 4)
        _complete(notebook)
    except Exception as error:  # noqa: BLE001  # nbformat's errors have no common base
        first = str(error).strip().partition("\n")[0][:200]
        raise ValueError(f"{path} is not a notebook that can be read: {first}") from None
    return notebook


def _complete(notebook: Any) -> None:
    """What 4.5 asks for and older files have not. nbformat would do it, and warn the person."""
    notebook.nbformat, notebook.nbformat_minor = 4, max(5, notebook.get("nbformat_minor", 0))
    notebook.setdefault("metadata", type(notebook)())
    for cell in notebook.cells:
        cell.setdefault("id", uuid.uuid4().hex[:8])
        cell.setdefault("metadata", type(notebook)())
        if not isinstance(cell.source, str):
            raise TypeError("a cell has no text")


def executed_path(run_id: str, task: str, attempt: int) -> str:
    """Where an attempt leaves its notebook, relative to the workspace: a name for each attempt."""
    return f"{_FOLDER}/{_safe(run_id)}/{_safe(task)}-{attempt}.ipynb"


def _safe(name: str) -> str:
    """`fetch[3]` as a name of a file; what had to be changed is told apart by a digest."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80]
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"


def write(notebook: Any, path: Path) -> None:
    """All of it or nothing: a reader never finds half a notebook."""
    v4: Any = importlib.import_module("nbformat.v4")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    # What UTF-8 has no place for becomes \udcff, which is how JSON writes it.
    beside.write_bytes((v4.writes(notebook) + "\n").encode("utf-8", "backslashreplace"))
    beside.replace(path)


def masked(notebook: Any, mask: Callable[[str], str]) -> Any:
    """A copy in which every text has gone through `mask`: what it was given and what it printed may
    have secrets in it. Pictures are no text."""
    nbformat: Any = importlib.import_module("nbformat")

    def seen(value: Any) -> Any:
        if isinstance(value, str):
            return mask(value)
        if isinstance(value, Mapping):
            return {k: one if k.startswith("image/") else seen(one) for k, one in value.items()}
        return [seen(one) for one in value] if isinstance(value, list) else value

    return nbformat.from_dict(seen(notebook))


# -- parameters ----------------------------------------------------------------------------------


def inject(notebook: Any, parameters: Mapping[str, Any]) -> list[str]:
    """Put a cell that assigns `parameters` where papermill would.

    Returns those that the notebook's own cell of parameters does not know, if it has one. Raises
    ValueError for a name that Python has no variable for, and for a value without a literal.
    """
    if not parameters:
        return []
    v4: Any = importlib.import_module("nbformat.v4")
    lines = ["# Parameters", *(f"{name} = {_value(name, v)}" for name, v in parameters.items())]
    cell = v4.new_code_cell("\n".join(lines), metadata={"tags": ["injected-parameters"]})
    cells = notebook.cells
    own, before = _tagged(cells, "parameters"), _tagged(cells, "injected-parameters")
    if before is not None:
        cells[before] = cell
    else:
        cells.insert(0 if own is None else own + 1, cell)
    if own is None:
        return []
    known = set(_ASSIGNED.findall(cells[own].source))
    return [name for name in parameters if name not in known]


def _tagged(cells: Iterable[Any], tag: str) -> int | None:
    found = (n for n, cell in enumerate(cells) if tag in cell.metadata.get("tags", ()))
    return next(found, None)


def _value(name: str, value: Any) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"`{name}` cannot be a parameter of a notebook: no variable has that name")
    try:
        text = literal(value)
    except RecursionError:
        raise ValueError(f"parameter `{name}` holds itself, or is nested too deep") from None
    except ValueError as error:
        raise ValueError(
            f"parameter `{name}` cannot be given to a notebook: {error}. Pass numbers, text, "
            "lists and mappings of them, or write the value to a file and pass its path."
        ) from None
    if len(text) > _LITERAL:
        raise ValueError(
            f"parameter `{name}` is {len(text):,} characters long: write it to a file and pass "
            "the path"
        )
    return text


def literal(value: Any) -> str:
    """`value` as Python text that gives it again. Raises ValueError if it has none.

    >>> literal({"a": (1,), "b": [float("inf"), None]})
    "{'a': (1,), 'b': [float('inf'), None]}"
    """
    for plain in (str, bytes, bool, int, complex):
        if isinstance(value, plain):  # a subclass, such as that of an enum, as what it stands for
            return plain.__repr__(value)
    if value is None:
        return "None"
    if isinstance(value, float):
        text = float.__repr__(value)
        return text if math.isfinite(value) else f"float({text!r})"
    if isinstance(value, dict):
        pairs = (f"{literal(key)}: {literal(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return _collection(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return literal(value.item())
    raise ValueError(f"a {type(value).__qualname__} has no literal in Python")


def _collection(value: Any) -> str:
    inner = ", ".join(map(literal, value))
    if isinstance(value, list):
        return f"[{inner}]"
    if isinstance(value, tuple):
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    braced = f"{{{inner}}}" if value else "set()"
    return braced if isinstance(value, set) else f"frozenset({braced})"


# -- scraps --------------------------------------------------------------------------------------


def scraps(notebook: Any) -> dict[str, Any]:
    """Values by name, as the notebook's cells left them; of one name the last."""
    found: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            for mime, payload in output.get("data", {}).items():
                if _SCRAP.fullmatch(mime) and isinstance(payload, dict) and "name" in payload:
                    found[str(payload["name"])] = json.loads(json.dumps(payload.get("data")))
    return found
