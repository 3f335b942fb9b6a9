"""Airflow: a plan as a DAG file that reads as if written by hand, and a DAG file as a plan.

export(plan) -> Export           for Airflow 3: TaskFlow, task groups, `>>` where no data flows
read(text, path) -> Import       by the syntax tree; the file is never run
recognises(text, path) -> bool
"""

from __future__ import annotations

from orch_nb.formats.airflow.export import export
from orch_nb.formats.airflow.read import read, recognises

__all__ = ["export", "read", "recognises"]
