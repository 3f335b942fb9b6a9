"""`%orchestrate import FILE` and `export SYSTEM [PATH]`: plans of other systems, and for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orch_nb.errors import UsageError
from orch_nb.exchange import export, import_
from orch_nb.model.report import Operation
from orch_nb.model.translation import Export
from orch_nb.notebook.display import show
from orch_nb.planners.yaml import dump_plan
from orch_nb.render.bundle import blocks_bundle
from orch_nb.render.document import Code, Paragraph, line
from orch_nb.render.losses import translation_bundle

if TYPE_CHECKING:
    from orch_nb.notebook.lines import Line

__all__ = ["export_plan", "import_plan"]


def import_plan(asked: Line, path: str, *options: str) -> None:
    """read the plan in a file of another system (airflow, bullmq, celery, xstate), without running
    it, as a draft of this notebook; with `--as NAME` under that name, with `--dag ID` that DAG of
    an Airflow file"""
    said = _options(options, ("--as", "--dag"), f"usage: %orchestrate {_IMPORT}")
    name = said.get("--as", "")
    found = import_(path, dag=said.get("--dag"))
    draft = Operation(plan=found.plan, kind="yaml", name=name, document=dump_plan(found.plan))
    asked.remember(draft)
    show([translation_bundle(found)])
    called = f" {name}" if name else ""
    lines = (Code(f"%orchestrate edit{called}"), Code(f"%orchestrate run{called}"))
    words = line("This is a draft. Next: ", lines[0], " to change it, ", lines[1], " to run it.")
    show([blocks_bundle((Paragraph(words),))])


_IMPORT = "import FILE [--as NAME] [--dag ID]"


def export_plan(asked: Line, system: str, *words: str) -> Export | None:
    """write the last plan, or that of a draft or run, as a file of another system: airflow, bullmq,
    celery, xstate; without a path it is shown"""
    path = next((word for word in words if "." in word or "/" in word), None)
    names = [word for word in words if word != path]
    if len(names) > 1:
        raise UsageError("usage: %orchestrate export SYSTEM [PATH] [NAME]")
    made = export(asked.planned(names[0] if names else ""), system, path)
    show([translation_bundle(made)])
    if path is not None:
        print(f"Written to {path}")
    return None


def _options(words: Sequence[str], known: Sequence[str], usage: str) -> dict[str, str]:
    """The values of options by their names. Raises UsageError for one that is not known, is there
    twice or has no value."""
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or len(set(names)) < len(names) or not set(names) <= {*known}:
        raise UsageError(usage)
    return dict(zip(names, values, strict=True))
