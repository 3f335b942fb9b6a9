"""What a run waits for, what paused it, and what ended it early."""

from __future__ import annotations

from orch_nb.integration.integrate import report
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.render.document import plain
from orch_nb.render.sections import execute_section, header
from orch_nb.testing import FakeExecutor, Hang, nothing, perform


def seen_at(plan: Plan, moment: float, **options) -> Run:
    """The run as it stood at `moment`, seconds after its start."""
    found = []
    at = {moment: lambda driver: found.append(driver.state.snapshot())} | options.pop("at", {})
    perform(plan, executor=FakeExecutor(options.pop("script", {})), at=at, **options)
    return found[0]


def test_a_pause_is_told_with_the_line_that_ends_it(rows_of):
    plan = Plan(
        goal="g",
        tasks=(Task(id="a", run=nothing), Task(id="b", run=nothing),
               Task(id="c", run=nothing, needs=("a", "b"))),
    )  # fmt: skip
    run = seen_at(
        plan, 2.0, workers=1,
        at={0.5: lambda driver: driver.pause(), 3.0: lambda driver: driver.resume()},
    )  # fmt: skip
    made = header(plan, run)
    assert made.state == "paused"
    assert plain(made.lines[-1]) == "Paused: no attempt starts. Next: %orchestrate resume"
    assert execute_section(run).finding.startswith("paused · ")
    rows = {row[0]: row[-1] for row in rows_of(execute_section(run), "Todo")}
    assert rows == {"a": "", "b": "waits for the end of the pause", "c": "waits for b"}
    assert report(run).next_lines == ("%orchestrate resume",)
    assert report(run).outcome == "Paused: 1 of 3 tasks succeeded so far."


def test_each_task_says_what_it_waits_for(rows_of):
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="ok", approval=Approval("Go on?", timeout_s=3600)),
            Task(id="after", run=nothing, needs=("ok",)),
            Task(id="flaky", run=nothing,
                 retry=RetryPolicy(maximum_attempts=2, initial_interval_s=60, jitter=0)),
            Task(id="busy", run=nothing, pool="db"),
            Task(id="next", run=nothing, pool="db"),
        ),
        pools={"db": 1},
    )  # fmt: skip
    run = seen_at(
        plan, 1.5, interactive=True,
        script={"flaky": [ValueError("no"), 1], "busy": [Hang()]},
        at={100.0: lambda driver: (driver.approve("ok"), driver.cancel("busy"))},
    )  # fmt: skip
    rows = {row[0]: row for row in rows_of(execute_section(run), "Todo")}
    assert rows["ok"][-1] == "Go on? (until 2027-01-15 09:00 UTC)"
    assert rows["after"][-1] == "waits for ok"
    assert rows["flaky"][-1] == "next attempt 1 min 1 s after the start; last: ValueError: no"
    assert rows["next"][-1] == "waits for a worker and for slots of db"


def test_the_end_of_the_runs_time_is_told_with_what_it_cancelled(rows_of):
    plan = Plan(
        goal="g",
        tasks=(Task(id="a", run=nothing), Task(id="b", run=nothing, needs=("a",)),
               Task(id="c", run=nothing, needs=("b",))),
    )  # fmt: skip
    run = perform(plan, executor=FakeExecutor({"b": [Hang()]}), timeout_s=5.0)
    told = report(run)
    (line,) = header(plan, run, told).lines
    assert plain(line) == (
        "b and c were cancelled: the run took longer than 5 s. Next: %orchestrate retry b --run run"
    )
    assert told.outcome == (
        "Failed: 1 of 3 tasks succeeded in 5 s; "
        "the run took longer than 5 s, which cancelled `b` and `c`."
    )
    rows = {row[0]: row[-1] for row in rows_of(execute_section(run), "Todo")}
    assert rows["b"] == "cancelled: the run took longer than 5 s"


def test_fail_fast_is_told_after_the_failure_that_it_followed():
    plan = Plan(goal="g", tasks=(Task(id="a", run=nothing), Task(id="b", run=nothing)))
    script = {"a": [ValueError("no")], "b": [Hang()]}
    run = perform(plan, executor=FakeExecutor(script), fail_fast=True)
    assert [plain(line) for line in header(plan, run).lines] == [
        "a failed (ValueError: no). Next: %orchestrate retry a --run run",
        "b was cancelled: the run was to end with its first failure (fail-fast).",
    ]
    told = report(run)
    assert told.outcome == (
        "Failed: 0 of 2 tasks succeeded in 1 s; `a` failed; fail-fast cancelled `b`."
    )
    assert [failure.task for failure in told.failures] == ["a"]
    assert told.next_lines == ("%orchestrate retry a --run run", "%orchestrate retry b --run run")


def test_who_cancelled_a_task_is_told():
    plan = Plan(goal="g", tasks=(Task(id="a", run=nothing), Task(id="b", run=nothing, needs=("a",),
                                                                 required=False)))  # fmt: skip
    run = perform(
        plan, executor=FakeExecutor(), at={0.5: lambda driver: driver.cancel("b", by="ana")}
    )
    assert [plain(line) for line in header(plan, run).lines] == ["b was cancelled by ana."]
