"""What comes before a task's first attempt: its `when`, and what its `foreach` goes over.

(How instances fare is in test_groups, kept results in test_cache.)
"""

from __future__ import annotations

import threading

import pytest

from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.model.task import Call, Foreach, Task
from orch_nb.testing import FakeExecutor, Hang, perform

from .plans import gate, plan_of, python, statuses, tries


def judged(when, value=5, **params):
    """`b`, which needs `a` (its result is `value`), has this condition."""
    plan = plan_of(python("a"), python("b", needs="a", when=when), params=params)
    return perform(plan, executor=FakeExecutor({"a": [value]}))["b"]


# -- when


@pytest.mark.parametrize(
    ("when", "value", "status"),
    [
        ("a > 3", 5, "succeeded"),
        ("a > 3", 2, "skipped"),
        ("a.rows > 0 and a.ok", {"rows": 2, "ok": True}, "succeeded"),
        ("a", [], "skipped"),  # a result by itself: whether there is anything
        ("a", [0], "succeeded"),
        ("params.limit < a", 5, "succeeded"),
        ("limit > a", 5, "skipped"),  # parameters also by their own names
        ("'x' in results.a", "xyz", "succeeded"),
        (lambda a: a > 3, 5, "succeeded"),
        (lambda a: a > 3, 2, "skipped"),
        (lambda limit, a: a > limit, 5, "succeeded"),  # called as a task's function is
        (Call(lambda: None), 5, "skipped"),
    ],
)
def test_a_task_whose_condition_is_false_is_skipped(when, value, status):
    assert judged(when, value, limit=4).status == status


def test_the_reason_names_the_condition():
    assert judged("a > 30").reason == "when: `a > 30` is false"
    assert judged(lambda a: False).reason == "when: its condition is false"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("nope > 3", "nothing here is called `nope`"),
        ("a.rows > 3", "an int has no `rows`"),
        ("a > 'x'", "TypeError"),
        (lambda a: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: {}["key"], "KeyError"),
    ],
)
def test_a_condition_that_cannot_be_judged_fails_the_task(when, told):
    task = judged(when)
    assert task.status == "failed"
    assert task.reason.startswith("its `when` cannot be judged: ")
    assert told in task.reason
    assert task.attempts == ()


def test_a_condition_is_judged_only_where_the_trigger_rule_lets_the_task_run():
    asked = []
    plan = plan_of(python("a"), python("b", needs="a", when=lambda: asked.append(1)))
    run = perform(plan, executor=FakeExecutor({"a": [OSError()]}))
    assert statuses(run) == {"a": "failed", "b": "upstream_failed"}
    assert asked == []


def test_a_condition_is_judged_once_before_the_first_attempt():
    asked = []

    def when():
        asked.append(1)
        return len(asked) == 1

    run = perform(
        plan_of(python("a", when=when, retry=3)),
        executor=FakeExecutor({"a": [OSError(), OSError(), "ok"]}),
    )
    assert run["a"].status == "succeeded"
    assert len(asked) == 1


def test_a_condition_sees_nothing_of_what_did_not_succeed():
    plan = plan_of(python("a"), python("b", needs="a", trigger="all_done", when="a is none"))
    run = perform(plan, executor=FakeExecutor({"a": [OSError()]}))
    assert statuses(run) == {"a": "failed", "b": "succeeded"}


def test_a_gate_and_a_milestone_have_conditions_too():
    plan = plan_of(gate("g", when="false"), Task(id="m", when="true"), python("b", needs=("m",)))
    assert statuses(perform(plan)) == {"g": "skipped", "m": "succeeded", "b": "succeeded"}


#            ┌─► small (when a < 10) ─┐
#   a ───────┤                        ├─► join
#            └─► large (when a >= 10) ┘
@pytest.mark.parametrize(("value", "arm", "other"), [(3, "small", "large"), (30, "large", "small")])
def test_branching_is_a_condition_on_each_arm_and_a_join_that_bears_a_skip(value, arm, other):
    plan = plan_of(
        python("a"),
        python("small", needs="a", when="a < 10"),
        python("large", needs="a", when="a >= 10"),
        python("after", needs=("large",)),
        python("join", needs=("small", "large"), trigger="none_failed_min_one_success"),
    )
    run = perform(plan, executor=FakeExecutor({"a": [value]}))
    assert run.succeeded
    assert run[arm].status == "succeeded"
    assert run[other].status == "skipped"
    assert run["join"].status == "succeeded"
    assert run["after"].status == ("succeeded" if arm == "large" else "skipped")


def test_where_no_arm_is_taken_the_join_is_skipped():
    plan = plan_of(
        python("x", when="false"), python("y", when="false"),
        python("join", needs=("x", "y"), trigger="none_failed_min_one_success"),
    )  # fmt: skip
    run = perform(plan)
    assert run.succeeded
    assert statuses(run) == dict.fromkeys(("x", "y", "join"), "skipped")


