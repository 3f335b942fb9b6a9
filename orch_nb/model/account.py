"""What happened in a run beyond each task by itself: found once, for sentences and tables alike.

    fetch ── fetch[0] … fetch[9999]       `instances` of a `foreach` task, in the order of its items
    compensate(pay), compensate(book)     `undoing`: compensations, in the order in which they ran
    on_failure                            `last`: what ran when all of that had ended

Nothing here is told in an order of its own or in words of its own: `integration` makes sentences
of it and `render` tables, which may not look at one another and must not disagree.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, listed, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Call, callable_name

__all__ = [
    "Account", "account", "alike", "began_last", "control_line", "ended_with_run",
    "failed_instances", "failure_of", "left_undone", "masked", "on_purpose", "shell_line", "tried",
    "why_cancelled",
]  # fmt: skip

_PLAIN = re.compile(r"[\w@%+=:,./()\[\]-]+")
_WORDS = re.compile(r"[\w@%+=:,./()\[\] -]+")


_VARIABLE = re.compile(
    r"0x[0-9a-fA-F]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|'[^']*'|\"[^\"]*\"|`[^`]*`|/[\w./-]+|\d+"
)


class Account(msgspec.Struct, frozen=True):
    """`counts` are of the plan's tasks by status, `instances` by the task that became them.

    `retries` are attempts beyond each first, `injected` those that failed on purpose; `cached`
    names the tasks whose results an earlier run had left, by that run. `undoing` are the
    compensations in the order in which they ran, `last` is the plan's `on_failure` if it ran.
    """

    counts: Mapping[Status, int]
    instances: Mapping[str, tuple[TaskRun, ...]]
    retries: int
    injected: int
    cached: Mapping[str, tuple[str, ...]]
    undoing: tuple[TaskRun, ...]
    last: TaskRun | None

    @property
    def compensated(self) -> int:
        return self.counts.get(Status.COMPENSATED, 0)

    @property
    def spread(self) -> str:
        """How many instances there are and failed: `10 instances (2 failed)`; "" without any."""
        every = [done.status for made in self.instances.values() for done in made]
        bad = sum(status is Status.FAILED for status in every)
        told = count(len(every), "instance") if every else ""
        return f"{told} ({number(bad)} failed)" if bad else told


def account(run: Run) -> Account:
    """Made once a run, in one pass over it."""
    found: Account | None = run.__dict__.get("_account")
    if found is None:
        found = run.__dict__["_account"] = _account(run)
    return found


def _account(run: Run) -> Account:
    instances: dict[str, list[TaskRun]] = {}
    cached: dict[str, list[str]] = {}
    undoing: list[TaskRun] = []
    last = None
    retries = injected = 0
    for part in (run.tasks, run.derived):
        for done in part:
            if len(done.attempts) > 1:
                retries += max(0, tried(done) - 1)
            for attempt in done.attempts:
                injected += attempt.injected
            if done.cached:
                cached.setdefault(done.cached, []).append(done.task)
            if done.index is not None and done.of is not None:
                instances.setdefault(done.of, []).append(done)
            elif done.of is not None:
                undoing.append(done)
            elif part is run.derived:
                last = done
    undoing.sort(key=lambda done: began_last(run, done))
    return Account(
        counts=Counter(done.status for done in run.tasks),
        instances={task: tuple(made) for task, made in instances.items()},
        retries=retries,
        injected=injected,
        cached={run_id: tuple(tasks) for run_id, tasks in cached.items()},
        undoing=tuple(undoing),
        last=last,
    )


def began_last(run: Run, done: TaskRun) -> datetime:
    """When a task began, of several rounds in the last; one that was cancelled before it could
    begin stands where it was cancelled."""
    if done.attempts:
        return done.attempts[-1].started
    return done.finished or run.finished or run.started


def tried(done: TaskRun) -> int:
    """How often a task was tried; an attempt that was lost with its process used up no try."""
    return sum(attempt.status != "lost" for attempt in done.attempts)


def failure_of(done: TaskRun) -> Failure | None:
    """The error that a task ended with, if it ended with one: what was undone had succeeded."""
    return None if done.status is Status.COMPENSATED else done.error


def masked(text: str) -> str:
    """An error's text without what differs from one case of it to the next: errors of which this is
    the same are alike."""
    return _VARIABLE.sub("#", text)


def alike(error: Failure) -> tuple[str, str]:
    """What errors that are alike have in common: their type and message, numbers, quoted words and
    addresses aside. Of a message that is nothing else (`KeyError: 'rows'`) that is all of it."""
    message = masked(error.message)
    words = any(letter.isalpha() for letter in message)
    engines = error.type in ("Failed", "Cancelled", "Rejected")  # its numbers are what it says
    return error.type, message if words and not engines else error.message


def failed_instances(run: Run, task: str) -> tuple[TaskRun, ...]:
    """The instances of a `foreach` task that did not succeed, what brought its end about first:
    then those that failed, then those that were cancelled with it."""
    bad = (Status.FAILED, Status.CANCELLED)
    made = [done for done in account(run).instances.get(task, ()) if done.status in bad]
    cause = run[task].cause
    return tuple(sorted(made, key=lambda done: (done.task != cause, bad.index(done.status))))


def left_undone(run: Run) -> tuple[TaskRun, ...]:
    """The compensations that failed for good, so that what a task did is still there.

    None while tasks of the plan are open, or after a success: what an earlier round could not undo
    stands then as it should.
    """
    if run.status == RunStatus.SUCCEEDED:
        return ()
    found = [
        done
        for done in account(run).undoing
        if done.status in (Status.FAILED, Status.CANCELLED)
        and run[done.of or ""].status is Status.SUCCEEDED
    ]
    if not found or not all(status.ended for status in account(run).counts):
        return ()
    return tuple(found)


def why_cancelled(done: TaskRun) -> str:
    """What cancelled a task, in the engine's words: "fail-fast", "by ana", or nothing."""
    return done.reason.removeprefix("cancelled").lstrip(":; ")


