"""Kept results used again: while source, arguments and upstream are unchanged, and never else."""

from __future__ import annotations

import itertools

import pytest

from orch_nb.engine.cache import source_hash
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, Hang, perform

from .plans import gate, plan_of, python, statuses

RUNS = itertools.count()


def made(source, name="f", **known):
    """The function that this source defines, as a notebook cell would."""
    scope = {"__name__": "__main__", **known}
    exec(compile(source, "<cell>", "exec"), scope)
    return scope[name]


def run_of(journal, *tasks, script=None, **options):
    """A run under a name of its own, and who really ran in it."""
    plan = tasks[0] if isinstance(tasks[0], Plan) else plan_of(*tasks)
    executor = FakeExecutor(script)
    run = perform(plan, executor=executor, journal=journal, run_id=f"run{next(RUNS)}", **options)
    return run, [task for task, _ in executor.submitted]


def twice(first, second, **options):
    """Who runs the second time."""
    journal = MemoryJournal()
    run_of(journal, *first, **options)
    return run_of(journal, *second, **options)[1]


def cached(name, source="def f(): return 1", needs=(), **fields):
    return Task(id=name, run=made(source), needs=needs, cache=True, **fields)


# -- using it


def test_a_result_that_is_kept_is_used_instead_of_running_the_task():
    journal = MemoryJournal()
    tasks = [cached("a"), python("b", needs="a")]
    first, ran = run_of(journal, *tasks, script={"a": [{"rows": 3}]})
    assert ran == ["a", "b"]
    run, ran = run_of(journal, *tasks)
    assert ran == ["b"]
    assert run.results["a"] == {"rows": 3}
    assert (run["a"].status, run["a"].cached) == ("succeeded", first.run_id)
    assert run["a"].reason == f"nothing has changed since run {first.run_id}"
    assert run["a"].attempts == ()


def test_it_is_never_on_by_itself():
    assert twice([python("a")], [python("a")]) == ["a"]


def test_it_can_be_on_for_all_tasks_of_a_run():
    tasks = [python("a"), Task(id="m"), gate("g", "approve"), python("b", needs=("a", "m", "g"))]
    assert twice(tasks, tasks, cache=True) == []


def test_fresh_runs_everything_and_keeps_what_is_new():
    journal = MemoryJournal()
    run_of(journal, cached("a"), script={"a": ["old"]})
    assert run_of(journal, cached("a"), script={"a": ["new"]}, fresh=True)[1] == ["a"]
    assert run_of(journal, cached("a"))[0].results["a"] == "new"


def test_what_failed_is_not_kept():
    journal = MemoryJournal()
    run_of(journal, cached("a"), script={"a": [OSError()]})
    assert run_of(journal, cached("a"))[1] == ["a"]


def test_none_is_a_result_too():
    journal = MemoryJournal()
    run_of(journal, cached("a"), script={"a": [None]})
    run, ran = run_of(journal, cached("a"))
    assert (ran, run.results["a"]) == ([], None)


def test_what_could_not_be_kept_is_run_again_and_so_is_what_needs_it():
    journal, value = MemoryJournal(), (n for n in range(3))  # a generator has no bytes
    tasks = [cached("a"), cached("b", "def f(a): return 2", needs=("a",))]
    run_of(journal, *tasks, script={"a": [value]})
    assert "b" in run_of(journal, *tasks, script={"a": [(n for n in range(3))]})[1]


def test_a_condition_is_judged_first():
    journal, task = MemoryJournal(), cached("a", when="params.on")
    run_of(journal, plan_of(task, params={"on": True}))
    run, _ = run_of(journal, plan_of(task, params={"on": False}))
    assert run["a"].status == "skipped"


def test_a_kept_result_takes_no_worker():
    journal = MemoryJournal()
    tasks = [python("slow"), cached("a"), python("b", needs="a")]
    run_of(journal, *tasks)
    run, _ = run_of(journal, *tasks, script={"slow": [Hang()]}, timeout_s=5.0, workers=1)
    assert statuses(run) == {"slow": "cancelled", "a": "succeeded", "b": "cancelled"}


def test_what_may_have_been_undone_is_never_taken_for_done():
    journal = MemoryJournal()
    tasks = [
        cached("book", compensate={"run": made("def f(): return 0")}),
        python("pay", needs="book"),
    ]
    run, _ = run_of(journal, *tasks, script={"pay": [OSError()]})
    assert run["book"].status == "compensated"
    assert run_of(journal, *tasks)[1] == ["book", "pay"]


