"""A DAG file comes in as a plan by its text alone; what does not is listed, with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.errors import PlanError
from orch_nb.formats.airflow import read, recognises
from orch_nb.graph import topology
from orch_nb.graph.validate import check
from orch_nb.model.task import Approval, Foreach, RetryPolicy, TriggerRule

HEAD = """\
from datetime import timedelta; from functools import reduce
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import (
    DAG, Label, TaskGroup, TriggerRule, chain, chain_linear, cross_downstream, dag, setup, task,
    task_group, teardown,
)
"""


def plan_of(body, **options):
    found = read(HEAD + body, "dags/shop.py", **options).plan
    assert check(found) == []
    return found


def edges(body):
    return {f"{up}-{task}" for task, ups in topology.upstream(plan_of(body)).items() for up in ups}


def lost(body):
    return {loss.what for loss in read(HEAD + body, "shop.py").losses}


def in_dag(*lines):
    letters = "\n".join(f"    {x} = EmptyOperator(task_id='{x}')" for x in "abcdef")
    return f"with DAG('d'):\n{letters}\n" + "\n".join(f"    {line}" for line in lines)


# -- who waits for whom


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a >> b >> c", "a-b b-c"),
        ("a << b << c", "b-a c-b"),
        ("a >> [b, c] >> d", "a-b a-c b-d c-d"),
        ("[a, b] >> c", "a-c b-c"),
        ("[a, b] << c", "c-a c-b"),
        ("a >> Label('yes') >> b", "a-b"),
        ("a << Label('yes') << b", "b-a"),
        ("reduce(lambda left, right: left >> right, [a, b, c])", "a-b b-c"),
        ("reduce(lambda left, right: left >> right, [b, c], a)", "a-b b-c"),
        ("list(map(lambda one: a >> one, [b, c]))", "a-b a-c"),
        ("list(map(lambda up, down: up.set_downstream(down), [a, b], [c, d]))", "a-c b-d"),
        ("a.set_downstream([b, c]); d.set_upstream(c)", "a-b a-c c-d"),
        ("chain(a, [b, c], [d, e], f)", "a-b a-c b-d c-e d-f e-f"),
        ("chain_linear(a, [b, c], [d, e], f)", "a-b a-c b-d b-e c-d c-e d-f e-f"),
        ("cross_downstream([a, b], [c, d])", "a-c a-d b-c b-d"),
        ("for x, y in zip([a, b], [c, d]): x >> y", "a-c b-d"),
        ("for n in (x for x in (b, c) if x is not c): n >> a", ""),
        ("every = [a, b, c]; chain(*every)", "a-b b-c"),
        ("last = a\n    for one in [b, c]:\n        last >> one\n        last = one", "a-b b-c"),
        ("a >> {'x': b}['x']", "a-b"),
        ("a >> (b if True else c)", "a-b"),
    ],
)
def test_every_way_to_draw_an_edge(line, expected):
    assert edges(in_dag(line)) == set(expected.split())


@pytest.mark.parametrize(
    "line",
    ["reduce(operator.rshift, [a, b])", "beside(lambda left, right: left >> right, [a, b])",
     "list(map(lambda one: a << one, unknown()))"],
)  # fmt: skip
def test_edges_that_somebody_unknown_draws_are_told(line):
    body = "import operator\nfrom helpers import beside, unknown\n" + in_dag(line)
    assert "edges" in lost(body)
    told = next(loss for loss in read(HEAD + body, "shop.py").losses if loss.what == "edges")
    assert f"`{line.removeprefix('list(').removesuffix(')')}" in told.why
    assert told.line == (HEAD + body).count("\n") + 1


def test_results_that_are_passed_are_edges_wherever_they_stand():
    assert edges("""
@task
def one(): ...
@task
def all_of(xs, more=None): ...
@dag
def d():
    a, b = one.override(task_id='a')(), one.override(task_id='b')()
    e = BashOperator(task_id='e', bash_command='true')
    all_of([a, {'x': b}], more=e.output)
d()
""") == {"a-all_of", "b-all_of", "e-all_of"}


def test_groups_prefix_ids_and_stand_for_their_first_and_last_tasks():
    body = """
with DAG('d'):
    start = EmptyOperator(task_id='start')
    with TaskGroup('g', tooltip='A group') as g:
        x = EmptyOperator(task_id='x')
        with TaskGroup('h'):
            x >> EmptyOperator(task_id='y')
    with TaskGroup('plain', prefix_group_id=False, group_display_name='Plain!') as p:
        EmptyOperator(task_id='z')
    start >> g >> p
