"""Instances of a `foreach` task: how many may fail, how many run at once, what people do to them.

(What comes before them, and who takes the item, is in test_prelude.)
"""

from __future__ import annotations

import asyncio

import pytest

import orch_nb as nb
from orch_nb.engine.driver import Driver
from orch_nb.engine.memory import MemoryJournal
from orch_nb.executors.inline import InlineExecutor
from orch_nb.model import event as ev
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, Hang, Took, perform

from .plans import gate, plan_of, python, starts, statuses, steadily, tries


def fanned(count, script=None, *, before=(), after=(), **fields):
    """`each` becomes so many instances; what they come to, by their number."""
    plan = plan_of(*before, python("each", foreach=list(range(count)), **fields), *after)
    script = {f"each[{n}]": outcomes for n, outcomes in (script or {}).items()}
    return plan, FakeExecutor(script)


# -- the results


def test_results_come_in_the_order_of_the_items_whichever_ended_first():
    script = {n: [Took(n * 10, 5 - n)] for n in range(4)}
    plan, executor = fanned(4, script, after=[Task(id="join", run=lambda each: 0)])
    run = perform(plan, executor=executor)
    assert run.results["each"] == [0, 10, 20, 30]
    assert run.results["each[2]"] == 20
    assert executor.requests[-1].kwargs == {"each": [0, 10, 20, 30]}


def test_each_instance_has_attempts_of_its_own():
    plan, executor = fanned(3, {1: [OSError(), OSError(), "late"]}, retry=steadily(3))
    run = perform(plan, executor=executor)
    assert run.succeeded
    assert [len(run[f"each[{n}]"].attempts) for n in range(3)] == [1, 3, 1]
    assert run.results["each"] == ["each[0]", "late", "each[2]"]
    assert run["each"].attempts == ()


def test_the_task_runs_until_its_instances_have_ended_and_takes_no_worker_itself():
    plan, executor = fanned(2, {0: [Took(0, 3.0)], 1: [Took(1, 7.0)]})
    seen = []
    people = {5.0: lambda driver: seen.append(driver.snapshot()["each"])}
    run = perform(plan, executor=executor, workers=2, at=people)
    (middle,) = seen
    assert middle.status == "running"
    assert executor.most == 2
    assert run["each"].duration_s == pytest.approx(7)


def test_an_instance_is_told_by_whose_it_is():
    plan, executor = fanned(2)
    run = perform(plan, executor=executor)
    told = run["each[1]"]
    assert (told.of, told.index, told.status) == ("each", 1, "succeeded")
    assert run.spec("each[1]") is plan["each"]
    assert len(run) == 1  # the plan's tasks only


def test_each_instance_has_its_timeout_to_itself():
    plan, executor = fanned(3, {1: [Hang()]}, timeout="5s", tolerate=1)
    run = perform(plan, executor=executor, workers=1)
    assert run.succeeded
    assert run["each[1]"].attempts[0].timed_out
    assert starts(run, "each[0]", "each[1]", "each[2]") == [0, 1, 6]


# -- how many may fail


@pytest.mark.parametrize(
    ("tolerate", "failing", "status"),
    [
        (0, 0, "succeeded"),
        (0, 1, "failed"),
        (2, 2, "succeeded"),
        (2, 3, "failed"),
        ("20%", 2, "succeeded"),
        ("20%", 3, "failed"),
        ("25%", 2, "succeeded"),  # of ten: two and a half, so two
        ("25%", 3, "failed"),
        ("0%", 1, "failed"),
        ("100%", 10, "succeeded"),
        ("all", 10, "succeeded"),
    ],
)
def test_so_many_instances_may_fail(tolerate, failing, status):
    plan, executor = fanned(10, {n: [OSError()] for n in range(failing)}, tolerate=tolerate)
    run = perform(plan, executor=executor)
    assert run["each"].status == status
    failed = [task for task in run.instances("each") if task.status == "failed"]
    assert len(failed) == failing  # all of them had their try


