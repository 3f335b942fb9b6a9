"""What is wrong with a plan: everything, with the place, and nothing that is right."""

from __future__ import annotations

import time

import pytest

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
