"""What is exported loads in a real Airflow 3, and is there what it is in the plan.

Importing Airflow takes seconds, so all the files are looked at by one process.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from msgspec.structs import replace

import orch_nb as nb
from orch_nb.formats.airflow import export
from orch_nb.formats.airflow.names import dotless, spelled
from orch_nb.graph import topology
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Approval, Pool, Task
from orch_nb.planners.source import plan_from_source
from orch_nb.planners.yaml import plan_from_yaml

from .dag_plans import HOSTILE, NOTEBOOK, plans

EVERYTHING = """\
goal: Everything at once
params: {region: eu, regions: [eu, us]}
pools: {db: 2}
stories:
  Verify & more:
    description: Is it "good"?
    tasks:
      lint: {sh: ruff check .}
      tests: {sh: 'pytest -q ${#x} $ORCH_PARAM_REGION', timeout: 10m, pool: db}
  Ship:
    title: Out of the door
    tasks:
      build:
        run: os.path:join
        needs: [lint, tests]
        with: {a: '{{ x }} {%', b: '{{ lint.x + 1 }}'}
        subtasks:
          clean: {sh: rm -rf dist}
          make: {sh: 'make {{ params.region }} {% raw %}{{ y }}{% endraw %}'}
      approve:
        approval: {prompt: 'Publish {{ it }}?', default: reject, timeout: 2h}
        needs: [build]
on_failure: {sh: tell}
tasks:
  publish:
    sh: twine upload {{ build.path }}
    needs: [approve, build]
    compensate: {sh: make yank}
    when: build.ok and params.region == "eu"
  sales: {run: 'os.path:join', needs: [publish], foreach: {region: params.regions}, priority: 3}
  each:
    sh: echo {{ item }} {{ index }}
    needs: [publish]
    foreach: ['{{a}}', b c]
    trigger: all_done
  some: {notebook: report.ipynb, needs: [each], with: {day: 3}, foreach: each, max_active: 2}
  note: {todo: Tell people, needs: [each, sales]}
  maybe: {needs: [note, sales], when: 'sales | length > 3'}
  end: {needs: [note, maybe], trigger: none_failed}
"""


@pytest.fixture(scope="module")
def many():
    """Random plans, each with a goal of its own, which is the DAG's id."""
    found: list[Plan] = []

    @seed(20)
    @settings(max_examples=120, database=None, suppress_health_check=list(HealthCheck))
    @given(plans())
    def gather(plan: Plan) -> None:
        if not check(plan) and len(plan) > 2:
            found.append(replace(plan, goal=f"plan {len(found)}"))

    gather()
    chosen = random.Random(1).sample(found, min(60, len(found)))
    return {plan.goal.replace(" ", "_"): plan for plan in chosen}


@pytest.fixture(scope="module")
def everything():
    return plan_from_yaml(EVERYTHING)


