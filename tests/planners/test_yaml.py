"""A YAML document becomes the plan that it says."""

from __future__ import annotations

import pytest

from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Story
from orch_nb.model.task import (
    Approval,
    Call,
    Foreach,
    Pool,
    Rate,
    RetryPolicy,
    Task,
    TriggerRule,
)
from orch_nb.planners.yaml import plan_from_mapping, plan_from_yaml

RELEASE = """\
goal: Release 2.4
stories:
  Verify:
    tasks:
      lint:  {sh: "ruff check ."}
      tests: {sh: "pytest -q", timeout: 10m, retry: {maximum_attempts: 2, initial_interval: 1s}}
  Ship:
    tasks:
      build:   {run: build_wheel, needs: [lint, tests]}
      approve: {approval: "Publish to PyPI?", needs: [build]}
      publish: {sh: "twine upload dist/*", needs: [approve]}
      notify:  {run: notify, needs: [publish], trigger: all_done}
"""


def build_wheel(lint, tests): ...


def notify(): ...


def test_the_release_of_the_design_is_a_plan():
    # lint ─┐
    #       ├─► build ─► approve ─► publish ─► notify
    # tests ┘
    plan = plan_from_yaml(RELEASE, {"build_wheel": build_wheel, "notify": notify})
    assert plan.goal == "Release 2.4"
    assert [task.id for task in plan] == ["lint", "tests", "build", "approve", "publish", "notify"]
    assert [story.id for story in plan.stories] == ["Verify", "Ship"]
    assert plan["tests"].retry == RetryPolicy(maximum_attempts=2, initial_interval_s=1.0)
    assert plan["tests"].timeout_s == 600.0
    assert plan["build"].run is build_wheel
    assert plan["build"].needs == ("lint", "tests")
    assert plan["approve"].approval == Approval("Publish to PyPI?")
    assert plan["notify"].trigger is TriggerRule.ALL_DONE
    assert plan["lint"].story == "Verify"


def test_without_a_namespace_callables_stay_names():
    plan = plan_from_yaml(RELEASE)
    assert plan["build"].run == "build_wheel"


def test_a_parameter_named_after_a_task_is_a_need():
    plan = plan_from_yaml(
        "goal: g\ntasks: {lint: {sh: l}, tests: {sh: t}, b: {run: f}}", {"f": build_wheel}
    )
    assert plan["b"].needs == ("lint", "tests")


def test_the_goal_of_the_magic_holds_where_the_document_has_none():
    assert plan_from_yaml("tasks: {a: {sh: ls}}", goal="from the line").goal == "from the line"
    assert plan_from_yaml("goal: own\ntasks: {a: {sh: ls}}", goal="from the line").goal == "own"


def test_tasks_may_be_a_list_and_a_list_alone_is_a_plan():
    plan = plan_from_yaml("- {id: a, sh: ls}\n- id: b\n  needs: a\n", goal="g")
    assert [(task.id, task.needs) for task in plan] == [("a", ()), ("b", ("a",))]


def test_names_may_look_like_numbers_and_booleans():
    plan = plan_from_yaml(
        "goal: g\ntasks:\n  1: {sh: ls}\n  on: {needs: [1]}\n  3.10: {needs: [on, '1']}\n"
    )
    assert [task.id for task in plan] == ["1", "on", "3.10"]
    assert plan["3.10"].needs == ("on", "1")


def test_names_may_be_in_any_script():
    plan = plan_from_yaml("goal: Über\ntasks:\n  größe: {sh: ls}\n  数据: {needs: [größe]}\n")
    assert plan["数据"].needs == ("größe",)


def test_a_task_without_an_action_is_a_milestone():
    plan = plan_from_yaml("goal: g\ntasks:\n  a:\n  b: {}\n")
    assert [task.kind for task in plan] == ["milestone", "milestone"]


def test_subtasks_nest_run_in_order_and_inherit_the_story():
    # load: split ─► store ─► index (said otherwise: after split)
    plan = plan_from_yaml(
        "goal: g\nstories:\n  S:\n    tasks:\n      load:\n        subtasks:\n"
        "          split: {sh: a}\n          store: {sh: b}\n"
        "          index: {sh: c, needs: split}\n"
    )
    assert [task.id for task in plan] == ["load", "split", "store", "index"]
    assert [task.parent for task in plan] == [None, "load", "load", "load"]
    assert [task.needs for task in plan] == [(), (), ("split",), ("split",)]
    assert {task.story for task in plan} == {"S"}


