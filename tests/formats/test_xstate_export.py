"""A plan as a machine: it loads in XState and ends as our own engine ends the plan."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.engine.memory import MemoryJournal
from orch_nb.errors import PlanError
from orch_nb.formats.xstate import export
from orch_nb.formats.xstate.machine import names
from orch_nb.model.event import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Decided,
    TaskEnded,
    Waiting,
)
from orch_nb.model.plan import Plan, encode
from orch_nb.model.task import Approval, RetryPolicy, Task, TriggerRule
from orch_nb.testing import START, FakeExecutor, Took, chain, diamond, nothing, perform

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture(scope="module")
def driver(script):
    return script(export(chain("a")).files["drive.mjs"], "xstate", options=("--clock=manual",))


class Machine:
    """A machine in real XState, and what it has said was due."""

    def __init__(self, driver, plan: Plan) -> None:
        self._driver, self.now, self.due = driver, 0, []
        self.names, self.plan, self.asked = names(plan), plan, set()
        self.regions = {self.names[task.id] for task in plan.tasks if task.story is None}
        self._took(load=json.loads(export(plan).text))

    def _took(self, **order) -> None:
        self._driver.send(**order)
        due, state = self._driver.until("value")
        self.due += due
        self.value, self.status = state["value"], state["status"]
        self.asked |= {line["decide"]["task"] for line in due if "decide" in line}

    def send(self, event: str) -> None:
        self._took(send=event)

    def decide(self, task: str) -> None:
        """Says what comes of a task's `when`, if that is what it waits for."""
        if task in self.asked:
            self.asked.remove(task)
            self.send(f"{self.names[task]}.{WHEN[self.plan[task].when]}")

    def until(self, seconds: float) -> None:
        passed = round(seconds * 1000) - self.now
        if passed > 0:
            self.now += passed
            self._took(advance=passed)

    def states(self) -> dict[str, str]:
        """The state of each task's region."""
        found = {}
        for key, value in self.value["tasks"].items():
            is_story = key not in self.regions
            found |= value if is_story else {key: value}
        return {task: found[name] for task, name in self.names.items()}


retries = st.builds(
    RetryPolicy,
    maximum_attempts=st.integers(1, 3),
    initial_interval_s=st.sampled_from([1.0, 2.0]),
    backoff_coefficient=st.sampled_from([1.0, 2.0]),
    maximum_interval_s=st.sampled_from([None, 3.0]),
    jitter=st.just(0.0),
)


soon = st.just(
    RetryPolicy(maximum_attempts=3, initial_interval_s=0.001, backoff_coefficient=1.0, jitter=0.0)
)

#: Names that mean more to JavaScript, to XState or to its machines than a name should.
NAMES = (
    "a.b", "a#b", "a b", "a_b", "__proto__", "constructor", "toString", "1", "01", "tasks", "plan",
    "outcome", "CANCEL", "xstate", "été", "目的", "*", "a:succeeded", "waiting", "S1", "on failure",
)  # fmt: skip
#: What is asked before a task, and what its driver says.
WHEN = {"1 < 2": "RUN", "1 > 2": "SKIP", "1 < word": "ERROR"}


@st.composite
def plans(draw, most=7):
    tasks = []
    odd = iter(draw(st.permutations(NAMES)))
    for n in range(draw(st.integers(1, most))):
        elder = [task for task in tasks if task.parent is None]
        needs = draw(st.sets(st.sampled_from([t.id for t in elder]), max_size=3)) if elder else ()
        kind = draw(st.sampled_from(["run", "run", "run", "milestone", "gate"]))
        own = draw(st.sampled_from([None, "S1", "S2", "S 1", "a_b", "__proto__"]))
        # A wait that would outlast the whole time is not waited out by our engine, and is there.
        limit = draw(st.sampled_from([None, None, 7.5])) if kind == "run" else None
        retry = draw(retries if limit is None else soon) if kind == "run" else RetryPolicy()
        task = Task(
            id=f"t{n}" if draw(st.integers(0, 2)) else next(odd),
            run=nothing if kind == "run" else None,
            approval=Approval("?", draw(st.sampled_from(["approve", "reject"])))
            if kind == "gate"
            else None,
            needs=tuple(sorted(needs)),
            trigger=draw(st.sampled_from(TriggerRule)),
            retry=retry,
            required=draw(st.booleans()),
            timeout=draw(st.sampled_from([None, 5.0])) if kind == "run" else None,
            total_timeout=limit,
            when=draw(st.sampled_from([None, None, None, *WHEN])),
            story=own,
        )
        tasks.append(task)
        if kind == "milestone" and draw(st.booleans()):
            tasks += [
                Task(id=f"{task.id}-{k}", run=nothing, parent=task.id, story=own,
                     trigger=draw(st.sampled_from(TriggerRule)),
                     needs=() if k == 0 or draw(st.booleans()) else (f"{task.id}-{k - 1}",))
                for k in range(draw(st.integers(1, 2)))
            ]  # fmt: skip
    last = draw(st.sampled_from([None, None, Task(id="x", run=nothing, retry=draw(retries))]))
    return Plan(goal="g", tasks=tuple(tasks), on_failure=last, params={"word": "x"})


