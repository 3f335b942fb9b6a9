"""Functions become tasks: by decorator, by hand, or as the body of a cell."""

from __future__ import annotations

import asyncio
import functools
import inspect
import linecache
import traceback

import pytest

import orch_nb as nb
from orch_nb.errors import NestedLoopError, PlanError, UsageError
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, Call, Foreach, RetryPolicy, Task, TriggerRule
from orch_nb.planners.python import (
    plan_from_functions,
    plan_from_source,
    plan_from_source_async,
    task,
)

REPORT = '''\
import math

@task(retry=3, estimate="2s")
def orders() -> int:
    """Read the orders.

    From the shop.
    """
    return 1

@task
def refunds() -> int:
    return 2

@task(story="Build")
def joined(orders, refunds):
    return orders + refunds

@task(needs=["joined"], timeout="30s")
async def chart(): ...

limit = math.floor(2.5)
'''


def source(text, **options):
    return plan_from_source(text, {}, **options)


# -- the decorator


def test_a_marked_function_is_the_function_that_it_was():
    def f(x):
        return x + 1

    assert task(f) is f
    assert task(retry=3)(f) is f
    assert f(1) == 2


def test_every_option_is_read():
    @task(
        retry={"maximum_attempts": 2, "initial_interval": "1s", "non_retryable": [ValueError]},
        estimate=("1s", 2, "3s"),
        timeout="1m",
        trigger="all_done",
        required=False,
        owner="Ann",
        title="The f",
        description="D",
        story="S",
        outputs="*.csv",
        with_={"x": object},
        id="g",
    )
    def f(x): ...

    (made,) = plan_from_functions([f], goal="goal")
    assert made.id == "g"
    assert made.run is f
    assert made.retry == RetryPolicy(
        maximum_attempts=2, initial_interval_s=1.0, non_retryable=("ValueError",)
    )
    assert made.estimate_range_s == (1.0, 2.0, 3.0)
    assert made.timeout_s == 60.0
    assert made.trigger is TriggerRule.ALL_DONE
    assert (made.required, made.owner, made.title, made.story) == (False, "Ann", "The f", "S")
    assert (made.outputs, made.with_) == (("*.csv",), {"x": object})


def test_a_task_says_when_for_each_and_what_undoes_it():
    def undo(priced): ...

    @task
    def orders(): ...

    @task(
        foreach="orders",
        max_active=4,
        tolerate="20%",
        when=lambda orders: orders,
        pool={"db": 2},
        priority=3,
        cache=True,
        total_timeout="1h",
        compensate=undo,
    )
    def priced(order, index): ...

    @task(sh="mail {{ region }}", foreach={"region": ("eu", "us")}, compensate={"sh": "unmail"})
    def mailed(priced): ...

    @task(notebook="report.ipynb", with_={"day": 3}, when="mailed")
    def report(mailed): ...

    @task(on_failure=True, retry=2)
    def tell(failures):
        """Tell somebody."""

    items = [orders, priced, mailed, report, tell]
    plan = plan_from_functions(items, pools={"db": 2})
    assert [made.id for made in plan] == ["orders", "priced", "mailed", "report"]
    made = plan["priced"]
    assert made.foreach == Foreach("orders")
    assert (made.max_active, made.tolerate, made.pool) == (4, "20%", {"db": 2})
    assert (made.priority, made.cache, made.total_timeout_s) == (3, True, 3600.0)
    assert isinstance(made.when, Call)
    assert made.needs == ("orders",)
    assert (made.compensate.id, made.compensate.run) == ("compensate(priced)", undo)
    assert plan["mailed"].foreach == Foreach(["eu", "us"], "region")
    assert plan["mailed"].needs == ("priced",)
    assert plan["mailed"].compensate.sh == "unmail"
    assert (plan["report"].notebook, plan["report"].with_) == ("report.ipynb", {"day": 3})
    assert plan.on_failure.run is tell
    assert plan.on_failure.retry.maximum_attempts == 2
    assert plan.on_failure.description == "Tell somebody."


