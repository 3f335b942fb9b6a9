"""Plans of other systems, and for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from orch_nb.cli.running import plan_of
from orch_nb.exchange import export, import_
from orch_nb.planners.yaml import dump_plan

__all__ = ["export_plan", "import_plan"]


def export_plan(arguments: argparse.Namespace) -> int:
    made = export(plan_of(arguments.plan), arguments.system, arguments.output)
    print(made.text if arguments.output is None else arguments.output)
    for loss in made.losses:
        print(f"{loss.severity}: {loss}", file=sys.stderr)
    return 0


def import_plan(arguments: argparse.Namespace) -> int:
    found = import_(arguments.file, arguments.system, dag=arguments.dag)
    text = dump_plan(found.plan)
    if arguments.output is None:
        print(text, end="")
    else:
        Path(arguments.output).write_text(text, encoding="utf-8")
        print(arguments.output)
    for loss in found.losses:
        print(f"{loss.severity}: {loss}", file=sys.stderr)
    return 0