def test_what_failed_and_was_borne_is_none_in_the_results_and_told():
    plan, executor = fanned(3, {1: [OSError()]}, tolerate=1)
    run = perform(plan, executor=executor)
    assert run.results["each"] == ["each[0]", None, "each[2]"]
    assert run["each"].reason == "1 of 3 instances failed, which it allows"


def test_a_fan_out_that_failed_says_how_and_names_the_first():
    plan, executor = fanned(4, {1: [OSError()], 3: [OSError()]}, after=[python("b", needs="each")])
    run = perform(plan, executor=executor)
    assert run["each"].reason == "2 of 4 instances did not succeed"
    assert run["each"].cause == "each[1]"
    assert run["b"].status == "upstream_failed"


def test_what_waits_for_the_task_waits_for_every_instance():
    plan, executor = fanned(
        3, {0: [OSError()], 2: [Took("x", 9.0)]},
        after=[python("b", needs="each", trigger="one_failed")],
    )  # fmt: skip
    run = perform(plan, executor=executor)
    assert starts(run, "b") == [9.0]  # an instance is no upstream of anybody


# -- how many run at once


@pytest.mark.parametrize(("most", "took"), [(None, 1), (1, 6), (2, 3), (4, 2), (9, 1)])
def test_at_most_so_many_instances_run_at_once(most, took):
    plan, executor = fanned(6, max_active=most)
    run = perform(plan, executor=executor)
    assert executor.most == min(most or 6, 6)
    assert run.duration_s == took


def test_a_bound_of_one_fan_out_holds_up_no_other():
    plan, executor = fanned(4, max_active=1, after=[python("other", foreach=[0, 1, 2])])
    run = perform(plan, executor=executor)
    assert starts(run, "other[0]", "other[1]", "other[2]") == [0, 0, 0]
    assert starts(run, *(f"each[{n}]" for n in range(4))) == [0, 1, 2, 3]


def test_an_instance_between_two_attempts_leaves_its_place_to_the_next():
    plan, executor = fanned(2, {0: [OSError(), "ok"]}, max_active=1, retry=steadily(2, 0.5))
    run = perform(plan, executor=executor)
    assert starts(run, "each[0]") == [0, 2]
    assert starts(run, "each[1]") == [1]


def test_instances_hold_the_slots_of_their_task_each():
    from orch_nb.model.task import Pool

    task = python("each", foreach=[0, 1, 2], pool={"db": 2})
    executor = FakeExecutor()
    run = perform(plan_of(task, pools={"db": Pool(4)}), executor=executor)
    assert executor.most == 2
    assert starts(run, "each[0]", "each[1]", "each[2]") == [0, 0, 1]


# -- people


def test_cancelling_the_task_cancels_the_instances_that_have_not_ended():
    plan, executor = fanned(4, {0: ["x"], 1: [Hang()]}, max_active=2, after=[python("b")])
    run = perform(plan, executor=executor, at={1.5: lambda driver: driver.cancel("each")})
    assert [task.status for task in run.instances("each")] == [
        "succeeded", "cancelled", "cancelled", "cancelled",
    ]  # fmt: skip
    assert run["each"].status == "cancelled"
    assert run["b"].status == "succeeded"
    assert run.status == "failed"


def test_a_cancelled_fan_out_is_cancelled_however_much_it_bears():
    plan, executor = fanned(2, {0: [Hang()]}, tolerate="all")
    run = perform(plan, executor=executor, at={2.5: lambda driver: driver.cancel("each")})
    assert run["each"].status == "cancelled"


def test_a_fan_out_whose_instances_all_succeeded_before_the_cancel_has_succeeded():
    people = {5.0: lambda driver: driver.cancel("each")}
    plan, executor = fanned(2, before=[gate("g", timeout=9)])
    run = perform(plan, executor=executor, at=people, interactive=True)
    assert run["each"].status == "succeeded"


