"""A plan goes out as a DAG file that reads as if written by hand, and what it lacks is told."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Sequence

import pytest

from orch_nb.errors import PlanError
from orch_nb.formats.airflow import export, read
from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Approval, Foreach, Pool, Rate, RetryPolicy, Task
from orch_nb.planners.source import plan_from_source
from orch_nb.planners.yaml import plan_from_yaml

from .dag_plans import HOSTILE, NOTEBOOK

RELEASE = """\
goal: Release 2.4
params: {region: eu}
pools: {db: 2}
stories:
  Verify:
    tasks:
      lint: {sh: ruff check .}
      tests: {sh: pytest -q, timeout: 10m, retry: {maximum_attempts: 2, initial_interval: 5s}}
  Ship:
    title: Out of the door
    tasks:
      build: {run: 'json:dumps', with: {obj: 1}, needs: [lint, tests], pool: db}
      approve: {approval: {prompt: 'Publish?', timeout: 2h}, needs: [build]}
      publish: {sh: 'twine upload {{ build.path }}', needs: [approve, build]}
tasks:
  notify: {run: 'json:dumps', with: {obj: 2}, needs: [publish], trigger: all_done}
"""
WRITTEN = '''\
"""Release 2.4

A DAG for Airflow 3, made from a plan.
Its pools have to be there before it runs:

    airflow pools set db 2 'of release_2_4'
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from shlex import quote

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import TaskGroup, TriggerRule, dag, task


def words(value):
    """A value as words of a shell command: of a list, one an item."""
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    plain = ["" if one is None else one for one in values]
    return " ".join(quote(one if isinstance(one, str) else json.dumps(one)) for one in plain)


@dag(schedule=None, params={"region": "eu"})
def release_2_4():
    """Release 2.4"""

    with TaskGroup(group_id="Verify", prefix_group_id=False):
        lint = BashOperator(task_id="lint", bash_command="ruff check .")

        tests = BashOperator(
            task_id="tests",
            bash_command="pytest -q",
            retries=1,
            retry_delay=timedelta(seconds=5),
            retry_exponential_backoff=2.0,
            max_retry_delay=timedelta(seconds=500),
            execution_timeout=timedelta(minutes=10),
        )

    with TaskGroup(group_id="Ship", group_display_name="Out of the door", prefix_group_id=False):

        @task(pool="db")
        def build():
            from json import dumps

            return dumps(obj=1)

        build = build()

        approve = ApprovalOperator(
            task_id="approve",
            subject="Publish?",
            response_timeout=timedelta(hours=2),
            fail_on_reject=True,
        )

        @task.bash
        def publish(build):
            return f"twine upload {words(build['path'])}"

        publish = publish(build)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def notify():
        from json import dumps

        return dumps(obj=2)

    notify = notify()

    [lint, tests] >> build >> approve >> publish >> notify


release_2_4()
'''


def task_of(**fields):
    return Plan(goal="g", tasks=[Task(id="a", **fields)])


def told(plan):
    return {loss.what for loss in export(plan).losses}


def test_a_release_reads_as_if_written_by_hand():
    made = export(plan_from_yaml(RELEASE))
    assert made.text == WRITTEN
    assert (made.system, made.suffix) == ("airflow", ".py")
    assert made.usage.splitlines() == [
        "airflow pools set db 2 'of release_2_4'",
        "Put the file into Airflow's DAGs folder; try it with: airflow dags test release_2_4",
    ]


def test_the_functions_of_a_notebook_are_written_out():
    plan = plan_from_source(NOTEBOOK, {}, goal="Sales")
    plan = Plan(goal="Sales", tasks=plan.tasks, params={"region": "eu"})
    text = export(plan).text
    assert (
        '''
    def orders():
        """Fetch the orders."""
        import json

        # from the shop
        return json.loads("[1, 2]")

    orders = orders()