"""
    assert edges(body) == {"start-g.x", "g.x-g.h.y", "g.h.y-z"}
    plan = plan_of(body)
    assert [task.story for task in plan] == [None, "g", "g.h", "plain"]
    assert [(s.id, s.title, s.description) for s in plan.stories] == [
        ("g", "", "A group"), ("g.h", "", ""), ("plain", "Plain!", ""),
    ]  # fmt: skip


def test_a_decorated_group_is_made_anew_at_every_call():
    assert edges("""
@task
def t(x): return x
@task_group
def g(x):
    return t(t(x))
with DAG('d'):
    g(1) >> g(2)
""") == {"g.t-g.t__1", "g.t__1-g__1.t__1", "g__1.t-g__1.t__1"}


def test_setup_and_teardown_stand_around_the_work_between_them():
    body = """
@setup
def begin(): ...
@teardown
def end(x): ...
@task
def work(): ...
with DAG('d'):
    with end(begin()):
        work()
"""
    assert edges(body) == {"begin-work", "begin-end", "work-end"}
    assert plan_of(body)["end"].trigger is TriggerRule.ALL_DONE
    assert "teardown" in lost(body)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("for x in (b, c):|    if SET: continue|    a >> x", "a-b a-c"),
        ("for x in (b, c):|    a >> x|    if SET: break", "a-b a-c"),
        ("for x in (b, c):|    if SET:|        d >> x|        continue|    a >> x",
         "a-b d-b a-c d-c"),
        ("for x in (b, c):|    if SET: continue|    else: break|    a >> x", ""),
        ("for x in (b, c):|    d >> x|    if SET: break|    else: break", "d-b"),
        ("def f(x):|    if SET: return b|    a >> x|    return c|d >> f(c)", "d-b a-c d-c"),
        ("def f(x):|    match SET:|        case 1: return b|    a >> x|f(c)", "a-c"),
        ("def f(x):|    if SET: return b|    else: return c|    a >> x|d >> f(c)", "d-b d-c"),
    ],
)  # fmt: skip
def test_a_jump_that_may_not_be_made_hides_nothing_that_stands_behind_it(lines, expected):
    body = in_dag("import os; SET = os.environ.get('SET')", *lines.split("|"))
    assert edges(body) == set(expected.split())
    assert lost(body) & {"if", "match"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("p = None|for x in (b, c):|    if p: p >> x|    else: a >> x|    p = x", "a-b b-c"),
        ("p = None|for x in (b, c):|    if p is not None: p >> x|    else: a >> x|    p = x",
         "a-b b-c"),
        ("p = None|for x in (b, c):|    (p or a) >> x|    p = x", "a-b b-c"),
        ("p = None|for x in (b, c):|    (a if p is None else p) >> x|    p = x", "a-b b-c"),
        ("many = [a, b]|if many and not a is None: many >> c|else: d >> c", "a-c b-c"),
        ("first, *others, last = a, b, c, d|first >> others >> last", "a-b a-c b-d c-d"),
    ],
)  # fmt: skip
def test_a_task_counts_as_true_and_is_not_none(lines, expected):
    body = in_dag(*lines.split("|"))
    assert edges(body) == set(expected.split())
    assert not lost(body) & {"if", "dependency"}


def test_a_dag_may_have_tasks_that_are_generators():
    plan = plan_of("@dag\ndef d():\n    @task\n    def rows():\n        yield 1\n    rows()\nd()\n")
    assert [task.id for task in plan.tasks] == ["rows"]


# -- what a task is


def test_policies_are_the_operators_over_the_defaults():
    plan = plan_of("""
with DAG('d', default_args={'retries': 2, 'retry_delay': timedelta(minutes=1), 'owner': 'Ann'}):
    BashOperator(task_id='a', bash_command='make', execution_timeout=timedelta(hours=2),
                 pool='db', pool_slots=2, priority_weight=3, weight_rule='absolute',
                 trigger_rule=TriggerRule.ONE_DONE, doc_md='It makes.', task_display_name='Make!')
    BashOperator(task_id='b', bash_command='make', retries=0, owner='Bob', trigger_rule='all_done')
    BashOperator(task_id='c', bash_command='x', retry_exponential_backoff=True,
                 max_retry_delay=timedelta(hours=1))
