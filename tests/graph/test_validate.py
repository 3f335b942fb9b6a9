"""What is wrong with a plan: everything, with the place, and nothing that is right."""

from __future__ import annotations

import functools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.graph import validate
from orch_nb.graph.nearest import did_you_mean, nearest
from orch_nb.graph.validate import check
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, Task


def problems(*tasks, lines=None, **options):
    return [str(problem) for problem in check(Plan(goal="g", tasks=tasks, **options), lines)]


def test_a_sound_plan_has_no_problems():
    # a ─┬─► b ─┬─► d, and p with subtasks s ─► t after d
    #    └─► c ─┘
    assert not problems(
        Task(id="a", sh="ls"),
        Task(id="b", needs=["a"]),
        Task(id="c", needs=["a"], approval=Approval("Go?")),
        Task(id="d", needs=["b", "c"]),
        Task(id="p", needs=["d"], subtasks=[Task(id="s"), Task(id="t")]),
        criteria=[Criterion("works", ("a", "t"))],
    )


def test_a_plan_without_tasks_is_none():
    assert problems() == ["The plan has no tasks. Give it at least one."]


def test_names_are_judged():
    found = problems(
        Task(id=""), Task(id=" a"), Task(id="n" * 300), Task(id="a\x07"), Task(id="x\u202ey"),
        Task(id=5), Task(id="b"), Task(id="b"), Task(id="👩‍🔬 ok"),
    )  # fmt: skip
    assert len(found) == 7
    assert found[0] == "A task's name is empty."
    assert "begins or ends with a space" in found[1]
    assert "has 300 characters; 200 are allowed" in found[2]
    assert r"'a\x07' has a control character" in found[3]
    assert r"'x\u202ey' has a control character" in found[4]
    assert found[5] == "A task's id is a text, not 5."
    assert found[6] == "Two tasks are called `b`. Give one another name."


def test_an_unknown_need_names_the_nearest():
    assert problems(Task(id="orders"), Task(id="b", needs=["ordres"])) == [
        "`b` needs `ordres`, which is no task. Did you mean `orders`?"
    ]


def test_an_unknown_need_beside_a_duplicate_is_told_as_well():
    assert len(problems(Task(id="a"), Task(id="a"), Task(id="b", needs=["zzz"]))) == 2


def test_a_cycle_is_told_once_in_order():
    # a needs b needs c needs a
    found = problems(
        Task(id="z"), Task(id="a", needs=["z", "b"]), Task(id="b", needs=["c"]),
        Task(id="c", needs=["a"]), Task(id="d", needs=["c"]),
    )  # fmt: skip
    assert found == [
        "`a → b → c → a` is a cycle: each needs the next. Take one of these needs out."
    ]


def test_a_cycle_through_a_parent_says_how():
    # p waits for its subtask s; s needs x; x needs p
    found = problems(Task(id="p", subtasks=[Task(id="s", needs=["x"])]), Task(id="x", needs=["p"]))
    assert len(found) == 1
    assert "`p → s → x → p` is a cycle" in found[0]
    assert "(`p` ends after its subtask `s`.)" in found[0]


def test_a_need_within_the_family_is_told_plainly_and_not_as_a_cycle():
    assert problems(Task(id="p", subtasks=[Task(id="s", needs=["p"])])) == [
        "`s` is a subtask of `p` and cannot need it: `p` ends after its subtasks."
    ]
    assert problems(Task(id="p", needs=["s"], subtasks=[Task(id="s")])) == [
        "`p` needs its own subtask `s`. It waits for its subtasks anyway: leave it out."
    ]


def test_parents_are_judged():
    found = problems(
        Task(id="a", parent="a"), Task(id="b", parent="zz"), Task(id="c", parent="d"),
        Task(id="d", parent="c"), Task(id="e", story="S"), Task(id="f", parent="e", story="T"),
    )  # fmt: skip
    assert found[0] == "`a` is its own parent."
    assert found[1] == "`b` is a subtask of `zz`, which is no task."
    assert found[2].startswith("`f` is in story `T`, its parent `e` in `S`.")
    assert found[3] == "`c → d → c` is a circle of parents."
    assert len(found) == 4


def test_a_task_has_one_action():
    assert problems(Task(id="a", sh="ls", todo="x", run=print)) == [
        "`a` has `run` and `sh` and `todo`; a task has one action. Make two tasks of it."
    ]


def test_values_of_the_wrong_type_are_found_in_tasks_made_by_hand():
    found = problems(
        Task(id="a", sh=5), Task(id="b", run=7), Task(id="c", needs=[3]), Task(id="d", title=1),
        Task(id="e", sh=" "), Task(id="f", with_={"x": 1}), Task(id="g", story=""),
    )  # fmt: skip
    assert len(found) == 7


def test_a_criterion_names_tasks():
    assert problems(Task(id="tests"), criteria=[Criterion("works", ("test",))]) == [
        "The criterion `works` names `test`, which is no task. Did you mean `tests`?"
    ]


def test_each_problem_has_the_most_precise_line_there_is():
    lines = {("a", ""): 2, ("b", ""): 3, ("b", "needs"): 4, ("b", "needs.y"): 6}
    found = check(
        Plan(goal="g", tasks=[Task(id="a", needs=["b"]), Task(id="b", needs=["x", "y"])]), lines
    )
    assert [(problem.line, problem.task) for problem in found] == [(4, "b"), (6, "b")]


def test_a_notebook_is_an_action_of_its_own():
    assert not problems(Task(id="a", notebook="a.ipynb", with_={"x": 1}))
    assert problems(Task(id="a", notebook="a.ipynb", sh="ls")) == [
        "`a` has `sh` and `notebook`; a task has one action. Make two tasks of it."
    ]
    assert "`notebook` of `a` is empty." in problems(Task(id="a", notebook=" "))


