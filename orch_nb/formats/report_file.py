"""The operations in a file that somebody else sent: an executed notebook, or a report as HTML.

    notebook   an output has, beside what is shown, the run's data under a mimetype of its own
    HTML       `<script type="application/vnd.orch-nb.run+json">`, which no browser runs

`model.record` says what the data is and how little it is trusted. What a file holds twice (a cell
that was copied) is given twice; the last one is the newest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from orch_nb.errors import RecordError, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.validate import check
from orch_nb.model.record import MIMETYPE, unseal
from orch_nb.model.report import Operation

__all__ = ["SUFFIXES", "called", "chosen", "code_cells", "operations_of"]

SUFFIXES = (".ipynb", ".html", ".htm")
_LARGEST = 256_000_000  # bytes of a file
_SCRIPT = re.compile(
    rf'<script type="{re.escape(MIMETYPE)}">(.*?)</script>', re.DOTALL | re.IGNORECASE
)
_NBCONVERT = re.compile(rb'<body class="[^"]*\bjp-Notebook\b')


def operations_of(path: Path) -> list[Operation]:
    """All operations in a file, in its order. Raises RecordError, UsageError, naming the file."""
    found: list[Operation] = []
    for sealed, body in _sealed(path):
        try:
            operation = unseal(sealed)
            problems = check(operation.plan)
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from None
        if problems:
            raise RecordError(f"{path}: the plan of its run cannot be: {problems[0]}")
        found.append(replace(operation, body=body))
    if not found:
        raise RecordError(f"{path} has no run of orch_nb in it. {_why_empty(path)}")
    return found


def _why_empty(path: Path) -> str:
    """Why a file has no run, and which have."""
    if path.suffix.lower() == ".ipynb":
        return (
            "Its cells were not executed, were executed by a version that left no data, or their "
            "outputs were cleared."
        )
    files = (
        "the executed notebook itself (.ipynb), and an HTML report that orch_nb wrote "
        "(`%orchestrate report PATH.html`, `report.to_html(PATH)`)"
    )
    if _NBCONVERT.search(_read(path)):
        return (
            f"nbconvert keeps what is shown of a notebook, not its runs' data. Runs are in {files}."
        )
    return f"Runs are in {files}."


def chosen(found: list[Operation], name: str | None, where: Path | str) -> Operation:
    """The one of that name or run id; the last without. Raises UsageError with those there are."""
    if name is None:
        return found[-1]
    named = [operation for operation in found if name in (called(operation), operation.name)]
    if not named:
        there = list(dict.fromkeys(called(operation) for operation in found))
        near = did_you_mean(name, there)
        raise UsageError(
            " ".join(f"{where} has no run `{name}`. {near} It has: {', '.join(there)}.".split())
        )
    return named[-1]


def called(operation: Operation) -> str:
    """What an operation is asked for by: the id of its run, else its name."""
    return operation.run.run_id if operation.run is not None else operation.name or "draft"


def code_cells(path: Path) -> list[str]:
    """The sources of a notebook's code cells, in order."""
    return [_text(cell.get("source")) for cell in _cells(path) if cell.get("cell_type") == "code"]


def _sealed(path: Path) -> Iterator[tuple[Any, str]]:
    """The data of each operation, and the cell that it came from."""
    if path.suffix.lower() == ".ipynb":
        for cell in _cells(path):
            outputs = cell.get("outputs")
            for output in outputs if isinstance(outputs, list) else ():
                data = output.get("data") if isinstance(output, dict) else None
                if isinstance(data, dict) and MIMETYPE in data:
                    yield data[MIMETYPE], _body(_text(cell.get("source")))
        return
    for match in _SCRIPT.finditer(_read(path).decode("utf-8", "replace")):
        yield _json(match[1].encode(), path), ""


def _cells(path: Path) -> list[dict[str, Any]]:
    notebook = _json(_read(path), path)
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise RecordError(f"{path} is no notebook of version 4: it has no list of cells.")
    return [cell for cell in cells if isinstance(cell, dict)]


def _text(source: Any) -> str:
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _body(source: str) -> str:
    """What stands below the line of the magic."""
    first, _, rest = source.partition("\n")
    return rest if first.startswith("%%orchestrate") else ""


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise RecordError(f"{path} has {size:,} bytes; {_LARGEST:,} are read.")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _json(text: bytes, path: Path) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}. It is damaged.") from None