def test_every_key_of_a_task_is_read():
    plan = plan_from_yaml(
        "goal: g\n"
        "params: {day: 2024-01-01, n: 3, deep: {list: [1, null, true, x]}}\n"
        "tasks:\n"
        "  a: {todo: 'call them', owner: Ann, title: Call, description: By phone}\n"
        "  b:\n"
        "    run: f\n"
        "    with: {x: [1, 2.5, 1e3]}\n"
        "    estimate: [1s, 2s, 9s]\n"
        "    outputs: [out/*.csv]\n"
        "    required: no\n"
        "    retry: 4\n"
        "  c: {approval: {prompt: Go?, default: reject}, outputs: one.txt}\n",
    )
    a, b, c = plan
    assert plan.params == {"day": "2024-01-01", "n": 3, "deep": {"list": [1, None, True, "x"]}}
    assert (a.todo, a.owner, a.title, a.description) == ("call them", "Ann", "Call", "By phone")
    assert b.with_ == {"x": [1, 2.5, 1000.0]}
    assert b.estimate_range_s == (1.0, 2.0, 9.0)
    assert b.estimate_s == 3.0
    assert b.outputs == ("out/*.csv",)
    assert b.required is False
    assert b.retry.maximum_attempts == 4
    assert c.approval == Approval("Go?", "reject")
    assert c.outputs == ("one.txt",)


def test_every_key_of_a_retry_policy_is_read():
    plan = plan_from_yaml(
        "goal: g\ntasks:\n  a:\n    sh: ls\n    retry: {maximum_attempts: 5, initial_interval: 2s, "
        "backoff_coefficient: 3, maximum_interval: 1m, jitter: 0, non_retryable: [ValueError]}\n"
    )
    assert plan["a"].retry == RetryPolicy(
        maximum_attempts=5,
        initial_interval_s=2.0,
        backoff_coefficient=3.0,
        maximum_interval_s=60.0,
        jitter=0.0,
        non_retryable=("ValueError",),
    )


def test_criteria_are_a_mapping_or_a_list():
    tasks = "goal: g\ntasks: {a: {}, b: {}}\n"
    mapping = plan_from_yaml(tasks + "criteria: {It works: a, It is fast: [a, b], Nice: }\n")
    listed = plan_from_yaml(
        tasks + "criteria:\n- {text: It works, tasks: [a]}\n"
        "- {criterion: It is fast, tasks: [a, b]}\n- Nice\n"
    )
    expected = (
        Criterion("It works", ("a",)),
        Criterion("It is fast", ("a", "b")),
        Criterion("Nice"),
    )
    assert mapping.criteria == listed.criteria == expected


def test_stories_have_words_of_their_own_and_tasks_may_name_them():
    plan = plan_from_yaml(
        "goal: g\nstories: {S: {title: The S, description: d, owner: o}}\n"
        "tasks: {a: {story: S}, b: {}}\n"
    )
    assert plan.stories == (Story(id="S", title="The S", description="d", owner="o"),)
    assert [task.story for task in plan] == ["S", None]


def test_defaults_hold_for_every_task_that_says_nothing_else():
    plan = plan_from_yaml(
        "goal: g\ndefaults: {retry: 3, timeout: 1m, owner: Ann}\n"
        "tasks:\n  a: {sh: ls}\n  b: {sh: ls, retry: 1, timeout: null, owner: Bob}\n"
        "  c: {approval: Go?}\n"
    )
    assert [task.retry.maximum_attempts for task in plan] == [3, 1, 1]
    assert [task.timeout_s for task in plan] == [60.0, None, None]
    assert [task.owner for task in plan] == ["Ann", "Bob", "Ann"]


def test_anchors_and_merge_keys_work():
    plan = plan_from_yaml(
        "goal: g\ntasks:\n  a: &base {sh: ls, retry: 3, owner: Ann}\n"
        "  b: {<<: *base, retry: 2}\n  c: *base\n"
    )
    assert [(task.sh, task.retry.maximum_attempts, task.owner) for task in plan] == [
        ("ls", 3, "Ann"),
        ("ls", 2, "Ann"),
        ("ls", 3, "Ann"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "\ufeff" + t,
        lambda t: "---\n" + t,
        lambda t: t + "...\n",
    ],
)
def test_line_ends_and_marks_do_not_matter(change):
    assert plan_from_yaml(change(RELEASE)) == plan_from_yaml(RELEASE)


