"""A plan from Python: functions marked with `@task`, plain functions, `Task` values, a cell's body.

    plan_from_functions([orders, refunds, joined])     values, in their order
    plan_from_source(body, namespace)                  a cell: read, checked, and only then run

The options of a decorator are checked by the readers that also check a YAML document (`fields`), so
that the messages are the same, and all of them come at once, with their lines.
"""

from __future__ import annotations

from orch_nb.planners.functions import plan_from_functions
from orch_nb.planners.marking import TaskOptions, TaskSpec, task
from orch_nb.planners.source import plan_from_source, plan_from_source_async

__all__ = [
    "TaskOptions",
    "TaskSpec",
    "plan_from_functions",
    "plan_from_source",
    "plan_from_source_async",
    "task",
]
