"""The life of a task is one statechart: runs keep to it, and every path through it is one that the
record of a run can take."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.states import STATUSES
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.lifecycle import LIFECYCLE, happened, lifecycle, status
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.render.statechart import statechart_svg
from orch_nb.testing import nothing

from .scenarios import Builder
from .test_simulation import played

ROOT = Path(__file__).parent.parent.parent
SEEN = Counter()


def test_it_has_every_status_and_no_other():
    chart = lifecycle()
    assert {state.key for state in chart.states if state.key in set(Status)} == set(Status)
    assert set(STATUSES) == set(Status)
    assert status(chart.begin()) == Status.PENDING


def test_what_has_ended_goes_on_only_where_somebody_asks():
    chart = lifecycle()
    for transition in chart.transitions:
        around = {
            chart.by_id[s].key for s in (transition.source, *chart.ancestors(transition.source))
        }
        if "ended" in around:
            assert transition.event in ("retry", "reopened", "compensated")
    inside = {chart.by_id[state].key for state in chart.by_id["task.ended"].children}
    assert inside == {status.value for status in Status if status.ended}


def test_it_is_there_for_a_notebook_to_draw_and_to_step():
    here = nb.lifecycle().at()
    assert here.value == {"begin": "pending"}
    assert here["started"]["failed"].value == {"running": "failing"}
    assert "![The statechart of a task](lifecycle.svg)" in (ROOT / "docs/lifecycle.md").read_text()


def test_its_drawing_in_the_docs_is_that_of_the_data():
    drawn = (ROOT / "docs" / "lifecycle.svg").read_text(encoding="utf-8")
    # Where things stand may differ with the version of Graphviz; what is said must not.
    now = statechart_svg(lifecycle())
    again = "run: python -m orch_nb.render.statechart docs"
    assert sorted(re.findall(r"<text[^>]*>([^<]*)", drawn)) == sorted(
        re.findall(r"<text[^>]*>([^<]*)", now)
    ), again


def test_the_machine_in_the_docs_is_the_data():
    written = (ROOT / "docs" / "lifecycle.json").read_text(encoding="utf-8")
    assert json.loads(written) == LIFECYCLE


# -- every run keeps to it


def events_of(scenario):
    """The events of a scenario, played to its end in as many processes as it takes."""
    journal = MemoryJournal()
    asyncio.run(played(scenario, journal))
    return journal.history("run")


class Followed:
    """Each task of a run in its chart, beside the fold."""

    def __init__(self) -> None:
        self.fold, self.chart = RunState(), lifecycle()
        self.here = {}

    def take(self, event) -> None:
        before = self._statuses()
        instances = {task.task: (task.of, task.index) for task in self.fold.derived.values()}
        undoes = {t.compensate.id: t.id for t in self.fold.plan.tasks if t.compensate is not None}
        self.fold.apply(event)
        for task, told in happened(event, undoes.get(getattr(event, "task", ""))):
            self._step(task, told)
        if isinstance(event, ev.RetryRequested | ev.SkipRequested):
            self._reset(event, before, instances)
        if isinstance(event, ev.RunEnded) and event.status == "cut_off":
            for task in before:
                if task in self.fold.plan and before[task] == "running":
                    self._step(task, "cut_off")
        for task, found in self._statuses().items():
            here = self.here.get(task, self.chart.begin())
            assert status(here) == found, (task, event)

    def _statuses(self):
        return {task.task: task.status for task in self.fold.every()}

    def _reset(self, event, before, instances) -> None:
        reset = event.reset or ((event.task,) if isinstance(event, ev.RetryRequested) else ())
        open_ = [task for task in reset if before[task].ended]
        kept = {
            instances[task][0] for task in open_
            if task in instances and instances[task][1] is not None
        }  # fmt: skip
        for task in open_:
            self._step(task, "reopened" if task in kept else "retry")
        for task in list(self.here):
            if task not in self._statuses():
                del self.here[task]  # an instance of items that are worked out anew

    def _afterwards(self, task) -> bool:
        """Whether it is a compensation, or what runs when the run has failed."""
        found = self.fold.derived.get(task)
        return found is not None and found.index is None

    def _step(self, task, told) -> None:
        here = self.here.get(task, self.chart.begin())
        if told == "started" and status(here).ended and self._afterwards(task):
            here = self.chart.begin()  # the run has failed once more: it lives once more
        taken = self.chart.takes(here, told)
        assert taken, f"{task} is {self.chart.value(here)}, and {told} happens"
        SEEN.update((t.source, t.event) for t in taken)
        self.here[task] = self.chart.step(here, told)


def follow(events) -> None:
    followed = Followed()
    for event in events:
        followed.take(event)


@settings(max_examples=120)
@example(seed=5442)  # an instance that `tolerate` allowed to fail is tried again after a success
@given(seed=st.integers(0, 2**32))
def test_every_run_takes_only_its_transitions(seed):
    rng = random.Random(seed)
    follow(events_of(Builder(rng).build()))


def test_runs_take_nearly_all_of_them():
    for seed in range(600):
        follow(events_of(Builder(random.Random(seed)).build()))
    every = {(t.source, t.event) for t in lifecycle().transitions}
    rare = {
        ("instances", "cut_off"), ("task.running.attempt", "returned"), ("skipped", "reopened"),
        ("succeeded", "reopened"),
        ("pending", "ready"),
    }  # fmt: skip
    assert every - set(SEEN) <= rare


# -- every path through it is one that the fold takes

PATHS = """
import { createMachine } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const { config, events } = JSON.parse(line);
  const machine = createMachine(config);
  const told = (paths) => paths.map((path) => path.steps
    .filter((step) => step.event.type !== 'xstate.init')
    .map((step) => [step.event.type, step.state.value]));
  const options = { events: events.map((type) => ({ type })), limit: 200000 };
  process.stdout.write(JSON.stringify({
    shortest: told(getShortestPaths(machine, options)),
    simple: told(getSimplePaths(machine, options)),
  }) + '\\n');
}
"""


class Replayed:
    """The fold, told what a path through the chart says."""

    def __init__(self) -> None:
        undo = {"run": nothing}
        self.plan = Plan(
            goal="g",
            tasks=(Task(id="t", run=nothing, compensate=undo, approval=None),),
        )
        self.state, self.now, self.attempt = RunState(), 0.0, 0
        self._apply(ev.RunStarted(at=0.0, run_id="r", plan=self.plan))

    def _apply(self, event) -> None:
        self.state.apply(event)

    def tell(self, told: str) -> None:  # noqa: C901 (one line an event)
        self.now += 1
        at, task = self.now, "t"
        error = ev.Failure("ValueError")
        match told.split("."):
            case ["ready"]:
                return  # the scheduler's alone
            case ["started"]:
                self.attempt += 1
                event = ev.AttemptStarted(at=at, task=task, attempt=self.attempt)
            case ["succeeded"]:
                event = ev.AttemptSucceeded(at=at, task=task, attempt=self.attempt, started=at)
            case ["failed"]:
                event = ev.AttemptFailed(
                    at=at, task=task, attempt=self.attempt, started=at, error=error
                )
            case ["lost"]:
                event = ev.AttemptLost(at=at, task=task, attempt=self.attempt)
            case ["returned"]:
                event = ev.AttemptReturned(at=at, task=task, attempt=self.attempt)
                self.attempt -= 1
            case ["backing_off"]:
                event = ev.BackingOff(at=at, task=task, until=at + 1)
            case ["waiting"]:
                event = ev.Waiting(at=at, task=task, prompt="?")
            case ["decided"]:
                event = ev.Decided(at=at, task=task, approved=True)
            case ["expanded"]:
                event = ev.Expanded(at=at, task=task, count=1, items=ev.ResultRef())
            case ["ended", end]:
                event = ev.TaskEnded(at=at, task=task, status=Status(end))
            case ["retry"]:
                event = ev.RetryRequested(at=at, task=task, reset=(task,))
            case ["reopened"]:
                event = self._reopened(at)
            case ["cut_off"]:
                event = ev.RunEnded(at=at, status="cut_off")
            case ["compensated"]:
                self._apply(ev.AttemptStarted(at=at, task="compensate(t)", attempt=1))
                event = ev.AttemptSucceeded(at=at, task="compensate(t)", attempt=1, started=at)
            case _:
                raise AssertionError(told)
        self._apply(event)

    def _reopened(self, at):
        one = "t[0]"
        if not self.state.derived[one].status.ended:
            self._apply(ev.TaskEnded(at=at, task=one, status=Status.FAILED))
        return ev.RetryRequested(at=at, task=one, reset=(one, "t"))


def expects(value) -> set[str]:
    """What the fold may say where the chart has a value: of `ready` it knows nothing."""
    while isinstance(value, dict):
        ((key, inside),) = value.items()
        value = key if key in set(Status) else inside
    return {"pending", "ready"} if value == "ready" else {value}


def test_every_path_through_it_is_one_that_the_record_of_a_run_takes(script):
    node = script(PATHS, "xstate")
    config = json.loads(json.dumps(LIFECYCLE))
    node.send(config=config, events=list(lifecycle().events))
    paths = node.line()
    assert len(paths["shortest"]) >= 12  # each state, and more than one way to some
    replayed = 0
    for path in paths["shortest"] + paths["simple"]:
        told = Replayed()
        before = "pending"
        for event, value in path:
            if event == "reopened" and told.state.tasks["t"].instances is None:
                break  # only what has instances is opened again
            told.tell(event)
            found = told.state.tasks["t"].status.value
            if not (before == "ready" and event == "ready"):
                assert found in expects(value), (path, event)
            before = found
        else:
            replayed += 1
    assert replayed > 60
