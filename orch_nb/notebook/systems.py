"""`%orchestrate systems [NAME] [--fault TASK]`: what six systems would do with the same failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch_nb.errors import UsageError
from orch_nb.exchange import systems as asked_of
from orch_nb.model.observation import Aftermath
from orch_nb.notebook.options import valued

if TYPE_CHECKING:
    from orch_nb.notebook.lines import Line

__all__ = ["systems"]

_USAGE = "usage: %orchestrate systems [NAME|RUN|VARIABLE] [--fault TASK]"


def systems(asked: Line, *words: str) -> Aftermath:
    """what Airflow, Temporal, Restate, XState, Celery, BullMQ and orch_nb would do with the last
    plan, or that of a draft, a run or a variable, if a task failed; with `--fault TASK` that one"""
    rest, named = valued(words, ("--fault",), _USAGE)
    if len(rest) > 1:
        raise UsageError(_USAGE)
    return asked_of(asked.planned(rest[0] if rest else ""), named.get("--fault", ""))