def test_names_that_a_run_makes_are_taken():
    each, undone = (
        Task(id="x", sh="ls", foreach=[1]),
        Task(id="y", sh="ls", compensate={"sh": "rm"}),
    )
    another = "Give the task another name."
    assert problems(each, Task(id="x[0]")) == [
        f"`x[0]` is the name of an instance of `x`, which has `foreach`. {another}"
    ]
    assert problems(undone, Task(id="compensate(y)")) == [
        f"`compensate(y)` is the name of what undoes `y`. {another}"
    ]
    assert problems(Task(id="on_failure"), on_failure=Task(id="on_failure", sh="page me")) == [
        f"`on_failure` is the name of what runs when the plan has failed. {another}"
    ]
    # Where nothing makes them they are names as any other.
    assert not problems(Task(id="y[0]"), undone, Task(id="compensate(x)"), each,
                        Task(id="x[a]"), Task(id="on_failure"))  # fmt: skip


def test_limits_sagas_and_fan_outs_are_judged_with_the_rest():
    (problem, cycle) = problems(
        Task(id="a", sh="ls", pool="db", needs=["b"]), Task(id="b", needs=["a"])
    )
    assert "`db`" in problem
    assert "is a cycle" in cycle


def test_a_plan_is_judged_once():
    plan = Plan(goal="g", tasks=[Task(id="a", needs=["b"])])
    assert check(plan) == check(plan) != []
    sound = Plan(goal="g", tasks=[Task(id="a")])
    assert check(sound) == check(sound, {("a", ""): 1}) == []


def numbers():
    yield 1


#: What one task of a plan says, right or wrong.
SAID = [
    *({"id": name} for name in ("b", "x", "a[0]", " d", "e\x07", "👩‍🔬", "", "n" * 201, 5)),
    *({"run": run} for run in ("f", print, len, 7, numbers, functools.partial(numbers), Plan)),
    *({key: x} for key in ("sh", "todo", "notebook", "title", "story") for x in ("x", " ", 5)),
    {"sh": "x", "run": "f"}, {"sh": "x", "todo": "x"}, {"approval": Approval("Go?"), "run": "f"},
    {"approval": Approval("Go?")}, {"with_": {"x": 1}}, {"with_": {"x": 1}, "run": "f"},
    {"with_": {"x": 1}, "sh": "x"}, {"with_": {"x": 1}, "notebook": "a.ipynb"},
    *({"needs": needs} for needs in ([], ["a"], ["b", "b"], ["c"], ["zzz"], [3], [["a"]])),
    *({"parent": parent} for parent in ("a", "b", "c", "zzz")),
    {"parent": "a", "needs": ["a"]}, {"parent": "b", "needs": ["a"]},
    {"sh": "x", "pool": "db"}, {"sh": "x", "priority": 1}, {"priority": "high"}, {"tolerate": 1},
    {"sh": "x", "cache": True}, {"cache": True}, {"sh": "x", "compensate": {"sh": "y"}},
]  # fmt: skip


@st.composite
def tasks(draw):
    """a, b and c, one after the other or side by side, and one or two of them say something odd."""
    fields = [{"id": name, "needs": draw(st.sampled_from([[], None]))} for name in "abc"]
    for n in range(1, 3):
        fields[n]["needs"] = [fields[draw(st.integers(0, n - 1))]["id"]]
    for _ in range(draw(st.integers(0, 2))):
        fields[draw(st.integers(0, 2))] |= draw(st.sampled_from(SAID))
    return [Task(**said) for said in fields]


@given(tasks())
@settings(max_examples=500)
def test_what_is_seen_at_a_glance_is_what_a_close_look_finds(found):
    plan = Plan(goal="g", tasks=found)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(validate, "_is_sound", lambda plan, found: False)
        closely = check(plan)
    assert bool(closely) == bool(check(plan))
    assert closely == check(plan)


@pytest.mark.parametrize("shape", ["chain", "fan", "family"])
def test_ten_thousand_tasks_are_checked_in_linear_time(shape):
    def plan(count):
        if shape == "chain":
            tasks = [Task(id=f"t{n}", needs=[f"t{n - 1}"] if n else []) for n in range(count)]
        elif shape == "fan":
            tasks = [Task(id=f"t{n}", needs=["t0"] if n else []) for n in range(count)]
        else:
            tasks = [
                Task(id=f"t{n}", parent=f"t{n // 10 * 10}" if n % 10 else None, needs=())
                for n in range(count)
            ]
        return Plan(goal="g", tasks=tasks)

    big = plan(10_000)
    begin = time.process_time()
    assert not check(big)
    assert time.process_time() - begin < 2  # seconds; it takes 0.05, and a square would take more


def test_a_flood_of_typos_does_not_stall():
    tasks = [Task(id=f"task{n}", needs=[f"tsak{n}"]) for n in range(5000)]
    begin = time.process_time()
    found = problems(*tasks)
    assert len(found) == 5000
    assert time.process_time() - begin < 5  # seconds


def test_the_nearest_name_forgives_case_and_swapped_letters():
    assert nearest("Orders", ["orders", "borders"]) == "orders"
    assert nearest("ordres", ["orders", "refunds"]) == "orders"
    assert nearest("zzz", ["orders", "refunds"]) is None
    assert nearest("", ["a"]) is None
    assert did_you_mean("zzz", []) == ""
    assert nearest("task4999x", [f"task{n}" for n in range(10_000)]) is not None


def test_a_generator_is_refused_since_calling_it_does_nothing() -> None:
    def numbers():
        yield 1

    (problem,) = check(Plan(goal="g", tasks=[Task(id="a", run=numbers)]))
    assert "`run` of `a` is a generator" in problem.message
