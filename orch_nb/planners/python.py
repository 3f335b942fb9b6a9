"""A plan from Python: functions marked with `@task`, plain functions, `Task` values, a cell's body.

    plan_from_functions([orders, refunds, joined])     values, in their order
    plan_from_source(body, namespace)                  a cell: read, checked, and only then run

The options of a decorator are checked by the readers that also check a YAML document (`fields`), so
that the messages are the same, and all of them come at once, with their lines. Only `task` is
imported at once: `from orch_nb import task` shall cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from orch_nb.planners.marking import TaskOptions, TaskSpec, task

if TYPE_CHECKING:
    from orch_nb.planners.functions import plan_from_functions
    from orch_nb.planners.source import plan_from_source, plan_from_source_async

__all__ = [
    "TaskOptions",
    "TaskSpec",
    "plan_from_functions",
    "plan_from_source",
    "plan_from_source_async",
    "task",
]

_MODULE_OF = {
    "plan_from_functions": "functions",
    "plan_from_source": "source",
    "plan_from_source_async": "source",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"orch_nb.planners.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
