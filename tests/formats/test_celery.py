"""A plan as a canvas of Celery and back; the real Celery gives the values that our engine gives."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.errors import PlanError
from orch_nb.formats.celery import export, read, recognises
from orch_nb.formats.celery.dumped import part_of
from orch_nb.formats.celery.pieces import Group, Signature
from orch_nb.formats.celery.source import Module
from orch_nb.model.plan import Plan, decode_plan, encode
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.testing import chain, diamond, layered

from ..conftest import absent  # noqa: TID252 (tests are no package)

WORK = """
import pathlib

def told(**upstream):
    return "(" + ",".join(f"{key}={upstream[key]}" for key in sorted(upstream)) + ")"

def in_order(*upstream):
    return list(upstream)

def mixed(first="none", /, second=0, *upstream, third=3, x, **rest):
    return [first, second, list(upstream), third, x, dict(sorted(rest.items()))]

def failing():
    raise ValueError("no")

def flaky(folder):
    tries = pathlib.Path(folder, "tries")
    tries.touch()
    tries.write_text(tries.read_text() + "x")
    if len(tries.read_text()) < 3:
        raise ValueError("not yet")
    return len(tries.read_text())

class Held:
    @staticmethod
    def doubled(n=1):
        return 2 * n

async def awaited(doubled):
    return doubled + 1

def note(folder):
    pathlib.Path(folder, "noted").touch()
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A module with functions that workers import, and its folder."""
    folder = tmp_path_factory.mktemp("celery")
    (folder / "work_of_tests.py").write_text(WORK, encoding="utf-8")
    sys.path.insert(0, str(folder))
    import work_of_tests

    yield work_of_tests
    sys.path.remove(str(folder))


@pytest.fixture
def celery():
    if importlib.util.find_spec("celery") is None:
        absent("the package celery (pip install 'celery[redis]')")


def eager(text):
    """What the canvas of a module gives, done at once."""
    names = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), names)
    names["app"].conf.update(task_always_eager=True, task_eager_propagates=True)
    found = names["canvas"].apply_async().get(disable_sync_subtasks=False)
    names["app"].close()
    forget()
    return names["results"](found)


def forget():
    """Tasks of a module that was executed are no longer given to each app that is made later."""
    from celery import _state

    known = _state._on_app_finalizers
    known -= {one for one in known if one.__module__ == "celery.app.base"}


@st.composite
def nests(draw, most=9, options=False):
    """Plans that are series and parallels, needs near and far."""
    needs = {}

    def make(depth, before):
        """Puts tasks after some; returns the ends."""
        if depth == 0 or draw(st.integers(0, 2)) == 0 or len(needs) >= most:
            name = f"t{len(needs)}"
            needs[name] = tuple(before)
            return [name]
        parts = draw(st.integers(2, 3))
        if draw(st.booleans()):
            return [end for _ in range(parts) for end in make(depth - 1, before)]
        for _ in range(parts):
            before = make(depth - 1, before)
        return before

    make(draw(st.integers(0, 4)), [])
    tasks = []
    for name, direct in needs.items():
        far = sorted({n for d in direct for n in needs[d]} - set(direct))
        more = draw(st.sets(st.sampled_from(far))) if far else ()
        tasks.append(
            Task(
                id=name,
                needs=(*direct, *sorted(more)),
                run=f"work_of_tests:{draw(st.sampled_from(['told', 'in_order', 'mixed']))}",
                retry=draw(retries) if options else RetryPolicy(),
                timeout=draw(st.sampled_from([None, 5, 0.5])) if options else None,
                description=draw(st.sampled_from(["", 'Says "so" \\ here'])),
            )
        )
    return Plan(goal="A nest", tasks=tuple(tasks), params={"x": [1, None]})


retries = st.builds(
    RetryPolicy,
    maximum_attempts=st.integers(2, 4),
    initial_interval_s=st.sampled_from([1.0, 2.0]),
    backoff_coefficient=st.just(2.0),
    maximum_interval_s=st.sampled_from([None, 30.0]),
    jitter=st.just(0.0),
    retry_on=st.sampled_from([(), ("OSError", "ValueError")]),
) | st.just(RetryPolicy())


@given(plan=nests(options=True))
def test_the_round_trip_keeps_the_plan(plan):
    made = export(plan)
    assert recognises(made.text, "a_nest.py")
    found = read(made.text, "a_nest.py")
    assert encode(found.plan) == encode(decode_plan(encode(plan)))
    assert found.losses == ()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=nests())
def test_the_canvas_gives_the_values_that_our_engine_gives(plan, work, celery):
    ours = nb.execute(with_functions(plan, work), journal="memory", executor="inline")
    found = eager(export(plan).text)
    assert found == dict(ours.results)


def with_functions(plan, work):
    from msgspec.structs import replace

    return Plan(
        goal=plan.goal,
        tasks=tuple(
            replace(task, run=getattr(work, task.run.partition(":")[2])) for task in plan.tasks
        ),
        params=plan.params,
    )


def test_it_reads_as_one_would_write_it():
    plan = Plan(
        goal="Release 2.4",
        tasks=(
            Task(id="lint", sh="ruff check ."),
            Task(id="tests", run="ci:tests", retry=RetryPolicy(maximum_attempts=2, jitter=0)),
            Task(id="build", run="ci:build", needs=("lint", "tests"), with_={"wheel": True}),
            Task(id="import", run="ci:load", needs=("build",), description="Loads it."),
        ),
    )
    made = export(plan)
    assert (
        """