@pytest.mark.parametrize(("tolerate", "status"), [(0, "failed"), (1, "succeeded")])
def test_one_instance_that_is_cancelled_counts_as_failed(tolerate, status):
    plan, executor = fanned(2, {0: [Hang()]}, tolerate=tolerate)
    run = perform(plan, executor=executor, at={2.5: lambda driver: driver.cancel("each[0]")})
    assert run["each[0]"].status == "cancelled"
    assert run["each"].status == status


def test_cancelling_before_the_expansion_cancels_the_task_itself():
    plan, executor = fanned(2, before=[python("a")])
    plan = plan_of(python("a"), python("each", needs="a", foreach=[0, 1]))
    run = perform(plan, executor=executor, at={0.5: lambda driver: driver.cancel("each")})
    assert statuses(run) == {"a": "succeeded", "each": "cancelled"}
    assert run.derived == ()


def test_retrying_the_task_tries_only_the_instances_that_failed():
    plan, executor = fanned(
        3, {1: [OSError(), "ok"]}, before=[gate("g")], after=[python("b", needs="each")]
    )
    people = {5.0: lambda driver: driver.retry("each"), 9.0: lambda driver: driver.approve("g")}
    run = perform(plan, executor=executor, at=people, interactive=True)
    assert run.succeeded
    assert [len(task.attempts) for task in run.instances("each")] == [1, 2, 1]
    assert run["b"].status == "succeeded"
    assert run.results["each"] == ["each[0]", "ok", "each[2]"]


@pytest.mark.parametrize("which", [0, 2])
def test_retrying_one_instance_tries_that_one_and_leaves_the_others(which):
    plan, executor = fanned(
        3, {which: [OSError(), "ok"]}, before=[gate("g")], after=[python("b", needs="each")]
    )
    people = {
        5.0: lambda driver: driver.retry(f"each[{which}]"),
        9.0: lambda driver: driver.approve("g"),
    }
    journal = MemoryJournal()
    run = perform(plan, executor=executor, at=people, interactive=True, journal=journal)
    assert run.succeeded
    assert tries(run, f"each[{which}]") == ["failed", "succeeded"]
    assert sum(len(task.attempts) for task in run.instances("each")) == 4
    assert sum(isinstance(e, ev.Expanded) for e in journal.history("run")) == 1


def test_retrying_one_instance_of_a_fan_out_that_bore_its_failure_makes_it_whole():
    plan, executor = fanned(2, {0: [OSError(), "ok"]}, tolerate=1, before=[gate("g")])
    people = {5.0: lambda driver: driver.retry("each[0]"), 9.0: lambda driver: driver.approve("g")}
    run = perform(plan, executor=executor, at=people, interactive=True)
    assert run.results["each"] == ["ok", "each[1]"]
    assert run["each"].reason == ""


def test_retrying_in_a_run_that_has_ended():
    journal = MemoryJournal()
    plan, executor = fanned(3, {2: [OSError(), "ok"]}, after=[python("b", needs="each")])
    assert perform(plan, executor=executor, journal=journal).status == "failed"
    history = journal.history("run")
    run = perform(plan, executor=executor, journal=journal, history=history, retry="each")
    assert run.succeeded
    assert executor.submitted[3:] == [("each[2]", 2), ("b", 1)]


def test_a_fan_out_whose_upstream_is_tried_anew_works_its_items_out_anew():
    #  a ✗ ─► each (all_done, over what `a` gives)
    task = python("each", needs="a", trigger="all_done", foreach=lambda a: a or ["nothing"])
    executor = FakeExecutor({"a": [OSError(), ["x", "y", "z"]], "each[0]": [Hang(False), "ok"]})
    people = {
        5.0: lambda driver: driver.cancel("each"),
        6.0: lambda driver: driver.retry("a"),
        20.0: lambda driver: driver.approve("g"),
    }
    plan = plan_of(python("a"), task, gate("g"))
    run = perform(plan, executor=executor, at=people, interactive=True)
    assert run.succeeded
    assert run.results["each"] == ["ok", "each[1]", "each[2]"]
    # What the first instance of that name may still report is another attempt's.
    (_, before, _, after, *_) = executor.requests
    assert (before.key, before.item) == (("each[0]", 1), "nothing")
    assert (after.key, after.item) == (("each[0]", 2), "x")


