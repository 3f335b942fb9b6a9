"""The outcome first: what, how it ended, how much, how long; then why, and what to do next.

Release 2.4  ✗ failed  5 of 7 tasks succeeded in 11.6 s, 3 retries, 4 workers · run nightly-7
sdist failed twice (ValueError: version not found) and kept approve from running.
Next: %orchestrate retry sdist
"""

from __future__ import annotations

import shlex

from orch_nb.graph.topology import descendants, downstream
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, number, times, when
from orch_nb.model.report import Report
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.render.document import Code, Header, Line, Text, line
from orch_nb.render.facts import retries
from orch_nb.render.plaintext import one_line

__all__ = ["failure_line", "header", "kept_by", "tasks_in_stories"]

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
    return Header(title, str(run.status), _facts(run), _why(run, report))


def tasks_in_stories(plan: Plan) -> str:
    stories = f" in {count(len(plan.stories), 'story', 'stories')}" if plan.stories else ""
    return f"{count(len(plan), 'task')}{stories}"


def _draft(name: str) -> tuple[Line, ...]:
    if not name:
        return ()
    edit, go = Code(f"%orchestrate edit {name}"), Code(f"%orchestrate run {name}")
    return (line("Next: ", edit, " to change it, ", go, " to run it as it stands"),)


def _facts(run: Run) -> str:
    done = len(run.with_status(Status.SUCCEEDED))
    took = f" in {duration(run.duration_s)}" if run.finished else " so far"
    again = retries(run)
    parts = [f"{number(done)} of {count(len(run), 'task')} succeeded{took}"]
    parts += [count(again, "retry", "retries")] if again else []
    parts += [count(run.options.workers, "worker")]
    parts += [f"recovered {times(run.resumed)}"] if run.resumed else []
    return f"{', '.join(parts)} · run {run.run_id} · {when(run.started)}"


def _why(run: Run, report: Report | None) -> tuple[Line, ...]:
    failed = run.with_status(Status.FAILED)
    lines = [failure_line(run, done, report) for done in failed[:_FAILURES]]
    if len(failed) > _FAILURES:
        lines.append(line(f"{count(len(failed) - _FAILURES, 'more task')} failed."))
    if run.status != RunStatus.RUNNING:
        lines += [_waiting(run, done) for done in run.with_status(Status.WAITING)[:_FAILURES]]
    cancelled = run.with_status(Status.CANCELLED)
    if cancelled:
        names = _names(run, tuple(done.task for done in cancelled))
        lines.append(line(*names, " was cancelled." if len(cancelled) == 1 else " were cancelled."))
    lines += [line(_name(run, task), _ABANDONED) for task in _abandoned(run)]
    return tuple(lines)


_ABANDONED = " could not be stopped: it still runs, or did when the run ended."


def _abandoned(run: Run) -> list[str]:
    return [done.task for done in run.tasks if any(a.abandoned for a in done.attempts)][:_FAILURES]


def _name(run: Run, task: str) -> Text:
    return Text(one_line(run.plan[task].label if task in run.plan else task, 80), strong=True)


def _names(run: Run, tasks: tuple[str, ...]) -> list[Text]:
    """Names in a sentence, the rest counted."""
    shown = [_name(run, task) for task in tasks[:_NAMES]]
    left = len(tasks) - len(shown)
    pieces: list[Text] = []
    for at, piece in enumerate(shown):
        if at:
            pieces.append(Text(" and " if at == len(shown) - 1 and not left else ", "))
        pieces.append(piece)
    return [*pieces, Text(f" and {number(left)} more")] if left else pieces


def failure_line(run: Run, done: TaskRun, report: Report | None = None) -> Line:
    """Which task failed, how often, why, what it kept from running, and the line that goes on."""
    told = next((f for f in report.failures if f.task == done.task), None) if report else None
    tries = told.attempts if told else sum(a.status == "failed" for a in done.attempts)
    error = (told.error if told else None) or done.error
    pieces: list[Text | Code | str] = [_name(run, done.task), Text(" failed", strong=True)]
    pieces += [f" {times(tries)}"] if tries > 1 else []
    if error is not None:
        pieces += [" (", Code(one_line(str(error), 240)), ")"]
    elif done.reason:
        pieces += [f" ({one_line(done.reason, 240)})"]
    kept = told.kept if told else kept_by(run, done.task)
    if kept:
        pieces += [" and kept ", *_names(run, kept), " from running"]
    following = told.next_line if told else f"%orchestrate retry {shlex.quote(done.task)}"
    if (
        run.status == RunStatus.RUNNING
    ):  # a line would wait behind the running cell; its button acts
        following = ""
    pieces += [". "] + (["Next: ", Code(following)] if following else [])
    return line(*pieces)


def kept_by(run: Run, task: str) -> tuple[str, ...]:
    """What a failed task kept from running, in the order of the plan."""
    below = descendants(downstream(run.plan), task)
    return tuple(
        done.task for done in run.with_status(Status.UPSTREAM_FAILED) if done.task in below
    )


def _waiting(run: Run, done: TaskRun) -> Line:
    prompt = one_line(done.reason, 200)
    prompt = "" if prompt == one_line(run.plan[done.task].label, 200) else prompt
    asked = f": {prompt}" if prompt else ""
    stop = " " if prompt.endswith(("?", "!", ".")) else ". "
    following = Code(f"%orchestrate approve {shlex.quote(done.task)}")
    return line(_name(run, done.task), f" waits for a person{asked}{stop}Next: ", following)