@app.task(name="release_2_4.tests", autoretry_for=(Exception,), max_retries=1""".strip()
        in (made.text.replace("'", '"'))
    )
    assert "    return step('lint', given, sh='ruff check .')\n" in made.text
    assert made.text.endswith(
        "\ncanvas = chain(chord([lint.s(), tests.s()], build.s()), task_import.s())\n"
    )
    assert [(loss.what, loss.severity) for loss in made.losses] == [("results", "note")]
    ast.parse(made.text)


def test_an_order_that_is_no_nest_is_refused_with_its_proof():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="schema"), Task(id="data"), Task(id="load", needs=("schema", "data")),
            Task(id="count", needs=("data",)),
        ),
    )  # fmt: skip
    with pytest.raises(PlanError) as caught:
        export(plan)
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        "The order is no nest of chains and groups: `schema` and `data` come before `load`, and "
        "`data` before `count`, but `schema` does not."
    )
    assert problem.task == "count"
    with pytest.raises(PlanError, match="no nest"):
        export(layered(3, 3))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"approval": Approval("?")}, "waits for a person"),
        ({"run": "m:f", "when": "1"}, "has `when`"),
        ({"run": "m:f", "foreach": [1]}, "has `foreach`"),
        ({"notebook": "a.ipynb"}, "is a notebook"),
        ({"sh": "echo {{ x }}"}, "templates"),
        ({"run": "m:f", "with_": {"x": "{{ a }}"}}, "an argument that is a template"),
        ({"run": "m:f", "with_": {"*": [1]}}, "arguments by position"),
        ({"run": "m:f", "trigger": "one_failed"}, "waits for `one_failed`"),
        ({"run": lambda a: a}, "no worker can import"),
        ({"run": "__main__:f"}, "no worker can import"),
        ({"run": functools.partial(print, 1)}, "no worker can import"),
        ({"run": Path("x").exists}, "no worker can import"),
        ({"run": "m:f", "with_": {"x": object()}}, "no form"),
    ],
)
def test_what_a_canvas_would_do_wrong_is_refused(fields, why):
    with pytest.raises(PlanError, match=why):
        export(Plan(goal="g", tasks=(Task(id="a"), Task(id="b", needs=("a",), **fields))))


def test_what_is_lost_is_told():
    full = Task(
        id="a", run="m:f", sh=None, timeout="1s", total_timeout="5s", pool="db", cache=True,
        outputs="x", needs=("z",), trigger="all_done", required=False, priority=1, owner="me",
        retry=RetryPolicy(maximum_attempts=9, backoff_coefficient=3, retry_on=("m.Error",)),
        compensate={"run": "m:g"}, story="S",
    )  # fmt: skip
    plan = Plan(goal="g", tasks=(Task(id="z"), Task(id="y"), full), pools={"db": 1},
                on_failure={"run": "m:h"})  # fmt: skip
    assert {loss.what for loss in export(plan).losses} == {
        "results", "pools", "stories", "on_failure", "trigger", "required", "compensate", "pool",
        "priority", "total_timeout", "timeout", "cache", "outputs", "owner", "jitter", "backoff",
        "non_retryable",
    }  # fmt: skip


def test_a_canvas_that_was_changed_since_holds_as_it_is_now():
    text = export(chain("a", "b", "c", run="m:f")).text
    changed = text.replace("chain(a.s(), b.s(), c.s())", "chain(a.s(), c.s(), b.s())")
    found = read(changed.replace("needs=['b']", "needs=['a']"))
    assert found.plan["b"].needs == ("a", "c")
    assert [loss.what for loss in found.losses] == ["needs"]


def test_a_module_that_somebody_wrote_is_read_and_never_run(tmp_path):
    path = tmp_path / "proj.py"
    path.write_text(
        '''
import os
from celery import Celery, chain, chord, group, shared_task
os.abort()
app = Celery("proj")

@app.task(bind=True, autoretry_for=(OSError,), max_retries=4, retry_backoff=2, rate_limit="1/s")
def fetch(self, url, deep=False):
    """Fetches a page."""

@shared_task(time_limit=30)
def count(page, word): ...

@app.task
def total(counts): ...

def flow(url):
    counts = group(count.s(word) for word in ["a", "b"])
    done = fetch.s("http://x", deep=True) | counts | total.s()
    return (done | notify.si(url)).apply_async(queue="low")
''',
        encoding="utf-8",
    )
    found = nb.import_(path)
    assert found.system == "celery"
    plan = found.plan
    needs = {task.id: task.needs for task in plan.tasks}
    assert needs == {
        "fetch": (), "count": ("fetch",), "count_2": ("fetch",), "total": ("count", "count_2"),
        "notify": ("total",),
    }  # fmt: skip
    assert plan["fetch"].run == "proj:fetch"
    assert plan["fetch"].with_ == {"url": "http://x", "deep": True}
    assert plan["fetch"].retry.maximum_attempts == 5
    assert plan["fetch"].retry.retry_on == ("OSError",)
    assert plan["fetch"].description == "Fetches a page."
    assert plan["count_2"].with_ == {"page": "{{ fetch }}", "word": "b"}
    assert plan["total"].with_ == {"counts": "{{ [count, count_2] }}"}
    assert plan["count"].timeout_s == 30
    kinds = {(loss.what, loss.task) for loss in found.losses}
    assert {("rate_limit", "fetch"), ("queue", "")} <= kinds
    assert any("worked out when the module runs" in loss.why for loss in found.losses)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("chain(a.s(), b.s())", {"a": (), "b": ("a",)}),
        ("a.s() | b.s() | c.s()", {"a": (), "b": ("a",), "c": ("b",)}),
        ("group(a.s(), b.s()) | c.s()", {"a": (), "b": (), "c": ("a", "b")}),
        ("chord([a.s(), b.s()])(c.s())", {"a": (), "b": (), "c": ("a", "b")}),
        ("chord((a.s(i) for i in range(2)), c.s())", {"a": (), "a_2": (), "c": ("a", "a_2")}),
        ("chord([a.s()], body=chain(b.s(), c.s()))", {"a": (), "b": ("a",), "c": ("b",)}),
        ("group([a.s(), a.s()])", {"a": (), "a_2": ()}),
        ("(a.s() | group(b.s(), c.s())).delay()", {"a": (), "b": ("a",), "c": ("a",)}),
        ("chain(a.s(), b.s()).on_error(e.s())()", {"a": (), "b": ("a",)}),
        ("chain(signature('p.a', args=(1,)), p.tasks.b.si())", {"a": (), "b": ("a",)}),
        ("group(a.s(), b.s()) | group(c.s(), d.s())",
         {"a": (), "b": (), "c": ("a", "b"), "d": ("a", "b")}),
    ],
)  # fmt: skip
def test_the_ways_to_write_a_canvas(text, needs):
    found = read(f"import celery\nx = {text}\n")
    assert {task.id: task.needs for task in found.plan.tasks} == needs


def test_methods_and_coroutines_are_called_as_here(celery, work):
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="doubled", run="work_of_tests:Held.doubled"),
            Task(id="more", run="work_of_tests:awaited", needs=("doubled",)),
        ),
    )
    assert eager(export(plan).text) == {"doubled": 2, "more": 3} == nb.execute(plan).results


def _needs(found):
    return {task.id: task.needs for task in found.plan.tasks}


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("s = [a.s()]\ns.append(b.s())\ns += [c.s()]\ns.extend([d.s()])\nchain(s)()",
         {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}),
        ("s = []\nfor i in range(2):\n    s.append(a.s(i))\nchord(s)(b.s())",
         {"a": (), "a_2": (), "b": ("a", "a_2")}),
        ("s = []\nfor i in [1, 2]:\n    for j in [3]:\n        s.append(a.s(i, j))\nx = group(s)",
         {"a": (), "a_2": ()}),
        ("x = a.s()\nx |= b.s()\nx = x | c.s()", {"a": (), "b": ("a",), "c": ("b",)}),
        ("x = a.s()\nfor i in range(2):\n    x |= b.s(i)\nx.delay()",
         {"a": (), "b": ("a",), "b_2": ("b",)}),
        ("x = chain(a.s(), b.s())\nx.set(link=c.s())\nx()", {"a": (), "b": ("a",), "c": ("b",)}),
        ("x = chain([a.s()] + [b.s(i) for i in range(2)])", {"a": (), "b": ("a",), "b_2": ("b",)}),
        ("x = group([a.s()] * 2) | b.s()", {"a": (), "a_2": (), "b": ("a", "a_2")}),
        ("x = group(a.s(i, j) for i in range(2) for j in [1])", {"a": (), "a_2": ()}),
        ("x = chain(a.s(), b.s(), link=c.s())", {"a": (), "b": ("a",), "c": ("b",)}),
        ("x = chain(a.s(), group(), b.s())", {"a": (), "b": ("a",)}),
        ("x = chord(chain(a.s(), b.s()), c.s())", {"a": (), "b": (), "c": ("a", "b")}),
        ("async def f():\n    chain(a.s(), b.s())()", {"a": (), "b": ("a",)}),
    ],
)  # fmt: skip
def test_lists_that_grow_and_chains_that_go_on_are_followed(text, needs):
    found = read(f"import celery\n{text}\n")
    assert _needs(found) == needs
    assert not found.losses


@pytest.mark.parametrize(
    "change",
    ["if y:\n    s.append(b.s())", "s.insert(0, b.s())", "for i in z:\n    s += [b.s(i)]"],
)
def test_a_change_that_is_not_followed_is_told(change):
    found = read(f"import celery\ns = [a.s()]\n{change}\nx = chain(s)\n")
    assert _needs(found) == {"a": ()}
    assert ["changed in line" in loss.why for loss in found.losses] == [True]


def test_arguments_are_not_dropped():
    found = read(
        "import celery\n"
        "x = chain(a.signature((1, 2), immutable=True), b.si(*[3, 4], **{'k': 5}), c.si(*d, **e))\n"
    )
    assert found.plan["a"].with_ == {"*": [1, 2]}
    assert found.plan["b"].with_ == {"*": [3, 4], "k": 5}
    assert [loss.what for loss in found.losses] == ["*d", "**e"]


def test_generators_that_celery_works_out_too_late_are_told():
    found = read("import celery\nx = group([group(a.s(i, j) for j in [1]) for i in [1, 2]])\n")
    assert ["may see the last item" in loss.why for loss in found.losses] == [True]


def test_what_a_dumped_canvas_is_sent_with_is_kept_or_told():
    celery = pytest.importorskip("celery")

    def call(name, **options):
        return celery.signature(name, options=options)

    whole = celery.chain(call("a"), call("b"), link=call("c"), countdown=5)
    found = read(json.dumps(whole.on_error(call("e"))))
    assert _needs(found) == {"a": (), "b": ("a",), "c": ("b",)}
    assert {loss.what for loss in found.losses} == {"countdown", "link_error"}
    joined = celery.chord([call("a"), celery.chain(call("b"), call("c"))], call("d"), queue="q")
    found = read(json.dumps(joined.clone((7,)).set(link=call("f"))))
    assert _needs(found)["f"] == ("d",)
    assert found.plan["b"].with_ == {"*": [7]}
    assert {loss.what for loss in found.losses} == {"queue"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import celery", "No chain, group, chord"),
        ("x = (", "line 1: The file is no Python"),
        ("x = chain(a.s(), b.s())\ny = group(a.s(), c.s())", "several canvases .lines 1, 2."),
        ('{"task": 1}', "is no canvas"),
        ("{", "no JSON"),
        ("x = chain()", "has no tasks"),
    ],
)
def test_what_is_no_canvas_is_refused(text, why):
    with pytest.raises(PlanError, match=why):
        read(text)


MANY = 5_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = " + "chain(" * MANY, "no Python"),
        ("x = a.s()" + ".set(queue=1)" * MANY, "no Python|deep"),
        ("x0 = a.s()\n" + "".join(f"x{n + 1} = chain(x{n}, x{n})\n" for n in range(60)), "large"),
        ("x = group(group(a.s(i) for i in range(90000)) for j in range(90000))", "large"),
        ("x = group(a.s(i) for i in range(1000000))", "more tasks than can be read"),
        ('{"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [' * MANY, "JSON"),
        ('{"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": 5}}', "A list is"),
        ('{"task": "a", "subtask_type": null, "kwargs": [1]}', "`kwargs` of `a` is an object"),
        ('{"name": "a", "queueName": "q"}', "import it as `bullmq`"),
    ],
)
def test_what_is_made_to_be_slow_is_refused_at_once(text, why):
    with pytest.raises(PlanError, match=why):
        read(text if text.startswith("{") else f"import celery\n{text}")


@settings(max_examples=60)
@given(st.text(alphabet="chaingroup(a.s()|,[]) =\n", max_size=80))
def test_any_text_is_read_or_refused(text):
    try:
        read(f"import celery\n{text}")
    except PlanError as error:
        assert str(error)  # noqa: PT017 (it need not be raised)


# -- what a canvas gives

FUNCTIONS = """
def add(x, y): return x + y
def mul(x, y): return x * y
def xsum(numbers): return sum(numbers)
def ident(x): return x
def tell(*args, **kwargs): return [list(args), kwargs]
def const(): return 7
"""
NAMES: dict = {}
exec(FUNCTIONS, NAMES)


@pytest.fixture(scope="module")
def canvases():
    """`canvases(source)` makes a canvas with the real Celery: its JSON, and its value, done at
    once."""
    if importlib.util.find_spec("celery") is None:
        absent("the package celery (pip install 'celery[redis]')")
    from celery import Celery, chain, chord, group

    app = Celery("canvases", broker="memory://", backend="cache+memory://")
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    with warnings.catch_warnings():  # modules of other tests share tasks of one name with each app
        warnings.simplefilter("ignore")
        app.finalize()
    known = {"chain": chain, "chord": chord, "group": group}
    known |= {name: app.task(name=name, shared=False)(NAMES[name]) for name in TASKS}

    def make(source):
        app.set_current()  # other tests make apps too
        canvas = eval(source, known)
        value = canvas.apply_async().get(disable_sync_subtasks=False)
        return json.dumps(canvas), json.loads(json.dumps(value))

    yield make
    app.close()


TASKS = ("add", "mul", "xsum", "ident", "tell", "const")
MODULE = "from celery import Celery, chain, chord, group\napp = Celery('m')\n" + (
    FUNCTIONS.replace("def ", "@app.task\ndef ") + "canvas = "
)


@st.composite
def sources(draw, depth=3, follows=False):
    """The source of a canvas, in the ways that there are to write one. `follows`: something comes
    before it, and is the first argument of what begins in it."""
    kind = draw(st.integers(0, 9)) if depth else 0
    count = draw(st.integers(1, 3))
    if kind <= 2:
        return draw(st.sampled_from(FOLLOWING if follows else FIRST))
    if kind <= 5:
        # In a chain of its own a group of one is one thing to `|`, and another to `chain`.
        parts = [draw(sources(depth - 1, follows or n > 0)) for n in range(max(2, count))]
        if draw(st.booleans()):
            return f"({' | '.join(parts)})"
        return f"chain({', '.join(parts)})"
    parts = [draw(sources(depth - 1, follows)) for _ in range(count)]
    if kind <= 7:
        return f"group({', '.join(parts)})"
    return f"chord([{', '.join(parts)}], {draw(sources(min(depth - 1, 1), True))})"


FIRST = (
    "add.s(1, 2)", "add.si(3, 4)", "const.s()", "tell.s(1, k=2)", "tell.s([1, 'a'], b={'q': None})",
    "tell.signature((1, 2), {'z': True})", "ident.map([1, 2])", "add.starmap([(1, 2), (3, 4)])",
    "group(add.s(i, i * 2) for i in range(3))", "group([const.s(), add.s(y=1, x=2)])",
)  # fmt: skip
FOLLOWING = (
    "ident.s()", "tell.s()", "tell.s(1)", "tell.s(k=2)", "tell.s(1, 'x', w=[1])", "tell.si(1)",
    "const.si()", "ident.map([1, 2])", "group(tell.s(i) for i in range(2))",
)  # fmt: skip


def value_of(part, results):
    """What a canvas comes to, of the results of its tasks, which stand in its order."""
    if isinstance(part, Signature):
        return next(results)
    if isinstance(part, Group):
        return [value for member in part.parts for value in members(member, results)]
    return [value_of(one, results) for one in part.parts][-1]


def members(part, results):
    found = value_of(part, results)
    return found if isinstance(part, Group) else [found]


def given_here(text, part):
    """The value of a canvas that is read here and run here, by the public ways."""
    found = read(text)
    run = nb.execute(found.plan, journal="memory", executor="inline", namespace=NAMES)
    run.raise_for_status()
    return value_of(part, (run.results[task.id] for task in found.plan.tasks))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=sources())
def test_a_canvas_gives_here_what_it_gives_there(source, canvases):
    dumped, value = canvases(source)
    assert recognises(dumped, "canvas.json")
    part = part_of(json.loads(dumped))
    assert given_here(dumped, part) == value
    ((part, _),) = Module(MODULE + source).canvases()
    assert given_here(MODULE + source, part) == value


def test_canvases_of_the_corpus_give_here_what_celery_recorded(corpus):
    cases = json.loads((corpus / "oracles" / "celery_canvases.json").read_text(encoding="utf-8"))
    assert len(cases["cases"]) == 7
    for name, case in cases["cases"].items():
        found = given_here(json.dumps(case["canvas"]), part_of(case["canvas"]))
        assert found == case["eager_result"], name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("add.s(2, 2).apply_async(link=mul.s(3))", {"add": 4, "mul": 12}),
        ("add.apply_async((2, 2), link=mul.s(3))", {"add": 4, "mul": 12}),
        ("(add.s(2) | mul.s(8)).delay(1)", {"add": 3, "mul": 24}),
        ("chain(add.s(4), mul.s(8))(2)", {"add": 6, "mul": 48}),
        ("add.chunks(zip(range(3), range(3)), 2).group()", {"add": [0, 2], "add_2": [4]}),
        ("chain(signature('add', args=(2, 2)), app.signature('mul', (3,)))", {"add": 4, "mul": 12}),
        ("chain(*[add.s(1, 1), mul.s(y=5)])", {"add": 2, "mul": 10}),
        ("chord(header=[add.s(1, 1)], body=xsum.s())", {"add": 2, "xsum": 2}),
    ],
)
def test_other_ways_to_write_a_canvas_give_what_they_say(text, value):
    found = read(MODULE + text)
    run = nb.execute(found.plan, journal="memory", executor="inline", namespace=NAMES)
    assert dict(run.results) == value


def test_a_chord_of_very_many_is_one_short_argument():
    found = read(MODULE + "chord([add.s(n, n) for n in range(1000)], xsum.s())")
    assert found.plan["xsum"].with_ == {"numbers": "{{ dict(results).values() | list }}"}
    run = nb.execute(found.plan, journal="memory", executor="inline", namespace=NAMES)
    assert run.results["xsum"] == sum(2 * n for n in range(1000))


def test_what_celery_itself_does_in_two_ways_is_told():
    told = read(MODULE + "chord([group(const.s(), add.s(1, 1)), const.s()], tell.s())").losses
    assert [(loss.what, loss.severity) for loss in told] == [("group", "changed")]
    assert "another order" in told[0].why


# -- a worker of its own


def test_a_real_worker_does_it_with_retries_and_tells_of_failure(
    work, celery, redis_port, tmp_path, monkeypatch
):
    nest = Plan(
        goal="Nest",
        tasks=(
            *(Task(id=f"t{n}", run="work_of_tests:told", needs=needs) for n, needs in enumerate(
                [(), (), ("t0", "t1"), ("t0", "t1"), ("t3",), ("t3",), ("t2", "t4", "t5"),
                 ("t2", "t4", "t5", "t0")]
            )),
            Task(id="flaky", run="work_of_tests:flaky", with_={"folder": str(tmp_path)},
                 retry=RetryPolicy(maximum_attempts=3, initial_interval_s=0.1,
                                   backoff_coefficient=1, jitter=0)),
            Task(id="shell", sh="echo $((6 * 7))"),
        ),
    )  # fmt: skip
    broken = Plan(
        goal="Broken",
        tasks=(
            Task(id="a", run="work_of_tests:told"),
            Task(id="b", run="work_of_tests:failing", needs=("a",)),
            Task(id="c", run="work_of_tests:note", needs=("b",),
                 with_={"folder": str(tmp_path / "x")}),
        ),
        on_failure=Task(id="x", run="work_of_tests:note", with_={"folder": str(tmp_path)}),
    )  # fmt: skip
    folder = Path(work.__file__).parent
    (folder / "nest.py").write_text(export(nest).text, encoding="utf-8")
    (folder / "broken.py").write_text(export(broken).text, encoding="utf-8")
    # One app does both: the tasks of the second module are bound to the first's.
    broken_text = (folder / "broken.py").read_text(encoding="utf-8")
    lines = [line for line in broken_text.splitlines() if not line.startswith("app = ")]
    lines.insert(lines.index("from celery import Celery, chain, chord, group") + 1,
                 "from nest import app")  # fmt: skip
    (folder / "broken.py").write_text("\n".join(lines), encoding="utf-8")
    url = f"redis://127.0.0.1:{redis_port}/1"
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "nest", "worker", "-P", "threads", "-c", "4",
         "-I", "broken", "-l", "error", "--without-gossip", "--without-mingle"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-c", (
                "import json, nest, broken\n"
                "found = nest.canvas.delay().get(timeout=60)\n"
                "failed = broken.canvas.delay()\n"
                "try: failed.get(timeout=60)\n"
                "except ValueError as error: said = str(error)\n"
                "print(json.dumps([nest.results(found), said]))"
            )],
            cwd=folder, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found, said = json.loads(done.stdout)
        for _ in range(200):
            if (tmp_path / "noted").exists():
                break
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(30)
    run = nb.execute(with_functions(Plan(goal="g", tasks=nest.tasks[:8]), work), journal="memory")
    assert found == dict(run.results) | {"flaky": 3, "shell": "42"}
    assert said == "no"
    assert (tmp_path / "noted").exists()
    assert not (tmp_path / "x").exists()


def test_it_is_one_of_the_systems(tmp_path):
    path = tmp_path / "flow.py"
    nb.export(diamond(run="m:f"), "celery", path)
    assert nb.import_(path).system == "celery"


def test_subtasks_wait_as_they_do_here_and_a_long_pipe_is_read():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="fetch", run="m:f"),
            Task(id="load", run="m:f", needs=("fetch",), subtasks=(
                Task(id="split", run="m:f"), Task(id="store", run="m:f"))),
        ),
    )  # fmt: skip
    made = export(plan)
    assert [loss.what for loss in made.losses].count("parent") == 2
    found = read(made.text)
    assert {task.id: task.needs for task in found.plan.tasks} == {
        "fetch": (), "load": ("fetch", "store"), "split": ("fetch",), "store": ("split",),
    }  # fmt: skip
    assert found.losses == ()
    long = read("import celery\nx = " + " | ".join(f"t{n}.s()" for n in range(100)))
    assert len(long.plan.tasks) == 100
    with pytest.raises(PlanError, match=r"deep|no Python"):
        read("import celery\nx = " + " | ".join(f"t{n}.s()" for n in range(20_000)))