def odd(text):
    """A plan that says `text` wherever it can; names have no control characters."""
    name = "".join(c for c in text if c.isprintable()).strip()[:50] or "none"
    return Plan(
        goal=text,
        tasks=[
            Task(id=f"x {name}", sh="true", title=text, owner=text, description=text),
            Task(id="b", run="json:dumps", with_={"obj": text}, pool={name: 1}),
            Task(id="c", approval=Approval(text), story=name),
            Task(id="d", sh="true", foreach=[text]),
        ],
        params={"x": text, text: [text]}, pools={name: Pool(1)},
        stories=[Story(id=name, description=text)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(in_airflow, many, everything):
    files = {f"{name}.py": export(plan).text for name, plan in many.items()}
    files["everything.py"] = export(everything).text
    notebook = plan_from_source(NOTEBOOK, {}, goal="A notebook")
    files["notebook.py"] = export(notebook).text
    files["tear_down.py"] = export(plan_from_yaml(TORN_DOWN)).text
    for n, text in enumerate(HOSTILE):
        plan = odd(text if "{{" not in text else f"a {text}")
        files[f"odd{n}.py"] = export(replace(plan, goal=f"odd{n} {text}")).text
    return in_airflow(files)


def test_every_file_loads(seen, many):
    assert not seen["errors"], "\n".join(f"{k}: {v[-600:]}" for k, v in seen["errors"].items())
    assert len(seen["dags"]) == len(many) + 3 + len(HOSTILE)


def test_tasks_and_edges_are_the_plans(seen, many):
    for name, plan in many.items():
        tasks = seen["dags"][name]["tasks"]
        added = tasks.keys() - {spelled(task.id) for task in plan}
        assert all(one.endswith("_items") for one in added)
        up = topology.upstream(plan)
        for task in plan:
            there = [one for one in tasks[spelled(task.id)]["up"] if one not in added]
            assert there == sorted(spelled(need) for need in up[task.id])


def test_rules_retries_pools_and_groups_are_the_plans(seen, many):
    for name, plan in many.items():
        groups: dict[str | None, set[str | None]] = {}
        for task in plan:
            there = seen["dags"][name]["tasks"][spelled(task.id)]
            assert there["trigger"] == task.trigger.value
            assert there["mapped"] is (task.foreach is not None)
            assert there["owner"] == (task.owner or "airflow")
            pool, slots = next(iter((task.pool or {"default_pool": 1}).items()))
            assert (there["pool"], there["slots"]) == (pool, slots)
            if any(one.priority for one in plan):
                assert there["priority"] == task.priority
            if task.kind in ("python", "shell"):
                assert there["retries"] == task.retry.maximum_attempts - 1
                assert there["timeout_s"] == task.timeout_s
            if there["retries"]:
                assert there["delay_s"] == task.retry.initial_interval_s
                assert (there["backoff"] or 1) == task.retry.backoff_coefficient
            if task.parent is None:
                groups.setdefault(task.story, set()).add(there["group"])
            else:
                assert there["group"] == f"{dotless(task.parent)}_subtasks"
        assert all(len(ids) == 1 for ids in groups.values())
        assert groups.get(None, {None}) == {None}


def test_a_teardown_is_one_of_airflows_with_its_setup(seen):
    stop = seen["dags"]["tear_down"]["tasks"]["stop"]
    assert (stop["trigger"], stop["up"]) == (
        "all_done_setup_success", ["check", "job", "start"],
    )  # fmt: skip


def test_a_plan_with_everything_in_it_loads_and_has_all_of_it(seen, everything):
    tasks = seen["dags"]["everything_at_once"]["tasks"]
    assert {task.id for task in everything} <= tasks.keys()
    assert tasks["approve"]["kind"] == "ApprovalOperator"
    assert tasks["run_failed"]["trigger"] == "one_failed"
    assert tasks["compensate_publish"]["up"] == ["build", "publish", "run_failed"][1:]
    assert tasks["some"]["most"] == 2


# -- really run


TORN_DOWN = """\
goal: Tear down
tasks:
  start: {sh: echo up}
  job: {sh: exit 3, needs: [start]}
  check: {sh: 'echo {{ start }}', needs: [start]}
  stop: {sh: exit 4, needs: [start, job, check], trigger: all_done, required: false}
"""
RULED = """\
goal: Rule
params: {n: 3, flag: false}
tasks:
  a: {sh: echo a}
  b: {sh: exit 1}
  s: {sh: echo s, when: flag}
  r1: {sh: echo, needs: [a, s], trigger: none_failed_min_one_success}
  r2: {sh: echo, needs: [a, s], trigger: all_done_min_one_success}
  r3: {sh: echo, needs: [s], trigger: all_skipped}
  r4: {sh: echo, needs: [a, b, s], trigger: one_done}
  r5: {sh: echo, needs: [a, s], trigger: none_skipped}
  r6: {sh: echo, needs: [b], trigger: always}
  r7: {sh: echo, needs: [a, s]}
  r8: {sh: echo, needs: [r7], trigger: none_failed}
  r9: {sh: echo, needs: [a, b], trigger: one_failed}
  w: {sh: echo, needs: [a], when: a is none or a | length > 5}
  q: {sh: 'echo "it''s" ünï {% raw %}{{ x }}{% endraw %} ${#HOME} {{ n }}'}
  m: {needs: [b], trigger: all_done, when: n == 3}
on_failure: {sh: 'true'}
"""


def test_a_dag_runs_as_the_plan_would(in_airflow, tmp_path):
    plan = plan_from_yaml(
        """\
goal: Run me
params: {least: 3, name: Ann's, two: [x, y]}
tasks:
  fetch: {run: 'statistics:mean', with: {data: [1, 3]}}
  told: {sh: 'echo {{ fetch }} {{ params.name }} > OUT', needs: [fetch]}
  skipped: {sh: exit 1, needs: [fetch], when: fetch > params.least}
  each: {sh: 'test {{ item }} != b', foreach: [a, c d], needs: [fetch]}
  drop: {sh: 'echo {{ index }}', foreach: params.two}
  words: {sh: 'printf "%s|" {{ drop }} > WORDS', needs: [drop]}
  list: {run: 'operator:concat', with: {"*": ['{{ drop }}', '{{ drop }}']}, needs: [drop]}
  broken: {sh: exit 7, needs: [told]}
  never: {sh: exit 1, needs: [broken]}
  cleanup: {sh: "true", needs: [broken], trigger: all_done}
""".replace("OUT", str(tmp_path / "told")).replace("WORDS", str(tmp_path / "words"))
    )
    plan = replace(plan, tasks=[
        replace(task, compensate=Task(id="x", sh=f"touch {tmp_path / 'undone'}"))
        if task.id == "told" else task for task in plan
    ])  # fmt: skip
    others = {"tear_down": plan_from_yaml(TORN_DOWN), "rule": plan_from_yaml(RULED)}
    files = {f"{name}.py": export(other).text for name, other in others.items()}
    done = in_airflow(files | {"run_me.py": export(plan).text}, "run_me", *others)
    assert done["errors"] == {}
    for name, other in others.items():
        there, here = done["runs"][name], nb.execute(other, journal="memory")
        words = {"success": "succeeded"}
        states = {task: words.get(state, state) for task, state in there["tasks"].items()}
        assert {one.task: str(one.status) for one in here.tasks}.items() <= states.items()
        assert there["state"] == str(here.status) == "failed"
    ran = done["runs"]["run_me"]
    assert ran["state"] == "failed"
    states = ran["tasks"]
    assert states["fetch"] == states["told"] == "success"
    assert states["skipped"] == "skipped"
    assert states["each[0]"] == states["each[1]"] == "success"
    assert states["broken"] == "failed"
    assert states["never"] == "upstream_failed"
    assert states["cleanup"] == states["compensate_told"] == "success"
    assert states["words"] == states["list"] == "success"
    assert (tmp_path / "told").read_text() == "2 Ann's\n"
    assert (tmp_path / "words").read_text() == "0|1|"
    assert (tmp_path / "undone").exists()
