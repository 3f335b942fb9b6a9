"""The todo list of a run: Epic > Story > Task > Instance, what it came to, and what it waits for.

    fetch          ✗ failed      9,987 of 10,000 instances succeeded
      fetch[3]     ✗ failed      ValueError: page 3 is gone
      fetch[7]     ✗ failed      ValueError: page 7 is gone
      9,987 more succeeded · 11 more failed
    joined         ⊘ upstream failed

Of many instances those that need attention are told, and the others counted; of a long plan
likewise, with all of it behind a fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orch_nb.graph.critical_path import planned_s
from orch_nb.graph.topology import upstream
from orch_nb.model.account import account, failure_of, left_undone
from orch_nb.model.quantity import count, duration, listed, number, when
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.document import Badge, Block, Code, Fold, Line, Table, Text, line, said
from orch_nb.render.facts import Entry, entries, share, situation, tally, waited
from orch_nb.render.focus import path_table, story_table
from orch_nb.render.palette import look
from orch_nb.render.plaintext import one_line
from orch_nb.render.policies import pools
from orch_nb.render.rows import hierarchy

__all__ = ["run_entries", "todo", "waiting_for"]

_LONG = 60
_ALL = 12
_SOME = 8
_QUIET = (Status.SUCCEEDED, Status.PENDING, Status.UPSTREAM_FAILED, Status.SKIPPED)
#: Instances are told one by one in this order, as far as there is room.
_FIRST = {Status.FAILED: 0, Status.WAITING: 1, Status.BACKING_OFF: 2, Status.CANCELLED: 3,
          Status.RUNNING: 4}  # fmt: skip


def todo(run: Run) -> list[Block | None]:
    """The todo list; of a long one what needs attention, its stories and its critical path, and all
    of it, as far as there is room, behind a fold."""
    every = run_entries(run)
    if len(every) <= _LONG:
        return [_table(run, "Todo", every)]
    short = [e for e in every if e.task is not None and run[e.id].status not in _QUIET]
    whole = _table(run, "", every)
    first = _table(run, "Todo: what needs attention", _with_homes(every, short[:_LONG]))
    fold = Fold(line(Text(f"All {count(len(run), 'task')}", muted=True)), (whole,) if whole else ())
    return [first if short else None, story_table(run), path_table(run), fold]


def _with_homes(every: Sequence[Entry], short: Sequence[Entry]) -> list[Entry]:
    """What is told, with the stories above it, and the sentence below its instances."""
    told = {entry.id for entry in short}
    home: Entry | None = None
    found: list[Entry] = []
    within = False
    for entry in every:
        if entry.story is not None:
            home = entry
        elif entry.rest:
            found += [entry] if within else []
        elif entry.id in told:
            if home is not None and entry.depth:
                found.append(home)
            home, within = None, True
            found.append(entry)
        elif not entry.instance:
            within = False
    return found


def run_entries(run: Run) -> tuple[Entry, ...]:
    """The rows of a run: those of its plan, each `foreach` task followed by instances of it."""
    made = account(run).instances
    if not made:
        return entries(run.plan)
    found: list[Entry] = []
    for entry in entries(run.plan):
        found.append(entry)
        if entry.task is not None and entry.task.id in made:
            found += _instances(entry.task, made[entry.task.id], entry.depth + 1)
    return tuple(found)


def _instances(task: Task, made: Sequence[TaskRun], depth: int) -> Iterator[Entry]:
    chosen: Sequence[TaskRun] = made
    if len(made) > _ALL:
        urgent = sorted(
            (done for done in made if done.status in _FIRST), key=lambda d: _FIRST[d.status]
        )
        chosen = sorted(urgent[:_SOME], key=lambda done: done.index or 0)
    for done in chosen:
        yield Entry(depth, task=task, instance=done.task)
    if len(chosen) < len(made) and any(done.status is not Status.SUCCEEDED for done in made):
        told = {done.task for done in chosen}
        rest = tally(str(done.status) for done in made if done.task not in told)
        more = "more " if chosen else ""
        parts = [f"{number(n)} {more}{look(state).word}" for state, n in reversed(rest)]
        yield Entry(depth, rest=" · ".join(parts))


def _table(run: Run, caption: str, shown: Sequence[Entry]) -> Table | None:
    found = situation(run.plan)
    timed = planned_s(run.plan) is not None
    made = account(run).instances
    undone = {done.of: done for done in left_undone(run)}

    def cells(task: Task, name: str) -> tuple[Line, ...]:
        done = run[name]
        alone = name == task.id
        slack = found.path.slack_s.get(task.id) if found and timed and alone else None
        tries = len(done.attempts)
        ran = done.duration_s if tries or done.instances else None
        return (
            _status(done, share(made[name]) if name in made else ""),
            line(number(tries) if tries else ""),
            line(duration(ran)),
            line(waited(done.wait_s)),
            line(duration(task.estimate_s) if alone else ""),
            line(duration(slack)),
            _reason(run, task, done, undone.get(name)),
        )

    def group(entry: Entry) -> tuple[Line, ...]:
        good = sum(run[task].status == Status.SUCCEEDED for task in entry.members)
        text = f"{number(good)} of {number(len(entry.members))} succeeded"
        return (line(Text(text, muted=True)), (), (), (), (), (), ())

    return hierarchy(
        shown,
        caption,
        ("task", "status", "attempts", "ran", "waited", "plan", "slack", "why"),
        cells,
        group_cells=group,
        urgent=lambda name: bool(name) and run[name].status not in (
            Status.SUCCEEDED, Status.PENDING
        ),
        numeric=("attempts", "ran", "waited", "plan", "slack"),
        wrap=("why",),
    )  # fmt: skip


def _status(done: TaskRun, share: str) -> Line:
    badge = Badge(str(done.status))
    if done.cached:
        return line(badge, " from run ", Code(one_line(done.cached, 60)))
    return line(badge, f" {share} instances" if share else "")


def _reason(run: Run, task: Task, done: TaskRun, undo: TaskRun | None) -> Line:
    """Why it ended as it did, or what it waits for."""
    if undo is not None:
        return line(Text("not undone", strong=True), ": ", Code(one_line(str(undo.error), 200)))
    if done.cached:
        return ()
    error = failure_of(done)
    if not done.status.ended:
        last = line("; last: ", Code(one_line(str(error), 160))) if error is not None else ()
        return (*said(waiting_for(run, task, done)), *last)
    if error is not None and not (done.status is Status.CANCELLED and done.reason):
        return line(Code(one_line(str(error), 200)))
    # The reason of a gate says who decided, and their note.
    return said(one_line(done.reason, 360))


def waiting_for(run: Run, task: Task, done: TaskRun) -> str:
    """What a task that has not ended waits for, as far as a snapshot can say."""
    match done.status:
        case Status.PENDING if run.status is RunStatus.CUT_OFF and done.lost:
            return "was running when its process went: it runs again"
        case Status.PENDING | Status.READY:
            before = upstream(run.plan).get(task.id, ()) if done.index is None else ()
            left = [f"`{one_line(need, 60)}`" for need in before if not run[need].status.ended]
            return f"waits for {listed(left)}" if left else _turn(run, task)
        case Status.BACKING_OFF if run.paused:
            return "waits for the end of the pause"
        case Status.BACKING_OFF:
            return f"next attempt {_clock(run, done)}".rstrip()
        case Status.WAITING:
            due = f" (until {when(done.until)})" if done.until is not None else ""
            return f"{one_line(done.reason, 300)}{due}"
    return one_line(done.reason, 360)


def _turn(run: Run, task: Task) -> str:
    """What a task waits for that could start now."""
    if run.status != RunStatus.RUNNING:
        return ""
    names = one_line(pools(task), 60)
    slots = f" and for slots of {names}" if names else ""
    return "waits for the end of the pause" if run.paused else f"waits for a worker{slots}"


def _clock(run: Run, done: TaskRun) -> str:
    """A moment to come, told on the axis of the run, as its timeline is."""
    if done.until is None:
        return ""
    return f"{duration(max(0.0, (done.until - run.started).total_seconds()))} after the start"