def test_parameters_of_conditions_and_fan_outs_become_needs_as_a_functions_own_do():
    # orders ─┬─► a (when)
    #         └─► b (foreach) ─► c (goes over b)
    plan = source(
        "@task\ndef orders(): ...\n"
        "@task(when=lambda orders: orders)\ndef a(): ...\n"
        "@task(foreach=lambda orders: orders)\ndef b(order): ...\n"
        "@task(foreach='b')\ndef c(x): ...\n"
    )
    assert [made.needs for made in plan] == [(), ("orders",), ("orders",), ("b",)]


@pytest.mark.parametrize(
    ("foreach", "parameters"),
    [
        ("'orders'", "order"),
        ("'orders'", "orders"),
        ("'orders'", "item, orders"),
        ("'orders'", "orders, index"),
        ("'orders'", "order, index, more=1"),
        ("{'order': 'orders'}", "orders, order"),
        ("{'order': [1]}", "order=None"),
        ("[1, 2]", ""),
        ("[1, 2]", "**everything"),
        ("{'order': [1]}", "**everything"),
        ("make()", "one_thing"),
    ],
)
def test_the_item_needs_no_other_source(foreach, parameters):
    text = (
        "def make(): return [1]\n@task\ndef orders(): ...\n"
        f"@task(foreach={foreach})\ndef each({parameters}): ...\n"
    )
    assert source(text)["each"].foreach is not None


def test_on_failure_marks_no_task_in_a_cell():
    plan = source(
        "@task\ndef a(): ...\n@task(on_failure=True)\ndef tell(failures): return failures\n"
    )
    assert [made.id for made in plan] == ["a"]
    assert plan.on_failure.run({"a": "x"}) == {"a": "x"}


def test_two_functions_for_a_failure_are_one_too_many():
    with pytest.raises(PlanError, match="line 6: `again` is a second function for `on_failure`"):
        source(
            "@task\ndef a(): ...\n@task(on_failure=True)\ndef tell(): ...\n"
            "@task(on_failure=True)\ndef again(): ...\n"
        )


def test_templates_may_name_tasks_that_are_marked_in_a_loop():
    plan = source(
        "def one(n):\n    def f(): return n\n    f.__name__ = f'part{n}'\n    return f\n"
        "parts = [task(one(n)) for n in range(2)]\n"
        "@task(sh='echo {{ part0 }}', needs=['part0'], when='part0 > 0')\ndef last(): ...\n"
    )
    assert plan["last"].needs == ("part0",)


def test_the_first_line_of_the_docstring_describes_the_task():
    assert source(REPORT)["orders"].description == "Read the orders."


def test_a_gate_a_todo_and_a_command_take_what_they_need_by_parameter():
    @task
    def report(): ...

    @task(approval="Publish?", default="approve")
    def go(report): ...

    @task(todo="Call the printer")
    def call(go):
        pass

    @task(sh="make publish")
    async def publish(call):
        """Publish it."""

    plan = plan_from_functions([report, go, call, publish])
    assert [made.kind for made in plan] == ["python", "approval", "todo", "shell"]
    assert [made.needs for made in plan] == [(), ("report",), ("go",), ("call",)]
    assert plan["go"].approval == Approval("Publish?", "approve")
    assert plan["publish"].description == "Publish it."
    assert all(made.run is None for made in plan.tasks[1:])


def test_a_second_decorator_adds_to_the_first():
    @task(retry=2)
    @task(retry=5, owner="Ann")
    def f(): ...

    (made,) = plan_from_functions([f])
    assert (made.retry.maximum_attempts, made.owner) == (2, "Ann")


def test_what_cannot_be_marked_says_so():
    with pytest.raises(UsageError, match="cannot be marked as a task"):
        task(len)
    with pytest.raises(UsageError, match=r"options have names, as in @task\(story='Build'\)"):
        task("Build")  # type: ignore[call-overload]


