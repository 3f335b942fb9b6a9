"""Why tasks failed and what a person can do about it: a row a cause, a line an action.

task                       error                    known                    kept
2 tasks: fetch and load    ConnectionError: reset   may pass by itself ...   report

task    to      in the notebook              in a shell
fetch   retry   %orchestrate retry fetch     orch-nb retry nightly-7 fetch
        skip    %orchestrate skip fetch      orch-nb skip nightly-7 fetch
"""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.model.account import control_line, shell_line
from orch_nb.model.quantity import count, duration, listed, number
from orch_nb.model.report import Cause, Report, Way
from orch_nb.model.status import RunStatus, Status
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    CodeBlock,
    Fold,
    Line,
    Listing,
    Text,
    line,
    plain,
)
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table

__all__ = [
    "acts_next",
    "failures_table",
    "label",
    "last_words",
    "other_lines",
    "retries_table",
    "ways_table",
]

_CAUSES, _RETRIES = 50, 50
_NAMED = 4
_ACTED = 12  # tasks whose every line is told; beyond, one line tries all
_OPEN_ROWS = 9
_LAST_WORDS = 5


def failures_table(report: Report) -> Block | None:
    """A row a cause, what could not be undone first."""
    causes = _causes(report)
    return table(
        "Failures" if not causes or not all(map(_cancelled, causes)) else "Cancelled by hand",
        ("task", "error", "known", "attempts", "kept from running", "owner"),
        [_row(report, cause) for cause in causes[:_CAUSES]],
        numeric=("attempts",),
        wrap=("task", "error", "known", "kept from running"),
        left_out=max(0, len(causes) - _CAUSES),
    )


def _causes(report: Report) -> tuple[Cause, ...]:
    if report.causes:
        return report.causes
    return tuple(
        Cause((f.task,), f.error, owners=(f.owner,) if f.owner else (), kept=f.kept,
              attempts=f.attempts, undo=f.undo, tolerated=f.tolerated, of=f.of)
        for f in report.failures
    )  # fmt: skip


def _row(report: Report, cause: Cause) -> tuple[Line, ...]:
    known = "; ".join(part for part in (cause.how, cause.outlook) if part)
    kept = listed(tuple(label(report, task) for task in cause.kept), 8)
    return (
        _who_failed(report, cause),
        _error(report, cause),
        line(one_line(known, 240)),
        line(number(cause.attempts) if cause.attempts else ""),
        line(kept),
        line(one_line(listed(cause.owners), 120)),
    )


def _cancelled(cause: Cause) -> bool:
    """Whether a person cancelled it, which is no error."""
    return cause.error.type == "Cancelled" and not cause.error.kinds and not cause.undo


def _error(report: Report, cause: Cause) -> Line:
    """The error; where those of the others are alike and not the same, whose it is."""
    if _cancelled(cause):
        return line(one_line(cause.error.message or "cancelled", 240))
    shown = Code(one_line(str(cause.error), 240))
    if not cause.differ:
        return line(shown)
    whose = label(report, cause.of if cause.undo else cause.tasks[0])
    return line(f"{whose}: ", shown, "; the others are alike")


def _who_failed(report: Report, cause: Cause) -> Line:
    """What failed: of what could not be undone, the task that it is about."""
    if cause.undo and len(cause.tasks) == 1:
        return line(Text(label(report, cause.of), strong=True), " is not undone")
    names = [label(report, task) for task in cause.tasks]
    after = " are not undone" if cause.undo else " (tolerated)" if cause.tolerated else ""
    if len(names) == 1:
        return line(Text(names[0], strong=True), after)
    total = max(cause.total, len(names))
    many = count(total, "instance" if cause.of and not cause.undo else "task")
    first, rest = names[:_NAMED], total - min(len(names), _NAMED)
    told = f"{', '.join(first)} and {number(rest)} more" if rest else listed(first, _NAMED)
    return line(Text(many, strong=True), f": {told}{after}")


def label(report: Report, task: str) -> str:
    """What a person knows a task by."""
    plan = report.run.plan
    return one_line(plan[task].label if task in plan else task, 80)


# -- what can be done ----------------------------------------------------------------------------


def ways_table(report: Report) -> Block | None:
    """Every line that acts: on what failed, and on what waits for a person."""
    rows = list(_acts(report))
    found = table(
        "", ("task", "to", "in the notebook", "in a shell"), rows,
        left_out=max(0, sum(bool(f.ways) for f in report.failures) - _ACTED),
    )  # fmt: skip
    if found is None:
        return None
    caption = line(Text("What can be done now", muted=True))
    return Fold(caption, (found,), open=len(rows) <= _OPEN_ROWS)


def other_lines(report: Report) -> Block | None:
    """The lines that go on, as far as `ways_table` does not show them at once."""
    rows = list(_acts(report))
    told = {plain(row[2]) for row in rows} if len(rows) <= _OPEN_ROWS else set()
    rest = [text for text in report.next_lines if text not in told]
    if not rest:
        return None
    return Listing(tuple(line(Code(text)) for text in rest), "Next")