# -- going on


def test_a_fan_out_that_is_cut_off_goes_on_with_what_had_not_ended():
    journal = MemoryJournal()
    plan, executor = fanned(4, {1: [OSError()], 2: [Hang()]}, max_active=2, tolerate=1)
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at_most_s=30)
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=journal.history("run"))
    assert run.succeeded
    assert again.submitted == [("each[2]", 2)]
    assert run.results["each"] == ["each[0]", None, "each[2]", "each[3]"]


def test_a_fan_out_that_was_being_cancelled_does_not_begin_again():
    journal = MemoryJournal()
    plan, _ = fanned(3, max_active=1)

    class Deaf(FakeExecutor):
        def cancel(self, key):
            return True  # and does nothing

    executor = Deaf({"each[0]": [Hang()]})
    people = {1.0: lambda driver: driver.cancel("each")}
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at=people, at_most_s=2)
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=journal.history("run"))
    assert run["each"].status == "cancelled"
    assert again.submitted == []


# -- many


class Counting(Driver):
    turns = 0

    def _turn(self, happened):
        type(self).turns += 1
        super()._turn(happened)


def total(each):
    return sum(each)


def many(count, **fields):
    """A fan-out of so many through the real driver, in this thread."""

    async def main():
        driver = Counting(
            plan_of(
                Task(id="each", run=lambda item: item * 2, foreach=list(range(count)), **fields),
                Task(id="total", run=total),
            ),
            run_id="run", journal=MemoryJournal(), executor=InlineExecutor(),
            options=ev.RunOptions(workers=4),
        )  # fmt: skip
        return await driver.drive()

    return asyncio.run(main())


def test_ten_thousand_instances_are_no_problem():
    run = many(10_000)
    assert run.succeeded
    assert run.results["total"] == sum(range(10_000)) * 2
    assert len(run.derived) == 10_000
    assert run["each[9999]"].status == "succeeded"
    assert run.results["each[9999]"] == 19_998


@pytest.mark.parametrize("fields", [{}, {"max_active": 3}, {"tolerate": "all"}])
def test_the_work_of_a_fan_out_grows_with_its_instances_and_no_faster(fields):
    """Counted in lines of the engine, not in seconds."""
    small, large = lines_of(lambda: many(500, **fields)), lines_of(lambda: many(2000, **fields))
    assert large < 4.6 * small


def lines_of(work):
    """How many lines of the engine's own modules run."""
    import sys

    count = 0

    def line(frame, event, _):
        nonlocal count
        count += event == "line"
        return line

    def call(frame, event, _):
        name = frame.f_code.co_filename
        return line if "/orch_nb/" in name and "/tests/" not in name else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_an_instance_that_is_tried_anew_has_those_run_again_that_used_the_list(tmp_path):
    broken = {"b"}

    def each(item):
        if item in broken:
            raise ValueError(item)
        return item

    plan = nb.Plan(
        goal="g",
        tasks=[
            nb.Task(id="each", run=each, foreach=["a", "b", "c"], tolerate=1),
            nb.Task(id="joined", run=lambda each: "".join(x or "-" for x in each)),
            nb.Task(id="apart", run=lambda: "once"),
        ],
    )
    first = nb.execute(plan, journal=tmp_path / "j.db")
    assert first.results["joined"] == "a-c"
    broken.clear()
    again = nb.recover(first.run_id, plan, journal=tmp_path / "j.db", retry="each[1]")
    assert again.succeeded
    assert again.results["joined"] == "abc"
    assert len(again["joined"].attempts) == 2
    assert len(again["each[0]"].attempts) == len(again["apart"].attempts) == 1
