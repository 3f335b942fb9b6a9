"""Names of callables become callables, or one PlanError says which did not."""

from __future__ import annotations

import functools
import json
import types

import msgspec
import pytest

from orch_nb.errors import PlanError
from orch_nb.model.plan import Plan, decode_plan, encode
from orch_nb.model.task import Call, Foreach, Task
from orch_nb.planners.binding import bind
from orch_nb.planners.functions import plan_from_functions
from orch_nb.planners.yaml import plan_from_yaml


def orders(): ...


def joined(orders, day="today"): ...


def everything(*upstream, **more): ...


def plan(*tasks, **options):
    return Plan(goal="g", tasks=tasks, **options)


def test_a_name_is_looked_up_in_the_namespace():
    bound = bind(plan(Task(id="a", run="orders")), {"orders": orders})
    assert bound["a"].run is orders


def test_a_callable_stays_what_it_is():
    assert bind(plan(Task(id="a", run=orders)), {})["a"].run is orders


@pytest.mark.parametrize("name", ["json:dumps", "json.encoder:JSONEncoder.encode"])
def test_a_module_and_a_function_are_imported(name):
    with pytest.raises(PlanError):  # they resolve, and take arguments that nobody gives
        bind(plan(Task(id="a", run=name)), {})
    assert bind(plan(Task(id="a", run="os:getcwd")), {})["a"].run.__name__ == "getcwd"


@pytest.mark.parametrize("name", ["tools.clean", "client:tools.clean", "__main__:tools.clean"])
def test_an_attribute_of_a_value_is_found(name):
    tools = types.SimpleNamespace(clean=orders)
    namespace = {"tools": tools, "__name__": "client"}
    assert bind(plan(Task(id="a", run=name)), namespace)["a"].run is orders


def test_what_a_journal_says_of_a_notebooks_function_resolves_in_the_notebook():
    function = types.FunctionType(orders.__code__, {"__name__": "__main__"}, "orders")
    stored = decode_plan(encode(plan(Task(id="orders", run=function))))
    assert stored["orders"].run.startswith("__main__:")
    assert bind(stored, {"orders": orders})["orders"].run is orders


def test_parameters_of_what_was_found_become_needs():
    bound = bind(
        plan(Task(id="orders", run="orders"), Task(id="j", run="joined")),
        {"orders": orders, "joined": joined},
    )
    assert bound["j"].needs == ("orders",)


def test_every_name_that_does_not_resolve_is_told_at_once():
    with pytest.raises(PlanError) as caught:
        bind(
            plan(
                Task(id="a", run="ordrs"),
                Task(id="b", run="json:dmups"),
                Task(id="c", run="nothing_of_this_name:f"),
                Task(id="d", run="number"),
                Task(id="e", run="rm -rf x"),
                Task(id="f", run="orders.nope"),
                Task(id="g", run="none"),
                Task(id="h", run="__main__:f.<locals>.g"),
            ),
            {"orders": orders, "number": 3, "none": None},
        )
    told = [str(problem) for problem in caught.value.problems]
    assert [problem.task for problem in caught.value.problems] == list("abcdefgh")
    assert told[0] == "`run` of `a`: nothing here is called `ordrs`. Did you mean `orders`?"
    assert told[1] == "`run` of `b`: `json:dmups` has no `dmups`. Did you mean `dumps`?"
    assert "cannot be imported: ModuleNotFoundError" in told[2]
    assert "`number` is int, which cannot be called" in told[3]
    assert "is no name of a callable" in told[4]
    assert "has no `nope`" in told[5]
    assert "`none` is None" in told[6]
    assert "was made inside of a function" in told[7]


def test_a_required_parameter_is_a_need_a_with_or_a_param():
    def f(need, given, param): ...

    tasks = [Task(id="need", sh="x"), Task(id="f", run=f, with_={"given": 1})]
    assert bind(plan(*tasks, params={"param": 2}), {})["f"].needs == ("need",)
    with pytest.raises(PlanError) as caught:
        bind(plan(*tasks), {})
    assert str(caught.value).startswith("`f` takes `param`, which is no task and nothing supplies.")


def test_a_parameter_that_is_nearly_a_task_names_it():
    with pytest.raises(PlanError, match=r"Did you mean `orders`\?"):
        bind(plan(Task(id="orders", run=orders), Task(id="f", run=lambda ordres: 1)), {})


def test_each_with_is_a_parameter():
    with pytest.raises(PlanError, match=r"`f` takes no `dya`, which `with` gives it. Did you mean"):
        bind(plan(Task(id="orders", run=orders), Task(id="f", run=joined, with_={"dya": 1})), {})


def test_stars_take_everything():
    stars = Task(id="f", run=everything, needs=["a"], with_={"n": 1})
    assert bind(plan(Task(id="a", sh="x"), stars), {})["f"].run is everything


def test_partials_classes_and_builtins_bind():
    bound = bind(
        plan(
            Task(id="p", run=functools.partial(joined, orders=1)),
            Task(id="c", run=dict),
            Task(id="b", run=json.JSONDecoder),
        ),
        {},
    )
    assert bound["c"].run is dict


def test_a_cycle_that_binding_closes_is_found():
    with pytest.raises(PlanError, match="is a cycle"):
        bind(
            plan(Task(id="orders", run="o"), Task(id="j", run="j")),
            {"o": lambda j: 1, "j": joined},
        )


# -- what is called beside a task's own function


def refund(pay, orders, amount=0): ...


