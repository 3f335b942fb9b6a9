"""A plan says what its tasks left unsaid, and touches nothing else."""

from __future__ import annotations

import functools
import gc
import inspect
import tracemalloc
import weakref

import pytest

from orch_nb.graph.topology import compiled
from orch_nb.graph.validate import check
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan, Story, parameters
from orch_nb.model.task import Foreach, Pool, Task


def needs(*tasks: Task) -> dict[str, tuple[str, ...] | None]:
    return {task.id: task.needs for task in Plan(goal="g", tasks=tasks)}


def test_needs_that_are_not_said_are_none() -> None:
    assert needs(Task(id="a"), Task(id="b", needs=["a"])) == {"a": (), "b": ("a",)}


def test_a_parameter_named_after_a_task_is_a_need() -> None:
    def b(a, other, given): ...

    assert needs(
        Task(id="a"), Task(id="given"), Task(id="c"),
        Task(id="b", run=b, needs=["c"], with_={"given": 1}),
    )["b"] == ("c", "a")  # fmt: skip


def test_a_parameter_named_after_its_own_task_is_no_need() -> None:
    def a(a, b): ...

    assert needs(Task(id="a", run=a), Task(id="b"))["a"] == ("b",)


def test_what_foreach_goes_over_is_a_need_where_it_is_a_task() -> None:
    def one(files, item): ...

    found = needs(
        Task(id="files"),
        Task(id="each", foreach="files"),
        Task(id="said", foreach="files", needs=["files"]),
        Task(id="taken", foreach="files", run=one),
        Task(id="list", foreach=Foreach(["files"])),
        Task(id="expression", foreach="files.names"),
        Task(id="itself", foreach="itself"),
    )
    assert found == {
        "files": (), "each": ("files",), "said": ("files",), "taken": ("files",), "list": (),
        "expression": (), "itself": (),
    }  # fmt: skip


def test_subtasks_wait_for_their_elder_and_are_of_their_parents_story() -> None:
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="p", story="S", subtasks=[Task(id="a"), Task(id="b"), Task(id="c", needs=[])]),
            Task(id="flat", parent="p"),
        ],
    )
    assert [task.id for task in plan] == ["p", "a", "b", "c", "flat"]
    assert {task.id: task.needs for task in plan if task.parent} == {
        "a": (), "b": ("a",), "c": (), "flat": ("c",),
    }  # fmt: skip
    assert {task.story for task in plan} == {"S"}
    assert plan["p"].subtasks == ()


def test_a_task_that_says_all_is_kept_as_it_is() -> None:
    def f(x): ...

    tasks = [Task(id="a", run=f, needs=[], story="S"), Task(id="b", run=f, needs=["a"])]
    assert all(
        mine is theirs for mine, theirs in zip(Plan(goal="g", tasks=tasks), tasks, strict=True)
    )


def test_a_task_that_does_not_is_not_changed_itself() -> None:
    task = Task(id="a")
    assert Plan(goal="g", tasks=[task])["a"].needs == ()
    assert task.needs is None


def test_stories_are_those_declared_and_then_those_that_tasks_name() -> None:
    plan = Plan(
        goal="g",
        stories=[Story(id="Two")],
        tasks=[Task(id="a", story="One"), Task(id="b", story="Two"), Task(id="c")],
    )
    assert [story.id for story in plan.stories] == ["Two", "One"]


def test_pools_and_the_task_for_failure_have_one_form() -> None:
    plan = Plan(
        goal="g", tasks=(Task(id=n) for n in "ab"), pools={"db": 2, "api": {"slots": 4}},
        on_failure=Task(id="", sh="page me"), criteria=[Criterion("works", ("a",))],
    )  # fmt: skip
    assert plan.pools == {"db": Pool(2), "api": Pool(4)}
    assert plan.on_failure is not None
    assert plan.on_failure.id == "on_failure"
    assert len(plan) == 2
    assert type(plan.criteria) is tuple


class Counter:
    def method(self, a, *, b=1): ...

    def defaulted(self=None, a=2): ...

    def starred(*args, a): ...

    @classmethod
    def classy(cls, a): ...

    @staticmethod
    def static(a, b=1): ...

    @functools.wraps(method)
    def wrapped(self, *args, **kwargs): ...

    def __call__(self, a): ...


def wrapped_target(a, b=2): ...


@functools.wraps(wrapped_target)
def wrapped(*args, **kwargs): ...


def signed(*args): ...


signed.__signature__ = inspect.signature(wrapped_target)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "function",
    [
        lambda: 0, lambda a, b: 0, lambda a, /, b, *, c: 0, lambda *a, **b: 0, lambda a, *b, c: 0,
        lambda a, b=1, *, c, d=2, **e: 0, lambda a=1, /, *, b: 0, lambda a, *, b=1, c: 0,
        lambda a, b=1, *c, d=2: 0, Counter().method, Counter().defaulted, Counter().starred,
        Counter().classy, Counter().static, Counter().wrapped, Counter(),
        Counter, wrapped, signed, functools.partial(wrapped_target, 1), len, print,
    ],
)  # fmt: skip
def test_parameters_are_what_the_signature_says(function) -> None:
    said = inspect.signature(function).parameters.values()
    named = [p for p in said if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    taken = parameters(function)
    assert taken.required == tuple(p.name for p in named if p.default is p.empty)
    assert taken.optional == tuple(p.name for p in named if p.default is not p.empty)
    assert taken.defaults == {p.name: p.default for p in named if p.default is not p.empty}
    assert taken.positional_only == tuple(p.name for p in named if p.kind is p.POSITIONAL_ONLY)
    assert taken.keyword_only == tuple(p.name for p in named if p.kind is p.KEYWORD_ONLY)
    assert taken.var_positional == any(p.kind is p.VAR_POSITIONAL for p in said)
    assert taken.var_keyword == any(p.kind is p.VAR_KEYWORD for p in said)


def test_functions_of_one_code_may_differ_in_what_stands_for_their_parameters() -> None:
    made = [lambda n=n: n for n in range(2)]
    assert [parameters(function).defaults for function in made] == [{"n": 0}, {"n": 1}]
    made[0].__defaults__ = None
    assert parameters(made[0]).required == ("n",)


@pytest.mark.parametrize(
    "step",
    [lambda session: session.step, lambda session: lambda: session, lambda session: session,
     lambda session: lambda s=session: s, lambda session: functools.partial(print, end=session)],
    ids=["method", "closure", "callable", "default", "partial"],
)  # fmt: skip
def test_a_plan_that_its_own_tasks_know_is_let_go(step) -> None:
    # session ─► plan ─► task ─► session.step ─► session
    class Session:
        def __init__(self) -> None:
            self.plan = Plan(goal="g", tasks=[Task(id="a", run=step(self))])
            assert not check(self.plan)

        def step(self) -> None: ...

        def __call__(self) -> None: ...

    gone = weakref.ref(Session())
    gc.collect()
    assert gone() is None


def test_a_task_of_a_plan_costs_little_memory() -> None:
    count = 5_000

    def f() -> None: ...

    names = [f"t{n}" for n in range(count)]
    waits = [[names[n - 1], names[n // 2]] if n else [] for n in range(count)]
    tracemalloc.start()
    try:
        tasks = [Task(id=n, run=f, needs=w) for n, w in zip(names, waits, strict=True)]
        plan = Plan(goal="g", tasks=tasks)
        del tasks
        compiled(plan)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / count < 620  # bytes; a dict of its own for each task would be 80 more
