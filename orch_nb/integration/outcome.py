"""How it ended, in one sentence; what failed and what that kept from running; plan against run.

    lint ──► wheel ──► approve ──► publish        `sdist` failed: it kept `approve` and `publish`
    tests ─► sdist ──────┘            └► notify   from running. `notify` (all_done) ran; what ran
                                                  was not kept, nor is anything behind it

The critical path of the run as it was is found by walking back: from the task that ended last to
the one of its upstream that ended last, and so on. It differs from the plan's where estimates were
wrong, where something was retried, and where a person was awaited.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime

from orch_nb.graph.critical_path import critical_path
from orch_nb.graph.topology import Edges, downstream, order, upstream
from orch_nb.integration.completeness import tried
from orch_nb.model.event import Failure
from orch_nb.model.quantity import count, duration, listed, times
from orch_nb.model.report import Check, Comparison, FailureReport
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status

__all__ = ["comparison", "failures", "next_lines", "realised_path", "sentence"]

_MOST_LINES = 5
_NOT_RUN = (Status.SKIPPED, Status.UPSTREAM_FAILED)


def sentence(run: Run, failed: tuple[FailureReport, ...], checks: tuple[Check, ...]) -> str:
    """The outcome: how the run ended, how much of it, how long, and what stood in its way."""
    return f"{_head(run)}{_tail(run, failed, checks)}."


def _head(run: Run) -> str:
    good = len(run.with_status(Status.SUCCEEDED))
    share = f"{good} of {count(len(run), 'task')}"
    time = f" in {duration(run.duration_s)}" if run.duration_s is not None else ""
    if run.status == RunStatus.WAITING:
        awaited = listed([f"`{task.task}`" for task in run.with_status(Status.WAITING)])
        words = f"Waiting for a person: {awaited}; {share} succeeded{time}"
    elif run.status == RunStatus.RUNNING:
        words = f"Running: {share} succeeded so far"
    elif run.succeeded:
        all_of = f"all {count(good, 'task')}" if good > 1 else count(good, "task")
        words = f"Succeeded: {all_of if good == len(run) else share}{time}"
    else:
        words = f"{run.status.capitalize()}: {share} succeeded{time}"
    return words + _extras(run)


def _extras(run: Run) -> str:
    retries = sum(max(0, tried(task) - 1) for task in run)
    skipped = len(run.with_status(Status.SKIPPED))
    parts = [count(retries, "retry", "retries")] if retries else []
    parts += [f"{skipped} skipped by rule"] if skipped else []
    parts += [f"recovered {times(run.resumed)}"] if run.resumed else []
    return "".join(f", {part}" for part in parts)


def _tail(run: Run, failed: tuple[FailureReport, ...], checks: tuple[Check, ...]) -> str:
    if failed:
        names = listed([f"`{f.task}`" for f in failed])
        kept = list(dict.fromkeys(task for f in failed for task in f.kept))
        words = f"{names} failed"
        if kept:
            words += f" and kept {listed([f'`{task}`' for task in kept])} from running"
        if run.succeeded:
            words += ", which was not required" if len(failed) == 1 else ", none of them required"
        return f"; {words}"
    unmet = [check for check in checks if not check.met and check.kind != "task"]
    if run.succeeded and unmet:
        subjects = listed([f"{check.kind} `{check.subject}`" for check in unmet])
        return f", but not all is there: {subjects}"
    return ""


def failures(run: Run) -> tuple[FailureReport, ...]:
    """Each task that failed, or that a person cancelled in a run that went on, in plan order."""
    after = downstream(run.plan)
    stories = {story.id: story.owner for story in run.plan.stories}
    found = []
    for task in run.plan.tasks:
        ended = run[task.id]
        if not _failed(run, ended):
            continue
        found.append(
            FailureReport(
                task=task.id,
                error=ended.error or _unraised(ended),
                attempts=tried(ended),
                kept=_kept(run, after, task.id),
                owner=task.owner or stories.get(task.story or "", ""),
                next_line=_line("retry", task.id),
            )
        )
    return tuple(found)


def _failed(run: Run, ended: TaskRun) -> bool:
    alone = ended.status == Status.CANCELLED and run.status != RunStatus.CANCELLED
    return ended.status == Status.FAILED or alone


def _unraised(ended: TaskRun) -> Failure:
    """The error of a task whose own code raised none: a rejection, a cancelling."""
    kind = "Cancelled" if ended.status == Status.CANCELLED else "Failed"
    if ended.decided_by:
        kind = "Rejected"
    return Failure(type=kind, message=ended.reason or ended.note)


def _kept(run: Run, after: Edges, task: str) -> tuple[str, ...]:
    """What `task` kept from running: what waits for it, near and far, as far as nothing ran."""
    seen: set[str] = set()
    stack = [task]
    while stack:
        for other in after[stack.pop()]:
            if other not in seen and run[other].status == Status.UPSTREAM_FAILED:
                seen.add(other)
                stack.append(other)
    return tuple(t.id for t in run.plan.tasks if t.id in seen)


def next_lines(run: Run, failed: tuple[FailureReport, ...]) -> tuple[str, ...]:
    """The exact lines that go on, those that set most free first; none after a success."""
    if run.status == RunStatus.RUNNING:
        return ("%orchestrate status",)
    if run.succeeded:
        return ()
    freeing = sorted(failed, key=lambda f: -len(f.kept))
    lines = [_line("approve", t.task) for t in run.with_status(Status.WAITING)]
    lines += [f.next_line for f in freeing]
    lines += [_line("retry", task) for task in _first_cancelled(run)]
    return tuple(lines[:_MOST_LINES])


def _first_cancelled(run: Run) -> Iterator[str]:
    """Of what a cancelled run left, the tasks that wait for none that was left too."""
    if run.status != RunStatus.CANCELLED:
        return
    edges = upstream(run.plan)
    for ended in run.with_status(Status.CANCELLED):
        if all(run[other].status == Status.SUCCEEDED for other in edges[ended.task]):
            yield ended.task


def _line(verb: str, task: str) -> str:
    return f"%orchestrate {verb} {shlex.quote(task)}"


def comparison(run: Run) -> tuple[Comparison, ...]:
    """Plan against run, a row a task, in the order of the plan."""
    planned = set(critical_path(run.plan).tasks)
    realised = set(realised_path(run))
    return tuple(
        Comparison(
            task=task.id,
            status=run[task.id].status,
            estimate_s=task.estimate_s,
            duration_s=run[task.id].duration_s,
            wait_s=run[task.id].wait_s,
            critical_plan=task.id in planned,
            critical_run=task.id in realised,
        )
        for task in run.plan.tasks
    )


def realised_path(run: Run) -> tuple[str, ...]:
    """The chain of tasks that decided when the run ended, in the order they ran.

    A task that did not run is passed through, not named: it ended the moment its cause did.
    """
    edges = upstream(run.plan)
    ended = {task: at for task in order(edges) if (at := _ended(run, run[task])) is not None}
    rank = {task: n for n, task in enumerate(ended)}
    path: list[str] = []
    # Of tasks that ended at the same moment, the one furthest down: a closing milestone is on it.
    current = max(ended, key=lambda task: (ended[task], rank[task]), default=None)
    while current is not None:
        if run[current].status not in _NOT_RUN:
            path.append(current)
        before = [other for other in edges[current] if other in ended]
        current = max(before, key=lambda task: (ended[task], -rank[task]), default=None)
    return tuple(reversed(path))


def _ended(run: Run, task: TaskRun) -> datetime | None:
    """When a task ended; one that a person is still awaited for holds the run up to its end."""
    return run.finished if task.status == Status.WAITING else task.finished
