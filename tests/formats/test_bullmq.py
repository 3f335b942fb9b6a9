"""A plan as a flow of BullMQ and back; the real BullMQ ends a flow as our engine ends the plan."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.errors import PlanError
from orch_nb.formats.bullmq import export, read, recognises
from orch_nb.model.plan import Plan, decode_plan, encode
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.testing import FakeExecutor, chain, diamond, fan, perform

RULES = ("all_success", "all_success", "all_done", "none_failed", "none_skipped", "always")

#: Adds each flow that it is told of, does its jobs as it is told, and tells how they ended.
WORKER = """
import { createInterface } from 'node:readline';
import { FlowProducer, Queue, Worker } from 'bullmq';
const connection = { host: '127.0.0.1', port: Number(process.argv[2]) };
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const flat = (node) => [node.job, ...(node.children ?? []).flatMap(flat)];
const producer = new FlowProducer({ connection });
const stays = ['completed', 'failed', 'waiting-children', 'unknown'];  // unknown: removed
let outcomes = {}, ran = {}, order = [];
const workers = {};
function work(job) {
  const id = job.data?.task?.id ?? job.name;
  ran[id] = (ran[id] ?? 0) + 1;
  order.push(id);
  const told = outcomes[id] ?? [true];
  if (!told[Math.min(ran[id], told.length) - 1]) throw new Error('no');
  return id;
}
const queues = (node) => [node.queueName, ...(node.children ?? []).flatMap(queues)];
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  outcomes = told.outcomes ?? {};
  ran = {};
  order = [];
  for (const name of queues(told.flow)) {
    const options = { connection, concurrency: told.concurrency ?? 8 };
    workers[name] ??= new Worker(name, async (job) => work(job), options);
  }
  const tree = await producer.add(told.flow);
  const jobs = flat(tree);
  const until = Date.now() + (told.patience ?? 20000);
  let states = {}, before = '', since = Date.now();
  while (Date.now() < until) {
    states = {};
    for (const job of jobs) states[job.data?.task?.id ?? job.name] = await job.getState();
    const now = Object.values(states);
    if (now.every((s) => s === 'completed' || s === 'failed')) break;
    if (now.join() !== before) { before = now.join(); since = Date.now(); }
    const stuck = now.every((s) => stays.includes(s));
    if (stuck && told.settle && Date.now() - since > told.settle) break;
    await new Promise((done) => setTimeout(done, 15));
  }
  say({ states, ran, order });
}
for (const worker of Object.values(workers)) await worker.close(true);
await producer.close();
process.exit(0);
"""


@pytest.fixture(scope="module")
def bullmq(script, redis_port):
    worker = script(WORKER, "bullmq", "ioredis", options=(str(redis_port),))

    def run(flow, **told):
        worker.send(flow=flow, **told)
        return worker.line()

    return run


@st.composite
def trees(draw, most=8):
    """Plans in which each task has at most one that waits for it."""
    size = draw(st.integers(1, most))
    needs = {n: [] for n in range(size)}
    for n in range(size - 1):
        parent = draw(st.none() | st.integers(n + 1, size - 1))
        if parent is not None:
            needs[parent].append(f"t{n}")
    tasks = [
        Task(
            id=f"t{n}",
            needs=tuple(draw(st.permutations(needs[n]))),
            run=draw(st.sampled_from(["m:f", None])),
            trigger=draw(st.sampled_from(RULES)),
            retry=RetryPolicy(
                maximum_attempts=draw(st.integers(1, 3)), initial_interval_s=0.01, jitter=0,
                backoff_coefficient=draw(st.sampled_from([1, 2])),
            ),
            priority=draw(st.sampled_from([0, 0, 5, -1])),
            required=draw(st.booleans()),
            story=draw(st.sampled_from([None, "S"])),
            with_={},
        )
        for n in draw(st.permutations(range(size)))
    ]  # fmt: skip
    return Plan(goal="g", tasks=tuple(tasks), params={"x": 1}, pools={"db": 2})


@given(plan=trees())
def test_the_round_trip_keeps_the_plan(plan):
    made = export(plan)
    assert recognises(made.text, "flow.json")
    found = read(made.text, "flow.json")
    assert encode(found.plan) == encode(decode_plan(encode(plan)))
    assert found.losses == ()


def statuses(run):
    return {task.task: task.status.value for task in run}


def told(result):
    """What the states of jobs are called here; one that failed unprocessed is upstream_failed."""
    words = {"completed": "succeeded", "failed": "failed"}
    return {
        job: words.get(state, state) if state != "failed" or job in result["ran"]
        else "upstream_failed"
        for job, state in result["states"].items()
    }  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=trees(), data=st.data())
def test_the_real_bullmq_ends_a_flow_as_our_engine_ends_the_plan(plan, data, bullmq):
    # A milestone cannot fail; a worker may be told to fail anything.
    can_fail = [task.id for task in plan.tasks if task.run is not None]
    outcomes = {
        name: data.draw(st.lists(st.booleans(), min_size=1, max_size=3)) for name in can_fail
    }
    script = {name: [None if ok else ValueError("no") for ok in some]
              for name, some in outcomes.items()}  # fmt: skip
    ours = perform(plan, executor=FakeExecutor(script, takes_s=0.001))
    result = bullmq(json.loads(export(plan).text), outcomes=outcomes)
    found = told(result)
    found.pop("(end)", None)
    assert found == statuses(ours)
    tries = {task.task: len(task.attempts) for task in ours if task.attempts}
    assert {job: n for job, n in result["ran"].items() if job in tries} == tries


def test_a_second_parent_is_refused_by_name():
    with pytest.raises(PlanError, match="`a` has a second parent: `b` and `c` wait for it"):
        export(diamond())
    with pytest.raises(PlanError, match="`first` has a second parent"):
        export(fan(3))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trigger": "one_failed"}, "waits for `one_failed`"),
        ({"trigger": "one_success"}, "waits for `one_success`"),
        ({"trigger": "all_done_min_one_success"}, "which no option of a flow says"),
        ({"approval": Approval("?")}, "waits for a person"),
        ({"todo": "look"}, "waits for a person"),
        ({"run": "m:f", "when": "1"}, "has `when`"),
        ({"run": "m:f", "foreach": [1]}, "has `foreach`"),
    ],
)
def test_what_a_flow_would_do_wrong_is_refused(fields, why):
    tasks = (Task(id="a"), Task(id="b"), Task(id="c", needs=("a", "b"), **fields))
    with pytest.raises(PlanError, match=why):
        export(Plan(goal="g", tasks=tasks))


def test_no_parent_waits_for_ever():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a"), Task(id="b", required=False), Task(id="c", needs=("a",)),
            Task(id="d", needs=("b", "c"), trigger="all_done"), Task(id="e", required=False),
        ),
    )  # fmt: skip
    made = export(plan)

    def options(job):
        yield job["name"], [key for key in job["opts"] if key.endswith("OnFailure")]
        for child in job.get("children", ()):
            yield from options(child)

    assert dict(options(json.loads(made.text))) == {
        "(end)": [], "d": ["failParentOnFailure"], "e": ["ignoreDependencyOnFailure"],
        "b": ["removeDependencyOnFailure"], "c": ["ignoreDependencyOnFailure"],
        "a": ["failParentOnFailure"],
    }  # fmt: skip
    assert [(loss.what, loss.task) for loss in made.losses] == [("root", ""), ("required", "c")]


def test_what_is_lost_is_told():
    full = Task(
        id="a", run="m:f", timeout="1s", total_timeout="5s", pool="db", cache=True, outputs="x",
        retry=RetryPolicy(maximum_attempts=9, backoff_coefficient=3, retry_on=("OSError",),
                          maximum_interval_s=2),
        compensate={"run": "m:g"}, required=False,
    )  # fmt: skip
    plan = Plan(goal="g", tasks=(full,), pools={"db": 1}, on_failure={"run": "m:h"})
    assert {loss.what for loss in export(plan).losses} == {
        "pools", "on_failure", "required", "compensate", "pool", "timeout", "total_timeout",
        "cache", "outputs", "jitter", "backoff_coefficient", "non_retryable", "maximum_interval",
    }  # fmt: skip


@pytest.mark.parametrize(
    "above",
    [
        [Task(id="end", needs=["b"], trigger="all_done")],
        [Task(id="end")],  # beside `b`: both get an end of the flow's own
    ],
)
def test_a_required_task_below_one_that_is_not_is_told_of_where_the_flow_hides_its_failure(
    above, bullmq
):
    plan = Plan(goal="g", tasks=[
        Task(id="a", run="m:f"), Task(id="b", run="m:f", needs=["a"], required=False), *above,
    ])  # fmt: skip
    made = export(plan)
    tree = json.loads(made.text)
    result = bullmq(tree, outcomes={"a": [False]})
    run = perform(plan, executor=FakeExecutor({"a": [ValueError("no")]}))
    assert (result["states"][tree["name"]], run.status) == ("completed", "failed")
    assert [loss.task for loss in made.losses if "may complete all the same" in loss.why] == ["a"]


def test_a_flow_that_was_changed_since_holds_as_it_is_now():
    tree = json.loads(export(chain("a", "b", retry=2)).text)
    tree["children"][0]["opts"] = {"attempts": 4, "backoff": 500, "ignoreDependencyOnFailure": True}
    found = read(json.dumps(tree))
    assert found.plan["a"].retry.maximum_attempts == 4
    assert found.plan["a"].retry.initial_interval_s == 0.5
    assert found.plan["b"].trigger == "all_done"
    assert [loss.what for loss in found.losses] == ["data"]


def test_a_flow_in_a_script_is_read_and_never_run():
    text = """
    import { FlowProducer } from 'bullmq';
    const connection = { host: 'x' };
    const retry = { attempts: 3, backoff: { type: 'exponential', delay: 1000 } };
    const flowProducer = new FlowProducer({ connection });
    const flow = await flowProducer.add({
      name: 'renovate-interior',
      queueName: 'renovate',
      children: [
        { name: 'paint', data: { place: 'ceiling' }, queueName: 'steps',
          opts: { ...retry, failParentOnFailure: true } },
        { name: 'paint', data: { place: 'walls', by: new Date() }, queueName: 'steps',
          opts: { delay: 5000, ignoreDependencyOnFailure: true } },
        { name: 'fix', queueName: 'steps', children: more() },
      ],
    });
    """
    assert recognises(text, "flow.ts")
    found = read(text, "flow.ts")
    plan = found.plan
    assert [task.id for task in plan.tasks] == [
        "paint", "paint_2", "fix", "renovate-interior (may fail)", "renovate-interior",
    ]  # fmt: skip
    assert plan["paint"].with_ == {"place": "ceiling"}
    assert plan["paint"].retry.maximum_attempts == 3
    assert plan["renovate-interior"].needs == ("paint", "fix", "renovate-interior (may fail)")
    assert plan["renovate-interior (may fail)"].trigger == "all_done"
    assert {(loss.what, loss.task) for loss in found.losses if loss.severity != "note"} == {
        ("name", "paint_2"), ("delay", "paint_2"), ("data.by", "paint_2"), ("children", "fix"),
        ("no failure option", "fix"), ("trigger", "renovate-interior"),
    }  # fmt: skip
    assert {loss.line for loss in found.losses} == {6}


def test_default_options_of_a_queue_are_those_of_its_jobs():
    found = read(
        """
        new FlowProducer().add(
          { name: 'a', queueName: 'slow', children: [
            { name: 'b', queueName: 'slow', opts: { attempts: 5 } },
            { name: 'c', queueName: 'fast' } ] },
          { queuesOptions: { slow: { defaultJobOptions: { attempts: 3, backoff: 100,
                                                          ignoreDependencyOnFailure: true } } } });
        """
    )
    tries = {task.id: task.retry.maximum_attempts for task in found.plan.tasks}
    assert tries == {"a": 3, "b": 5, "c": 1, "a (may fail)": 1}
    assert found.plan["a"].needs == ("c", "a (may fail)")


def test_a_flow_in_a_script_in_python_is_read():
    text = """
