"""Plans that come from another system, or go to one.

    export(plan, "airflow", "dags/release.py")     a file that reads as if written by hand
    import_("dags/release.py")                     its plan, and what was lost on the way

Reading a file never runs it.
"""

from __future__ import annotations

import os
from pathlib import Path

from orch_nb import phases
from orch_nb.errors import UsageError
from orch_nb.formats.translators import importers, translator
from orch_nb.model.plan import Plan
from orch_nb.model.translation import Export, Import

__all__ = ["export", "import_"]

_MOST_BYTES = 5_000_000


def export(plan: Plan, system: str, path: str | os.PathLike[str] | None = None) -> Export:
    """`plan` in the words of `system`: airflow, bullmq, celery or xstate; written to `path`.

    `.losses` tells what that system cannot say. Raises UsageError for a system that there is not,
    PlanError for a plan that would be wrong there (a diamond is no BullMQ flow).
    """
    module = translator(system)
    if not hasattr(module, "export"):
        raise UsageError(f"Nothing is exported to {system}.")
    made: Export = module.export(phases.seen(plan))
    if path is not None:
        made.save(path)
    return made


def import_(
    path: str | os.PathLike[str], system: str | None = None, *, dag: str | None = None
) -> Import:
    """The plan in a file of another system, which is found out unless `system` names it.

    Of a DAG file for Airflow that makes several DAGs, `dag` names the one that is meant; else it is
    the largest. Raises UsageError for a file that is not there or of no known system, PlanError for
    one that has no plan in it, or not that DAG.
    """
    source = Path(path).expanduser()
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{source} has more than {_MOST_BYTES:,} bytes; that is no plan.")
        text = source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{source} is no text in UTF-8.") from None
    known = importers()
    if system is None:
        system = next((name for name in known if translator(name).recognises(text, source)), None)
    if system is None:
        raise UsageError(
            f"{source} is of no system that is known here. Say which: {', '.join(known)}."
        )
    module = translator(system)
    if not hasattr(module, "read"):
        raise UsageError(f"Files of {system} are not read.")
    if dag is not None and system != "airflow":
        raise UsageError(
            f"{source} is of {system}; `dag` names one of the DAGs of an Airflow file."
        )
    found: Import = module.read(text, source) if dag is None else module.read(text, source, dag)
    return found
