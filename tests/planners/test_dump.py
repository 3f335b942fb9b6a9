"""A plan is written as a document that a person could have written, and loads back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan, Story
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
from orch_nb.planners.yaml import dump_plan, plan_from_yaml

RELEASE = """\
goal: Release 2.4
criteria:
  The tests pass: [tests]
stories:
  Verify:
    tasks:
      lint: {sh: ruff check .}
      tests:
        sh: pytest -q
        retry: {maximum_attempts: 2, initial_interval: 5s}
        timeout: 10m
  Ship:
    title: Out of the door
    tasks:
      build:
        run: build_wheel
        needs: [lint, tests]
        outputs: [dist/*.whl]
        subtasks:
          clean: {sh: rm -rf dist}
          make: {sh: make}
      approve: {approval: 'Publish to PyPI?', needs: [build]}
"""


def test_a_document_in_our_own_style_is_written_as_it_was_read():
    assert dump_plan(plan_from_yaml(RELEASE)) == RELEASE


FLOW = """\
goal: Every region
params:
  regions:
  - eu
  - us
pools:
  db: 2
  api: {slots: 4, rate: 10/s}
  slow: {rate: 5/10s}
tasks:
  fetch:
    sh: fetch {{ params.regions }}
    retry: {maximum_attempts: 3, retry_on: [OSError]}
    total_timeout: 1h
    pool: api
    compensate: {sh: 'rm {{ fetch }}', retry: 3}
  sales:
    run: sales
    needs: [fetch]
    when: fetch.rows > 0
    foreach: {region: params.regions}
    max_active: 4
    tolerate: 20%
    pool: {db: 2, slow: 1}
    priority: 5
    compensate: undo
    cache: true
  each: {run: priced, needs: [sales], foreach: sales}
  some:
    run: priced
    when: {run: ready}
    foreach: {run: listed}
  listed: {sh: 'ls {{ item }}', foreach: [1, a b, {x: 1}]}
  report: {notebook: report.ipynb, with: {day: 3}, needs: [each]}
  go:
    approval: {prompt: 'Go?', default: reject, timeout: 2h}
    needs: [report]
on_failure: {sh: 'tell {{ failures }}', timeout: 10s}
"""


def test_fan_outs_limits_and_sagas_are_written_as_they_were_read():
    assert dump_plan(plan_from_yaml(FLOW)) == FLOW


def test_callables_of_a_condition_and_a_compensation_are_written_by_name():
    def undo(): ...

    def ready(): ...

    for function in (undo, ready):
        function.__module__, function.__qualname__ = "__main__", function.__name__
    plan = Plan(goal="g", tasks=[Task(id="a", sh="ls", when=ready, compensate=undo)])
    assert "when: {run: ready}, compensate: undo" in dump_plan(plan)
    assert plan_from_yaml(dump_plan(plan), {"undo": undo, "ready": ready}) == plan


def test_a_text_of_several_lines_is_written_as_lines():
    plan = Plan(goal="g", tasks=[Task(id="a", sh="set -e\nmake\n")])
    assert dump_plan(plan) == "goal: g\ntasks:\n  a:\n    sh: |\n      set -e\n      make\n"


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "no",
        "1",
        "1e3",
        "0644",
        "12:30",
        "~",
        "null",
        "<<",
        "-",
        "a: b",
        "#x",
        "2024-01-01",
        " x",
        "é",
        "\u2028",
        "\t",
        "0x1F",
    ],
)
def test_a_text_that_looks_like_something_else_stays_a_text(text):
    plan = Plan(goal="g", tasks=[Task(id="a", run="f", with_={"x": text})], params={"p": text})
    assert plan_from_yaml(dump_plan(plan)) == plan


def test_a_text_that_looks_like_a_merge_is_one_only_without_quotes():
    plan = plan_from_yaml("goal: g\ntasks: {a: {}}\ncriteria: {'<<': [a]}\n")
    assert plan.criteria == (Criterion("<<", ("a",)),)
    assert plan_from_yaml(dump_plan(plan)) == plan


def test_a_function_is_written_by_name():
    def f(): ...

    f.__module__, f.__qualname__ = "__main__", "f"
    plan = Plan(goal="g", tasks=[Task(id="a", run=f)])
    assert "{run: f}" in dump_plan(plan)
    assert plan_from_yaml(dump_plan(plan), {"f": f}) == plan


def test_tasks_of_a_story_that_stand_apart_are_listed_flat():
    plan = Plan(
        goal="g",
        tasks=[Task(id="a", story="S"), Task(id="b", story="T"), Task(id="c", story="S")],
    )
    assert plan_from_yaml(dump_plan(plan)) == plan
    assert "story: S" in dump_plan(plan)


def test_subtasks_that_stand_apart_name_their_parent():
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="p"),
            Task(id="s", parent="p"),
            Task(id="x"),
            Task(id="t", parent="p", needs=()),
        ],
    )
    assert plan_from_yaml(dump_plan(plan)) == plan


def test_a_family_of_a_thousand_generations_is_listed_flat():
    tasks = [Task(id=f"t{n}", parent=f"t{n - 1}" if n else None, needs=()) for n in range(1000)]
    plan = Plan(goal="g", tasks=tasks)
    assert plan_from_yaml(dump_plan(plan)) == plan


def test_a_large_family_is_written_and_read():
    tasks = [Task(id="p"), *(Task(id=f"s{n}", parent="p", sh="ls") for n in range(2000))]
    plan = Plan(goal="g", tasks=tasks)
    assert plan_from_yaml(dump_plan(plan)) == plan


def test_a_value_without_a_form_in_a_document_is_named():
    plan = Plan(goal="g", tasks=[Task(id="a", run="f", with_={"x": object()})])
    with pytest.raises(TypeError, match="`with` of `a` holds a object"):
        dump_plan(plan)


# -- any plan

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t\x85"), max_size=30
).filter(lambda text: "\0" not in text)
words = texts.filter(str.strip)
names = st.text(
    st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12
)  # anything that can be seen
durations = st.floats(0.001, 1e6) | st.sampled_from([1.0, 90.0, 5400.0])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
identifiers = st.sampled_from(["x", "day", "value", "no_", "größe"])
retries = st.builds(
    RetryPolicy,
    maximum_attempts=st.integers(1, 9),
    initial_interval_s=durations,
    backoff_coefficient=st.floats(1, 10),
    maximum_interval_s=st.none() | durations,
    jitter=st.floats(0, 1),
    non_retryable=st.lists(st.sampled_from(["ValueError", "a.B"]), max_size=2).map(tuple),
    retry_on=st.lists(st.sampled_from(["OSError", "a.B"]), max_size=2).map(tuple),
)
pools = st.dictionaries(
    names,
    st.integers(1, 9)
    | st.builds(
        Pool,
        st.none() | st.integers(1, 9),
        st.builds(Rate, st.integers(1, 999), durations | st.sampled_from([60.0, 3600.0])),
    ),
    max_size=2,
)
expressions = st.sampled_from(["params.day > 0", "1 > 2", "true", "run_id", "[1, 2]", "range(3)"])
callables = st.sampled_from(["f", "m:f", "a.b"]).map(Call)
work = [
    st.builds(lambda text: {"sh": text.replace("{", "(")}, words),
    st.builds(lambda text: {"notebook": f"{text.strip()}.ipynb"}, words),
    st.builds(lambda w: {"run": "f", "with_": w}, st.dictionaries(identifiers, values, max_size=2)),
]
afterwards = st.builds(
    lambda action, retry, timeout: Task(id="", retry=retry, timeout=timeout, **action),
    st.one_of(work),
    st.just(1) | retries,
    st.none() | durations,
)
fan_outs = st.fixed_dictionaries(
    {
        "foreach": st.builds(
            Foreach,
            expressions | callables | st.lists(values, max_size=3),
            st.sampled_from(["", "region"]),
        )
    },
    optional={
        "max_active": st.integers(1, 99),
        "tolerate": st.sampled_from([0, 3, "20%", "7.5%", "all"]),
    },
)
asking = st.one_of(
    st.builds(lambda text: {"todo": text}, words),
    st.builds(
        lambda *gate: {"approval": Approval(*gate)},
        words,
        st.sampled_from([None, "approve", "reject"]),
        st.none() | durations,
    ),
)


@st.composite
def plans(draw):
    ids = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    stories = draw(st.lists(names, max_size=3, unique=True))
    limits = draw(pools)
    tasks: list[Task] = []
    for name in ids:
        options = draw(st.just({}) | asking | st.one_of(work))
        if options.keys() & {"sh", "run", "notebook"}:
            options |= draw(st.just({}) | fan_outs)
            options |= draw(st.fixed_dictionaries({}, optional={"cache": st.booleans()}))
            options["compensate"] = draw(st.none() | afterwards)
            if limits and draw(st.booleans()):
                options["pool"] = {draw(st.sampled_from(sorted(limits))): 1}
        whole = [task.id for task in tasks if task.foreach is None]
        parent = draw(st.none() | st.sampled_from(whole)) if whole else None
        story = draw(st.none() | st.sampled_from(stories)) if stories else None
        if parent is not None:
            story = next(task for task in tasks if task.id == parent).story
        family = {parent, *(task.id for task in tasks if task.parent == parent)} - {None}
        above = [task.id for task in tasks if task.id not in family and parent is None]
        above += [task.id for task in tasks if parent is not None and task.parent == parent]
        needs = draw(
            st.none() | st.lists(st.sampled_from(above), max_size=3, unique=True)
            if above
            else st.none() | st.just([])
        )
        estimate = draw(st.none() | durations | st.lists(durations, min_size=3, max_size=3))
        tasks.append(
            Task(
                id=name,
                parent=parent,
                story=story,
                needs=needs,
                title=draw(st.just("") | words),
                description=draw(st.just("") | words),
                owner=draw(st.just("") | words),
                required=draw(st.booleans()),
                trigger=draw(st.sampled_from(TriggerRule)),
                retry=draw(st.just(1) | retries),
                timeout=draw(st.none() | durations),
                total_timeout=draw(st.none() | durations),
                when=draw(st.none() | expressions | callables),
                priority=draw(st.integers(-9, 9)),
                estimate=sorted(estimate) if isinstance(estimate, list) else estimate,
                outputs=draw(st.lists(words, max_size=2)),
                **options,
            )
        )
    return Plan(
        goal=draw(words),
        tasks=tuple(tasks),
        stories=tuple(
            Story(id=story, title=draw(st.just("") | words), owner=draw(st.just("") | words))
            for story in stories
        ),
        params={"day": 1, **draw(st.dictionaries(identifiers, values, max_size=2))},
        pools=limits,
        on_failure=draw(st.none() | afterwards),
        criteria=tuple(
            Criterion(text, tuple(draw(st.lists(st.sampled_from(ids), max_size=2))))
            for text in draw(st.lists(words, max_size=2))
        ),
    )


@given(plans())
def test_what_is_written_loads_back_as_an_equal_plan(plan):
    document = dump_plan(plan)
    assert plan_from_yaml(document) == plan
    assert dump_plan(plan_from_yaml(document)) == document
