"""`%orchestrate import FILE` and `export SYSTEM [PATH]`: plans of other systems, and for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch_nb.errors import UsageError
from orch_nb.exchange import export, import_, save
from orch_nb.formats.translators import translator
from orch_nb.model.report import Operation
from orch_nb.notebook.display import show
from orch_nb.notebook.options import valued
from orch_nb.planners.yaml import dump_plan
from orch_nb.render.bundle import blocks_bundle
from orch_nb.render.document import Code, Paragraph, line
from orch_nb.render.losses import translation_bundle

if TYPE_CHECKING:
    from orch_nb.notebook.lines import Line

__all__ = ["export_plan", "import_plan"]


def import_plan(asked: Line, path: str, *options: str) -> None:
    """read the plan in a file of another system (airflow, bullmq, celery, xstate), without running
    it, as a draft of this notebook; with `--as NAME` under that name, with `--from SYSTEM` as a
    file of that system, with `--dag ID` that DAG of an Airflow file"""
    rest, named = valued(options, ("--as", "--from", "--dag"), _IMPORT)
    if rest:
        raise UsageError(_IMPORT)
    name = named.get("--as", "")
    found = import_(path, named.get("--from"), dag=named.get("--dag"))
    draft = Operation(plan=found.plan, kind="yaml", name=name, document=dump_plan(found.plan))
    asked.remember(draft)
    show([translation_bundle(found)])
    called = f" {name}" if name else ""
    lines = (Code(f"%orchestrate edit{called}"), Code(f"%orchestrate run{called}"))
    words = line("This is a draft. Next: ", lines[0], " to change it, ", lines[1], " to run it.")
    show([blocks_bundle((Paragraph(words),))])


_IMPORT = "usage: %orchestrate import FILE [--as NAME] [--from SYSTEM] [--dag ID]"
_EXPORT = "usage: %orchestrate export SYSTEM [PATH] [NAME] [--force]"


def export_plan(asked: Line, system: str, *words: str) -> None:
    """write the last plan, or that of a draft, a run or a variable, as a file of another system:
    airflow, bullmq, celery, xstate; without a path it is shown, with `--force` a file that is there
    is replaced"""
    rest = [word for word in words if word != "--force"]
    path = next((word for word in rest if "." in word or "/" in word or "\\" in word), None)
    names = [word for word in rest if word != path]
    if len(names) > 1 or any(word.startswith("-") for word in rest):
        raise UsageError(_EXPORT)
    translator(system)  # a wrong name is told before a plan is looked for
    made = export(asked.planned(names[0] if names else ""), system)
    told = save(made, path, force="--force" in words) if path is not None else ""
    show([translation_bundle(made)])
    if told:
        print(f"Written to {told}")
