"""The five questions of a decomposition, answered from the plan, each with what it rests on."""

from __future__ import annotations

import time

from orch_nb.graph.questions import QUESTIONS, five_answers
from orch_nb.model.analysis import Analysis, Constraint, Evidence, Risk
from orch_nb.model.goal import Criterion, Goal
from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Task

#   lint ──┐
#   types ─┼─► wheel ─► approve ─► publish
#   tests ─┘
RELEASE = Plan(
    goal="Release 2.4",
    stories=(Story(id="Verify"), Story(id="Ship")),
    tasks=(
        Task(id="lint", sh="ruff check .", story="Verify", estimate="2s"),
        Task(id="types", sh="mypy .", story="Verify", estimate="5s"),
        Task(id="tests", sh="pytest", story="Verify", retry=3, estimate="7s"),
        Task(id="wheel", run="b:w", story="Ship", needs=("lint", "types", "tests"), estimate="2s"),
        Task(id="approve", approval="Publish?", story="Ship", needs=("wheel",)),
        Task(
            id="publish", sh="twine upload dist/*", story="Ship", needs=("approve",), estimate="1s"
        ),
    ),
    criteria=(Criterion("it is on PyPI", ("publish",)),),
)


def answers(plan: Plan, analysis: Analysis | None = None) -> list[str]:
    return [answer.answer for answer in five_answers(plan, analysis)]


def test_all_five_are_asked_in_their_order():
    assert tuple(answer.question for answer in five_answers(RELEASE)) == QUESTIONS
    assert all(answer.evidence for answer in five_answers(RELEASE))


def test_the_phases_are_the_stories():
    assert answers(RELEASE)[0] == "Verify (3) → Ship (3)"
    assert "1 criterion, shown by `publish`" in five_answers(RELEASE)[0].evidence


def test_without_stories_the_phases_are_the_stages_of_the_graph():
    plan = Plan(
        goal="g",
        tasks=(Task(id="a"), Task(id="b", needs=("a",)), Task(id="c", needs=("a",))),
    )
    assert answers(plan)[0] == "a → b and 1 beside it"


def test_what_is_sequential_names_the_gate_and_the_join():
    told = five_answers(RELEASE)[1]
    assert told.answer == (
        "3 of 6 tasks wait for another, 4 levels deep; 1 task hangs behind approve."
    )
    assert "`approve` is asked after `wheel`" in told.evidence
    assert "`wheel` needs `lint`, `types` and `tests`" in told.evidence


def test_what_is_parallel_names_the_widest_level():
    told = five_answers(RELEASE)[2]
    assert told.answer == "lint, types and tests."
    assert "none of the 3 tasks of level 1 waits for another" in told.evidence


def test_a_fan_out_is_parallel_by_its_items():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="files", run="m:f"),
            Task(id="load", run="m:l", needs=("files",), foreach="{{ files }}", max_active=4),
            Task(id="join", run="m:j", needs=("load",)),
        ),
    )
    told = five_answers(plan)[2]
    assert told.answer == "load, once for each item."
    assert told.evidence == ("`load` at most 4 side by side",)


def test_the_critical_path_says_what_it_rests_on_and_what_is_next():
    told = five_answers(RELEASE)[3]
    assert told.answer == "tests → wheel → approve → publish: about 10 s."
    assert told.evidence == (
        "3 of its 4 tasks have an estimate",
        "`tests` is 70 % of it",
        "next is `types`, with 2 s of slack",
    )


def test_failures_say_what_handles_them_and_what_nothing_does():
    told = five_answers(RELEASE)[4]
    assert told.answer.startswith("Tests is retried; approve is put to a person")
    assert any("`publish`: the other side never answers" in one for one in told.evidence)
    assert any("`approve` is asked first" in one for one in told.evidence)


def test_what_the_goal_demands_and_risks_is_evidence_where_it_is_known():
    analysis = Analysis(
        goal=Goal("g"),
        constraints=(Constraint("by Friday", "deadline"), Constraint("two at once", "at_once")),
        risks=(Risk("it breaks", "low", "high", Evidence("x"), "try it first"),),
    )
    told = five_answers(RELEASE, analysis)
    assert told[2].evidence[0] == "the goal: “two at once”"
    assert told[3].evidence[0] == "the goal: “by Friday”"
    assert "risk: it breaks (try it first)" in told[4].evidence


def test_a_plan_of_two_tasks_answers_by_itself():
    assert five_answers(Plan(goal="g", tasks=(Task(id="a"), Task(id="b", needs=("a",))))) == ()


def test_a_plan_that_waits_for_itself_has_no_answers():
    ring = (Task(id="a", needs=("c",)), Task(id="b", needs=("a",)), Task(id="c", needs=("b",)))
    assert five_answers(Plan(goal="g", tasks=ring)) == ()


def test_ten_thousand_tasks_are_answered_at_once_and_briefly():
    tasks = tuple(
        Task(id=f"t{n}", sh="true", needs=(f"t{n - 3}",) if n > 2 else (), estimate=1)
        for n in range(10_000)
    )
    began = time.perf_counter()
    told = five_answers(Plan(goal="g", tasks=tasks))
    assert time.perf_counter() - began < 2
    assert all(len(one.answer) + len(" ".join(one.evidence)) < 800 for one in told)
