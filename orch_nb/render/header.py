"""The outcome first: what, how it ended, how much, how long; then why, and what to do next.

Release 2.4  ✗ failed  5 of 7 tasks succeeded in 11.6 s, 3 retries, 4 workers · run nightly-7
sdist failed twice (ValueError: version not found) and kept approve from running.
Next: %orchestrate retry sdist

What was done on purpose stands before all else, and then what could not be undone: of both a reader
must know before reading on.
"""

from __future__ import annotations

from collections.abc import Iterable

from orch_nb.graph.topology import descendants, downstream
from orch_nb.model.account import (
    account,
    alike,
    control_line,
    ended_with_run,
    failed_instances,
    failure_of,
    left_undone,
    on_purpose,
    why_cancelled,
)
from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number, times, when
from orch_nb.model.report import Report
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.render.document import Badge, Code, Header, Line, Text, line, said
from orch_nb.render.plaintext import one_line
from orch_nb.render.policies import action

__all__ = ["failure_line", "header", "kept_by", "purpose_line", "tasks_in_stories", "undone_line"]

_FAILURES = 3
_NAMES = 5


def header(
    plan: Plan, run: Run | None = None, report: Report | None = None, *, name: str = ""
) -> Header:
    """The header of a draft (no run), of a run as it stands, or of a run with its report.

    `name` is what the operation answers to on `%orchestrate` lines.
    """
    title = one_line(plan.goal.strip().split("\n")[0], 160) or "Untitled"
    if run is None:
        return Header(title, "draft", f"{tasks_in_stories(plan)} · nothing has run", _draft(name))
    paused = run.paused and run.status == RunStatus.RUNNING
    state = "paused" if paused else str(run.status)
    return Header(title, state, _facts(run), _why(run, report))


def tasks_in_stories(plan: Plan) -> str:
    stories = f" in {count(len(plan.stories), 'story', 'stories')}" if plan.stories else ""
    return f"{count(len(plan), 'task')}{stories}"


def _draft(name: str) -> tuple[Line, ...]:
    if not name:
        return ()
    edit, go = Code(f"%orchestrate edit {name}"), Code(f"%orchestrate run {name}")
    return (line("Next: ", edit, " to change it, ", go, " to run it as it stands"),)


def _facts(run: Run) -> str:
    found = account(run)
    done = found.counts.get(Status.SUCCEEDED, 0)
    took = f" in {duration(run.duration_s)}" if run.finished else " so far"
    reused = sum(map(len, found.cached.values()))
    parts = [f"{number(done)} of {count(len(run), 'task')} succeeded{took}"]
    parts += [f"{number(found.compensated)} compensated"] if found.compensated else []
    parts += [found.spread] if found.spread else []
    parts += [f"{count(reused, 'result')} of earlier runs"] if reused else []
    parts += [count(found.retries, "retry", "retries")] if found.retries else []
    parts += [f"{count(found.injected, 'failure')} on purpose"] if found.injected else []
    parts += [count(run.options.workers, "worker")]
    parts += [f"recovered {times(run.resumed)}"] if run.resumed else []
    return f"{', '.join(parts)} · run {run.run_id} · {when(run.started)}"


def _why(run: Run, report: Report | None) -> tuple[Line, ...]:
    lines: list[Line] = []
    lines += [purpose] if (purpose := purpose_line(run)) else []
    if run.status == RunStatus.CUT_OFF:
        kept = "Its process has gone before its end. What had succeeded is kept. Next: "
        lines.append(line(kept, Code(control_line(run, "recover"))))
    undone = left_undone(run)
    lines += [undone_line(run, done) for done in undone[:_FAILURES]]
    if len(undone) > _FAILURES:
        lines.append(line(f"{count(len(undone) - _FAILURES, 'more task')} could not be undone."))
    failed = run.with_status(Status.FAILED)
    lines += _failed(run, failed, report)
    lines += _skipped(run)
    lines += _not_all(run, report)
    last = account(run).last
    if last is not None and last.status is Status.FAILED:
        lines.append(failure_line(run, last))
    if run.status != RunStatus.RUNNING:
        lines += [_waiting(run, done) for done in run.with_status(Status.WAITING)[:_FAILURES]]
    lines += _cancelled(run, report)
    back = [done.of or "" for done in account(run).undoing if done.status is Status.SUCCEEDED]
    back = [task for task in back if run[task].status is Status.COMPENSATED]
    if back:
        ends = [ended for task in back if (ended := run[task].finished) is not None]
        last_first = len(back) > 1 and ends == sorted(ends, reverse=True)  # by hand it need not be
        order = ", the last first" if last_first else ""
        lines.append(line(*_names(run, back), f" {_were(back)} undone{order}."))
    lines += [line(_name(run, task), _ABANDONED) for task in _abandoned(run)]
    if run.paused and run.status == RunStatus.RUNNING:
        lines.append(line("Paused: no attempt starts. Next: ", Code("%orchestrate resume")))
    return tuple(lines)


