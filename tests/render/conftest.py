"""A release that failed, folded from events as the engine would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from orch_nb.model import event as ev
from orch_nb.model.fold import replay
from orch_nb.model.goal import Criterion, Goal
from orch_nb.model.plan import Plan, Story
from orch_nb.model.report import Check, Comparison, FailureReport, Report, Result
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.render.document import Section, plain
from orch_nb.testing import FakeExecutor, nothing, perform

from .showing import tables

T0 = 1_795_336_860.0  # 2026-11-22 08:41 UTC

TRACEBACK = """Traceback (most recent call last):
  File "release.py", line 12, in build_sdist
    raise ValueError("version not found")
ValueError: version not found"""


@pytest.fixture
def plan() -> Plan:
    return Plan(
        goal="Release 2.4",
        stories=(Story(id="Verify"), Story(id="Ship"), Story(id="Tell")),
        tasks=(
            Task(id="lint", sh="ruff check .", story="Verify", estimate="2s"),
            Task(id="types", sh="mypy .", story="Verify", estimate="5s"),
            Task(id="tests", sh="pytest", story="Verify", retry=3, estimate="7s", owner="Ada"),
            Task(id="wheel", run="b:wheel", story="Ship", needs=("lint", "types", "tests"),
                 estimate="2s", outputs=("dist/*.whl",)),
            Task(id="sdist", run="b:sdist", story="Ship", needs=("lint", "types", "tests"),
                 retry=2, estimate="1s"),
            Task(id="approve", approval="Publish to PyPI?", story="Ship", title="Approve it",
                 needs=("wheel", "sdist")),
            Task(id="notify", run="b:tell", story="Tell", needs=("approve",), trigger="all_done",
                 required=False, estimate="500ms"),
        ),
        criteria=(Criterion("wheel builds", ("wheel",)),),
    )  # fmt: skip


def began(task: str, at: float, attempt: int = 1) -> ev.Event:
    return ev.AttemptStarted(at=T0 + at, task=task, attempt=attempt, ready=T0 + at)


def done(task: str, start: float, end: float, attempt: int = 1, preview: str = "") -> ev.Event:
    result = ev.ResultRef("json", "h", 48213, preview) if preview else ev.ResultRef()
    return ev.AttemptSucceeded(
        at=T0 + end, task=task, attempt=attempt, started=T0 + start, result=result
    )


def broke(task: str, start: float, end: float, error: ev.Failure, attempt: int = 1) -> ev.Event:
    return ev.AttemptFailed(
        at=T0 + end, task=task, attempt=attempt, started=T0 + start, error=error
    )


def folded(plan: Plan, events: Iterable[ev.Event], run_id: str = "nightly-7") -> Run:
    options = ev.RunOptions(workers=4)
    start = ev.RunStarted(at=T0, run_id=run_id, plan=plan, name="release", options=options)
    return replay([start, *events]).snapshot()


@pytest.fixture
def fold() -> Callable[..., Run]:
    return folded


@pytest.fixture
def run(plan: Plan) -> Run:
    """lint, types, tests (third try) ─► wheel, sdist (failed twice) ─► approve (kept) ─► notify."""
    exit_1 = ev.Failure("ExitCode", "pytest ended with exit code 1")
    missing = ev.Failure("ValueError", "version not found", TRACEBACK, ("ValueError",))
    return folded(
        plan,
        [
            began("lint", 0), began("types", 0), began("tests", 0),
            done("lint", 0, 1.9, preview="'All checks passed!'"),
            broke("tests", 0, 2.4, exit_1),
            ev.BackingOff(at=T0 + 2.4, task="tests", until=T0 + 3.4),
            began("tests", 3.4, 2), broke("tests", 3.4, 4.9, exit_1, 2),
            ev.BackingOff(at=T0 + 4.9, task="tests", until=T0 + 5.6),
            began("tests", 5.6, 3),
            done("types", 0, 6.4),
            done("tests", 5.6, 9.1, 3),
            began("wheel", 9.1), began("sdist", 9.1),
            broke("sdist", 9.1, 9.5, missing),
            ev.BackingOff(at=T0 + 9.5, task="sdist", until=T0 + 10),
            began("sdist", 10, 2), broke("sdist", 10, 10.2, missing, 2),
            ev.TaskEnded(at=T0 + 10.2, task="sdist", status=Status.FAILED, reason="gave up"),
            ev.TaskEnded(at=T0 + 10.2, task="approve", status=Status.UPSTREAM_FAILED,
                         reason="`sdist` failed", cause="sdist"),
            done("wheel", 9.1, 11.3, preview="dist/demo-2.4.whl"),
            began("notify", 11.3), done("notify", 11.3, 11.6),
            ev.RunEnded(at=T0 + 11.6, status=RunStatus.FAILED),
        ],
    )  # fmt: skip


@pytest.fixture
def report(run: Run) -> Report:
    error = run["sdist"].error
    assert error is not None
    return Report(
        run=run,
        outcome="Failed: 5 of 7 tasks succeeded; `sdist` failed.",
        results=(Result("wheel", "Ship", "dist/demo-2.4.whl", "json", 48213),),
        checks=(
            Check("task", "sdist", ("sdist",), False, "failed after 2 attempts"),
            Check("task", "wheel", ("wheel",), True, "succeeded in 2.2 s"),
            Check("output", "dist/*.whl", ("wheel",), True, "`dist/demo-2.4.whl`, 48 kB"),
            Check("criterion", "wheel builds", ("wheel",), True, "`wheel` succeeded"),
        ),
        failures=(
            FailureReport(
                "sdist", error, 2, ("approve",), "Ada", "%orchestrate retry sdist --run nightly-7"
            ),
        ),
        comparison=tuple(
            Comparison(t.task, t.status, run.plan[t.task].estimate_s, t.duration_s, t.wait_s)
            for t in run
        ),
        next_lines=("%orchestrate retry sdist --run nightly-7",),
        planned_s=9.5,
    )


@pytest.fixture
def goal() -> Goal:
    return Goal("Release 2.4", ("keep a way back",))


@pytest.fixture
def family() -> Plan:
    """fetch ─► (split ─► store) ─► load ─► report; without stories."""
    return Plan(
        goal="Load the warehouse",
        tasks=(
            Task(id="fetch", run="m:f"),
            Task(id="load", title="Load the tables", needs=("fetch",),
                 subtasks=(Task(id="split", run="m:f"), Task(id="store", run="m:f"))),
            Task(id="report", sh="make report", needs=("load",), trigger="none_failed"),
        ),
    )  # fmt: skip


@pytest.fixture
def many() -> Callable[[int, int], Plan]:
    """A plan of `count` tasks in `stories` stories; each waits for the seventh and the eleventh
    before it."""

    def make(count: int, stories: int) -> Plan:
        return Plan(
            goal=f"{count} tasks",
            tasks=tuple(
                Task(
                    id=f"t{n}",
                    run="m:f",
                    needs=tuple(f"t{m}" for m in (n - 7, n - 11) if m >= 0),
                    story=f"Story {n * stories // count + 1}" if stories else None,
                )
                for n in range(count)
            ),
        )

    return make


# -- runs by the real engine, in manual time -----------------------------------------------------


@pytest.fixture
def saga() -> Run:
    """book ✓ ─► pay ✓ ─► ship ✗ ─► invoice; paying cannot be taken back, booking can; then `tell`.

    `pay` is a task of the story Money; `ship` and what undoes `pay` are tried twice.
    """
    twice = RetryPolicy(maximum_attempts=2, jitter=0)
    plan = Plan(
        goal="Deliver an order",
        tasks=(
            Task(id="book", run=nothing, compensate=Task(id="", sh="cancel the room")),
            Task(id="pay", run=nothing, needs=("book",), story="Money",
                 compensate=Task(id="", sh="refund", retry=twice)),
            Task(id="ship", run=nothing, needs=("pay",), retry=twice, owner="Ada"),
            Task(id="invoice", run=nothing, needs=("ship",)),
        ),
        on_failure=Task(id="", sh="tell Ada"),
    )  # fmt: skip
    script = {
        "ship": [RuntimeError("no carrier answers")],
        "compensate(pay)": [ConnectionError("the bank is closed")],
    }
    return perform(plan, executor=FakeExecutor(script), run_id="order-7")


@pytest.fixture
def fanned() -> Callable[..., Run]:
    """urls ─► fetch (one an item) ─► joined; the items in `bad` fail, `tolerate` of them may."""

    def make(items: int, bad: tuple[int, ...] = (), tolerate: int = 0, **options: Any) -> Run:
        plan = Plan(
            goal="Fetch all pages",
            tasks=(
                Task(id="fetch", run=nothing, foreach=list(range(items)), tolerate=tolerate),
                Task(id="joined", run=nothing, needs=("fetch",)),
            ),
        )
        script = {f"fetch[{n}]": [ValueError(f"page {n} is gone")] for n in bad}
        options.setdefault("workers", 4)
        options.setdefault("at_most_s", 1e6)
        return perform(plan, executor=FakeExecutor(script), run_id="pages-1", **options)

    return make


@pytest.fixture
def disturbed() -> Run:
    """fetch fails twice on purpose and then succeeds; report runs after it."""
    plan = Plan(
        goal="Fetch and report",
        tasks=(
            Task(id="fetch", run=nothing, retry=RetryPolicy(maximum_attempts=3, jitter=0)),
            Task(id="report", run=nothing, needs=("fetch",)),
        ),
    )
    return perform(plan, executor=FakeExecutor(), faults=("fetch=2",), run_id="drill-1")


@pytest.fixture
def rows_of() -> Callable[..., list[list[str]]]:
    """The rows of a section's table as words, by its caption; tables behind folds too."""

    def rows(section: Section, caption: str) -> list[list[str]]:
        found = tables(section)
        assert caption in found, f"no table {caption!r}"
        return [[plain(cell) for cell in row.cells] for row in found[caption].rows]

    return rows