def test_a_function_of_a_person_is_asked_in_a_thread_and_holds_up_nobody():
    asked, go_on = threading.Event(), threading.Event()

    def slow():
        asked.set()
        return go_on.wait(20)

    def other():
        assert asked.wait(20)
        go_on.set()

    plan = plan_of(python("a", when=slow), Task(id="b", run=other))
    from orch_nb import execute

    run = execute(plan, journal="memory", workers=1)
    assert statuses(run) == {"a": "succeeded", "b": "succeeded"}


def test_a_task_that_is_cancelled_while_its_condition_is_judged_stays_cancelled():
    drivers = []

    def when():
        drivers[0].cancel("b")  # so this is handled before the answer
        return True

    plan = plan_of(python("a"), python("b", needs="a", when=when))
    run = perform(plan, at={0.5: drivers.append})
    assert statuses(run) == {"a": "succeeded", "b": "cancelled"}


# -- foreach: over what


def expanded(over, value=None, **params):
    plan = plan_of(python("a"), python("b", needs="a", foreach=over), params=params)
    return perform(plan, executor=FakeExecutor({"a": [value]}))


@pytest.mark.parametrize(
    ("over", "value", "count"),
    [
        ("a", [1, 2, 3], 3),  # a task: its result
        ("a", (1, 2), 2),
        ("a", {1, 2}, 2),
        ("a", range(4), 4),
        ("a.pages", {"pages": [1, 2]}, 2),  # an expression
        ("params.regions", None, 2),
        ("regions", None, 2),
        (["x", "y", "z"], None, 3),  # a list
        (lambda a: a * 2, [1], 2),  # a callable
        (lambda: (n for n in range(5)), None, 5),
        ({"region": "params.regions"}, None, 2),  # with a name for the item
        ("a", [], 0),
    ],
)
def test_a_task_becomes_an_instance_an_item(over, value, count):
    run = expanded(over, value, regions=["north", "south"])
    assert run["b"].instances == count
    assert [task.task for task in run.instances("b")] == [f"b[{n}]" for n in range(count)]
    assert run.results["b"] == [f"b[{n}]" for n in range(count)]
    assert run["b"].status == "succeeded"


def test_a_task_with_nothing_to_go_over_has_succeeded_and_what_needs_it_gets_an_empty_list():
    plan = plan_of(
        python("a", foreach=[]), Task(id="b", run=lambda a: a, needs=("a",)), python("c", needs="b")
    )
    executor = FakeExecutor()
    run = perform(plan, executor=executor)
    assert run["a"].reason == "there was nothing to do"
    assert executor.requests[0].kwargs == {"a": []}
    assert run["c"].status == "succeeded"


@pytest.mark.parametrize(
    ("over", "value", "told"),
    [
        ("a", 5, "gives int, not a list of items"),
        ("a", None, "gives NoneType, not a list"),
        ("a", "text", "gives str, not a list"),
        ("a", {"x": 1}, "gives dict, not a list"),
        ("nope", None, "nothing here is called `nope`"),
        (lambda: 1 / 0, None, "cannot be worked out: ZeroDivisionError: division by zero"),
        (lambda: (1 / n for n in (1, 0)), None, "cannot be worked out: ZeroDivisionError"),
        (lambda: range(1_000_001), None, "gives 1,000,001 items; the most are 1,000,000"),
    ],
)
def test_what_is_no_list_of_items_fails_the_task(over, value, told):
    task = expanded(over, value)["b"]
    assert task.status == "failed"
    assert told in task.reason
    assert task.instances is None


def test_a_table_is_refused_with_what_to_do():
    pandas = pytest.importorskip("pandas")
    task = expanded("a", pandas.DataFrame({"x": [1]}))["b"]
    assert 'iterate over table.to_dict("records")' in task.reason


def test_a_condition_comes_before_the_items():
    run = perform(plan_of(python("b", when="false", foreach=[1, 2])))
    assert run["b"].status == "skipped"
    assert run.derived == ()


def test_a_trigger_rule_comes_before_the_items():
    plan = plan_of(python("a"), python("b", needs="a", foreach=[1, 2]))
    run = perform(plan, executor=FakeExecutor({"a": [OSError()]}))
    assert run["b"].status == "upstream_failed"
    assert run["b"].instances is None


def test_the_items_are_kept_with_the_expansion():
    journal = MemoryJournal()
    perform(plan_of(python("b", foreach=["x", "y"])), journal=journal)
    (event,) = [e for e in journal.history("run") if isinstance(e, ev.Expanded)]
    assert (event.task, event.count) == ("b", 2)
    assert journal.load(event.items) == ["x", "y"]


# -- foreach: who takes the item


