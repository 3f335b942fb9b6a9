"""`"*"` in `with`: arguments by position, as Celery, JSON-RPC and shells pass them."""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.errors import PlanError
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task


def add(x, y):
    return x + y


def tell(*args, **kwargs):
    return [list(args), kwargs]


def given(with_, run=add, **fields):
    first = Task(id="a", run=add, with_={"x": 1, "y": 2})
    plan = Plan(goal="g", tasks=(first, Task(id="b", run=run, needs=("a",), with_=with_, **fields)))
    run = nb.execute(plan, journal="memory", executor="inline")
    run.raise_for_status()
    return run.results["b"]


@pytest.mark.parametrize(
    ("run", "with_", "value"),
    [
        (add, {"*": [3, 4]}, 7),
        (add, {"*": ["{{ a }}", 4]}, 7),
        (add, {"*": ["{{ a }}"], "y": 5}, 8),
        (sum, {"*": ["{{ [a, a] }}"]}, 6),
        (tell, {"*": ["{{ a }}", "x"], "k": 1}, [[3, "x"], {"k": 1}]),
        # Results come where it says so, and nowhere else: a star would have taken `a` too.
        (tell, {"*": []}, [[], {}]),
        (tell, {}, [[3], {"a": 3}]),
    ],
)
def test_they_stand_before_those_by_name(run, with_, value):
    assert given(with_, run) == value


def test_an_item_can_be_all_of_them():
    assert given({"*": "{{ item }}"}, foreach=[[1, 2], [3, 4]]) == [3, 7]
    assert given({"*": ["{{ item }}"]}, tell, foreach=[1, 2]) == [[[1], {}], [[2], {}]]


@pytest.mark.parametrize(
    ("with_", "why"),
    [
        ({"*": [1, 2, 3]}, "`b` is given 3 arguments by position"),
        ({"*": 5}, "`.` is a list of arguments, not 5"),
        ({"*": [1], "x": 1, "y": 2}, "`b` is given `x` twice"),
        ({"*": [1]}, "`b` takes `y`, which is no task and nothing supplies"),
        ({"*": ["{{ q }}", 1]}, "speaks of `q`"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(with_, why):
    with pytest.raises(PlanError, match=why):
        given(with_)


def test_a_document_says_them_too():
    text = """
goal: g
tasks:
  a: {run: add, with: {"*": [1, 2]}}
  b: {run: add, needs: [a], with: {"*": ["{{ a }}", 2]}}
"""
    run = nb.execute(nb.decompose(text), journal="memory", executor="inline")
    assert run.results["b"] == 5
