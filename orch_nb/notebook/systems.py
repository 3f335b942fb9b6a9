"""`%orchestrate systems [NAME] [--fault TASK]`: what six systems would do with the same failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orch_nb.errors import UsageError
from orch_nb.exchange import systems as asked_of
from orch_nb.model.observation import Aftermath

if TYPE_CHECKING:
    from orch_nb.notebook.lines import Line

__all__ = ["systems"]

_USAGE = "usage: %orchestrate systems [NAME|RUN] [--fault TASK]"


def systems(asked: Line, *words: str) -> Aftermath:
    """what Airflow, Temporal, Restate, XState, Celery, BullMQ and orch_nb would do with the last
    plan, or that of a draft or run, if a task failed; with `--fault TASK` that one"""
    rest, fault = list(words), ""
    if rest.count("--fault") > 1:
        raise UsageError(f"One failure at a time: --fault stands there twice. {_USAGE}")
    if "--fault" in rest:
        at = rest.index("--fault")
        if at + 1 >= len(rest):
            raise UsageError(_USAGE)
        fault = rest[at + 1]
        del rest[at : at + 2]
    if len(rest) > 1 or any(word.startswith("-") for word in rest):
        raise UsageError(_USAGE)
    return asked_of(asked.planned(rest[0] if rest else ""), fault)