def replayed(events, machine) -> None:
    """Tells the machine what happened in a run, at the times at which it did."""
    for event in events:
        if isinstance(event, AttemptStarted | Waiting | Decided | TaskEnded):
            machine.decide(event.task)
        if isinstance(event, CancelRequested):
            machine.until(event.at - START)
            machine.send("CANCEL" if event.task is None else f"{machine.names[event.task]}.CANCEL")
        elif isinstance(event, AttemptSucceeded | AttemptFailed | Decided):
            if not (isinstance(event, AttemptFailed) and event.timed_out):
                machine.until(event.at - START)
            name = machine.names.get(event.task, event.task)
            if isinstance(event, AttemptSucceeded):
                machine.send(f"{name}.DONE")
            elif isinstance(event, Decided):
                machine.send(f"{name}.APPROVE" if event.approved else f"{name}.REJECT")
            elif event.timed_out:
                machine.until(event.at - START)  # its own clock says so
            else:
                machine.send(f"{name}.ERROR")
        elif isinstance(event, AttemptStarted):
            machine.until(event.at - START)


@shared
@given(plan=plans(), data=st.data())
def test_it_ends_as_our_engine_ends_the_plan(plan, data, driver):
    ways = st.sampled_from(["ok", "ok", "no"])
    every = [*plan.tasks, *([] if plan.on_failure is None else [plan.on_failure])]
    outcomes = {
        task.id: [
            Took("ok" if data.draw(ways) == "ok" else ValueError("no"), 0.25 + n / 64 + k)
            if data.draw(st.integers(0, 9))
            else Took("late", 60.0)
            for k in range(3)
        ]
        for n, task in enumerate(every)
    }
    cancelled = data.draw(st.sampled_from([None, None, None, "", *plan.by_id]))
    at = {} if cancelled is None else {1.13: lambda driver: driver.cancel(cancelled or None)}
    journal = MemoryJournal()
    run = perform(plan, executor=FakeExecutor(outcomes), journal=journal, workers=50, at=at)
    machine = Machine(driver, plan)
    replayed(journal.history(run.run_id), machine)
    told = {task.task: task.status.value for task in run.tasks}
    assert machine.states() == told, encode(plan).decode()
    assert machine.status == "done"
    assert machine.value["outcome"] == run.status.value
    tries = [(due["startTask"]["task"], due["startTask"]["attempt"]) for due in machine.due
             if "startTask" in due]  # fmt: skip
    performed = [*run.tasks, *run.derived]
    assert sorted(tries) == sorted((t.task, a.number) for t in performed for a in t.attempts)


def test_it_is_plain_json_without_guards_or_code():
    text = export(diamond(retry=3, timeout="5s")).text
    machine = json.loads(text)
    assert "guard" not in text
    assert "invoke" not in text
    assert machine["type"] == "parallel"
    assert set(machine["states"]["tasks"]["states"]) == {"a", "b", "c", "d"}


def test_results_of_the_same_failure_by_example(driver):
    plan = Plan(
        goal="Release",
        tasks=(
            Task(id="build", run="m:f", retry=RetryPolicy(maximum_attempts=2, jitter=0)),
            Task(id="ship it!", run="m:f", needs=("build",), story="S"),
            Task(id="tell", run="m:f", needs=("build", "ship it!"), trigger="all_done"),
        ),
        on_failure=Task(id="x", run="m:f"),
    )
    machine = Machine(driver, plan)
    assert machine.states()["build"] == "attempt1"
    machine.send("build.ERROR")
    assert machine.states()["build"] == "backoff1"
    machine.until(1)
    machine.send("build.ERROR")
    assert machine.states() == {
        "build": "failed",
        "ship it!": "upstream_failed",
        "tell": "attempt1",
    }
    machine.send("tell.DONE")
    assert machine.value["outcome"] == {"on_failure": "attempt1"}
    machine.send("on_failure.DONE")
    assert (machine.status, machine.value["outcome"]) == ("done", "failed")
    assert [due["startTask"]["task"] for due in machine.due] == [
        "build", "build", "tell", "on_failure",
    ]  # fmt: skip
    (named,) = [loss for loss in export(plan).losses if loss.what == "name"]
    assert named.task == "ship it!"