'''
        in text
    )
    assert '        return """a\nb"""\n' in text
    assert "    async def chart(refunds):" in text
    assert "        LIMIT = 3\n\n        def helper(x):\n            return x + LIMIT\n" in text
    assert "    def priced(order):" in text
    assert "priced = priced.expand(order=orders)" in text
    assert 'return everything(*upstream, region=params["region"])' in text
    found = read(text, "sales.py").plan
    assert {task.id: task.needs for task in found} == {task.id: task.needs for task in plan}


def test_what_cannot_be_imported_or_written_out_raises_and_says_the_way_out():
    free = 3

    def local():
        return free

    for function in (lambda: 1, local, "no_module", "a b:c"):
        made = export(task_of(run=function))
        assert "raise NotImplementedError(" in made.text
        assert any(loss.what == "run" and loss.severity == "changed" for loss in made.losses)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"sh": "x", "outputs": "*.csv"}, "outputs"),
        ({"sh": "x", "required": False}, "required"),
        ({"run": "json:dumps", "cache": True}, "cache"),
        ({"sh": "x", "total_timeout": "1h"}, "total_timeout"),
        ({"sh": "x", "estimate": "1s"}, "estimate"),
        ({"sh": "x", "foreach": [1], "tolerate": 1}, "tolerate"),
        ({"sh": "x", "retry": RetryPolicy(maximum_attempts=2, retry_on=("OSError",))}, "retry"),
        ({"sh": "x", "retry": RetryPolicy(maximum_attempts=2, jitter=0.5)}, "jitter"),
        ({"sh": "x", "foreach": Foreach("[1] | list")}, "foreach"),
        ({"sh": "x", "when": "1 is odd"}, "when"),
        ({"sh": "x {{ params | upper }}"}, "sh"),
        ({"notebook": "a.ipynb"}, "notebook"),
        ({"approval": Approval("x", "approve")}, "default"),
        ({"approval": Approval("x"), "when": "1 > 0"}, "when"),
        ({"run": "json:dumps", "with_": {"obj": {1, 2}}}, "with"),
        ({"run": "json:dumps", "with_": {"obj": "{{ run_id | upper }}"}}, "with"),
        ({"sh": "x", "compensate": {"sh": "y"}}, "compensate"),
        ({"sh": "x", "title": "a"}, "title"),
    ],
)
def test_what_airflow_cannot_say_is_told(fields, what):
    assert what in told(task_of(**fields))


def test_what_it_cannot_say_of_a_whole_plan_is_told_too():
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a", sh="x", pool={"slow": 1, "db": 1, "api": 1}, story="s"),
            Task(id="b", sh="y", needs=["a"], trigger="all_done"),
        ],
        stories=[Story(id="s", owner="Ann"), Story(id="empty")],
        params={"key": "hush", "when": {1}},
        secrets=("key",),
        pools={"slow": Pool(rate=Rate(1, 1.0)), "db": Pool(1), "api": Pool(1)},
        on_failure=Task(id="x", sh="tell"),
    )  # fmt: skip
    made = export(plan)
    assert {"rate", "pool", "owner", "story", "secrets", "params", "on_failure"} <= told(plan)
    assert "hush" not in made.text
    verdict = export(Plan(goal="g", tasks=plan.tasks, pools=plan.pools))
    assert any(loss.what == "verdict" for loss in verdict.losses)


def test_a_failure_that_comes_to_one_of_the_last_tasks_is_not_hidden():
    a, b = Task(id="a", sh="x"), Task(id="b", sh="y", needs=["a"])
    tidy = Task(id="tidy", sh="z", needs=["b"], trigger="all_done")
    plan = Plan(goal="g", tasks=[a, b, tidy])
    (hidden,) = (loss for loss in export(plan).losses if loss.what == "verdict")
    assert "`a`, `b`" in hidden.why, "not of `b` alone"
    done = Task(id="done", sh="w", needs=["a", "b", "tidy"])
    assert "verdict" not in told(Plan(goal="g", tasks=[a, b, tidy, done]))


def test_a_failed_run_is_undone_and_fails_all_the_same():
    plan = plan_from_yaml("""\
goal: g
tasks:
  pay: {sh: pay, compensate: {sh: refund, retry: 2}}
  ship: {sh: ship, needs: [pay], required: false}
on_failure: {sh: tell}
""")
    text = export(plan).text
    assert "pay >> run_failed" in text
    assert "[pay, run_failed] >> compensate_pay" in text
    assert "run_failed >> on_failure" in text
    assert "run_failed >> fail_the_run()" in text
    found = read(text, "g.py").plan
    assert found["pay"].compensate.sh == "refund"
    assert found.on_failure.sh == "tell"
    assert [task.id for task in found] == ["pay", "ship"]


@pytest.mark.parametrize("when", ["fetch.rows > 3 and params.x", "not fetch", "fetch[0] in [1, 2]"])
def test_a_condition_is_asked_in_the_task_itself(when):
    tasks = [Task(id="fetch", run="json:loads"), Task(id="a", sh="x", needs=["fetch"], when=when)]
    made = export(Plan(goal="g", tasks=tasks, params={"x": 1}))
    assert f'raise AirflowSkipException("when: {when}")' in made.text
    assert read(made.text, "g.py").plan["a"].when == when


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_plan_are_texts_in_the_file(text):
    plan = Plan(
        goal=f"g {text}",
        tasks=[
            Task(id="a", sh="x" if "{%" in text else f"echo {text}", title=f"T {text}", owner=text),
            Task(id="b", run="json:dumps", with_={"obj": text}, description=f"d {text}"),
            Task(id="c", todo=f"t {text}", pool={"p": 1}),
        ],
        params={"x": text, "y": {text: [text]}},
        pools={"p": Pool(1)},
        stories=[Story(id="s", description=text)],
    )  # fmt: skip
    found = read(export(plan).text, "g.py").plan
    assert found.goal == plan.goal
    assert (found["a"].sh, found["a"].owner) == (plan["a"].sh, text)
    if not text.startswith("{{"):  # which is no text, but what it gives
        assert dict(found["b"].with_) == {"obj": text}
    assert (found["b"].description, found["c"].todo) == (f"d {text}", f"t {text}")
    assert dict(found.params) == {"x": text, "y": {text: [text]}}


@pytest.mark.parametrize(
    "ids", [("a b", "a_b"), ("run_failed", "x"), ("compensate_x", "x")], ids=" ".join
)
def test_ids_that_airflow_would_confuse_are_refused(ids):
    tasks = [Task(id=ids[0], sh="x"), Task(id=ids[1], sh="y", compensate={"sh": "z"})]
    with pytest.raises(PlanError, match="another id"):
        export(Plan(goal="g", tasks=tasks))


def test_a_broken_plan_is_not_exported():
    with pytest.raises(PlanError, match="needs"):
        export(Plan(goal="g", tasks=[Task(id="a", sh="x", needs=["b"])]))


def test_a_large_plan_is_written_in_a_moment():
    tasks = [Task(id="t0", sh="x")]
    tasks += [
        Task(id=f"t{n}", sh="x", needs=[f"t{n - 1}", "t0"][: min(n, 2)]) for n in range(1, 2000)
    ]
    found = read(export(Plan(goal="g", tasks=tasks)).text, "g.py").plan
    assert len(found) == 2000


# -- setup and teardown

CLUSTER = """\
goal: A cluster
tasks:
  start: {sh: make up}
  job: {sh: make job, needs: [start]}
  check: {run: 'json:dumps', with: {obj: 1}, needs: [start]}
  stop: {sh: make down, needs: [start, job, check], trigger: all_done, required: false}
"""


def test_what_tidies_up_and_need_not_succeed_is_a_teardown_of_its_setup():
    plan = plan_from_yaml(CLUSTER)
    made = export(plan)
    down = 'stop = BashOperator(task_id="stop", bash_command="make down")'
    assert f"{down}.as_teardown(setups=start)" in made.text
    assert "    start >> [job, check] >> stop\n" in made.text
    (loss,) = (loss for loss in made.losses if loss.task == "stop")
    assert loss.what == "setup", "that it does not run after a `start` that failed"
    assert not {"verdict", "required"} & told(plan), "a teardown has no say in how a run ended"
    back = read(made.text, "cluster.py").plan["stop"]
    assert (back.trigger, back.required, set(back.needs)) == (
        "all_done", False, {"start", "job", "check"},
    )  # fmt: skip


def test_a_teardown_has_no_setup_where_one_would_change_what_stands_between():
    patient = CLUSTER.replace("make job,", "make job, trigger: all_done,")
    assert '"make down").as_teardown()' in export(plan_from_yaml(patient)).text
    assert "setup" not in told(plan_from_yaml(patient))


@pytest.mark.parametrize(
    "said",
    ["required: true", "required: false, foreach: [1]", "required: false, compensate: {sh: x}"],
)
def test_what_counts_or_is_followed_is_no_teardown(said):
    text = CLUSTER.replace("required: false", said)
    assert "as_teardown" not in export(plan_from_yaml(text)).text


# -- what a linter or a reader would stumble over


def test_a_result_that_nobody_uses_has_no_name():
    text = export(plan_from_yaml("goal: g\ntasks: {a: {sh: x}, b: {run: 'json:dumps'}}")).text
    assert '\n    BashOperator(task_id="a", bash_command="x")\n' in text
    assert "\n    b()\n" in text


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"sh": "true", "when": "flag"}, '        return "true"\n'),
        ({"sh": "true", "when": "not flag"}, '        if params["flag"]:\n'),
        ({"sh": "true", "when": "flag is none"}, '        if params["flag"] is not None:\n'),
        ({"sh": "true", "when": "flag == 1"}, '        if params["flag"] != 1:\n'),
        (
            {"sh": "true", "when": "flag | length > 1"},
            '        if not (len(params["flag"]) > 1):\n',
        ),
        ({"sh": "{{ x }}", "foreach": {"x": [1]}}, '        return f"{words(x)}"\n'),
        ({"sh": "x {{ flag }}.sh"}, """        return f"x {words(params['flag'])}.sh "\n"""),
        ({"run": "json:dumps", "foreach": {"obj": "[1, 2]"}}, "    a.expand(obj=[1, 2])\n"),
        ({"sh": "exit 99"}, '@dag(schedule=None, params={"flag": 1}, default_args={"skip_on'),
        ({"run": "json:dumps", "with_": {"obj": "a'b\"c"}}, """obj="a'b\\"c")"""),
    ],
)
def test_how_a_line_reads(fields, line):
    text = export(Plan(goal="g", tasks=[Task(id="a", **fields)], params={"flag": 1})).text
    assert line in text


def test_a_long_message_is_broken_as_a_formatter_would():
    text = export(task_of(run=lambda: 1)).text
    assert "        raise NotImplementedError(\n            " in text


def test_pools_are_made_under_the_names_that_tasks_ask_for():
    plan = Plan(goal="g", tasks=[Task(id="a", sh="x", pool={"it's \"odd\"": 2})],
                pools={"it's \"odd\"": Pool(3)})  # fmt: skip
    made = export(plan)
    command = made.usage.splitlines()[0]
    assert shlex.split(command)[3:5] == ['it\'s "odd"', "3"]
    assert command in (ast.get_docstring(ast.parse(made.text)) or "")
    assert read(made.text, "x.py").plan.pools == plan.pools


RECURSIVE = """
K = 3
@task
def down(n=K): return down(n - 1) if n else 0
@task
def asks(down):
    import orch_nb
    return orch_nb.current().task
"""


def test_a_function_that_calls_itself_or_has_a_default_of_the_notebook_is_written_out():
    made = export(plan_from_source(RECURSIVE, {}, goal="g"))
    assert "        K = 3\n\n        def down(n=K):\n" in made.text
    assert "        return down()\n" in made.text
    (loss,) = (loss for loss in made.losses if loss.what == "run")
    assert (loss.task, "current()" in loss.why) == ("asks", True)


def test_names_that_python_takes_for_one_are_two():
    plan = Plan(goal="g", tasks=[Task(id="\u00e9", sh="x"), Task(id="e\u0301", sh="y"),
                                 Task(id="z", sh="z", needs=["e\u0301"])])  # fmt: skip
    text = export(plan).text
    assert "\u00e9_2 >> z" in text


def test_over_no_items_airflow_skips_and_that_is_told():
    (empty,) = (loss for loss in export(task_of(sh="x", foreach=[])).losses
                if loss.what == "foreach")  # fmt: skip
    assert empty.severity == "changed"


def test_a_time_limit_of_a_task_that_a_person_does_is_told_as_lost():
    plan = Plan(goal="g", tasks=[Task(id="gate", approval=Approval("Go?"), timeout_s=300.0)])
    assert "timeout" in [loss.what for loss in export(plan).losses]


SHARED = """
import re
from collections import Counter
LIMIT, PAIR = 3, ("a", ("b",))
def short(text, n=LIMIT):
    return re.sub("x+", "x", text)[:LIMIT]
def score(text):
    return len(short(text)) + len(re.findall("a", text)) + LIMIT
@task
def scored(rows=PAIR):
    return "%s%s" % PAIR, Counter(score(row) + len(short(row)) for row in rows[0])
"""


def test_what_functions_of_a_notebook_share_is_written_once_and_as_it_is():
    text = export(plan_from_source(SHARED, {}, goal="g")).text
    assert (
        """
    def scored():
        import re
        from collections import Counter

        PAIR = ("a", ("b",))
        LIMIT = 3

        def short(text, n=LIMIT):
            return re.sub("x+", "x", text)[:LIMIT]

        def score(text):
            return len(short(text)) + len(re.findall("a", text)) + LIMIT

        def scored(rows=PAIR):
"""
        in text
    )


class Named(str):
    """More than a literal says."""

    __slots__ = ()


@pytest.mark.parametrize(
    "function", ["def f():\n    global n\n    n += 1\n    return n", "def f(): return word"]
)
def test_a_function_that_would_mean_something_else_in_the_file_raises_there(function):
    made = export(plan_from_source(f"n = 0\n@task\n{function}\n", {"word": Named()}, goal="g"))
    compile(made.text, "dag.py", "exec")
    assert "raise NotImplementedError(" in made.text
    assert [loss.severity for loss in made.losses if loss.what == "run"] == ["changed"]


class Lazy(Sequence):
    """As Airflow hands over the results of a mapped task."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, n):
        return self.items[n]


def test_a_command_takes_the_results_of_a_mapped_task_as_words():
    plan = Plan(goal="g", tasks=[Task(id="each", sh="echo {{ item }}", foreach=["a b", "c"]),
                                 Task(id="all", sh="echo {{ each }}", needs=["each"]),
                                 ])  # fmt: skip
    made = export(plan)
    begin, end = made.text.index("def words"), made.text.index("@dag")
    names = {"Sequence": Sequence, "quote": shlex.quote, "json": json}
    exec(made.text[begin:end], names)
    assert [names["words"](one) for one in (Lazy(["a b", 1]), "a b", None, {"a": 1})] == [
        "'a b' 1", "'a b'", "''", "'{\"a\": 1}'",
    ]  # fmt: skip


MAPPED = """
@task
def rows(): return [1, 2]
@task(foreach="rows")
def each(row): return row + 1
@task
def stands(each):
    \"\"\"Text of them.\"\"\"
    return str(each)
@task(when="each")
def called(each, rows, more=1): return {"each": each}
"""


def test_a_function_takes_the_results_of_a_mapped_task_as_a_list():
    plan = plan_from_source(MAPPED, {}, goal="g")
    text = export(plan).text
    assert '"""Text of them."""\n        each = list(each)\n\n        return str(each)' in text
    assert "        each = list(each)\n        if not each:\n" in text
    assert text.count("= list(") == 2
    found = read(text, "g.py").plan
    assert {t.id: (t.needs, t.when) for t in found} == {t.id: (t.needs, t.when) for t in plan}


def test_a_comparison_with_none_is_python_s_own():
    task = Task(id="a", sh="x", when="params.n == none")
    text = export(Plan(goal="g", tasks=[task], params={"n": None})).text
    assert 'if params["n"] is not None:' in text