def test_a_run_that_goes_on_keeps_what_was_kept():
    journal = MemoryJournal()
    tasks = [cached("a"), python("b", needs="a")]
    first, _ = run_of(journal, *tasks)
    plan = plan_of(*tasks)
    with pytest.raises(TimeoutError):
        perform(
            plan, executor=FakeExecutor({"b": [Hang()]}), journal=journal, run_id="x", at_most_s=5
        )
    executor = FakeExecutor()
    run = perform(
        plan, executor=executor, journal=journal, run_id="x", history=journal.history("x")
    )
    assert [task for task, _ in executor.submitted] == ["b"]
    assert run["a"].cached == first.run_id


# -- source


F = "def f(): return 1"
DECORATED = """
import functools
def deco(g):
    @functools.wraps(g)
    def w(): return g()
    return w
@deco
"""


@pytest.mark.parametrize(
    ("before", "after", "again"),
    [
        (F, F, False),
        (F, "\n\n# moved, with a comment\n" + F + "  # and another", False),
        (F, "def f():\n    return 1", False),
        (F, "def f(): return 2", True),
        (F, "def f(): return 1.0", True),
        ("def f(x=1): return x", "def f(x=2): return x", True),
        ("def f(*, x=1): return x", "def f(*, x=2): return x", True),
        ("def f():\n    return [n for n in 'ab']", "def f():\n    return [n for n in 'ac']", True),
        ("LIMIT = 1\ndef f(): return LIMIT", "LIMIT = 2\ndef f(): return LIMIT", True),
        ("def g(): return 1\ndef f(): return g()", "def g(): return 2\ndef f(): return g()", True),
        (
            "def h(): return 1\ndef g(): return h()\ndef f(): return g()",
            "def h(): return 2\ndef g(): return h()\ndef f(): return g()",
            True,
        ),
        ("def g(): return 1\n" + F, "def g(): return 2\n" + F, False),  # nobody calls it
        ("def f(): return f", "def f(): return f", False),  # calls itself
        ("def g(): return f\ndef f(): return g", "def g(): return f\ndef f(): return g", False),
        ("import json\ndef f(): return json", "import json\ndef f(): return json", False),
        (
            "import json\ndef f(): return json.dumps",
            "import json\ndef f(): return json.loads",
            True,
        ),
        (
            "class C:\n    def m(self): return 1\ndef f(): return C().m()",
            "class C:\n    def m(self): return 2\ndef f(): return C().m()",
            True,
        ),
        ("async def f(): return 1", "async def f(): return 1", False),
        ("async def f(): return 1", "async def f(): return 2", True),
        (
            "import functools\nf = functools.partial(int, 1)",
            "import functools\nf = functools.partial(int, 2)",
            True,
        ),
        (
            "def make(n):\n    def inner(): return n\n    return inner\nf = make(1)",
            "def make(n):\n    def inner(): return n\n    return inner\nf = make(2)",
            True,
        ),
        (DECORATED + "def f(): return 1", DECORATED + "def f(): return 2", True),
    ],
)
def test_an_edit_of_what_the_function_does_runs_it_again(before, after, again):
    assert twice([cached("a", before)], [cached("a", after)]) == (["a"] if again else [])


def test_a_set_of_constants_is_the_same_in_whatever_order_it_comes():
    source = "def f(x): return x in {'a', 'b', 'c'}"
    assert source_hash(cached("a", source)) == source_hash(cached("a", source))


def test_a_shell_command_is_its_text():
    one, other = (Task(id="a", sh=f"echo {n}", cache=True) for n in (1, 2))
    assert twice([one], [one]) == []
    assert twice([one], [other]) == ["a"]


