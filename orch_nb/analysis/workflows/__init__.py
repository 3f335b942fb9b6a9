"""How work already flows through a codebase: CI files, DAGs, task queues, durable workflows.

Each finding has its file and line, its system and kind, its tasks and edges as far as they can be
read without running anything, and how sure it is. Files are told by their names; source code by a
few words first, since most of it is none of anybody's workflow, and then read by its reader:

    config files    -> one reader a format       (ci, builds, cluster, data_flows, timers)
    Python          -> `ast`, names resolved     (airflow, celery, temporal_python, ...)
    TypeScript, Go  -> code without comments and strings, by tree-sitter where it is installed
    other languages -> rules on such code, which say that they are less sure

What stands among tests is no work that flows; it is left out, and counted.
"""

from __future__ import annotations

from orch_nb.analysis.workflows.reading import a_test, workflows

__all__ = ["a_test", "workflows"]
