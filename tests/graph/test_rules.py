"""Fan-outs, limits, sagas and what expressions name, judged on a plan however it was made."""

from __future__ import annotations

from orch_nb.graph.expressions import MEANS_BRACES
from orch_nb.graph.rules import rules
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan
from orch_nb.model.task import Call, Foreach, Pool, Rate, Task

AFTERWARDS = "It has an action, and how it is tried."


def problems(*tasks, **options):
    return [str(problem) for problem in check(Plan(goal="g", tasks=tasks, **options))]


def price(order): ...


def undo(pay): ...


def test_a_sound_plan_of_everything_has_no_problems():
    # fetch ─► each ─► ship ─► go        tell, when it has failed
    assert not problems(
        Task(
            id="fetch", sh="fetch {{ params.day }}", pool="api", compensate={"sh": "rm {{ fetch }}"}
        ),
        Task(id="each", run=price, foreach="fetch", max_active=3, tolerate="20%", pool={"db": 2}),
        Task(id="named", sh="echo {{ region }} {{ item }} {{ index }}", foreach={"region": [1, 2]}),
        Task(id="ship", sh="ship {{ each }}", needs=["each"], when="each | length > 0 and run_id"),
        Task(id="nb", notebook="a/b.ipynb", with_={"n": "{{ ship }}"}, needs=["ship"], priority=-3),
        Task(id="called", run=price, foreach=lambda: [1], when=lambda: True, with_={"order": 1}),
        Task(id="go", approval="Go?", when="params.day > 3", total_timeout="1h"),
        Task(id="paid", todo="Pay", compensate=undo),
        Task(id="whole", subtasks=[Task(id="part", sh="ls {{ item }}", foreach="params.days")]),
        params={"day": 3, "days": [1]},
        pools={"api": Pool(None, Rate(10, 1.0)), "db": 2},
        on_failure=Task(id="", sh="tell {{ failures }} {{ params.day }} {{ run_id }}"),
    )


def test_what_a_family_adds_can_be_named():
    # fetch ─► load: split ─► store
    assert not problems(
        Task(id="fetch", sh="ls"),
        Task(
            id="load",
            needs=["fetch"],
            subtasks=[
                Task(id="split", sh="split {{ fetch }}"),
                Task(id="store", sh="ls {{ split }}"),
            ],
            when="store",
        ),
    )


def test_names_that_are_not_there_are_told_with_the_way_out():
    told = problems(
        Task(id="a", sh="ls"),
        Task(id="load-data", sh="ls"),
        Task(id="b", sh="echo {{ a }} {{ nope }}"),
        Task(id="c", sh="ls", when="results['a'] and params.x", needs=["load-data"]),
        Task(id="d", sh="ls", when="load - data", needs=["load-data"]),
    )
    nothing = "which is no task and no parameter."
    hyphened = 'The task `load-data` is results["load-data"].'
    assert told == [
        "`b` speaks of `a`, which `b` does not need. Write needs: [a].",
        f"`b` speaks of `nope`, {nothing} {MEANS_BRACES % '{{ }}'}",
        "`when` of `c` speaks of `a`, which `c` does not need. Write needs: [load-data, a].",
        "`when` of `c` speaks of `params.x`, which the plan does not have.",
        f"`when` of `d` speaks of `data`, {nothing} {hyphened}",
        f"`when` of `d` speaks of `load`, {nothing} {hyphened}",
    ]


def test_values_of_wrong_types_are_told():
    found = problems(
        Task(id="a", run=price, foreach=Foreach(Call(5)), max_active=0, tolerate=-1),
        Task(id="b", run=price, foreach=Foreach([1], "my item"), max_active=True, tolerate="most"),
        Task(id="c", run=price, priority="high", cache="yes", total_timeout_s=-1.0),
        Task(id="d", run=price, when=Call(None), pool={"db": 0, "cpu": True}),
        Task(id="e", run=price, compensate=Task(id="", approval="Go?", needs=["a"])),
        pools={"db": 1, "cpu": 1, "nothing": Pool()},
    )
    assert found == [
        "The pool `nothing` limits nothing. Give it slots (2) or a rate ({rate: 10/s}).",
        "`max_active` of `a` is a number from 1, not 0.",
        '`tolerate` of `a` is a number, a share or `all`, not -1. Write 2, "20%" or all.',
        "`foreach` of `a` is an expression or a callable, not 5.",
        "`max_active` of `b` is a number from 1, not True.",
        "`tolerate` of `b` is a number, a share or `all`, not 'most'. Write 2, \"20%\" or all.",
        "`foreach` of `b` calls its item `my item`, which is no name. Give it another name.",
        "`priority` of `c` is a whole number, not 'high'.",
        "`total_timeout` of `c` is longer than nothing. Leave it out for no limit.",
        "`cache` of `c` is true or false, not 'yes'.",
        "`d` takes 0 slots of the pool `db`; it is at least 1.",
        "`d` takes True slots of the pool `cpu`; it is at least 1.",
        "`when` of `d` is an expression or a callable, not None.",
        "`compensate` of `e` runs nothing. Give it `run`, `sh` or `notebook`.",
        f"`compensate` of `e` has `needs`, which means nothing there. {AFTERWARDS}",
    ]


def test_a_plan_without_any_of_it_is_not_judged_here():
    found: list[str] = []
    rules(Plan(goal="g", tasks=[Task(id="a", sh="ls"), Task(id="b", run=price)]), found.append)
    assert found == []


def test_unsound_needs_do_not_keep_the_rest_from_being_told():
    found = problems(
        Task(id="a", sh="ls", needs=["nope", "a"]), Task(id="b", sh="{{ c }}", needs=[5, ["x"]])
    )
    assert any("speaks of `c`" in problem for problem in found)
    assert any("needs itself" in problem for problem in found)


def test_a_plan_of_ten_thousand_conditions_is_sound():
    # t0 ─► t1 ─► t2 ─► ...
    tasks = [Task(id="t0", sh="ls")]
    tasks += [
        Task(id=f"t{n}", sh=f"echo {{{{ t{n - 1}.x }}}}", needs=[f"t{n - 1}"], when=f"t{n - 1}.ok")
        for n in range(1, 10_000)
    ]
    assert problems(*tasks) == []