def _failed(run: Run, failed: tuple[TaskRun, ...], report: Report | None) -> list[Line]:
    """A line a task; where there are many, one for those that failed alike."""
    if len(failed) <= _FAILURES:
        return [failure_line(run, done, report) for done in failed]
    found: dict[tuple[str, str], list[TaskRun]] = {}
    for done in failed:
        found.setdefault(alike(_error(done)), []).append(done)
    groups = sorted(found.values(), key=lambda group: -len(group))
    lines = [
        failure_line(run, group[0], report) if len(group) == 1 else _alike_line(run, group)
        for group in groups[:_FAILURES]
    ]
    left = sum(map(len, groups[_FAILURES:]))
    return [*lines, line(f"{count(left, 'more task')} failed.")] if left else lines


def _error(done: TaskRun) -> Failure:
    return failure_of(done) or Failure("Failed", done.reason)


def _alike_line(run: Run, group: list[TaskRun]) -> Line:
    """Which tasks failed of the same, why, and the line that tries all anew."""
    first = group[0]
    pieces: list[Text | Code | str] = [
        Text(f"{count(len(group), 'task')} failed alike: ", strong=True),
        *_names(run, [done.task for done in group]),
    ]
    because = _because(run, first)
    same = len({_error(done).message for done in group}) == 1 and not first.instances
    if because and not same:  # nobody is to take it for the error of another
        name = one_line(run.plan[first.task].label, 80)
        because[0] = str(because[0]).replace(" (", f" ({name}: ", 1)
    pieces += [*because, ". "]
    if run.status != RunStatus.RUNNING:
        pieces += ["Next: ", Code(control_line(run, "retry"))]
    return line(*pieces)


def _skipped(run: Run) -> list[Line]:
    """What a person left out, and why: a success that it is part of is less than it looks."""
    told = [done for done in run.with_status(Status.SKIPPED) if done.decided_by]
    lines = [
        line(_name(run, done.task), f" was {one_line(done.reason, 240).rstrip('.')}.")
        for done in told[:_FAILURES]
    ]
    if len(told) > _FAILURES:
        left = count(len(told) - _FAILURES, "more task")
        lines.append(line(f"{left} {_were(['x'] * (len(told) - _FAILURES))} skipped by a person."))
    return lines


def _not_all(run: Run, report: Report | None) -> list[Line]:
    """What a run that succeeded owes all the same."""
    if report is None or not run.succeeded:
        return []
    unmet = [c for c in report.checks if not c.met and c.required and c.known and c.kind != "task"]
    if not unmet:
        return []
    told = listed([f"{check.kind} `{one_line(check.subject, 80)}`" for check in unmet])
    return [line(Text("Not all is there: ", strong=True), *said(f"{told}."))]


def purpose_line(run: Run) -> Line:
    """What was done on purpose; nothing where nothing was."""
    told = on_purpose(run)
    return line(Badge("faults"), " ", *said(one_line(told, 600)), ".") if told else ()


def _cancelled(run: Run, report: Report | None) -> list[Line]:
    """Who was cancelled, by whom or by what: a limit of the run's is told as what ended the run."""
    why: dict[str, list[str]] = {}
    for done in run.with_status(Status.CANCELLED):
        reason = why_cancelled(done)
        why.setdefault(_ENDED_BY.get(reason, reason), []).append(done.task)
    lines = []
    for reason, tasks in list(why.items())[:_FAILURES]:
        told = f" {_were(tasks)} cancelled"
        apart = " " if reason.startswith("by ") else ": "
        pieces = [*_names(run, tasks), Text(f"{told}{apart if reason else ''}{reason}.")]
        lines.append(line(*pieces))
    early = any(ended_with_run(done) for done in run.with_status(Status.CANCELLED))
    if early and report is not None and not report.failures and report.next_lines:
        lines[-1] = (*lines[-1], Text(" Next: "), Code(report.next_lines[0]))
    return lines


_ENDED_BY = {"fail-fast": "the run was to end with its first failure (fail-fast)"}


