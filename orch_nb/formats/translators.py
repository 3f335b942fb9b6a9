"""Which module translates which system, and which file is whose.

    export(plan) -> Export           a plan in the words of the system, or PlanError
    read(text, path) -> Import       the plan in a file of the system, or PlanError
    recognises(text, path) -> bool   whether a file is one of the system's

Each translator is a module with those of the three that it can do.
"""

from __future__ import annotations

import importlib
from pathlib import PurePath
from types import ModuleType

from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean

__all__ = ["SUFFIXES", "SYSTEMS", "exporters", "importers", "recognised", "translator"]

#: The system's name on a command line, and its module here.
SYSTEMS: dict[str, str] = {
    "airflow": "airflow",
    "bullmq": "bullmq",
    "celery": "celery",
    "xstate": "xstate",
}

#: Of the files that plans of other systems are in.
SUFFIXES = (".py", ".json", ".js", ".mjs", ".ts")


def translator(system: str) -> ModuleType:
    """The module of a system. Raises UsageError with what there is."""
    if system not in SYSTEMS:
        near = did_you_mean(system, list(SYSTEMS))
        raise UsageError(
            f"`{system}` is no system that plans are translated for. {near}{' ' * bool(near)}"
            f"There are: {', '.join(SYSTEMS)}."
        )
    return importlib.import_module(f"orch_nb.formats.{SYSTEMS[system]}")


def recognised(text: str, path: PurePath) -> tuple[str, ...]:
    """The systems of which a file can be one, by what it says. Its name counts where it says
    anything: a file called `release.txt` is judged as if it were a script."""
    names = [path] if path.suffix in SUFFIXES else [path.with_suffix(one) for one in SUFFIXES]
    return tuple(
        name for name in importers() if any(translator(name).recognises(text, one) for one in names)
    )


def exporters() -> tuple[str, ...]:
    """The systems that a plan can be exported to."""
    return tuple(name for name in SYSTEMS if hasattr(translator(name), "export"))


def importers() -> tuple[str, ...]:
    """The systems whose files can be read."""
    return tuple(name for name in SYSTEMS if hasattr(translator(name), "read"))