@pytest.mark.parametrize(
    ("function", "over", "taken"),
    [
        (lambda item: 0, ["x"], {"item": "x"}),
        (lambda region: 0, {"region": ["x"]}, {"region": "x"}),  # the name that foreach gives
        (lambda item, region: 0, {"region": ["x"]}, {"region": "x"}),
        (lambda a: 0, "a", {"a": "x"}),  # called as the task that is iterated over
        (lambda item, a: 0, "a", {"item": "x", "a": ["x"]}),
        (lambda other: 0, ["x"], {"other": "x"}),  # the only one that nothing else supplies
        (lambda other, a, p: 0, ["x"], {"other": "x", "a": ["x"], "p": 1}),
        (lambda other, index: 0, ["x"], {"other": "x", "index": 0}),
        (lambda other, fixed: 0, ["x"], {"other": "x", "fixed": 7}),
        (lambda a: 0, ["x"], {"a": ["x"]}),  # all are supplied: nobody takes it
        (lambda index: 0, ["x"], {"index": 0}),
        (lambda one, two: 0, ["x"], {}),  # which of them, nobody knows: Python's TypeError names it
        (lambda: 0, ["x"], {}),
    ],
)
def test_the_item_goes_to_the_parameter_that_is_meant(function, over, taken):
    executor = FakeExecutor({"a": [["x"]]})
    with_ = {"fixed": 7}
    plan = plan_of(
        python("a"), Task(id="b", run=function, needs=("a",), foreach=over, with_=with_),
        params={"p": 1},
    )  # fmt: skip
    perform(plan, executor=executor)
    request = executor.requests[-1]
    assert (request.id, request.item, request.index) == ("b[0]", "x", 0)
    assert request.kwargs == taken


def test_a_shell_command_has_its_item_in_its_templates():
    executor = FakeExecutor()
    task = Task(id="b", sh="get {{ item }} {{ index }}", foreach=["x", "it's y"])
    perform(plan_of(task), executor=executor)
    commands = [request.command for request in executor.requests]
    assert commands[0] == "get x 0"
    assert commands[1].endswith(" 1")
    assert "it's y" not in commands[1]  # quoted


def test_a_task_knows_its_item_and_index():
    executor = FakeExecutor()
    perform(plan_of(python("b", foreach=["x", "y"])), executor=executor)
    told = executor.requests[1].current
    assert (told.task, told.index, told.item) == ("b[1]", 1, "y")
    assert told.idempotency_key == "run:b[1]"


# -- foreach over a foreach


def test_a_fan_out_goes_over_the_results_of_another():
    plan = plan_of(
        python("pages", foreach=["p0", "p1", "p2"]),
        Task(id="lines", run=lambda pages: 0, foreach="pages"),
        Task(id="all", run=lambda lines: 0),
    )
    executor = FakeExecutor({"pages[1]": ["middle"], "lines": ["line"]})
    run = perform(plan, executor=executor)
    items = [request.item for request in executor.requests if request.task.id == "lines"]
    assert items == ["pages[0]", "middle", "pages[2]"]
    assert executor.requests[-1].kwargs == {"lines": ["line"] * 3}
    assert run.succeeded


def test_a_fan_out_over_another_of_which_one_failed_has_none_in_its_place():
    plan = plan_of(
        python("pages", foreach=[0, 1], tolerate=1),
        Task(id="lines", run=lambda pages: 0, foreach=Foreach("pages")),
    )
    executor = FakeExecutor({"pages[0]": [OSError()]})
    perform(plan, executor=executor)
    assert [r.item for r in executor.requests if r.task.id == "lines"] == [None, "pages[1]"]


# -- going on


def test_a_run_that_is_cut_off_while_it_asks_asks_again():
    journal, asked = MemoryJournal(), []

    def when():
        asked.append(1)
        return True

    plan = plan_of(python("a"), python("b", needs="a", when=when))
    with pytest.raises(TimeoutError):  # `a` ends after a second, in the moment of the death
        perform(plan, journal=journal, executor=FakeExecutor({"a": [Hang()]}), at_most_s=2)
    run = perform(plan, journal=journal, history=journal.history("run"))
    assert run.succeeded
    assert len(asked) == 1
    assert tries(run, "a") == ["lost", "succeeded"]


def test_an_expansion_that_was_committed_is_not_worked_out_again():
    journal, asked = MemoryJournal(), []

    def over():
        asked.append(1)
        return ["x", "y"]

    plan = plan_of(python("b", foreach=over))
    with pytest.raises(TimeoutError):
        perform(plan, journal=journal, executor=FakeExecutor({"b[1]": [Hang()]}), at_most_s=5)
    executor = FakeExecutor()
    run = perform(plan, journal=journal, history=journal.history("run"), executor=executor)
    assert run.results["b"] == ["b[0]", "b[1]"]
    assert [(r.id, r.item) for r in executor.requests] == [("b[1]", "y")]
    assert len(asked) == 1
