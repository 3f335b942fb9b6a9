"""Plans of other systems, and for them. What is made goes to a file or to standard output, what is
lost to standard error; with `--json` both are one JSON value on standard output."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import msgspec

from orch_nb.cli.running import plan_of
from orch_nb.errors import UsageError
from orch_nb.exchange import export, import_, read, save
from orch_nb.model.translation import Export, Import
from orch_nb.planners.yaml import dump_plan
from orch_nb.render.losses import differs
from orch_nb.render.whole_file import written

__all__ = ["export_plan", "import_plan"]


def export_plan(arguments: argparse.Namespace) -> int:
    made = export(plan_of(arguments.plan), arguments.system)
    if arguments.output in (None, "-"):
        told, text = "", made.text
    else:
        told = text = save(made, arguments.output, force=arguments.force)
    _tell(arguments, made, text, {"text": made.text, "files": made.files, "usage": made.usage,
                                  "written": told})  # fmt: skip
    return 0


def import_plan(arguments: argparse.Namespace) -> int:
    if arguments.file == "-":
        found = read(sys.stdin.read(), Path("standard input"), arguments.system)
    else:
        found = import_(arguments.file, arguments.system)
    document = dump_plan(found.plan)
    told, text = "", document
    if arguments.output not in (None, "-"):
        target = Path(arguments.output).expanduser()
        if target.is_file() and differs(target, document) and not arguments.force:
            raise UsageError(f"`{target}` is there already and says something else. To replace it: "
                             "--force")  # fmt: skip
        told = text = str(written(document, target))
    _tell(arguments, found, text, {"document": document, "written": told})
    return 0


def _tell(
    arguments: argparse.Namespace, made: Export | Import, text: str, more: dict[str, object]
) -> None:
    if arguments.json:
        losses = [msgspec.to_builtins(loss) for loss in made.losses]
        print(json.dumps({"system": made.system, **more, "losses": losses}, ensure_ascii=False,
                         indent=2))  # fmt: skip
        return
    print(text.removesuffix("\n"))
    for loss in made.losses:
        print(f"{loss.severity}: {loss}", file=sys.stderr)