def test_a_mapping_says_the_same_as_its_document():
    document = {
        "goal": "g",
        "stories": {"S": {"tasks": {"a": {"sh": "ls", "retry": 2}, 2: {"needs": ["a"]}}}},
    }
    text = "goal: g\nstories: {S: {tasks: {a: {sh: ls, retry: 2}, 2: {needs: [a]}}}}"
    assert plan_from_mapping(document) == plan_from_yaml(text)


def test_a_mapping_may_hold_callables_policies_and_any_value():
    thing = object()
    plan = plan_from_mapping(
        {
            "goal": "g",
            "tasks": {
                "a": {"run": lambda x: x, "with": {"x": thing}, "retry": RetryPolicy()},
                "b": {"approval": Approval("Go?", "approve"), "trigger": TriggerRule.ALL_DONE},
            },
        }
    )
    assert plan["a"].with_["x"] is thing
    assert plan["b"].approval == Approval("Go?", "approve")


def test_ten_thousand_tasks_are_read():
    rows = "".join(f"  t{n}: {{sh: ls, needs: [t{n // 2}]}}\n" for n in range(1, 10_000))
    plan = plan_from_yaml(f"goal: g\ntasks:\n  t0: {{}}\n{rows}")
    assert len(plan) == 10_000


# -- conditions, fan-outs, limits, sagas


def one(fields, top="", namespace=None):
    """The task `b` of a plan in which it stands behind `a`."""
    text = f"goal: g\n{top}\ntasks:\n  a: {{sh: ls}}\n  b: {{{fields}}}\n"
    return plan_from_yaml(text, namespace)["b"]


def price(order): ...


def is_monday(a): ...


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a.rows > 0", "a.rows > 0"),
        ("'true'", "true"),
        ("true", "true"),
        ("{run: is_monday}", Call("is_monday")),
        ("{run: 'm:f.g'}", Call("m:f.g")),
    ],
)
def test_a_condition_is_an_expression_or_a_callable(written, read):
    assert one(f"sh: ls, needs: a, when: {written}").when == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a", Foreach("a")),
        ("a.regions", Foreach("a.regions")),
        ("range(3)", Foreach("range(3)")),
        ("[1, two, {x: 3}, [4]]", Foreach([1, "two", {"x": 3}, [4]])),
        ("[]", Foreach([])),
        ("{region: [eu, us]}", Foreach(["eu", "us"], "region")),
        ("{region: a}", Foreach("a", "region")),
        ("{run: listed}", Foreach(Call("listed"))),
        ("{region: {run: listed}}", Foreach(Call("listed"), "region")),
    ],
)
def test_a_fan_out_goes_over_a_task_an_expression_a_list_or_what_a_callable_gives(written, read):
    assert one(f"sh: ls, needs: a, foreach: {written}").foreach == read


def test_what_a_fan_out_goes_over_and_what_functions_take_become_needs():
    plan = plan_from_yaml(
        "goal: g\ntasks:\n  a: {sh: ls}\n  b: {run: price, foreach: a}\n"
        "  c: {sh: ls, when: {run: is_monday}}\n  d: {sh: ls, foreach: {run: is_monday}}\n",
        {"price": price, "is_monday": is_monday},
    )
    assert [task.needs for task in plan] == [(), ("a",), ("a",), ("a",)]
    assert plan["c"].when == Call(is_monday)
    assert plan["d"].foreach == Foreach(Call(is_monday))


@pytest.mark.parametrize(("written", "read"), [("2", 2), ("20%", "20%"), ("all", "all"), ("0", 0)])
def test_how_many_instances_may_fail(written, read):
    task = one(f"sh: ls, foreach: [1], tolerate: {written}, max_active: 4")
    assert (task.tolerate, task.max_active) == (read, 4)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("db", {"db": 1}),
        ("[db, api]", {"db": 1, "api": 1}),
        ("{db: 2}", {"db": 2}),
    ],
)
def test_a_task_is_in_pools(written, read):
    assert one(f"sh: ls, pool: {written}", "pools: {db: 2, api: 1}").pool == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2", Pool(2)),
        ("{slots: 4}", Pool(4)),
        ("{rate: 10/s}", Pool(None, Rate(10, 1.0))),
        ("{slots: 4, rate: 100/min}", Pool(4, Rate(100, 60.0))),
        ("{rate: 7/h}", Pool(None, Rate(7, 3600.0))),
        ("{rate: 5/10s}", Pool(None, Rate(5, 10.0))),
        ("{rate: 5 / 1m30s}", Pool(None, Rate(5, 90.0))),
        ("{rate: {starts: 3, period: 2s}}", Pool(None, Rate(3, 2.0))),
    ],
)
def test_a_pool_has_slots_and_a_rate(written, read):
    plan = plan_from_yaml(f"goal: g\npools: {{api: {written}}}\ntasks: {{a: {{sh: ls}}}}\n")
    assert plan.pools == {"api": read}