""")
    a, b, c = plan
    assert a.retry == RetryPolicy(
        maximum_attempts=3, initial_interval_s=60, backoff_coefficient=1, jitter=0
    )
    assert (a.sh, a.timeout_s, a.pool, a.priority, a.owner) == ("make", 7200, {"db": 2}, 3, "Ann")
    assert (a.trigger, a.title, a.description) == (TriggerRule.ONE_DONE, "Make!", "It makes.")
    assert plan.pools["db"].slots == 2
    assert (b.retry, b.owner, b.trigger) == (RetryPolicy(), "Bob", TriggerRule.ALL_DONE)
    assert (c.retry.backoff_coefficient, c.retry.maximum_interval_s) == (2.0, 3600)


def test_functions_are_called_by_the_names_that_they_have_elsewhere():
    plan = plan_of("""
from sales.tasks import totals
def here(x, y=2): ...
@task
def passes(orders, limit):
    from sales import load
    return load(orders, most=limit, region='eu')
with DAG('d'):
    PythonOperator(task_id='orders', python_callable=totals, op_kwargs={'day': 3})
    here_ = PythonOperator(task_id='b', python_callable=here, op_args=[1], op_kwargs={'y': 5})
    passes(here_.output, limit=4)
""")
    assert (plan["orders"].run, dict(plan["orders"].with_)) == ("sales.tasks:totals", {"day": 3})
    assert (plan["b"].run, dict(plan["b"].with_)) == ("shop:here", {"x": 1, "y": 5})
    assert plan["passes"].run == "sales:load"
    assert dict(plan["passes"].with_) == {"orders": "{{ b }}", "most": 4, "region": "eu"}


def test_mapping_is_a_fan_out():
    plan = plan_of("""
@task
def numbers(): ...
@task(max_active_tis_per_dagrun=2)
def square(x, by): ...
with DAG('d'):
    square.partial(by=2).expand(x=numbers())
    square.override(task_id='listed').partial(by=1).expand(x=[1, 'b'])
    BashOperator.partial(task_id='c').expand(bash_command=['a', 'b'])
""")
    assert plan["square"].foreach == Foreach("numbers", "x")
    assert (plan["square"].max_active, dict(plan["square"].with_)) == (2, {"by": 2})
    assert plan["listed"].foreach == Foreach([1, "b"], "x")
    assert (plan["c"].foreach, plan["c"].sh) == (Foreach(["a", "b"]), "{{ item | unquoted }}")


def test_what_follows_a_branch_or_a_short_circuit_asks_for_its_result():
    body = """
@task.branch
def choose(): return 'left'
@task.short_circuit
def ready(): return True
with DAG('d'):
    join = EmptyOperator(task_id='join', trigger_rule='none_failed_min_one_success')
    c = choose()
    c >> [EmptyOperator(task_id=n) for n in ('left', 'right')] >> join
    ready() >> EmptyOperator(task_id='then')
"""
    plan = plan_of(body)
    assert plan["left"].when == "'left' in (choose if choose is not string else [choose])"
    assert (plan["join"].when, plan["then"].when) == (None, "ready")
    assert {"branch", "short_circuit"} <= lost(body)


def test_people_are_asked():
    plan = plan_of("""
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLEntryOperator
with DAG('d'):
    ApprovalOperator(task_id='a', subject='Ship?', defaults='Reject', fail_on_reject=True,
                     response_timeout=timedelta(hours=1))
    HITLEntryOperator(task_id='b', subject='Tell them')
""")
    assert plan["a"].approval == Approval("Ship?", "reject", 3600)
    assert plan["b"].todo == "Tell them"


def test_an_operator_without_a_counterpart_waits_for_a_person_and_never_passes_by():
    body = """
from airflow.providers.amazon.aws.operators.s3 import S3CopyObjectOperator
with DAG('d', schedule='@daily', tags=['x'], dagrun_timeout=timedelta(1)):
    S3CopyObjectOperator(task_id='copy', source='a', on_failure_callback=print)
"""
    assert "S3CopyObjectOperator" in (plan_of(body)["copy"].todo or "")
    found = read(HEAD + body, "x.py").losses
    assert {"operator", "source", "on_failure_callback", "schedule", "dagrun_timeout"} <= {
        loss.what for loss in found
    }
    assert all(loss.line for loss in found)


@pytest.mark.parametrize(
    ("command", "sh"),
    [
        ("make {{ params.x }}", "make {{ params.x | unquoted }}"),
        ("echo {{ ti.xcom_pull(task_ids='a') }}", "echo {{ a | unquoted }}"),
        ("echo {{ ds }}", "echo {% raw %}{{ ds }}{% endraw %}"),
        ("echo {% raw %}${#x}{% endraw %}", "echo {% raw %}${#x}{% endraw %}"),
        ("run.sh ", "run.sh"),
    ],
)
def test_templates_of_commands(command, sh):
    plan = plan_of(f"""