def test_a_question_is_answered_and_a_run_is_cancelled_by_events(driver):
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="asked", run="m:f", when="2 > 3"),
            Task(id="gate", approval=Approval("Ship?", "approve", 60), needs=("asked",),
                 trigger="none_failed"),
            Task(id="slow", run="m:f", retry=5, total_timeout="10s"),
            Task(id="last", run="m:f", needs=("gate", "slow")),
        ),
    )  # fmt: skip
    machine = Machine(driver, plan)
    assert machine.due[0] == {"decide": {"task": "asked", "when": "2 > 3"}}
    machine.send("asked.SKIP")
    assert machine.states()["gate"] == "asking"
    machine.until(10)
    assert machine.states()["slow"] == "failed"
    assert machine.states()["last"] == "upstream_failed"
    machine.until(60)
    assert machine.states()["gate"] == "succeeded"
    assert machine.value["outcome"] == "failed"
    machine = Machine(driver, plan)
    machine.send("CANCEL")
    assert set(machine.states().values()) == {"cancelled"}
    assert machine.value["outcome"] == "cancelled"


def test_what_cannot_be_states_is_refused_and_what_is_lost_is_told():
    with pytest.raises(PlanError, match="1000 times"):
        export(chain("a", retry=1000))
    full = Task(
        id="a", run=nothing, foreach=[1, 2], when="True", compensate={"run": nothing}, priority=3,
        cache=True, outputs="x", retry=RetryPolicy(maximum_attempts=2, retry_on=("OSError",)),
        pool="db",
    )  # fmt: skip
    told = export(Plan(goal="g", tasks=(full,), pools={"db": 1})).losses
    assert {loss.what for loss in told} == {
        "pools", "foreach", "when", "compensate", "priority", "cache", "outputs", "jitter",
        "non_retryable",
    }  # fmt: skip


def test_it_is_one_of_the_systems(tmp_path):
    made = nb.export(diamond(), "xstate", tmp_path / "machine.json")
    assert made.suffix == ".json"
    assert (tmp_path / "drive.mjs").read_text(encoding="utf-8").startswith("// Drives")


def test_a_wait_that_no_timer_of_javascript_takes_is_several_in_a_row(driver):
    """Node's timers end at once where they should take longer than 24.8 days."""
    day = 86400
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="gate", approval=Approval("Ship?", "approve", 60 * day)),
            Task(id="slow", run="m:f", timeout_s=50 * day, total_timeout_s=100 * day,
                 retry=RetryPolicy(maximum_attempts=3, initial_interval_s=30 * day, jitter=0)),
        ),
    )  # fmt: skip
    delays = re.findall(r'"(\d+)": "', export(plan).text)
    assert max(map(int, delays)) < 2**31
    machine = Machine(driver, plan)
    seen = {}
    for hour in range(101 * 24):  # a timer that is set when another ends starts with the step
        machine.until(hour * 3600)
        for task, value in machine.states().items():
            for state in ("asking", "attempt1", "backoff1", "attempt2", "succeeded", "failed"):
                if state in json.dumps(value):
                    seen.setdefault((task, state), hour / 24)
    assert {where: round(days) for where, days in seen.items()} == {
        ("gate", "asking"): 0, ("gate", "succeeded"): 60, ("slow", "attempt1"): 0,
        ("slow", "backoff1"): 50, ("slow", "attempt2"): 80, ("slow", "failed"): 100,
    }  # fmt: skip
    with pytest.raises(PlanError, match="longer than five years"):
        export(chain("a", timeout_s=6.0 * 366 * day))


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (Plan(goal="g", tasks=(Task(id="a", needs=("b",)), Task(id="b", needs=("a",)))), "cycle"),
        (Plan(goal="g", tasks=(Task(id="a"), Task(id="a"))), "Two tasks"),
        (Plan(goal="g", tasks=(Task(id="a", needs=("b",)),)), "no task"),
        (Plan(goal="g"), "without tasks"),
    ],
)
def test_a_broken_plan_is_refused(plan, why):
    with pytest.raises(PlanError, match=why):
        export(plan)


def test_names_that_mean_something_to_javascript_are_told():
    plan = Plan(goal="g", tasks=tuple(Task(id=name) for name in ("__proto__", "a.b", "a_b", "été")))
    assert names(plan) == {"__proto__": "proto", "a.b": "a_b_2", "a_b": "a_b", "été": "été"}
    assert {loss.task for loss in export(plan).losses if loss.what == "name"} == {
        "__proto__", "a.b",
    }  # fmt: skip
