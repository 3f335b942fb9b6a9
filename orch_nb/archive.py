"""What is left of a run, and what can be done with it: load it, write it as a file, compare two.

    load("report.ipynb")            the operation in a notebook or an HTML report that was sent
    load("nightly-7")               a run of the journal
    compare("nightly-6", "report.html")
    write_report([operation], "report.pdf")

Like `phases`, on which it stands, it only brings rooms together: it finds what is meant, and hands
it on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orch_nb import phases
from orch_nb.engine.journal import DEFAULT_PATH, open_journal
from orch_nb.engine.ports import Journal
from orch_nb.errors import RunNotFound, UsageError
from orch_nb.model import record
from orch_nb.model.contrast import Contrast
from orch_nb.model.report import Operation, Report
from orch_nb.model.run import Run

__all__ = ["REPORTS", "compare", "latest", "load", "operations", "past_operation", "write_report"]

#: What a report can be written as.
REPORTS = (".html", ".htm", ".md", ".pdf", ".xml")
_JOURNALS = (".db", ".sqlite", ".sqlite3")


def load(
    source: str | os.PathLike[str],
    name: str | None = None,
    *,
    journal: str | os.PathLike[str] | Journal | None = None,
) -> Operation:
    """The operation that is in a file, as values: `.plan`, `.run`, `.report`, `.analysis`,
    `.research`.

    `source` is an executed notebook (.ipynb), an HTML report, a journal's file (.db), or the id of
    a run in `journal` (None: the default one). Of several operations the last is taken, or the one
    that `name` names: the id of its run, or its `--name`.

    A report has previews of results, not the results: `load(...).run.results[task]` gives numbers
    and short texts, and raises LookupError, with the preview, for anything else. Nothing of a
    report is unpickled, imported or run; its functions are names.

    Raises RecordError for a file without a run, a damaged one, or one of a newer orch_nb,
    UsageError for a name that it has not, RunNotFound for a run that the journal has not.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() in _JOURNALS:
        _there(path)
        opened = open_journal(path)
        return past_operation(name if name is not None else latest(opened), opened)
    if _is_file(path):
        from orch_nb.formats.report_file import chosen

        return chosen(operations(path), name, path)
    if name is not None:
        raise UsageError(f"`{name}` is looked for in a file; {source} is the id of a run")
    return past_operation(str(source), _journal(journal, source))


def operations(path: str | os.PathLike[str]) -> list[Operation]:
    """All operations in a notebook or an HTML report, in its order. Raises as `load`."""
    from orch_nb.formats.report_file import operations_of

    _there(Path(path))
    return operations_of(Path(path))


def _is_file(path: Path) -> bool:
    """Whether a file is meant. Raises UsageError for one of another kind."""
    from orch_nb.formats.report_file import SUFFIXES

    if path.suffix.lower() in SUFFIXES:
        return True
    if path.is_file():
        known = ", ".join((*SUFFIXES, *_JOURNALS))
        raise UsageError(f"{path} is no report: a run is loaded from a file that ends in {known}")
    return False


def _there(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")


def _journal(journal: str | os.PathLike[str] | Journal | None, run: object) -> Journal:
    """The journal, if it is there: reading must not make one."""
    where = DEFAULT_PATH if journal is None else journal
    if isinstance(where, str | os.PathLike) and where != "memory" and not Path(where).exists():
        raise RunNotFound(f"There is no run `{run}`: no file of that name, and no journal {where}.")
    return open_journal(journal)


def latest(journal: Journal) -> str:
    """The id of the run that was begun last. Raises RunNotFound where there is none."""
    rows = journal.runs()
    if not rows:
        raise RunNotFound(f"The journal {journal.path} has no runs yet.")
    return rows[0].run_id


def past_operation(run_id: str, journal: Journal) -> Operation:
    """A run of the journal with its report, and what its cell had found before it. Raises
    RunNotFound, JournalError."""
    run = phases.past_run(journal.history(run_id), journal)
    noted = journal.read_note(run_id)
    before = record.noted(noted) if noted is not None else Operation(plan=run.plan, kind="")
    report = phases.integrate(run, analysis=before.analysis, research=before.research)
    return Operation(
        plan=run.plan, kind=before.kind, name=before.name or run.name, analysis=before.analysis,
        research=before.research, run=run, report=report, document=before.document,
    )  # fmt: skip


def compare(
    before: Operation | Report | Run | str | os.PathLike[str],
    after: Operation | Report | Run | str | os.PathLike[str],
    *,
    journal: str | os.PathLike[str] | Journal | None = None,
) -> Contrast:
    """Two runs side by side: what changed in the plan, how each task ended, what took longer, what
    was retried, which results, options and versions differ; `.df` has a row a task.

    Each side is a value, or whatever `load` takes: the path of a notebook or an HTML report, or the
    id of a run in `journal`. Raises UsageError for a draft, which has not run, and as `load`.
    """
    from orch_nb.integration.contrast import contrast

    (one, said), (other, told) = (_side(value, journal) for value in (before, after))
    return contrast(one, other, (said, told))


def _side(value: Any, journal: Any) -> tuple[Run, Report | None]:
    if isinstance(value, Run):
        return value, None
    if isinstance(value, Report):
        return value.run, value
    found = value if isinstance(value, Operation) else load(value, journal=journal)
    if found.run is None:
        raise UsageError(f"`{found.name or found.plan.goal}` is a draft: it has no run to compare")
    return found.run, found.report


# -- as a file -----------------------------------------------------------------------------------


def write_report(
    found: Operation | Sequence[Operation],
    path: str | os.PathLike[str],
    *,
    code: Sequence[str] = (),
    log: Callable[[str, str], str] | None = None,
) -> Path:
    """Write operations to one file, as its suffix says: .html (one file that needs nothing else),
    .md (its pictures in a folder beside it), .pdf (printed by a browser of the machine), .xml
    (JUnit, for a CI). What was there is replaced, whole or not at all.

    `code` are cells to be shown; `log(run_id, task)` is what a task printed, for JUnit. Raises
    UsageError for another suffix or a place that cannot be written, BackendUnavailable where no
    browser prints.
    """
    from orch_nb.render.whole_file import target_of, written, written_beside

    several = [found] if isinstance(found, Operation) else list(found)
    target = target_of(path)
    suffix = target.suffix.lower()
    if suffix not in REPORTS:
        known = ", ".join(REPORTS)
        raise UsageError(f"a report is written as {known}, by the name of its file, not `{target}`")
    if suffix == ".xml":
        from orch_nb.formats.junit import junit

        return written(junit(several, log), target)
    from orch_nb.render.page import operations_markdown, operations_page

    if suffix == ".md":
        folder = f"{target.stem}_files"
        text, pictures = operations_markdown(several, code=code, folder=folder)
        written_beside(pictures, target.parent, folder)
        return written(text, target)
    page = operations_page(several, code=code)
    if suffix == ".pdf":
        from orch_nb.render.pdf import printed

        return written(printed(page), target)
    return written(page, target)