def test_a_notebook_is_its_content(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text("{}")
    task, journal = Task(id="a", notebook="n.ipynb", cache=True), MemoryJournal()
    run_of(journal, task, workspace=str(tmp_path))
    assert run_of(journal, task, workspace=str(tmp_path))[1] == []
    path.write_text("{ }")
    assert run_of(journal, task, workspace=str(tmp_path))[1] == ["a"]


# -- arguments


def test_other_arguments_are_another_result():
    def task(x):
        return cached("a", "def f(x): return x", with_={"x": x})

    assert twice([task(1)], [task(1)]) == []
    assert twice([task(1)], [task(2)]) == ["a"]
    assert twice([task({"k": [1]})], [task({"k": [2]})]) == ["a"]


def test_of_the_parameters_those_count_that_the_function_takes():
    def plan(**params):
        return plan_of(cached("a", "def f(p): return p"), params=params)

    assert twice([plan(p=1)], [plan(p=1, other=1)]) == []
    assert twice([plan(p=1)], [plan(p=2)]) == ["a"]


def test_a_shell_command_may_look_at_every_parameter():
    def plan(**params):
        return plan_of(Task(id="a", sh="echo {{ params.p }}", cache=True), params=params)

    assert twice([plan(p=1)], [plan(p=1)]) == []
    assert twice([plan(p=1)], [plan(p=2)]) == ["a"]


# -- upstream


def chained(a="def f(): return 1", b="def f(a): return 2", c="def f(b): return 3"):
    return [cached("a", a), cached("b", b, ("a",)), cached("c", c, ("b",))]


def test_after_an_edit_the_task_and_what_hangs_on_it_run_again():
    journal = MemoryJournal()
    run_of(journal, *chained())
    edited = chained(b="def f(a): return 20")
    assert run_of(journal, *edited, script={"b": ["other"]})[1] == ["b", "c"]


def test_where_the_result_is_the_same_after_all_what_hangs_on_it_does_not():
    journal = MemoryJournal()
    run_of(journal, *chained())
    assert run_of(journal, *chained(b="def f(a): return 20"))[1] == ["b"]


def test_how_upstream_ended_is_part_of_it():
    journal = MemoryJournal()
    tasks = [python("a"), cached("b", "def f(a): return 1", ("a",), trigger="all_done")]
    run_of(journal, *tasks, script={"a": [None]})
    assert run_of(journal, *tasks, script={"a": [OSError()]})[1] == ["a", "b"]
    assert run_of(journal, *tasks, script={"a": [OSError()]})[1] == ["a"]


def test_a_result_is_kept_under_what_its_last_try_was_given_not_its_first():
    #  a gives 1; b fails for good. a, tried anew by way of the failed gate, gives 2; b succeeds
    journal = MemoryJournal()
    tasks = [
        python("up"),
        cached("b", "def f(up): return up", ("up",), trigger="all_done"),
        gate("g"),
    ]
    people = {
        5.0: lambda driver: driver.retry("up"),
        9.0: lambda driver: driver.retry("b"),
        15.0: lambda driver: driver.approve("g"),
    }
    script = {"up": [OSError(), 2], "b": [OSError(), "of 2"]}
    run, _ = run_of(journal, *tasks, script=script, interactive=True, at=people)
    assert run.results["b"] == "of 2"
    #  b was asked for when `up` had failed: its result must not stand for that
    failing = {"up": [OSError()], "b": ["of a failure"]}
    run, ran = run_of(journal, *tasks, script=failing, approve=["g"])
    assert ran == ["up", "b"]
    assert run_of(journal, *tasks, script={"up": [2]}, approve=["g"])[0].results["b"] == "of 2"


# -- fan-outs


def each(*items, source="def f(item): return item"):
    return cached("each", source, foreach=list(items))


def test_each_instance_has_its_kept_result():
    journal = MemoryJournal()
    run_of(journal, each("x", "y"), script={"each[0]": ["X"], "each[1]": ["Y"]})
    run, ran = run_of(journal, each("x", "y"))
    assert ran == []
    assert run.results["each"] == ["X", "Y"]
    assert all(task.cached for task in run.instances("each"))


def test_of_other_items_only_the_new_ones_run_wherever_they_stand():
    journal = MemoryJournal()
    run_of(journal, each("x", "y"), script={"each[0]": ["X"], "each[1]": ["Y"]})
    run, ran = run_of(journal, each("new", "y", "x"), script={"each[0]": ["N"]})
    assert ran == ["each[0]"]
    assert run.results["each"] == ["N", "Y", "X"]


def test_what_needs_a_fan_out_depends_on_every_instance():
    journal = MemoryJournal()
    tasks = [python("each", foreach=[0, 1]), cached("b", "def f(each): return 1", ("each",))]
    run_of(journal, *tasks, script={"each[1]": ["one"]})
    assert "b" not in run_of(journal, *tasks, script={"each[1]": ["one"]})[1]
    assert "b" in run_of(journal, *tasks, script={"each[1]": ["other"]})[1]


# -- what is remembered


def test_a_result_is_remembered_when_its_success_is_committed_not_before():
    told = []

    class Telling(MemoryJournal):
        def append(self, run_id, events, blobs=()):
            super().append(run_id, events, blobs)
            told.extend(type(event) for event in events)

        def remember(self, entries):
            assert told[-1] in (ev.AttemptSucceeded, ev.RunEnded)
            told.append("remembered")
            super().remember(entries)

    run_of(Telling(), cached("a"))
    assert told.count("remembered") == 1