def test_what_undoes_a_task_and_what_runs_at_the_end():
    plan = plan_from_yaml(
        "goal: g\ntasks:\n  a: {sh: ls, compensate: {sh: 'rm {{ a }}', retry: 3, timeout: 5s}}\n"
        "  b: {run: price, with: {order: 1}, compensate: undo}\n"
        "on_failure: {run: tell, with: {to: Ann}, retry: 2}\n",
        {"price": price, "undo": lambda b: b, "tell": lambda failures, to: to},
    )
    undo = plan["a"].compensate
    assert (undo.id, undo.sh, undo.timeout_s) == ("compensate(a)", "rm {{ a }}", 5.0)
    assert undo.retry.maximum_attempts == 3
    assert plan["b"].compensate.id == "compensate(b)"
    assert plan["b"].compensate.run(3) == 3
    assert plan.on_failure.id == "on_failure"
    assert plan.on_failure.run([], "Ann") == "Ann"
    assert plan.on_failure.with_ == {"to": "Ann"}


def test_the_other_keys_of_a_task():
    task = one(
        "notebook: r.ipynb, with: {n: 1}, cache: true, priority: -5, total_timeout: 1h, "
        "retry: {maximum_attempts: 3, retry_on: [OSError, a.Error]}, trigger: one_success"
    )
    assert (task.kind, task.notebook, task.with_) == ("notebook", "r.ipynb", {"n": 1})
    assert (task.cache, task.priority, task.total_timeout_s) == (True, -5, 3600.0)
    assert task.retry.retry_on == ("OSError", "a.Error")
    assert task.trigger is TriggerRule.ONE_SUCCESS
    gate = one("approval: {prompt: Go?, timeout: 2h, default: reject}").approval
    assert gate == Approval("Go?", "reject", 7200.0)


def test_defaults_hold_for_what_the_machine_does():
    plan = plan_from_yaml(
        "goal: g\npools: {db: 2}\n"
        "defaults: {cache: true, pool: db, priority: 3, total_timeout: 1h, max_active: 4}\n"
        "tasks:\n  a: {sh: ls}\n  b: {sh: ls, foreach: [1], cache: false, pool: }\n"
        "  c: {approval: Go?}\n  d: {}\n"
    )
    told = [(t.cache, t.pool, t.priority, t.total_timeout_s, t.max_active) for t in plan]
    assert told == [
        (True, {"db": 1}, 3, 3600.0, None),
        (False, None, 3, 3600.0, 4),
        (False, None, 0, None, None),
        (False, None, 0, None, None),
    ]


def test_an_argument_may_be_one_template():
    task = one(
        "run: price, needs: a, with: {order: '{{ a.orders[0] }}'}", namespace={"price": price}
    )
    assert task.with_ == {"order": "{{ a.orders[0] }}"}


def test_a_mapping_may_hold_callables_wherever_a_document_names_them():
    plan = plan_from_mapping(
        {
            "goal": "g",
            "pools": {"db": Pool(2), "api": {"rate": Rate(3, 1.0)}},
            "tasks": {
                "a": {"run": lambda: 1, "compensate": is_monday, "pool": {"db": 2}},
                "b": {"run": price, "foreach": {"order": range(3)}, "when": is_monday},
                "c": {"sh": "ls", "foreach": is_monday, "compensate": Task(id="x", sh="rm x")},
            },
            "on_failure": print,
        },
        {},
    )
    assert plan["a"].compensate.run is is_monday
    assert plan["b"].foreach == Foreach([0, 1, 2], "order")
    assert plan["b"].needs == plan["c"].needs == ("a",)
    assert plan["c"].compensate == Task(id="compensate(c)", sh="rm x")
    assert plan.pools["api"] == Pool(None, Rate(3, 1.0))
