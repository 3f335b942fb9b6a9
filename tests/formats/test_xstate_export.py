"""A plan as a machine: it loads in XState and ends as our own engine ends the plan."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.engine.memory import MemoryJournal
from orch_nb.errors import PlanError
from orch_nb.formats.xstate import export
from orch_nb.formats.xstate.machine import names
from orch_nb.model.event import AttemptFailed, AttemptStarted, AttemptSucceeded, Decided
from orch_nb.model.plan import Plan
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
        self.names = names(plan)
        self._took(load=json.loads(export(plan).text))

    def _took(self, **order) -> None:
        self._driver.send(**order)
        due, state = self._driver.until("value")
        self.due += due
        self.value, self.status = state["value"], state["status"]

    def send(self, event: str) -> None:
        self._took(send=event)

    def until(self, seconds: float) -> None:
        passed = round(seconds * 1000) - self.now
        if passed > 0:
            self.now += passed
            self._took(advance=passed)

    def states(self) -> dict[str, str]:
        """The state of each task's region."""
        found = {}
        for key, value in self.value["tasks"].items():
            found |= value if isinstance(value, dict) and key.startswith("S") else {key: value}
        return {task: found[name] for task, name in self.names.items()}


retries = st.builds(
    RetryPolicy,
    maximum_attempts=st.integers(1, 3),
    initial_interval_s=st.sampled_from([1.0, 2.0]),
    backoff_coefficient=st.sampled_from([1.0, 2.0]),
    maximum_interval_s=st.sampled_from([None, 3.0]),
    jitter=st.just(0.0),
)


@st.composite
def plans(draw, most=7):
    tasks = []
    for n in range(draw(st.integers(1, most))):
        needs = draw(st.sets(st.sampled_from(range(n)), max_size=3)) if n else set()
        kind = draw(st.sampled_from(["run", "run", "run", "milestone", "gate"]))
        tasks.append(
            Task(
                id=f"t{n}",
                run=nothing if kind == "run" else None,
                approval=Approval("?", draw(st.sampled_from(["approve", "reject"])))
                if kind == "gate"
                else None,
                needs=tuple(f"t{other}" for other in sorted(needs)),
                trigger=draw(st.sampled_from(TriggerRule)),
                retry=draw(retries) if kind == "run" else RetryPolicy(),
                required=draw(st.booleans()),
                timeout=draw(st.sampled_from([None, 5.0])) if kind == "run" else None,
                story=draw(st.sampled_from([None, "S1", "S2"])),
            )
        )
    return Plan(goal="g", tasks=tuple(tasks))


def replayed(events, machine) -> None:
    """Tells the machine what happened in a run, at the times at which it did."""
    for event in events:
        if isinstance(event, AttemptSucceeded | AttemptFailed | Decided):
            if not (isinstance(event, AttemptFailed) and event.timed_out):
                machine.until(event.at - START)
            name = machine.names[event.task]
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
    outcomes = {
        task.id: [
            Took("ok" if data.draw(ways) == "ok" else ValueError("no"), 0.25 + n / 64 + k)
            if data.draw(st.integers(0, 9))
            else Took("late", 60.0)
            for k in range(3)
        ]
        for n, task in enumerate(plan.tasks)
    }
    journal = MemoryJournal()
    run = perform(plan, executor=FakeExecutor(outcomes), journal=journal, workers=50)
    machine = Machine(driver, plan)
    replayed(journal.history(run.run_id), machine)
    told = {task.task: task.status.value for task in run}
    assert machine.states() == told
    assert machine.status == "done"
    assert machine.value["outcome"] == run.status.value
    tries = [(due["startTask"]["task"], due["startTask"]["attempt"]) for due in machine.due
             if "startTask" in due]  # fmt: skip
    assert sorted(tries) == sorted((t.task, a.number) for t in run for a in t.attempts)


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
            Task(id="asked", run="m:f", when="1 > 2"),
            Task(id="gate", approval=Approval("Ship?", "approve", 60), needs=("asked",),
                 trigger="none_failed"),
            Task(id="slow", run="m:f", retry=5, total_timeout="10s"),
            Task(id="last", run="m:f", needs=("gate", "slow")),
        ),
    )  # fmt: skip
    machine = Machine(driver, plan)
    assert machine.due[0] == {"decide": {"task": "asked", "when": "1 > 2"}}
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