with DAG('d', params={{'x': 1}}):
    a = EmptyOperator(task_id='a')
    a >> BashOperator(task_id='b', bash_command={command!r})
""")
    assert plan["b"].sh == sh


# -- what a file is


def test_loops_and_functions_are_followed_as_far_as_they_are_constant():
    plan = plan_of("""
SIZES = {'small': 1, 'big': 10}
def make(name, size=3, *, suffix=''):
    return BashOperator(task_id=f'{name.lower()}_{size:02d}{suffix}', bash_command='x' * size)
with DAG(dag_id='d_' + 'x', params={'n': len(SIZES)}) as d:
    for name, size in SIZES.items():
        if size > 5:
            make(name, size, suffix='_b')
        else:
            make(name.upper())
    for i in range(2):
        EmptyOperator(task_id='e%d' % i)
""")
    assert [task.id for task in plan] == ["small_03", "big_10_b", "e0", "e1"]
    assert dict(plan.params) == {"n": 2}


def test_what_is_not_known_is_told_and_both_sides_are_read():
    body = """
import os
with DAG('d'):
    if os.environ.get('X'):
        EmptyOperator(task_id='a')
    else:
        EmptyOperator(task_id='b')
    for name in os.listdir():
        EmptyOperator(task_id=name)
"""
    assert [task.id for task in plan_of(body)] == ["a", "b", "task_line_17"]
    assert {"if", "for", "task_id"} <= lost(body)


def test_of_several_dags_the_largest_is_read_and_the_others_are_named():
    body = """
with DAG('one', description='The first'):
    EmptyOperator(task_id='a')
with DAG('two'):
    EmptyOperator(task_id='a') >> EmptyOperator(task_id='b')
"""
    found = read(HEAD + body, "x.py")
    assert (found.plan.goal, len(found.plan)) == ("two", 2)
    assert [loss.why for loss in found.losses if loss.what == "dag"] == [
        "the file makes `one` as well, with 1 tasks"
    ]
    assert read(HEAD + body, "x.py", dag="one").plan.goal == "The first"
    with pytest.raises(PlanError, match="Did you mean `two`"):
        read(HEAD + body, "x.py", dag="twoo")


@pytest.mark.parametrize("text", ["x = (", "x = 1\n", "from airflow.sdk import DAG\nDAG('d')\n"])
def test_a_file_without_a_plan_is_refused(text):
    with pytest.raises(PlanError):
        read(text, "x.py")


def test_a_file_is_recognised_by_what_it_makes():
    assert recognises("from airflow import DAG\nDAG('x')", "x.py")
    assert recognises("from airflow.sdk import dag\n@dag()\ndef f(): ...", "x.py")
    assert not recognises("# about airflow\nprint(1)", "x.py")
    assert not recognises("from airflow import DAG\nDAG('x')", "x.txt")


# -- files that nobody should have to read

EVERY_WAY = """\
with DAG('all'):
  x = [EmptyOperator(task_id=f'a{i}') for i in range(2000)]
  for i in x:
    i >> x
"""


@pytest.mark.parametrize(
    "body",
    [
        "for a in range(9999):\n  for b in range(9999):\n    for c in range(9999):\n      pass\n",
        "def f(n):\n  return f(n + 1) + f(n + 2)\nf(1)\n",
        "x = [1]\nfor i in range(60):\n  x = [x, x]\ny = f'{x}'\nz = x == [x]\nprint(x, *x)\n",
        "x = (1,)\nfor i in range(60):\n  x = (x, x)\nd = {x: 1}\n",
        "x = 'a' * 10**9\ny = '%999999999d' % 3\nz = f'{1:999999999}'\nv = 10**10**10\n",
        "x = 'ab'.replace('a', 'a' * 9000).replace('a', 'a' * 9000)\n",
        "x = 'a'\nwhile True:\n  x = x + x\n",
        "x = a" + ".b" * 5000 + "\n",
        "x = " + "[" * 5000 + "]" * 5000,
        EVERY_WAY,
        "x = '\0'",
        "x = " + "[" * 5000,
        "x = f'" + "{" * 5000,
        "x = " + "not " * 20_000 + "1\n",
        "x = [" + "1," * 1_500_000 + "]\n",
    ],
)
def test_a_hostile_file_ends_soon(body):
    try:
        found = read(HEAD + body + "with DAG('d'):\n  EmptyOperator(task_id='a')\n", "x.py")
    except PlanError:
        return
    assert [task.id for task in found.plan] == ["a"]


def test_nothing_in_a_file_is_run(tmp_path):
    mark = tmp_path / "ran"
    read(HEAD + f"""