def ended_with_run(done: TaskRun) -> bool:
    """Whether a task was cancelled because its run ended early, by its timeout or by fail-fast:
    then it is no failure of its own."""
    return done.status is Status.CANCELLED and done.reason.startswith("cancelled: ")


def on_purpose(run: Run) -> str:
    """Which faults on purpose a run was disturbed by and how often they struck, names between
    backticks; empty where there are none.

    Whoever sees such a run must see this: each output says it first.
    """
    hit = account(run).injected
    if not run.faults and not hit:
        return ""
    asked = listed([f"`{text}`" for text in run.faults], 6) or "asked for before it went on"
    struck = [f"{count(hit, 'attempt')} failed by them"] if hit else []
    if run.resumed and any(text.partition("=")[0].strip() == "kill" for text in run.faults):
        struck.append("the process was cut off")
    return f"{asked}; {' and '.join(struck) or 'none has struck'}"


def control_line(run: Run, verb: str, task: str = "") -> str:
    """The line of a notebook that does `verb` to a task of this run and of no other:
    `%orchestrate retry fetch[3] --run pages-1`.

    Such a line knows double quotes only, and a shell must take no harm from one that is pasted: a
    name that is no plain words is quoted for the shell.
    """
    if verb == "recover":  # of a whole run
        return f"%orchestrate recover {_quoted(run.run_id)}"
    named = f" --run {_quoted(run.run_id)}" if run.run_id else ""
    return f"%orchestrate {verb}{f' {_quoted(task)}' if task else ''}{named}"


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return f'"{name}"' if _WORDS.fullmatch(name) else shlex.quote(name)


def shell_line(run: Run, verb: str, task: str = "") -> str:
    """The same from a shell: `orch-nb retry pages-1 'fetch[3]'`. Empty where that could not go on
    with the run, since functions of its plan are those of a notebook."""
    if not _anywhere(run.plan):
        return ""
    words = ["orch-nb", verb, run.run_id, *([task] if task else [])]
    return " ".join(map(shlex.quote, words))


def _anywhere(plan: Plan) -> bool:
    """Whether a process finds each function of a plan by its name alone."""
    tasks = [*plan.tasks, *(task.compensate for task in plan.tasks if task.compensate is not None)]
    tasks += [plan.on_failure] if plan.on_failure is not None else []
    functions = [task.run for task in tasks if task.run is not None]
    functions += [task.when.function for task in tasks if isinstance(task.when, Call)]
    overs = [task.foreach.over for task in tasks if task.foreach is not None]
    functions += [over.function for over in overs if isinstance(over, Call)]
    names = map(callable_name, functions)
    return all(":" in name and "<" not in name and name[:9] != "__main__:" for name in names)
