"""`report.by_story`: the results of a story's tasks as one DataFrame, where their shapes agree.

    frames of the same columns     one below the other, with the task in the first column
    mappings of the same keys      a row each
    plain values                   task and value
    anything else                  task, type and text of each, and `attrs["note"]` says why

The values themselves, as `run.results` has them: of this process, or of its own journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orch_nb.model.report import Report
from orch_nb.model.status import Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["story_frames"]

_PLAIN = (int, float, str, bool)


def story_frames(report: Report) -> dict[str, pd.DataFrame]:
    """By story, "" being tasks without one; a story in which nothing was returned is left out."""
    run = report.run
    values: dict[str, dict[str, Any]] = {}
    for task in run.plan.tasks:
        done = run[task.id]
        if done.status is not Status.SUCCEEDED:
            continue
        try:
            value = run.results[task.id]
        except LookupError:  # it was not kept, or cannot be read here
            continue
        if value is not None:
            values.setdefault(task.story or "", {})[task.id] = value
    return {story: _frame(found) for story, found in values.items()}


def _frame(values: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    every = list(values.values())
    if all(isinstance(value, pd.DataFrame) for value in every):
        columns = [list(value.columns) for value in every]
        if all(names == columns[0] for names in columns) and "task" not in columns[0]:
            parts = [f.assign(task=task)[["task", *columns[0]]] for task, f in values.items()]
            together: pd.DataFrame = pd.concat(parts, ignore_index=True)
            return together
        return _apart(values, "their columns differ")
    if all(isinstance(value, Mapping) for value in every):
        if len({frozenset(value) for value in every}) == 1 and "task" not in every[0]:
            return pd.DataFrame([{"task": task, **value} for task, value in values.items()])
        return _apart(values, "their keys differ")
    if all(isinstance(value, _PLAIN) for value in every):
        return pd.DataFrame({"task": list(values), "value": every})
    return _apart(values, "they are of different kinds")


def _apart(values: Mapping[str, Any], why: str) -> pd.DataFrame:
    import pandas as pd

    rows = [(task, type(value).__name__, str(value)[:200]) for task, value in values.items()]
    frame = pd.DataFrame(rows, columns=["task", "type", "text"])
    frame.attrs["note"] = f"not one table: {why}"
    return frame
