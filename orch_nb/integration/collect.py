"""What each task returned, grouped by story: the part of a report that answers the goal's question.

Only the bounded preview that the journal keeps beside a result is read, never the result itself: a
report is shared, and what is shared is not unpickled. A task that returned nothing has no line.
"""

from __future__ import annotations

from orch_nb.model.report import Result
from orch_nb.model.run import Run
from orch_nb.model.status import Status

__all__ = ["results"]


def results(run: Run) -> tuple[Result, ...]:
    """The results of `run` in the order of stories, then of the plan; tasks without story first."""
    place = {story.id: n for n, story in enumerate(run.plan.stories)}
    found = []
    for task in run.plan.tasks:
        ended = run[task.id]
        ref = ended.result
        if ended.status != Status.SUCCEEDED or ref is None or ref.format == "none":
            continue
        found.append(
            Result(
                task=task.id,
                story=task.story,
                text=ref.preview or ref.reason,
                kind=ref.format,
                size_bytes=ref.size,
            )
        )
    return tuple(sorted(found, key=lambda r: -1 if r.story is None else place[r.story]))
