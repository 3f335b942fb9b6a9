"""orch_nb, through its public functions only, with all it does switched on.

Generators in three parts, as in `floors`. The plan is made and checked before the timed part, which
is `execute` alone: events, statuses, retries and timing are what it always has. The tasks of a plan
share one no-op function that counts its calls, or have one each ("own functions"), which then leave
their numbers as the floors' do. That each task had one attempt and began after what it needs had
ended is read from the run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

import orch_nb as nb
from benchmarks import work
from benchmarks.floors import Steps
from benchmarks.shapes import Shape, shape

__all__ = [
    "CUT_RUN", "coroutines", "cut", "cut_off", "file_inline", "file_threads", "from_python",
    "from_python_own", "from_yaml", "inline", "inline_own", "plan_of", "processes",
    "processes_own", "recovery", "replay_of_ours", "threads",
]  # fmt: skip


def _needs(shape: Shape) -> list[Any]:
    """Lists, as people write them; a task makes tuples of them."""
    return list(shape.needs)


def plan_of(shape: Shape, bodies: Callable[..., Any] | Sequence[Callable[..., Any]]) -> nb.Plan:
    """The shape as a checked plan; `bodies` is one function for all tasks, or one for each."""
    functions = [bodies] * len(shape) if callable(bodies) else bodies
    tasks: Any = [
        nb.Task(id=task, run=function, needs=needs)
        for task, needs, function in zip(shape.ids, _needs(shape), functions, strict=True)
    ]
    return nb.decompose(nb.Plan(goal="measured", tasks=tasks))


def check(run: nb.Run, shape: Shape) -> None:
    """Every task succeeded by one attempt, which began after what it needs had ended."""
    assert run.status == "succeeded", run.status
    tasks = [run[task] for task in shape.ids]
    assert len(run) == len(tasks)
    for n, task in enumerate(tasks):
        assert task.status == "succeeded", f"{task.task} {task.status}"
        assert len(task.attempts) == 1, f"{task.task} had {len(task.attempts)} attempts"
        assert task.started is not None
        for other in shape.upstream[n]:
            ended = tasks[other].finished
            assert ended is not None
            assert ended <= task.started, f"{n} began before {other}, which it needs, had ended"


# -- executing -----------------------------------------------------------------------------------


def inline(shape: Shape) -> Steps:
    return _counted(shape, work.noop, executor="inline", journal="memory")


def threads(shape: Shape) -> Steps:
    return _counted(shape, work.noop, executor="threads", journal="memory", workers=work.THREADS)


def coroutines(shape: Shape) -> Steps:
    return _counted(shape, work.async_noop, journal="memory")


def _counted(shape: Shape, body: Callable[..., Any], **options: Any) -> Steps:
    plan = plan_of(shape, body)
    work.taken()
    yield
    run = nb.execute(plan, **options)
    yield
    assert work.taken() == len(shape)
    check(run, shape)


def inline_own(shape: Shape) -> Steps:
    """A function of its own for each task, as plans of notebooks have."""
    order, body = work.recorders(len(shape))
    plan = plan_of(shape, body)
    yield
    run = nb.execute(plan, executor="inline", journal="memory")
    yield
    shape.check(order)
    check(run, shape)


def file_inline(shape: Shape) -> Steps:
    return _kept(shape, executor="inline")


def file_threads(shape: Shape) -> Steps:
    return _kept(shape, executor="threads", workers=work.THREADS)


def _kept(shape: Shape, **options: Any) -> Steps:
    """With a journal on disk; opening it is part of `execute`, and is timed."""
    plan = plan_of(shape, work.noop)
    work.taken()
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder, "journal.db"))
        yield
        run = nb.execute(plan, journal=journal, **options)
        yield
        assert work.taken() == len(shape)
        check(run, shape)
        kept = nb.recover(run.run_id, plan, journal=journal)
        assert [task.status for task in kept] == ["succeeded"] * len(shape)


def processes(shape: Shape) -> Steps:
    """Two worker processes; their start and end are part of `execute`, and their CPU counts."""
    with work.stamps(len(shape)) as stamps:
        plan = plan_of(shape, work.tally)
        yield
        run = nb.execute(plan, executor="processes", journal="memory", workers=work.PROCESSES)
        yield
        assert stamps.tallied() == len(shape)
        check(run, shape)


def processes_own(shape: Shape) -> Steps:
    """A picklable function of its own for each task."""
    with work.stamps(len(shape)) as stamps:
        plan = plan_of(shape, [work.stamper(n) for n in range(len(shape))])
        yield
        run = nb.execute(plan, executor="processes", journal="memory", workers=work.PROCESSES)
        yield
        stamps.check(shape)
        check(run, shape)


# -- recovery ------------------------------------------------------------------------------------

_DIES = "ORCH_NB_BENCHMARK_CUT"
CUT_RUN = "cut-off"


def last() -> None:
    """The last task: where the environment asks for it, the process is killed in it."""
    if os.environ.get(_DIES):
        os.kill(os.getpid(), signal.SIGKILL)
    work.noop()


def _cut_plan(shape: Shape) -> nb.Plan:
    return plan_of(shape.with_last(), [work.noop] * len(shape) + [last])


def cut_off(spelled: str, journal: str) -> None:
    """Perform a shape and one task more, in which the process dies; for a child process."""
    nb.execute(_cut_plan(shape(spelled)), executor="inline", journal=journal, run_id=CUT_RUN)


@contextlib.contextmanager
def cut(shape: Shape) -> Iterator[tuple[nb.Plan, str]]:
    """The plan and the journal of a run that was killed when all tasks but the last had ended."""
    plan = _cut_plan(shape)
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder, "journal.db"))
        _perform_and_die(shape, journal)
        yield plan, journal


def _perform_and_die(shape: Shape, journal: str) -> None:
    code = f"from benchmarks import ours; ours.cut_off({shape.spelled!r}, {journal!r})"
    killed = subprocess.run(  # noqa: PLW1510  # it is to die
        [sys.executable, "-c", code], env={**os.environ, _DIES: "1"}, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def recovery(shape: Shape) -> Steps:
    """`recover` of a run of which all tasks but one have ended; the one is run."""
    with cut(shape) as (plan, journal):
        work.taken()
        yield
        run = nb.recover(CUT_RUN, plan, journal=journal)
        yield
        assert work.taken() == 1
        assert [task.status for task in run] == ["succeeded"] * (len(shape) + 1)


def replay_of_ours(shape: Shape) -> Steps:
    """The bare replay of our own file: every row of `batch` read, its JSON decoded by msgspec into
    plain dicts, their statuses folded into a dict. It has more events a task, in fewer rows."""
    with cut(shape) as (_, journal):
        yield
        status: dict[str, str] = {}
        decode = msgspec.json.Decoder().decode
        db = sqlite3.connect(journal)
        for (body,) in db.execute("SELECT body FROM batch ORDER BY id"):
            for event in decode(body):
                if "task" in event:
                    status[event["task"]] = event["t"]
        db.close()
        yield
        assert sum(1 for word in status.values() if word == "succeeded") == len(shape)


# -- building and checking -----------------------------------------------------------------------


def from_python(shape: Shape) -> Steps:
    """The values are made, and `decompose` checks them."""
    parts = list(zip(shape.ids, _needs(shape), strict=True))
    noop = work.noop
    yield
    tasks: Any = [nb.Task(id=task, run=noop, needs=needs) for task, needs in parts]
    plan = nb.decompose(nb.Plan(goal="measured", tasks=tasks))
    yield
    assert [(task.id, list(task.needs or ())) for task in plan.tasks] == parts


def from_python_own(shape: Shape) -> Steps:
    """The same where each task has a function of its own, whose parameters are looked at."""
    parts = list(zip(shape.ids, _needs(shape), work.recorders(len(shape))[1], strict=True))
    yield
    tasks: Any = [nb.Task(id=task, run=function, needs=needs) for task, needs, function in parts]
    plan = nb.decompose(nb.Plan(goal="measured", tasks=tasks))
    yield
    assert [task.id for task in plan.tasks] == shape.ids


def from_yaml(shape: Shape) -> Steps:
    """`decompose` of the text of a document."""
    text = work.document(shape)
    names = {"noop": work.noop}
    yield
    plan = nb.decompose(text, namespace=names)
    yield
    assert [(task.id, list(task.needs or ())) for task in plan.tasks] == list(
        zip(shape.ids, shape.needs, strict=True)
    )
