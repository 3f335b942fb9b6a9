"""How it ended, in one sentence; what failed and what that kept from running; plan against run.

    lint ──► wheel ──► approve ──► publish        `sdist` failed: it kept `approve` and `publish`
    tests ─► sdist ──────┘            └► notify   from running. `notify` (all_done) ran; what ran
                                                  was not kept, nor is anything behind it

What could not be undone is told before what failed, since something was left as nobody wants it; of
a `foreach` task the instance that brought its end about is told before it.

The critical path of the run as it was is found by walking back: from the task that ended last to
the one of its upstream that ended last, and so on. It differs from the plan's where estimates were
wrong, where something was retried, and where a person was awaited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from orch_nb.graph.critical_path import critical_path
from orch_nb.graph.topology import downstream, order, upstream
from orch_nb.model.account import (
    account,
    alike,
    control_line,
    ended_with_run,
    failed_instances,
    failure_of,
    left_undone,
    on_purpose,
    tried,
    why_cancelled,
)
from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number, times
from orch_nb.model.report import Check, Comparison, FailureReport
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status

__all__ = ["comparison", "failures", "next_lines", "realised_path", "sentence"]

_MOST_LINES = 5
_MOST_INSTANCES, _MOST_KINDS = 5, 10
_NOT_RUN = (Status.SKIPPED, Status.UPSTREAM_FAILED)


def sentence(run: Run, failed: tuple[FailureReport, ...], checks: tuple[Check, ...]) -> str:
    """The outcome: how the run ended, how much of it, how long, and what stood in its way."""
    return f"{_head(run)}{_tail(run, failed, checks)}."


def _head(run: Run) -> str:
    good = account(run).counts.get(Status.SUCCEEDED, 0)
    share = f"{number(good)} of {count(len(run), 'task')}"
    time = f" in {duration(run.duration_s)}" if run.duration_s is not None else ""
    if run.status == RunStatus.WAITING:
        awaited = listed([f"`{task.task}`" for task in run.with_status(Status.WAITING)])
        words = f"Waiting for a person: {awaited}; {share} succeeded{time}"
    elif run.status == RunStatus.RUNNING:
        words = f"{'Paused' if run.paused else 'Running'}: {share} succeeded so far"
    elif run.status == RunStatus.CUT_OFF:
        heard = f", last heard of after {duration(run.duration_s)}" if run.duration_s else ""
        words = f"Cut off: its process has gone{heard}; {share} succeeded"
    elif run.succeeded:
        all_of = f"all {count(good, 'task')}" if good > 1 else count(good, "task")
        words = f"Succeeded: {all_of if good == len(run) else share}{time}"
    else:
        words = f"{run.status.capitalize()}: {share} succeeded{time}"
    return words + _extras(run)


def _extras(run: Run) -> str:
    found = account(run)
    skipped, undone = found.counts.get(Status.SKIPPED, 0), found.compensated
    left_out = sum(bool(done.decided_by) for done in run.with_status(Status.SKIPPED))
    skipped -= left_out
    reused = sum(map(len, found.cached.values()))
    parts = [f"{number(undone)} compensated"] if undone else []
    parts += [found.spread] if found.instances else []
    parts += [count(found.retries, "retry", "retries")] if found.retries else []
    parts += [f"{number(skipped)} skipped by rule"] if skipped else []
    parts += [f"{number(left_out)} skipped by a person"] if left_out else []
    parts += [f"{count(reused, 'result')} of earlier runs used"] if reused else []
    parts += [f"recovered {times(run.resumed)}"] if run.resumed else []
    return "".join(f", {part}" for part in parts)


def _tail(run: Run, failed: tuple[FailureReport, ...], checks: tuple[Check, ...]) -> str:
    stuck = list(dict.fromkeys(f.of for f in failed if f.undo))
    words = f"; {listed([f'`{task}`' for task in stuck])} could not be undone" if stuck else ""
    ours = [f for f in failed if f.task in run.plan or f.task == "on_failure"]
    if ours:
        ended = {False: "failed", True: "was cancelled"}
        told = [
            f"{listed([f'`{f.task}`' for f in some])} "
            f"{'were cancelled' if stopped and len(some) > 1 else ended[stopped]}"
            for stopped in (False, True)
            if (some := [f for f in ours if _cancelled(run, f.task) is stopped])
        ]
        kept = list(dict.fromkeys(task for f in ours for task in f.kept))
        words += f"; {' and '.join(told)}"
        if kept:
            words += f" and kept {listed([f'`{task}`' for task in kept])} from running"
        if run.succeeded:
            words += ", which was not required" if len(ours) == 1 else ", none of them required"
    words += _ended_early(run)
    words += _unmet(run, checks, ours)
    purpose = on_purpose(run)
    return f"{words}. Faults on purpose: {purpose}" if purpose else words


def _cancelled(run: Run, task: str) -> bool:
    """Whether a person cancelled a task: then it did not fail."""
    return task in run.plan and run[task].status is Status.CANCELLED


def _unmet(run: Run, checks: tuple[Check, ...], failed: list[FailureReport]) -> str:
    """What a run that succeeded owes all the same: what is not there, what does not hold."""
    unmet = [c for c in checks if not c.met and c.required and c.known and c.kind != "task"]
    broken = [f"`{c.subject}` of `{c.tasks[0]}`" for c in unmet if c.kind == "contract"]
    absent = [f"{c.kind} `{c.subject}`" for c in unmet if c.kind != "contract"]
    words = f", but not all is there: {listed(absent)}" if absent else ""
    words += f", but a result is not what it must be: {listed(broken)}" if broken else ""
    return words if run.succeeded and not failed else ""


def _ended_early(run: Run) -> str:
    """What the run's timeout or fail-fast cancelled."""
    why: dict[str, list[str]] = {}
    for ended in run.with_status(Status.CANCELLED):
        if ended_with_run(ended):
            why.setdefault(why_cancelled(ended), []).append(f"`{ended.task}`")
    told = {reason: reason if reason == "fail-fast" else f"{reason}, which" for reason in why}
    return "".join(f"; {told[reason]} cancelled {listed(why[reason])}" for reason in why)