def test_conditions_fan_outs_and_compensations_are_looked_up_too():
    namespace = {"orders": orders, "ready": lambda orders: 1, "refund": refund, "tell": print}
    pay = Task(
        id="pay", sh="x", when=Call("ready"), foreach=Foreach(Call("ready")), compensate="refund"
    )
    bound = bind(
        plan(Task(id="orders", run="orders"), pay, on_failure=Task(id="", run="tell")), namespace
    )
    assert bound["pay"].when.function is namespace["ready"]
    assert bound["pay"].foreach.over.function is namespace["ready"]
    assert bound["pay"].needs == ("orders",)
    assert bound["pay"].compensate.run is refund
    assert bound.on_failure.run is print


def test_each_name_that_does_not_resolve_says_where_it_stands():
    pay = Task(
        id="pay", sh="x", when=Call("redy"), foreach=Foreach(Call("redy")), compensate="refnd"
    )
    with pytest.raises(PlanError) as caught:
        bind(plan(pay, on_failure=Task(id="", run="tel")), {"refund": refund})
    assert [str(problem).partition(":")[0] for problem in caught.value.problems] == [
        "`when` of `pay`", "`foreach` of `pay`", "`compensate` of `pay`", "`on_failure`",
    ]  # fmt: skip
    assert "Did you mean `refund`?" in str(caught.value)


def test_a_compensation_takes_the_tasks_own_result_and_those_it_needs():
    pay = Task(id="pay", sh="x", needs=["orders"], compensate=refund)
    assert bind(plan(Task(id="orders", sh="x"), pay), {})["pay"].compensate.run is refund
    with pytest.raises(PlanError) as caught:
        bind(plan(Task(id="orders", sh="x"), Task(id="pay", sh="x", compensate=refund)), {})
    assert str(caught.value) == (
        "`compensate` of `pay` takes `orders`, which `pay` does not need. Add it: needs: [orders]."
    )


def test_what_runs_at_the_end_takes_failures_and_params():
    def tell(failures, day): ...

    def ask(orders): ...

    def undo_all(failures, extra=1): ...

    tasks = [Task(id="orders", sh="x")]
    assert bind(plan(*tasks, params={"day": 1}, on_failure=Task(id="", run=tell)), {}).on_failure
    with pytest.raises(PlanError, match="`on_failure` takes `orders`, whose result is not there"):
        bind(plan(*tasks, on_failure=Task(id="", run=ask)), {})
    with pytest.raises(PlanError, match="takes no `extr`, which `with` gives it"):
        bind(plan(*tasks, on_failure=Task(id="", run=undo_all, with_={"extr": 1})), {})


def test_a_subtasks_condition_may_take_what_its_parent_needs():
    # orders ─► p: s
    child = Task(id="s", sh="x", when=lambda orders: 1)
    bound = bind(
        plan(Task(id="orders", sh="x"), Task(id="p", needs=["orders"], subtasks=[child])), {}
    )
    assert bound["s"].needs == ("orders",)


def test_what_parameters_make_a_need_can_be_named_in_expressions(tmp_path, monkeypatch):
    # fetch ─► made (made(fetch)), whose condition speaks of it too
    (tmp_path / "maker.py").write_text("def made(fetch): ...\ndef listed(fetch): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = (
        "goal: g\ntasks:\n  fetch: {sh: ls}\n  made: {run: RUN, when: fetch.rows > 0}\n"
        "  each: {sh: 'echo {{ fetch }}', foreach: {run: LISTED}}\n"
    )
    here = {"made": lambda fetch: 1, "listed": lambda fetch: []}
    for run, listed in (("made", "listed"), ("'maker:made'", "'maker:listed'")):
        named = text.replace("RUN", run).replace("LISTED", listed)
        assert plan_from_yaml(named, here)["made"].needs == ("fetch",)
        assert bind(plan_from_yaml(named), here)["each"].needs == ("fetch",)
    with pytest.raises(
        PlanError, match="`when` of `made` speaks of `fetch`, which `made` does not"
    ):
        plan_from_yaml(text.replace("RUN", "made").replace("LISTED", "listed"),
                       {**here, "made": lambda: 1})  # fmt: skip


def test_a_plan_that_is_bound_is_not_looked_at_again(monkeypatch):
    bound = bind(
        plan(Task(id="orders", run="orders"), Task(id="j", run=joined)), {"orders": orders}
    )
    monkeypatch.setattr("orch_nb.planners.binding.check", None)
    monkeypatch.setattr("orch_nb.planners.binding.arguments", None)
    assert bind(bound, {}) is bound


def test_a_plan_that_has_names_left_is_bound_anew():
    unbound = plan_from_yaml("goal: g\ntasks: {a: {run: orders}, b: {sh: x, when: {run: f}}}")
    assert bind(unbound, {"orders": orders, "f": orders})["a"].run is orders
    with pytest.raises(PlanError, match="nothing here is called `orders`"):
        bind(unbound, {})
    some = bind(plan(Task(id="a", run=orders)), {})
    changed = msgspec.structs.replace(some, tasks=(Task(id="a", run="nope"),))
    with pytest.raises(PlanError, match="nothing here is called `nope`"):
        bind(changed, {})


def test_what_was_read_with_a_namespace_is_bound():
    read = plan_from_yaml("goal: g\ntasks: {a: {run: orders}}", {"orders": orders})
    assert bind(read, {}) is read
    made = plan_from_functions([orders])
    assert bind(made, {}) is made
