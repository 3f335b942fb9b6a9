"""What is left of a run, as a file; two runs side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from orch_nb import archive
from orch_nb.cli.asking import journal_of, named
from orch_nb.errors import UsageError

__all__ = ["compare", "report"]


def report(arguments: argparse.Namespace) -> int:
    found, code, log = _reported(arguments.run, arguments)
    print(archive.write_report(found, arguments.output, code=code, log=log))
    return 0


def _reported(source: str | None, arguments: argparse.Namespace) -> tuple[Any, list[str], Any]:
    """The operations that are meant, cells to show with them, and where their output is."""
    from orch_nb.formats.report_file import SUFFIXES, code_cells

    if source is None:
        journal = journal_of(arguments)
        source = named(arguments, journal)
    path = Path(source)
    if path.suffix.lower() not in SUFFIXES:
        if arguments.code:
            raise UsageError(f"--code shows the cells of a notebook; {source} is a run")
        journal = journal_of(arguments)
        return archive.past_operation(source, journal), [], journal.read_log
    if arguments.code and path.suffix.lower() != ".ipynb":
        raise UsageError(f"--code shows the cells of a notebook; {path} has none")
    return archive.operations(path), code_cells(path) if arguments.code else [], None


def compare(arguments: argparse.Namespace) -> int:
    found = archive.compare(arguments.before, arguments.after, journal=arguments.journal)
    from orch_nb.render.bundle import contrast_bundle

    print(contrast_bundle(found)["text/plain"])
    return 0