def failures(run: Run) -> tuple[FailureReport, ...]:
    """What could not be undone; then each task that failed, or that a person cancelled in a run
    that went on, in plan order, its first failed instances before it; then a failed `on_failure`.
    """
    found = [_undo(run, done) for done in left_undone(run)]
    places = {task.id: n for n, task in enumerate(run.plan.tasks)}
    owners = _Owners(run.plan)
    for ended in run.tasks:
        if ended.instances:
            found += _of_instances(run, ended, owners)
        if not _failed(run, ended):
            continue
        found.append(
            FailureReport(
                task=ended.task,
                error=_error_of(ended),
                attempts=tried(ended),
                kept=_kept(run, places, ended.task),
                owner=owners.of(ended.task),
                next_line=control_line(run, "retry", ended.task),
            )
        )
    last = account(run).last
    if last is not None and last.status is Status.FAILED:
        found.append(FailureReport(last.task, last.error or _unraised(last), tried(last)))
    return tuple(found)


class _Owners:
    """Whose a task is: its own owner's, or its story's."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stories = {story.id: story.owner for story in plan.stories}

    def of(self, task: str) -> str:
        found = self._plan[task]
        return found.owner or self._stories.get(found.story or "", "")


def _undo(run: Run, ended: TaskRun) -> FailureReport:
    """A compensation that failed for good."""
    return FailureReport(
        task=ended.task,
        error=_error_of(ended),
        attempts=tried(ended),
        owner=_Owners(run.plan).of(ended.of or ""),
        of=ended.of or "",
        undo=True,
    )


def _of_instances(run: Run, ended: TaskRun, owners: _Owners) -> list[FailureReport]:
    """The first failed instances of a `foreach` task, the one that ended it first, and the first of
    each further kind of error."""
    failed = [one for one in failed_instances(run, ended.task) if one.status is Status.FAILED]
    fine = ended.status in (Status.SUCCEEDED, Status.COMPENSATED)
    chosen = failed[:_MOST_INSTANCES]
    kinds = {alike(_error_of(one)) for one in chosen}
    for one in failed[_MOST_INSTANCES:]:  # of what else failed otherwise, the first of its kind
        if len(kinds) < _MOST_KINDS and (kind := alike(_error_of(one))) not in kinds:
            kinds.add(kind)
            chosen.append(one)
    return [
        FailureReport(
            task=one.task,
            error=_error_of(one),
            attempts=tried(one),
            owner=owners.of(ended.task),
            next_line=control_line(run, "retry", one.task),
            of=ended.task,
            tolerated=fine,
        )
        for one in chosen
    ]


def _failed(run: Run, ended: TaskRun) -> bool:
    alone = ended.status == Status.CANCELLED and run.status != RunStatus.CANCELLED
    alone = alone and not ended_with_run(ended)
    return ended.status == Status.FAILED or alone


def _error_of(ended: TaskRun) -> Failure:
    if ended.status is Status.CANCELLED:  # how its attempt took that is no error of its own
        return _unraised(ended)
    return failure_of(ended) or _unraised(ended)


def _unraised(ended: TaskRun) -> Failure:
    """The error of a task whose own code raised none: a rejection, a cancelling."""
    kind = "Cancelled" if ended.status == Status.CANCELLED else "Failed"
    if ended.decided_by:
        kind = "Rejected"
    return Failure(type=kind, message=ended.reason or ended.note)


def _kept(run: Run, places: Mapping[str, int], task: str) -> tuple[str, ...]:
    """What `task` kept from running: what waits for it, near and far, as far as nothing ran."""
    after = downstream(run.plan)
    seen: set[str] = set()
    stack = [task]
    while stack:
        for other in after[stack.pop()]:
            if other not in seen and run[other].status == Status.UPSTREAM_FAILED:
                seen.add(other)
                stack.append(other)
    return tuple(sorted(seen, key=places.__getitem__))


def next_lines(run: Run, failed: tuple[FailureReport, ...]) -> tuple[str, ...]:
    """The exact lines that go on, those that set most free first; none after a success."""
    if run.status == RunStatus.RUNNING:
        return ("%orchestrate resume" if run.paused else "%orchestrate status",)
    if run.succeeded:
        return ()
    if run.status == RunStatus.CUT_OFF:
        return (control_line(run, "recover"),)
    # The line of a `foreach` task tries all its instances that failed.
    freeing = sorted((f for f in failed if f.next_line and not f.of), key=lambda f: -len(f.kept))
    lines = [control_line(run, "approve", t.task) for t in run.with_status(Status.WAITING)]
    if len(freeing) > _MOST_LINES:  # one line for all of them
        lines.append(control_line(run, "retry"))
    else:
        lines += [f.next_line for f in freeing]
    lines += [control_line(run, "retry", task) for task in _first_cancelled(run)]
    lines += [control_line(run, "compensate", f.of) for f in failed if f.undo]
    return tuple(lines[:_MOST_LINES])


def _first_cancelled(run: Run) -> Iterator[str]:
    """Of what a run left that was cancelled or ended early, the tasks that wait for none that was
    left too."""
    done = (Status.SUCCEEDED, Status.COMPENSATED)
    edges = upstream(run.plan)
    for ended in run.with_status(Status.CANCELLED):
        if run.status != RunStatus.CANCELLED and not ended_with_run(ended):
            continue
        if all(run[other].status in done for other in edges[ended.task]):
            yield ended.task


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
