"""orch_nb: orchestrate a complex operation from a notebook cell, in five phases.

    %load_ext orch_nb

    %%orchestrate Publish the weekly report
    @task(retry=3)
    def orders(): ...

The same five steps are five functions, each taking what the one before it gave:

>>> import orch_nb as nb
>>> plan = nb.decompose("goal: say hello\\ntasks: {hello: {sh: echo hello}}")
>>> run = nb.execute(plan, journal="memory")
>>> run.results["hello"]
'hello'

Everything is imported on first use: importing orch_nb costs little more than importing msgspec.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from orch_nb.archive import compare, load
    from orch_nb.engine.journal import SqliteJournal
    from orch_nb.engine.memory import MemoryJournal
    from orch_nb.engine.ports import Current, current
    from orch_nb.engine.session import allow_nested
    from orch_nb.errors import (
        BackendUnavailable,
        JournalError,
        MissingExtra,
        NestedLoopError,
        OrchestrationError,
        PlanError,
        RecordError,
        RunExists,
        RunHeld,
        RunNotFound,
        TaskFailed,
        UsageError,
    )
    from orch_nb.exchange import export, import_, systems
    from orch_nb.graph.schedule import schedule
    from orch_nb.model.analysis import Analysis
    from orch_nb.model.event import Event
    from orch_nb.model.goal import Criterion, Goal
    from orch_nb.model.plan import Plan, Story
    from orch_nb.model.report import Operation, Report
    from orch_nb.model.research import Finding, Pattern, Research
    from orch_nb.model.run import Attempt, Run, TaskRun
    from orch_nb.model.status import RunStatus, Status
    from orch_nb.model.task import (
        Approval,
        Foreach,
        Pool,
        Rate,
        RetryPolicy,
        Subtask,
        Task,
        TriggerRule,
    )
    from orch_nb.model.translation import Export, Import, Loss
    from orch_nb.notebook.scrap import scrap
    from orch_nb.phases import (
        analyze,
        decompose,
        execute,
        execute_async,
        integrate,
        orchestrate,
        recover,
        recover_async,
        research,
    )
    from orch_nb.planners.python import task

__version__ = "0.1.0"

_WHERE = {
    "archive": ("compare", "load"),
    "engine.journal": ("SqliteJournal",),
    "engine.memory": ("MemoryJournal",),
    "engine.ports": ("Current", "current"),
    "engine.session": ("allow_nested",),
    "exchange": ("export", "import_", "systems"),
    "errors": (
        "BackendUnavailable", "JournalError", "MissingExtra", "NestedLoopError",
        "OrchestrationError", "PlanError", "RecordError", "RunExists", "RunHeld", "RunNotFound",
        "TaskFailed", "UsageError",
    ),
    "graph.schedule": ("schedule",),
    "model.analysis": ("Analysis",),
    "model.event": ("Event",),
    "model.goal": ("Criterion", "Goal"),
    "model.plan": ("Plan", "Story"),
    "model.report": ("Operation", "Report"),
    "model.research": ("Finding", "Pattern", "Research"),
    "model.run": ("Attempt", "Run", "TaskRun"),
    "model.status": ("RunStatus", "Status"),
    "model.translation": ("Export", "Import", "Loss"),
    "model.task": (
        "Approval", "Foreach", "Pool", "Rate", "RetryPolicy", "Subtask", "Task", "TriggerRule",
    ),
    "notebook.scrap": ("scrap",),
    "phases": (
        "analyze", "decompose", "execute", "execute_async", "integrate", "orchestrate", "recover",
        "recover_async", "research",
    ),
    "planners.python": ("task",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Analysis",
    "Approval",
    "Attempt",
    "BackendUnavailable",
    "Criterion",
    "Current",
    "Event",
    "Export",
    "Finding",
    "Foreach",
    "Goal",
    "Import",
    "JournalError",
    "Loss",
    "MemoryJournal",
    "MissingExtra",
    "NestedLoopError",
    "Operation",
    "OrchestrationError",
    "Pattern",
    "Plan",
    "PlanError",
    "Pool",
    "Rate",
    "RecordError",
    "Report",
    "Research",
    "RetryPolicy",
    "Run",
    "RunExists",
    "RunHeld",
    "RunNotFound",
    "RunStatus",
    "SqliteJournal",
    "Status",
    "Story",
    "Subtask",
    "Task",
    "TaskFailed",
    "TaskRun",
    "TriggerRule",
    "UsageError",
    "allow_nested",
    "analyze",
    "compare",
    "current",
    "decompose",
    "execute",
    "execute_async",
    "export",
    "import_",
    "integrate",
    "load",
    "orchestrate",
    "recover",
    "recover_async",
    "research",
    "schedule",
    "scrap",
    "systems",
    "task",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'orch_nb' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"orch_nb.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext orch_nb`: registers `%%orchestrate`, `%orchestrate` and their completion."""
    from orch_nb.notebook.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext orch_nb`."""
    from orch_nb.notebook.magics import unload

    unload(shell)