import os
open({str(mark)!r}, 'w')
os.system('touch {mark}')
__import__('pathlib').Path({str(mark)!r}).touch()
eval("open({str(mark)!r}, 'w')")
with DAG('d'):
    EmptyOperator(task_id='a')
""", "x.py")  # fmt: skip
    assert not mark.exists()


# -- beside Airflow's own parse


def test_airflows_examples_are_what_airflow_makes_of_them(corpus, airflow_python):
    """Tasks, edges and rules of every example that the oracle has; they come with Airflow."""
    (packages,) = airflow_python.parents[1].glob("lib/python3*/site-packages")
    known = json.loads((corpus / "oracles" / "airflow_dags.json").read_text())
    assert len(known) == 19
    for seen in known:
        path = Path(packages, seen["file"])
        plan = read(path.read_text(encoding="utf-8"), path, dag=seen["dag"]).plan
        assert check(plan) == []
        up = topology.upstream(plan)
        assert {task: sorted(ups) for task, ups in up.items()} == {
            task["id"]: sorted(task["up"]) for task in seen["task_list"]
        }, seen["dag"]
        for task in seen["task_list"]:
            rule = task["trigger_rule"].replace("all_done_setup_success", "all_done")
            assert plan[task["id"]].trigger == rule
            assert plan[task["id"]].retry.maximum_attempts == task["retries"] + 1


# -- what lies beside a file


BESIDE = {
    "dags/shop.py": """
from airflow.sdk import DAG, dag
from airflow.providers.standard.operators.python import PythonOperator
from plugins.sales import GROUPS, load, report, told
from plugins import tools
from .near import tidy
from somewhere.else_ import unknown
@dag('shop')
def shop():
    for name in GROUPS:
        load.override(task_id=f'load_{name}')() >> report(name)
    PythonOperator(task_id='told', python_callable=told)
    tools.many(2) >> tidy()
    unknown(1)
shop()
""",
    "dags/near.py": "from airflow.sdk import task\n@task\ndef tidy(): ...\n",
    "plugins/__init__.py": "",
    "plugins/sales.py": """
from airflow.sdk import DAG, task, task_group
from .tools import many
GROUPS = ('eu', 'us')
@task
def load(): ...
@task_group
def report(name):
    load.override(task_id='again')()
def told(x=1): return x
with DAG('not_of_the_file'):
    load()
raise SystemExit
""",
    "plugins/tools.py": """
from airflow.providers.standard.operators.bash import BashOperator
import plugins.sales
def many(n):
    return [BashOperator(task_id=f'many_{i}', bash_command='x') for i in range(n)]
""",
}


@pytest.fixture
def beside(tmp_path):
    for name, text in BESIDE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "dags" / "shop.py"
    return read(path.read_text(encoding="utf-8"), path)


def test_tasks_that_are_written_in_a_module_beside_the_file_are_read_there(beside):
    assert {task.id: set(task.needs or ()) for task in beside.plan} == {
        "load_eu": set(), "load_us": set(), "told": set(), "many_0": set(), "many_1": set(),
        "report.again": {"load_eu"}, "report__1.again": {"load_us"}, "tidy": {"many_0", "many_1"},
    }  # fmt: skip
    runs = {task.id: task.run for task in beside.plan if task.run}
    assert (runs["load_eu"], runs["told"], runs["tidy"]) == (
        "plugins.sales:load", "plugins.sales:told", "near:tidy",
    )  # fmt: skip


def test_what_is_lost_there_is_told_at_the_line_that_led_there(beside):
    length = BESIDE["dags/shop.py"].count("\n")
    assert {loss.line for loss in beside.losses} <= {*range(length), None}
    (missing,) = (loss for loss in beside.losses if loss.what == "call")
    assert ("`unknown()`" in missing.why, missing.line) == (True, 14)


def test_an_asset_is_a_dag_with_one_task():
    body = "from airflow.sdk import asset\n@asset(schedule=None, uri='s3://x')\ndef made(): ...\n"
    assert [task.id for task in read(HEAD + body, "x.py", dag="made").plan] == ["made"]
