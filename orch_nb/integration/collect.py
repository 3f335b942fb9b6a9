"""What each task returned, grouped by story: the part of a report that answers the goal's question.

Only the bounded preview that the journal keeps beside a result is read, never the result itself: a
report is shared, and what is shared is not unpickled. A task that returned nothing has no line; a
`foreach` task has one, with what its first instances returned.
"""

from __future__ import annotations

from orch_nb.model.account import account
from orch_nb.model.event import ResultRef
from orch_nb.model.preview import Rich
from orch_nb.model.quantity import count
from orch_nb.model.report import Result
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status

__all__ = ["results"]

_FIRST = 5
_CHARS = 200
_LOOKED_AT = 20


def results(run: Run) -> tuple[Result, ...]:
    """The results of `run` in the order of stories, then of the plan; tasks without story first."""
    place = {story.id: n for n, story in enumerate(run.plan.stories)}
    made = account(run).instances
    found: list[Result] = []
    for task in run.plan.tasks:
        ended = run[task.id]
        if ended.status != Status.SUCCEEDED:
            continue
        ref = ended.result
        if task.id in made and (ref is None or ref.format == "none"):
            ref = _of_instances(made[task.id])
        if ref is None or ref.format == "none":
            continue
        found.append(
            Result(
                task=task.id,
                story=task.story,
                text=ref.preview or ref.reason,
                kind=ref.format,
                size_bytes=ref.size,
                rich=_looks(run, task.id) if len(found) < _LOOKED_AT else None,
            )
        )
    return tuple(sorted(found, key=lambda r: -1 if r.story is None else place[r.story]))


def _looks(run: Run, task: str) -> Rich | None:
    """What the journal keeps of a result's looks: data, made when it was stored."""
    look = getattr(run.results, "rich", None)
    return None if look is None else look(task)


def _of_instances(made: tuple[TaskRun, ...]) -> ResultRef | None:
    """The list that a `foreach` task gives, as far as a line holds it: None where one failed."""
    kept = [one.result for one in made if one.result is not None and one.result.format != "none"]
    if not kept:
        return None
    texts = [_short(one.result.preview) if one.result is not None else "None"
             for one in made[:_FIRST]]  # fmt: skip
    more = f", … {count(len(made), 'result')} in all" if len(made) > _FIRST else ""
    kind = "unstored" if any(ref.format == "unstored" for ref in kept) else kept[0].format
    return ResultRef(
        format=kind, size=sum(ref.size for ref in kept), preview=f"[{', '.join(texts)}{more}]"
    )


def _short(text: str) -> str:
    most = _CHARS // _FIRST
    return (text if len(text) <= most else text[: most - 1] + "…") or "None"
