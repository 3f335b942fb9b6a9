"""A task is kept in one form, whichever it was given in, and costs little."""

from __future__ import annotations

import copy
import functools
import pickle

import cloudpickle
import msgspec
import pytest

from orch_nb.model.plan import Plan, decode_plan, encode
from orch_nb.model.task import (
    Approval,
    Call,
    Foreach,
    RetryPolicy,
    Task,
    TriggerRule,
    callable_name,
)


def work() -> None: ...


def test_durations_may_be_spelled_as_documents_do() -> None:
    task = Task(id="a", timeout="30s", total_timeout="1h", estimate="250ms")
    assert (task.timeout_s, task.total_timeout_s, task.estimate_s) == (30.0, 3600.0, 0.25)
    assert Task(id="a", timeout_s=30, estimate=2).timeout_s == 30.0


def test_an_estimate_of_three_is_their_weighted_mean() -> None:
    task = Task(id="a", estimate=("1s", "2s", "9s"))
    assert task.estimate_s == 3.0
    assert task.estimate_range_s == (1.0, 2.0, 9.0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"needs": "a"}, {"needs": ("a",)}),
        ({"needs": ["a", "b"]}, {"needs": ("a", "b")}),
        ({"outputs": "x.csv"}, {"outputs": ("x.csv",)}),
        ({"trigger": "all_done"}, {"trigger": TriggerRule.ALL_DONE}),
        ({"retry": 3}, {"retry": RetryPolicy(maximum_attempts=3)}),
        ({"retry": {"maximum_attempts": 2}}, {"retry": RetryPolicy(maximum_attempts=2)}),
        ({"approval": "Go?"}, {"approval": Approval("Go?")}),
        ({"when": work}, {"when": Call(work)}),
        ({"foreach": "files"}, {"foreach": Foreach("files")}),
        ({"foreach": {"file": "files"}}, {"foreach": Foreach("files", "file")}),
        ({"pool": "db"}, {"pool": {"db": 1}}),
        ({"pool": ["db", "api"]}, {"pool": {"db": 1, "api": 1}}),
        ({"compensate": work}, {"compensate": Task(id="compensate(a)", run=work)}),
        ({"compensate": {"sh": "undo"}}, {"compensate": Task(id="compensate(a)", sh="undo")}),
        ({"with_": {}}, {"with_": {}}),
    ],
)
def test_a_field_is_kept_in_one_form(given, kept) -> None:
    task = Task(id="a", **given)
    assert {name: getattr(task, name) for name in kept} == kept
    # As it is kept, so it is taken.
    assert Task(id="a", **kept) == task


@pytest.mark.parametrize(
    "given",
    [{"retry": True}, {"retry": "3"}, {"retry": 0}, {"timeout": "soon"}, {"estimate": -1},
     {"trigger": "sometimes"}, {"unknown": 1}],
)  # fmt: skip
def test_what_cannot_be_is_refused(given) -> None:
    with pytest.raises((TypeError, ValueError)):
        Task(id="a", **given)


def test_one_attempt_is_not_taken_for_a_yes() -> None:
    # True == 1, and what stands for a number of attempts is kept by that number
    Task(id="a", retry=1)
    with pytest.raises(TypeError, match="not a boolean"):
        Task(id="a", retry=True)


def test_tasks_without_arguments_share_a_dict_that_stays_empty() -> None:
    bare = Task(id="a")
    assert bare.with_ == {}
    assert isinstance(bare.with_, dict)
    assert {**bare.with_, "x": 1} == bare.with_ | {"x": 1} == {"x": 1}
    for change in (
        lambda d: d.update(x=1), lambda d: d.setdefault("x", 1), lambda d: d.__setitem__("x", 1),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="does not change"):
            change(bare.with_)
    assert Task(id="b").with_ == {}


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t)),
     lambda t: cloudpickle.loads(cloudpickle.dumps(t)),
     lambda t: msgspec.json.decode(encode(t), type=Task)],
)  # fmt: skip
def test_a_copy_is_equal_and_shares_what_is_shared(copied) -> None:
    task = Task(id="a", sh="ls", needs=["b"], retry=2)
    assert copied(task) == task
    assert copied(task).with_ is task.with_


def test_equal_tasks_are_one_document() -> None:
    assert encode(Task(id="a", with_={})) == encode(Task(id="a")) == b'{"id":"a"}'


class Adder:
    def __call__(self) -> int:
        return 1

    def add(self) -> None: ...

    @classmethod
    def made(cls) -> None: ...


class Other(Adder): ...


def _louder(function):
    @functools.wraps(function)
    def loud() -> None:
        function()

    return loud


adder = Adder()
add_to = functools.partial(work)
louder = _louder(work)


@_louder
def loud() -> None: ...


def test_a_name_is_what_a_callable_is_found_by() -> None:
    here = __name__
    assert callable_name(work) == f"{here}:work"
    assert callable_name("module:name") == "module:name"
    assert callable_name(Adder) == f"{here}:Adder"
    assert callable_name(adder) == f"{here}:adder"
    assert callable_name(adder.add) == f"{here}:adder.add"
    assert callable_name(Other.made) == f"{here}:Other.made"
    assert callable_name(add_to) == f"{here}:add_to"
    assert callable_name(louder) == f"{here}:louder"
    assert callable_name(loud) == f"{here}:loud"
    assert callable_name(len) == "builtins:len"
    assert callable_name(dict.fromkeys) == "builtins:dict.fromkeys"


def test_what_has_no_name_is_called_by_no_other() -> None:
    here = __name__
    assert callable_name(Adder()) == f"{here}:<Adder>"
    assert callable_name(Adder().add) == f"{here}:<Adder>.add"
    assert callable_name([].append) == "builtins:<list>.append"
    assert callable_name(functools.partial(work)) == "functools:<partial>"
    assert callable_name(_louder(work)) == f"{here}:<work>"


def test_a_plan_of_callables_comes_back_with_their_names() -> None:
    plan = Plan(goal="g", tasks=[Task(id="a", run=work), Task(id="b", run=work, needs=["a"])])
    again = decode_plan(encode(plan))
    assert [task.run for task in again] == [f"{__name__}:work"] * 2
    assert again.hash == plan.hash