def test_decorating_never_raises_for_an_option_and_the_plan_tells_all_of_them():
    line = inspect.currentframe().f_lineno + 2

    @task(retry="lots", timeout="soon", estimat=3, agent="x", trigger="sometimes", default="x")
    def f(): ...

    with pytest.raises(PlanError) as caught:
        plan_from_functions([f, lambda: 1, 5])
    told = [str(problem) for problem in caught.value.problems]
    assert f"line {line}: `retry` of `f` is a number of attempts or a mapping, not `lots`." in told
    assert f"line {line}: `@task` has no option `estimat`. Did you mean `estimate`?" in told
    assert f"line {line}: `f`: `agent` is not yet supported. Leave it out." in told
    assert any("`trigger` of `f` is no trigger rule" in message for message in told)
    assert any('`default` of `f` is "approve" or "reject"' in message for message in told)
    assert any("Item 2 has no name" in message for message in told)
    assert any("Item 3 is int, not a function or a Task" in message for message in told)
    assert len(told) == 8
    assert caught.value.problems[0].source.strip().startswith("@task(retry=")


def test_a_gate_with_a_body_is_refused():
    @task(approval="Go?")
    def go():
        return 5

    @task(sh="ls")
    async def listed():
        await asyncio.sleep(0)

    with pytest.raises(PlanError) as caught:
        plan_from_functions([go, listed])
    told = str(caught.value)
    assert "`go` has a body, which `approval` would never run" in told
    assert "`listed` has a body, which `sh` would never run" in told


# -- values


def test_plain_functions_and_tasks_keep_their_order():
    def a(): ...
    def b(a): ...

    plan = plan_from_functions([Task(id="first", sh="ls"), b, a], goal="g")
    assert [made.id for made in plan] == ["first", "b", "a"]
    assert plan["b"].needs == ("a",)
    assert isinstance(plan, Plan)
    assert plan.goal == "g"


def test_one_function_alone_is_a_plan():
    def a(): ...

    assert len(plan_from_functions(a)) == 1


@pytest.mark.parametrize("items", [[], ()])
def test_no_function_is_no_plan(items):
    with pytest.raises(PlanError, match="The plan has no tasks"):
        plan_from_functions(items)


# -- the body of a cell


def test_a_cells_functions_are_the_plan_and_stay_in_the_namespace():
    # orders ─┐
    #         ├─► joined ─► chart
    # refunds ┘
    namespace = {"__name__": "__main__"}
    plan = plan_from_source(REPORT, namespace, goal="The report")
    assert plan.goal == "The report"
    assert [made.id for made in plan] == ["orders", "refunds", "joined", "chart"]
    assert [made.needs for made in plan] == [(), (), ("orders", "refunds"), ("joined",)]
    assert plan["orders"].retry.maximum_attempts == 3
    assert plan["chart"].timeout_s == 30.0
    assert namespace["joined"](1, 2) == 3
    assert namespace["limit"] == 2
    assert namespace["joined"].__globals__ is namespace


def test_task_is_there_while_the_cell_runs_and_leaves_the_persons_own_alone():
    namespace = {"task": "mine"}
    plan_from_source("@task\ndef a(): return task\n", namespace)
    assert namespace["task"] == "mine"
    assert namespace["a"]() == "mine"
    fresh: dict[str, object] = {}
    plan_from_source("@task\ndef a(): ...\n", fresh)
    assert "task" not in fresh


def test_a_task_that_the_cell_itself_defines_stays():
    namespace: dict[str, object] = {}
    plan = plan_from_source("@task\ndef task(): return 1\n", namespace)
    assert namespace["task"]() == 1
    assert [made.id for made in plan] == ["task"]
    imported: dict[str, object] = {}
    plan_from_source("from orch_nb.planners.marking import task\n@task\ndef a(): ...\n", imported)
    assert imported["task"] is task


def test_task_goes_when_the_cell_fails():
    namespace: dict[str, object] = {}
    with pytest.raises(ZeroDivisionError):
        plan_from_source("@task\ndef a(): ...\n1 / 0\n", namespace)
    assert "task" not in namespace
    assert "a" in namespace


