"""A `foreach` task and its instances: told together, bounded, what needs attention first."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Foreach, RetryPolicy, Task
from orch_nb.render.bundle import run_bundle
from orch_nb.render.document import Fold, plain
from orch_nb.render.drawing import plan_svg
from orch_nb.render.facts import marks
from orch_nb.render.lanes import at_once, lanes
from orch_nb.render.sections import decompose_section, execute_section, header
from orch_nb.render.sketch import node_ids, task_sketch
from orch_nb.render.timeline import timeline
from orch_nb.testing import FakeExecutor, nothing, perform

T0 = 1_795_336_860.0
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


# -- the plan


def test_a_node_that_stands_for_many_is_a_stack_and_says_over_what():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="urls", run="m:f"),
            Task(id="fetch", run="m:f", foreach="urls"),
            Task(id="sales", run="m:f", foreach={"region": "params.regions"}),
            Task(id="three", run="m:f", foreach=[1, 2, 3]),
        ),
    )
    boxes = {box.key: box for box in task_sketch(plan).boxes}
    assert [key for key, box in boxes.items() if box.stacked] == ["fetch", "sales", "three"]
    assert boxes["fetch"].notes == ("× each of urls",)
    assert boxes["sales"].notes == ("× each region of params.regions",)
    assert boxes["three"].notes == ("× each of 3 items",)
    svg = plan_svg(plan)
    assert "× each of urls" in texts(svg)
    # Two cards behind each of three: a live view repaints a node's first shape, never these.
    node = next(g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("id") == "task-1")
    assert len(list(node.iter(f"{SVG}rect"))) == 1
    assert len(list(ET.fromstring(svg).iter(f"{SVG}rect"))) == 4 + 3 * 2


def test_the_table_of_tasks_says_over_what_and_within_which_bounds(rows_of):
    plan = Plan(
        goal="g",
        tasks=(Task(id="a", run="m:f", foreach="params.ids", max_active=4, tolerate="20%"),),
    )
    ((_, _, each, *_),) = rows_of(decompose_section(plan), "Tasks")
    assert each == "params.ids, 4 at once, 20% may fail"
    assert decompose_section(plan).finding.endswith("one at a time, a for each item")


# -- the todo list


def test_few_instances_are_rows_below_their_task(fanned, rows_of):
    run = fanned(3, bad=(1,))
    rows = rows_of(execute_section(run), "Todo")
    assert [(row[0], row[1]) for row in rows] == [
        ("fetch", "✗ failed 2 of 3 instances"),
        ("fetch[0]", "✓ succeeded"),
        ("fetch[1]", "✗ failed"),
        ("fetch[2]", "✓ succeeded"),
        ("joined", "⊘ upstream failed"),
    ]
    assert rows[2][-1] == "ValueError: page 1 is gone"


def test_of_many_instances_the_failed_are_told_and_the_others_counted(fanned, rows_of):
    run = fanned(100, bad=(3, 40))
    rows = rows_of(execute_section(run), "Todo")
    assert [row[0] for row in rows] == ["fetch", "fetch[3]", "fetch[40]", "…", "joined"]
    assert rows[3][1] == "98 more succeeded"


def test_that_all_of_many_succeeded_is_said_once(fanned, rows_of):
    rows = rows_of(execute_section(fanned(100)), "Todo")
    assert [row[:2] for row in rows] == [
        ["fetch", "✓ succeeded 100 of 100 instances"], ["joined", "✓ succeeded"],
    ]  # fmt: skip


def test_of_many_failed_instances_the_first_are_told_and_the_others_counted(fanned, rows_of):
    run = fanned(40, bad=tuple(range(10, 40)))
    rows = rows_of(execute_section(run), "Todo")
    assert [row[0] for row in rows][1:4] == ["fetch[10]", "fetch[11]", "fetch[12]"]
    assert rows[-2][:2] == ["…", "10 more succeeded · 22 more failed"]


def test_what_runs_and_what_waits_for_another_attempt_is_told_of_a_run_that_goes_on(rows_of):
    seen = []
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="f", run=nothing, foreach=list(range(30)),
                 retry=RetryPolicy(maximum_attempts=2, initial_interval_s=5, jitter=0)),
        ),
    )  # fmt: skip
    perform(
        plan, executor=FakeExecutor({"f[2]": [ValueError("no"), 1]}), workers=4,
        at={3.5: lambda driver: seen.append(driver.state.snapshot())},
    )  # fmt: skip
    rows = rows_of(execute_section(seen[0]), "Todo")
    states = {row[0]: row[1] for row in rows}
    assert states["f"] == "▶ running 11 of 30 instances"
    assert states["f[2]"] == "↻ backing off"
    assert [name for name, state in states.items() if state == "▶ running"] == [
        "f[12]", "f[13]", "f[14]", "f[15]",
    ]  # fmt: skip
    assert states["…"] == "11 more succeeded · 14 more pending"
    why = next(row[-1] for row in rows if row[0] == "f[2]")
    assert why == "next attempt 6 s after the start; last: ValueError: no"


def test_nothing_to_do_is_a_success_without_instances(fanned, rows_of):
    run = fanned(0)
    rows = rows_of(execute_section(run), "Todo")
    assert rows[0][:2] == ["fetch", "✓ succeeded"]
    assert rows[0][-1] == "there was nothing to do"


# -- header, tracebacks, drawing


def test_the_header_counts_instances_and_names_the_first_that_failed(fanned):
    run = fanned(100, bad=(3, 40))
    made = header(run.plan, run)
    assert "100 instances (2 failed)" in made.facts
    (line,) = made.lines
    assert plain(line) == (
        "fetch failed (2 of 100 instances did not succeed; fetch[3]: ValueError: page 3 is gone) "
        "and kept joined from running. Next: %orchestrate retry fetch --run pages-1"
    )


def test_a_failure_that_is_allowed_does_not_head_the_page(fanned):
    run = fanned(100, bad=(3, 40), tolerate=2)
    assert run.succeeded
    assert header(run.plan, run).lines == ()
    assert "100 instances: ✗ 2 failed · ✓ 98 succeeded" in execute_section(run).finding


def test_tracebacks_are_those_of_the_first_instances_with_the_line_that_tries_one_anew(fold):
    plan = Plan(goal="g", tasks=(Task(id="f", run="m:f", foreach=[1, 2, 3, 4]),))
    events = [ev.Expanded(at=T0, task="f", count=4, items=ev.ResultRef())]
    for n in range(4):
        name, error = f"f[{n}]", ev.Failure("ValueError", "no", f"line {n}")
        events += [
            ev.AttemptStarted(at=T0, task=name, attempt=1),
            ev.AttemptFailed(at=T0 + 1, task=name, attempt=1, started=T0, error=error),
            ev.TaskEnded(at=T0 + 1, task=name, status=Status.FAILED),
        ]
    # f[2] is said to have ended it: it is told first.
    events.append(ev.TaskEnded(at=T0 + 1, task="f", status=Status.FAILED, cause="f[2]"))
    events.append(ev.RunEnded(at=T0 + 1, status=RunStatus.FAILED))
    folds = [b for b in execute_section(fold(plan, events)).blocks if isinstance(b, Fold)]
    assert [plain(block.summary) for block in folds] == [
        "f[2] failed (ValueError: no). Next: %orchestrate retry f[2] --run nightly-7",
        "f[0] failed (ValueError: no). Next: %orchestrate retry f[0] --run nightly-7",
    ]


def test_the_node_of_a_run_says_how_many_succeeded(fanned):
    run = fanned(100, bad=(3,))
    svg = plan_svg(run.plan, marks(run))
    assert "99 of 100" in texts(svg)
    assert node_ids(run.plan)["fetch"] in svg


def test_attempts_of_instances_are_told_bounded(rows_of):
    plan = Plan(
        goal="g",
        tasks=(Task(id="f", run=nothing, foreach=list(range(50)),
                    retry=RetryPolicy(maximum_attempts=2, jitter=0)),),
    )  # fmt: skip
    script = {f"f[{n}]": [ValueError("no"), *([] if n == 49 else [1])] for n in range(50)}
    run = perform(plan, executor=FakeExecutor(script), workers=50)
    rows = rows_of(execute_section(run), "Attempts of what was tried more than once")
    assert len(rows) == 60
    assert rows[0][0] == "f[49]"  # of more than are told, what did not succeed comes first
    assert header(plan, run).facts.count("50 retries") == 1


# -- the timeline


def test_instances_have_rows_below_a_band_that_says_how_many_ran_at_once(fanned):
    shown = timeline(fanned(8, workers=4))
    words = texts(shown.svg)
    assert [word for word in words if word.startswith("fetch")] == [
        "fetch", *(f"fetch[{n}]" for n in range(8)),
    ]  # fmt: skip
    assert "✓ 8 of 8 in 2 s" in words
    assert "how many ran at once" in words
    titles = {title.text for title in ET.fromstring(shown.svg).iter(f"{SVG}title")}
    assert "8 instances, at most 4 at once" in titles
    assert shown.png().startswith(b"\x89PNG")


def test_the_band_rises_and_falls_with_the_number_that_ran(fanned):
    # four workers, six instances of a second each: 4 at once, then 2
    run = fanned(6, workers=4)
    members = run.instances("fetch")
    begin, end = members[0].started, members[-1].finished
    assert at_once(members, begin, end, 4) == ([4, 4, 2, 2], 4)


def test_of_many_instances_some_that_failed_and_the_slowest_have_rows(fanned):
    run = fanned(200, bad=(5, 6, 7, 8, 9, 150))
    rows, tasks_left, instances_left = lanes(run)
    named = [lane.done.task for lane in rows if lane.depth]
    assert {"fetch[5]", "fetch[6]", "fetch[7]", "fetch[8]"} <= set(named)
    assert len(named) == 8
    assert (tasks_left, instances_left) == (0, 192)
    assert any("192 instances more ran" in text for text in texts(timeline(run).svg))


def test_many_fan_outs_share_the_rows_there_are():
    plan = Plan(
        goal="g",
        tasks=tuple(Task(id=f"f{n}", run=nothing, foreach=[1, 2, 3]) for n in range(50)),
    )
    rows, _, hidden = lanes(perform(plan, executor=FakeExecutor()))
    assert len(rows) <= 60
    assert hidden == 150 - sum(lane.depth for lane in rows)


# -- ten thousand


@pytest.fixture(scope="module")
def huge():
    """10,000 instances, 13 of which failed."""
    plan = Plan(
        goal="Fetch all pages",
        tasks=(
            Task(id="fetch", run=nothing, foreach=Foreach(list(range(10_000)))),
            Task(id="joined", run=nothing, needs=("fetch",)),
        ),
    )
    bad = range(500, 10_000, 750)
    script = {f"fetch[{n}]": [ValueError(f"page {n} is gone")] for n in bad}
    return perform(plan, executor=FakeExecutor(script, takes_s=0.1), workers=500, at_most_s=1e6)


def test_ten_thousand_instances_are_as_short_as_a_hundred(huge, rows_of):
    rows = rows_of(execute_section(huge), "Todo")
    assert len(rows) == 1 + 8 + 1 + 1
    assert rows[9][1] == "9,987 more succeeded · 5 more failed"
    shown = run_bundle(huge)
    assert len(shown["text/html"]) < 120_000
    assert len(shown["text/plain"]) < 20_000
    assert len(shown["text/markdown"]) < 20_000


def test_ten_thousand_instances_are_ten_thousand_rows_of_a_frame(huge):
    frame = huge.df
    assert len(frame) == 10_002
    assert (frame.of == "fetch").sum() == 10_000
    assert list(frame[frame.of == "fetch"]["index"]) == list(range(10_000))
    assert (frame.status == "failed").sum() == 14


def test_the_words_for_a_picture_are_bounded_too(huge):
    alt = timeline(huge).alt
    assert len(alt) <= 4001
    assert re.search(r"fetch failed .* as 10,000 instances", alt)