from bullmq import FlowProducer

RETRY = {"attempts": 3, "backoff": {"type": "exponential", "delay": 1000, "jitter": 0.5}}

async def main():
    flow = FlowProducer("redis://localhost")  # one for all
    await flow.add({
        "name": "renovate", "queueName": "q", "data": None,
        "children": [
            {"name": "paint", "data": {"place": "ceiling", "at": now()}, "queueName": "q",
             "opts": {**RETRY, "failParentOnFailure": True}},
        ],
    })
"""
    assert recognises(text, "flow.py")
    found = read(text, "flow.py")
    assert found.plan["renovate"].needs == ("paint",)
    retry = found.plan["paint"].retry
    assert retry.maximum_attempts == 3
    # There from 0.5 s to 1 s: here the middle, and as much to either side.
    assert retry.initial_interval_s * (1 - retry.jitter) == pytest.approx(0.5)
    assert retry.initial_interval_s * (1 + retry.jitter) == pytest.approx(1)
    assert {(loss.what, loss.line) for loss in found.losses if loss.severity != "note"} == {
        ("data.at", 8)
    }


def test_jobs_that_bullmq_takes_for_one_are_told_of():
    tree = {"name": "a", "queueName": "q", "children": [
        {"name": "b", "queueName": "q", "children": [
            {"name": "x", "queueName": "q", "opts": {"jobId": "shared"}}]},
        {"name": "c", "queueName": "q", "children": [
            {"name": "y", "queueName": "q", "opts": {"jobId": "shared"}}]},
    ]}  # fmt: skip
    found = read(json.dumps(tree))
    assert [loss.task for loss in found.losses if "`x` has it too" in loss.why] == ["y"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ('{"queueName": "q"}', "an object with a `name`"),
        ("new FlowProducer().add(tree)", "No call of `FlowProducer.add`"),
        ("f.add({name: 'a', queueName: 'q'", "cannot be read"),
        ("f.add({name: 'a', queueName: 'q'}); f.add({name: 'b', queueName: 'q'})", "several flows"),
        ("[" * 100_000, "no JSON"),
        ("  ", "is empty"),
        ("[]", "has no flow"),
        ('{"name": "a", "queueName": "q", "data": {"x": NaN}}', "NaN is no number"),
        ('{"name": "a", "queueName": "q", "children": {"b": 1}}', "`children` of `a` is no list"),
        ('{"name": "a", "queueName": "q", "children": [1]}', "an object with a `name`, not '1'"),
        ('{"name": "a", "queueName": "q", "opts": [1]}', "`opts` of `a` is no object"),
        (
            (
                '{"name": "a", "queueName": "q", "opts": {"failParentOnFailure": true, '
                '"ignoreDependencyOnFailure": true}}'
            ),
            "BullMQ takes one only",
        ),
        ('{"task": "a", "subtask_type": null}', "a canvas of Celery"),
        ('{"id": "a", "states": {}}', "a machine of XState"),
        ('{"name": "a", "queueName": "q", "children": [' * 400 + "]}" * 400, "deeper than 300"),
    ],
)
def test_what_is_no_flow_is_refused(text, why):
    with pytest.raises(PlanError, match=why):
        read(text)


# -- flows of somebody else's, and how they end

FAILURES = ("", "failParentOnFailure", "ignoreDependencyOnFailure", "removeDependencyOnFailure",
            "continueParentOnFailure")  # fmt: skip


@st.composite
def flows(draw, most=10):
    """A tree of jobs with options of every kind, and which of them fail, or fail at first."""
    names = []

    def job(deep):
        name = f"j{len(names)}"
        names.append(name)
        failure = draw(st.sampled_from(FAILURES))
        opts = {failure: True} if failure else {}
        if draw(st.integers(0, 4)) == 0:
            opts |= {"attempts": 2, "backoff": draw(st.sampled_from(BACKOFFS))}
        if draw(st.integers(0, 5)) == 0:
            opts |= draw(st.sampled_from([{"delay": 30}, {"priority": 3}, {"lifo": True}]))
        found = {
            "name": name,
            "queueName": draw(st.sampled_from(["one", "two"])),
            "data": {},
            "opts": opts,
        }
        if deep and len(names) < most:
            found["children"] = [job(deep - 1) for _ in range(draw(st.integers(0, 3)))]
        return found

    tree = job(draw(st.integers(1, 4)))
    outcomes = {
        name: draw(st.sampled_from([[False], [False], [False, True]]))
        for name in draw(st.sets(st.sampled_from(names), min_size=1))
    }
    return tree, outcomes


BACKOFFS = (10, {"type": "fixed", "delay": 5}, {"type": "exponential", "delay": 10, "jitter": 0.5})


def as_here(tree, outcomes):
    """The import of a flow, and its run here with the same failures."""
    found = read(json.dumps(tree))
    script = {name: [None if ok else ValueError("no") for ok in some]
              for name, some in outcomes.items()}  # fmt: skip
    return found, perform(found.plan, executor=FakeExecutor(script))


def compared(found, run, result):
    """Whether a run here ended as the flow did there, attempt by attempt. Parents that start too
    early by `continueParentOnFailure`, which is told, may end in any way, and what is above too."""
    if any(loss.what == "continueParentOnFailure" for loss in found.losses):
        return
    there = {job: "upstream_failed" if state == "waiting-children" else state
             for job, state in told(result).items()}  # fmt: skip
    assert {task.task: task.status.value for task in run if task.task in there} == there
    tries = {task.task: len(task.attempts) for task in run if task.attempts}
    assert {job: n for job, n in result["ran"].items() if job in tries} == tries
    root = next(job for job in result["states"])
    assert (run.status == "succeeded") == (result["states"][root] == "completed")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=flows())
def test_a_flow_of_somebody_else_ends_here_as_in_the_real_bullmq(case, bullmq):
    compared(*as_here(*case), bullmq(case[0], outcomes=case[1], settle=200))


@pytest.mark.parametrize("above", FAILURES)
@pytest.mark.parametrize("below", FAILURES)
def test_each_option_below_each_ends_here_as_in_the_real_bullmq(above, below, bullmq):
    #     root ◄─ mid (above) ◄─ bad (below), leaf          root ◄─ good
    def job(name, failure="", *children):
        return {"name": name, "queueName": "one", "opts": {failure: True} if failure else {},
                "children": list(children)}  # fmt: skip

    tree = job("root", "", job("mid", above, job("bad", below), job("leaf")), job("good"))
    found, run = as_here(tree, {"bad": [False]})
    compared(found, run, bullmq(tree, outcomes={"bad": [False]}, settle=200))
    waits = below == ""
    assert any("waits for ever" in loss.why for loss in found.losses if loss.task == "bad") == waits
    if waits:  # whatever the option of what waits
        assert run["root"].status == "upstream_failed"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("f.add(" * 5000, "is missing"),
        ("f.add(" * 5000 + "1" + ")" * 5000, "nested too much"),
        ("f.add({name: 'a', queueName: 'q', data: x(" * 5000 + "1" + ")})" * 5000, "nested too"),
        ("f.add(" + "{a:" * 5000 + "1" + "}" * 5000 + ")", "too deep"),
        ("const j40 = {name: 'a', queueName: 'q'};" + "".join(
            f"const j{n} = {{name: 'b', queueName: 'q', children: [j{n + 1}, j{n + 1}]}};"
            for n in range(40)) + "f.add(j0)", "more than 50,000 jobs"),
        ("s.add(1);\n" * 20_000, "No call of"),
        ("x" + ".y" * 200_000, "No call of"),
    ],
)  # fmt: skip
def test_what_is_made_to_be_slow_is_refused(text, why):
    with pytest.raises(PlanError, match=why):
        read("FlowProducer " + text)


def ours(state):
    """What may be the status here of a job that ended so there."""
    return {"completed": {"succeeded"}, "failed": {"failed", "upstream_failed"},
            "waiting-children": {"upstream_failed"}}[state]  # fmt: skip


def test_flows_of_the_corpus_end_here_as_they_did_there(corpus):
    cases = json.loads((corpus / "oracles" / "bullmq_flows.json").read_text(encoding="utf-8"))
    assert len(cases["cases"]) == 7
    for name, case in cases["cases"].items():
        found = read(json.dumps(case["flow"]))
        script = {task: [ValueError("no")] for task in case["fails"]}
        run = perform(found.plan, executor=FakeExecutor(script))
        kinds = {loss.what for loss in found.losses}
        for job, state in case["final_states"].items():
            if "continueParentOnFailure" in kinds and run[job].status not in ours(state):
                assert job == "mid", (name, job)  # told: there it fails for having been too early
                continue
            assert run[job].status.value in ours(state), (name, job)
        assert ("no failure option" in kinds) == any(
            "OnFailure" not in json.dumps(child) for child in case["flow"]["children"]
        )


def test_flows_of_the_corpus_do_here_what_they_did_when_recorded(corpus, bullmq):
    cases = json.loads((corpus / "oracles" / "bullmq_flows.json").read_text(encoding="utf-8"))
    for name, case in cases["cases"].items():
        result = bullmq(
            case["flow"], outcomes={job: [False] for job in case["fails"]}, concurrency=1,
            patience=2500,
        )  # fmt: skip
        assert result["states"] == case["final_states"], name


def test_it_is_one_of_the_systems(tmp_path):
    path = tmp_path / "flow.json"
    nb.export(chain("a", "b"), "bullmq", path)
    found = nb.import_(path)
    assert found.system == "bullmq"
    assert [task.id for task in found.plan.tasks] == ["a", "b"]


def parent_of(child, **more):
    return {
        "name": "p",
        "queueName": "q",
        "children": [{"name": "c", "queueName": "q"} | child],
    } | more


@pytest.mark.parametrize("kept", [True, False, 0, 1, {"count": 0}, {"age": 0}, {"age": 60}])
def test_a_job_that_is_removed_when_it_fails_keeps_nobody_waiting(kept, bullmq):
    tree = parent_of({"opts": {"removeOnFail": kept}})
    found = read(json.dumps(tree))
    run = perform(found.plan, executor=FakeExecutor({"c": [ValueError("no")]}))
    result = bullmq(tree, outcomes={"c": [False]}, settle=300)
    assert (result["states"]["p"] == "completed") == (run["p"].status == "succeeded")
    waits = any(loss.what == "no failure option" for loss in found.losses)
    assert (result["states"]["p"] == "waiting-children") == waits


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        (parent_of({"opts": {"jobId": "17"}}), "jobId"),
        (parent_of({"opts": {"jobId": "a:b"}}), "jobId"),
        (parent_of({"opts": {"priority": 1.5}}), "priority"),
        (parent_of({"opts": {"priority": 2**21}}), "priority"),
        (parent_of({"opts": {"deduplication": {"id": "x"}}}), "deduplication"),
        (parent_of({}, opts={"deduplication": {"id": "x"}}), "deduplication"),
        (parent_of({"opts": {"debounce": {"id": "x", "ttl": 9}}}), "debounce"),
        (parent_of({"queueName": "a:b"}), "queueName"),
    ],
)  # fmt: skip
def test_a_job_that_bullmq_would_not_add_is_told_of(tree, what):
    told = [loss.what for loss in read(json.dumps(tree)).losses if "adds no such job" in loss.why]
    assert told == [what]


def test_a_flow_that_joins_another_or_lies_elsewhere_is_told_of():
    tree = parent_of({"prefix": "mine"}, opts={"parent": {"id": "1", "queue": "bull:up"}})
    told = {loss.what: loss.why for loss in read(json.dumps(tree)).losses}
    assert "`mine`" in told["prefix"]
    assert "not in this file" in told["parent"]


@pytest.mark.parametrize("name", ["send-email", "17", "à propos", "mail:send", "a b.c/d"])
def test_a_job_of_any_name_is_done_by_what_is_handed_in_for_it(name):
    found = read(json.dumps({"name": name, "queueName": "q", "data": {"to": "you"}}))
    told = [loss.why for loss in found.losses if loss.what == "run"]
    assert all(name in why for why in told)
    assert bool(told) == (name != "mail:send")  # which may as well be a function in a module
    run = nb.execute(found.plan, namespace={name: lambda to: f"to {to}"}, journal="memory")
    assert run.results[name] == "to you"


@pytest.mark.parametrize(
    ("opts", "attempts"),
    [({"attempts": "3"}, 3), ({"attempts": 3, "backoff": {"type": "fixed", "delay": -1}}, 1)],
)
def test_attempts_are_as_many_as_bullmq_makes(opts, attempts, bullmq):
    tree = parent_of({"opts": opts | {"failParentOnFailure": True}})
    run = perform(read(json.dumps(tree)).plan, executor=FakeExecutor({"c": [ValueError("no")] * 9}))
    result = bullmq(tree, outcomes={"c": [False]}, patience=3000)
    assert len(run["c"].attempts) == result["ran"]["c"] == attempts


SCRIPT = "import { FlowProducer } from 'bullmq';\nconst flow = new FlowProducer();\n"
JOB = "{ name: 'c', queueName: 'q' }"


@pytest.mark.parametrize(
    "script",
    [
        f"const kids = [{JOB}]; kids.push(more);",
        f"let kids = [{JOB}]; if (x) kids = [];",
        f"const kids = [{JOB}]; kids[0].children = more;",
        f"const kids = [{JOB}]; Object.assign(kids, more);",
    ],
)
def test_a_name_whose_value_changes_in_the_script_is_not_taken_for_what_it_was(script):
    text = SCRIPT + script + "flow.add({ name: 'p', queueName: 'q', children: kids });"
    found = read(text)
    assert [task.id for task in found.plan.tasks] == ["p"]
    assert [loss.why for loss in found.losses if loss.what == "children"] == [
        "`kids` is worked out when the script runs"
    ]


def test_a_name_is_what_was_declared_last_before_it():
    text = (
        SCRIPT + "function a() { const kids = [{ name: 'x', queueName: 'q' }];"
        " flow.add({ name: 'p', queueName: 'q', children: kids }); }"
        "function b() { const kids = []; return kids; }"
    )
    assert [task.id for task in read(text).plan.tasks] == ["x", "p"]


@pytest.mark.parametrize(
    "change",
    ["kids.append(more)", "kids[0]['children'] = more", "kids = kids + more", "kids += more",
     "for kids in more: pass"],
)  # fmt: skip
def test_a_name_whose_value_changes_in_python_is_not_taken_for_what_it_was(change):
    text = (
        "from bullmq import FlowProducer\nflow = FlowProducer()\n"
        "kids = [{'name': 'c', 'queueName': 'q'}]\n"
        f"{change}\nawait flow.add({{'name': 'p', 'queueName': 'q', 'children': kids}})\n"
    )
    found = read(text)
    assert [task.id for task in found.plan.tasks] == ["p"]
    assert "children" in {loss.what for loss in found.losses}


def test_children_that_are_worked_out_are_told_of_one_by_one():
    text = (
        SCRIPT + f"flow.add({{ name: 'p', queueName: 'q', children: [...rest, make(1), {JOB}] }});"
    )
    found = read(text)
    assert [task.id for task in found.plan.tasks] == ["c", "p"]
    assert [loss.why for loss in found.losses if loss.what == "children"] == [
        "`...rest` is worked out when the script runs",
        "`make(1)` is worked out when the script runs",
    ]


def test_of_two_options_by_a_flag_none_is_held_against_the_other():
    options = "{ failParentOnFailure: strict, ignoreDependencyOnFailure: !strict }"
    text = SCRIPT + (
        "flow.add({ name: 'p', queueName: 'q', children: "
        f"[{{ name: 'c', queueName: 'q', opts: {options} }}] }});"
    )
    told = {loss.what for loss in read(text).losses}
    assert {"failParentOnFailure", "ignoreDependencyOnFailure"} <= told


def test_a_product_of_numbers_is_a_number():
    text = SCRIPT + (
        "flow.add({ name: 'p', queueName: 'q', "
        "opts: { attempts: 3, backoff: { type: 'exponential', delay: 2 * 60 * 1000 } } });"
    )
    (task,) = read(text).plan.tasks
    assert (task.retry.initial_interval_s, task.retry.backoff_coefficient) == (120, 2)