def _were(tasks: Iterable[str]) -> str:
    return "was" if len(list(tasks)) == 1 else "were"


_ABANDONED = " could not be stopped: it still runs, or did when the run ended."


def _abandoned(run: Run) -> list[str]:
    every = (done for part in (run.tasks, run.derived) for done in part)
    return [done.task for done in every if any(a.abandoned for a in done.attempts)][:_FAILURES]


def _name(run: Run, task: str) -> Text:
    return Text(one_line(run.plan[task].label if task in run.plan else task, 80), strong=True)


def _names(run: Run, tasks: Iterable[str]) -> list[Text]:
    """Names in a sentence, the rest counted."""
    every = list(tasks)
    shown = [_name(run, task) for task in every[:_NAMES]]
    left = len(every) - len(shown)
    pieces: list[Text] = []
    for at, piece in enumerate(shown):
        if at:
            pieces.append(Text(" and " if at == len(shown) - 1 and not left else ", "))
        pieces.append(piece)
    return [*pieces, Text(f" and {number(left)} more")] if left else pieces


def undone_line(run: Run, done: TaskRun) -> Line:
    """Which task is not undone, why, and what would have undone it."""
    error = failure_of(done)
    tries = sum(attempt.status == "failed" for attempt in done.attempts)
    often = f" {times(tries)}" if tries > 1 else ""
    ended = "was cancelled" if done.status is Status.CANCELLED else f"failed{often}"
    pieces: list[Text | Code | str] = [
        _name(run, done.of or ""), Text(" is not undone", strong=True),
        ": ", Code(one_line(action(run.spec(done.task)), 120)), f" {ended}",
    ]  # fmt: skip
    pieces += [" (", Code(one_line(str(error), 240)), ")"] if error is not None else []
    return line(*pieces, ". What it did is still there.")


def failure_line(run: Run, done: TaskRun, report: Report | None = None) -> Line:
    """Which task failed, how often, why, what it kept from running, and the line that goes on."""
    told = next((f for f in report.failures if f.task == done.task), None) if report else None
    tries = told.attempts if told else sum(a.status == "failed" for a in done.attempts)
    pieces: list[Text | Code | str] = [_name(run, done.task), Text(" failed", strong=True)]
    pieces += [f" {times(tries)}"] if tries > 1 else []
    pieces += _because(run, done)
    if done.task in run.plan and not run.plan[done.task].required:
        pieces += [", which was not required"]
    kept = told.kept if told else kept_by(run, done.task)
    if kept:
        pieces += [" and kept ", *_names(run, kept), " from running"]
    following = told.next_line if told else ""
    if not told and (done.of is None or done.index is not None) and done.task != "on_failure":
        following = control_line(run, "retry", done.task)
    if (
        run.status == RunStatus.RUNNING
    ):  # a line would wait behind the running cell; its button acts
        following = ""
    pieces += [". "] + (["Next: ", Code(following)] if following else [])
    return line(*pieces)


def _because(run: Run, done: TaskRun) -> list[Text | Code | str]:
    """The error of a task; of a `foreach` task how many failed, and the error of the first."""
    error = failure_of(done)
    if error is not None:
        return [" (", Code(one_line(str(error), 240)), ")"]
    pieces: list[Text | Code | str] = []
    failed = failed_instances(run, done.task) if done.instances else ()
    first = failed[0] if failed else None
    if first is not None and (why := failure_of(first)) is not None:
        pieces = ["; ", first.task, ": ", Code(one_line(str(why), 200))]
    if not done.reason and not pieces:
        return []
    return [f" ({one_line(done.reason, 240)}", *pieces, ")"]


def kept_by(run: Run, task: str) -> tuple[str, ...]:
    """What a failed task kept from running, in the order of the plan."""
    if task not in run.plan:
        return ()
    below = descendants(downstream(run.plan), task)
    return tuple(
        done.task for done in run.with_status(Status.UPSTREAM_FAILED) if done.task in below
    )


def _waiting(run: Run, done: TaskRun) -> Line:
    prompt = one_line(done.reason, 200)
    prompt = "" if prompt == one_line(run.plan[done.task].label, 200) else prompt
    asked = f": {prompt}" if prompt else ""
    stop = " " if prompt.endswith(("?", "!", ".")) else ". "
    until = f"The answer is due by {when(done.until)}. " if done.until is not None else ""
    following = Code(control_line(run, "approve", done.task))
    return line(_name(run, done.task), f" waits for a person{asked}{stop}{until}Next: ", following)