def _acts(report: Report) -> Iterator[tuple[Line, ...]]:
    run = report.run
    for awaited in run.with_status(Status.WAITING)[:_ACTED]:
        ways = [
            Way(verb, control_line(run, verb, awaited.task), shell_line(run, verb, awaited.task))
            for verb in ("approve", "reject", "skip")
        ]
        yield from _lines(label(report, awaited.task), ways)
    able = [failure for failure in report.failures if failure.ways and not failure.tolerated]
    if len(able) > 2:
        every = Way("retry", control_line(run, "retry"), shell_line(run, "retry"))
        yield from _lines("all that failed", [every])
    for failure in able[:_ACTED]:
        name = label(report, failure.of if failure.undo else failure.task)
        yield from _lines(name, failure.ways)


def _lines(name: str, ways: list[Way] | tuple[Way, ...]) -> Iterator[tuple[Line, ...]]:
    for n, way in enumerate(ways):
        first = line(Text(one_line(name, 80), strong=True)) if not n else ()
        yield (
            first,
            line(way.verb),
            line(Code(way.line)),
            line(Code(way.command)) if way.command else (),
        )


def acts_next(report: Report) -> Line:
    """Who has to do something, where the plan says whose its tasks are: `Who acts next: ana
    (sdist); nobody is named for wheel`. What is not required nobody has to mend."""
    plan = report.run.plan
    stories = {story.id: story.owner for story in plan.stories}
    if not any(stories.values()) and not any(task.owner for task in plan.tasks):
        return ()
    by_owner: dict[str, list[str]] = {}
    for failure in report.failures:
        name = failure.of or failure.task
        needed = failure.undo or name not in plan or plan[name].required
        if needed and not failure.tolerated:
            by_owner.setdefault(failure.owner, []).append(name)
    for name in _awaited(report):
        owner = plan[name].owner or stories.get(plan[name].story or "", "")
        by_owner.setdefault(owner, []).append(name)
    told = {
        owner: listed([label(report, task) for task in dict.fromkeys(tasks)])
        for owner, tasks in by_owner.items()
    }
    unowned = told.pop("", "")
    parts = [listed([f"{one_line(owner, 60)} ({of})" for owner, of in told.items()], 6)]
    parts += [f"nobody is named for {unowned}"] if unowned else []
    words = "; ".join(filter(None, parts))
    return line(Text("Who acts next: ", muted=True), words) if words else ()


def _awaited(report: Report) -> Iterator[str]:
    """Tasks without a failure whose owners are awaited: for an answer, for what a result or a file
    has to be."""
    run = report.run
    if run.status in (RunStatus.WAITING, RunStatus.RUNNING):
        yield from (done.task for done in run.with_status(Status.WAITING))
    for check in report.checks:
        if (
            check.kind in ("contract", "output")
            and not check.met
            and check.required
            and check.known
        ):
            yield from (
                name for name in check.tasks
                if name in run.plan and run[name].status is Status.SUCCEEDED
            )  # fmt: skip


def last_words(report: Report) -> list[Block]:
    """The last lines that failed tasks printed, where their errors do not hold them already."""
    told: list[Block] = []
    for cause in report.causes:
        lines = cause.last_lines.strip()
        if lines and lines.splitlines()[-1].strip() not in f"{cause.error}{cause.error.traceback}":
            name = label(report, cause.tasks[0])
            told.append(CodeBlock(lines, caption=f"{name}: the last lines that it printed"))
    if not told:
        return []
    return [Fold(line(Text("What they printed last", muted=True)), tuple(told[:_LAST_WORDS]))]


# -- what was tried again ------------------------------------------------------------------------


def retries_table(report: Report) -> Block | None:
    """What was tried more than once, why, and what came of it."""
    found = table(
        "",
        ("task", "why", "again", "waited", "then"),
        [
            (
                line(_group(report, one.tasks)),
                line(Code(one_line("; ".join(one.causes), 300))),
                line(number(one.again)),
                line(duration(one.waited_s) if one.waited_s >= 0.0005 else ""),
                line(Badge(one.ended)),
            )
            for one in report.retried[:_RETRIES]
        ],
        numeric=("again", "waited"),
        wrap=("task", "why"),
        left_out=max(0, len(report.retried) - _RETRIES),
    )
    if found is None:
        return None
    again = sum(one.again for one in report.retried)
    caption = f"Tried again: {count(again, 'attempt')} beyond the first"
    return Fold(line(Text(caption, muted=True)), (found,), open=len(report.retried) <= _NAMED)


def _group(report: Report, tasks: tuple[str, ...]) -> str:
    names = [label(report, task) for task in tasks]
    return names[0] if len(names) == 1 else f"{number(len(names))}: {listed(names, _NAMED)}"