def test_functions_marked_in_a_loop_or_a_branch_are_tasks():
    plan = source(
        "def one(n):\n    def f(): return n\n    f.__name__ = f'part{n}'\n    return f\n"
        "parts = [task(owner='Ann')(one(n)) for n in range(3)]\n"
        "if parts:\n    @task(needs=[f'part{n}' for n in range(3)])\n    def last(part0): ...\n"
        "@task(needs=['part1'])\ndef other(): ...\n"
    )
    assert [made.id for made in plan] == ["part0", "part1", "part2", "last", "other"]
    assert plan["last"].needs == ("part0", "part1", "part2")


def test_task_may_have_another_name():
    plan = source("from orch_nb.planners.marking import task as t\n@t(retry=2)\ndef a(): ...\n")
    assert plan["a"].retry.maximum_attempts == 2
    with pytest.raises(PlanError, match="line 4: No function is marked as a task"):
        source("from functools import cache\n@cache\ndef a(): ...\n")


def test_a_decorator_above_task_is_what_runs():
    plan = source(
        "import functools\n"
        "def loud(f):\n    @functools.wraps(f)\n    def inner(*a): return 'loud', f(*a)\n"
        "    return inner\n"
        "@loud\n@task\ndef a(): return 1\n"
    )
    assert plan["a"].run() == ("loud", 1)


def test_functions_that_are_not_marked_are_no_tasks():
    plan = source("def helper(): return 1\n@task\ndef a(): return helper()\n")
    assert [made.id for made in plan] == ["a"]
    assert plan["a"].run() == 1


def test_a_traceback_shows_the_lines_of_the_cell():
    text = "@task\ndef a():\n    return 1 / 0  # here\n"
    run = source(text)["a"].run
    with pytest.raises(ZeroDivisionError) as caught:
        run()
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.lineno, frame.line) == (4, "return 1 / 0  # here")
    assert inspect.getsource(run) == text
    linecache.checkcache()
    assert inspect.getsource(run) == text


def test_a_cell_may_have_a_file_name_of_its_own():
    assert source("@task\ndef a(): ...", filename="<cell 3>")["a"].run.__code__.co_filename == (
        "<cell 3>"
    )


def test_what_the_cell_raises_is_the_persons_own():
    with pytest.raises(KeyError) as caught:
        source("@task\ndef a(): ...\n{}['x']\n")
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "{}['x']"


def test_a_cell_may_await_at_its_top_level():
    text = "import asyncio\nx = await asyncio.sleep(0, 7)\n@task\ndef a(): return x\n"
    assert source(text)["a"].run() == 7

    async def inside():
        namespace: dict[str, object] = {}
        plan = await plan_from_source_async(text, namespace)
        assert namespace["x"] == 7
        return plan["a"].run()

    assert asyncio.run(inside()) == 7


def test_a_synchronous_call_in_a_loop_cannot_await_and_runs_nothing():
    async def inside():
        namespace: dict[str, object] = {}
        with pytest.raises(NestedLoopError, match="put the `await` into an `async def`"):
            plan_from_source("x = 1\nawait y\n@task\ndef a(): ...", namespace)
        assert "x" not in namespace
        return await plan_from_source_async("@task\ndef a(): ...", namespace)

    assert len(asyncio.run(inside())) == 1


def test_arguments_that_another_decorator_gives_are_not_missed():
    plan = source(
        "def given(f):\n    def a(): return f(1)\n    return a\n@task\n@given\ndef a(x): return x\n"
    )
    assert plan["a"].run() == 1


def test_a_partial_is_a_task_by_hand():
    def add(x, y):
        return x + y

    plan = plan_from_functions([Task(id="add", run=functools.partial(add, 1, 2))])
    assert plan["add"].run() == 3


def test_the_pools_of_a_cell_are_those_that_it_assigns():
    plan = nb.decompose(
        'pools = {"db": 1, "api": {"slots": 2, "rate": "10/s"}}\n'
        '@task(pool="db")\ndef a(): ...\n@task(pool={"api": 2})\ndef b(a): ...\n'
    )
    assert plan.pools == {"db": nb.Pool(1), "api": nb.Pool(2, nb.Rate(10, 1.0))}


def test_a_name_pools_that_no_task_uses_is_the_persons_own():
    plan = nb.decompose("pools = [1, 2]\n@task\ndef a(): return pools\n")
    assert plan.pools == {}
