"""The whole engine in manual time, against a slow reading of its semantics.

A scenario (`scenarios`) is a small plan with everything in it that a plan can have, what becomes of
each attempt, what people do and when, and when the process dies. The real driver, scheduler, fold
and journal play it with a clock that is moved by hand; the reference works it out; both must come
to the same: every status, every attempt with its times, the end of the run. Meanwhile the laws hold
that no order of events may break (`laws`), and what the journal kept is what the live run is.

    pytest tests/engine/test_simulation.py                      the same scenarios every time
    ORCH_NB_SIMULATION=300 pytest ... -k many -s                for 300 s, and says how many
    ORCH_NB_SCENARIO=12345 pytest ... -k many                   from that one on
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter, deque
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orch_nb.engine.driver import Driver
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Request
from orch_nb.errors import JournalError
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, ManualClock

from .airflow_rules import ENDS, possible
from .laws import Laws, afterwards
from .queueing import Queueing
from .reference import Attempt, World, retried, tolerated
from .scenarios import START, Builder, Scenario

SECONDS = float(os.environ.get("ORCH_NB_SIMULATION", "0"))
FIRST = int(os.environ.get("ORCH_NB_SCENARIO", "0"))


# -- the engine plays ------------------------------------------------------------------------------


class Executor(FakeExecutor):
    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario = scenario

    def scripted(self, request: Any) -> Any:
        return self.scenario.outcome(request.id, request.task.id, request.attempt)


async def drive(driver: Driver, clock: ManualClock, until: float | None = None) -> Any:
    """The run, to its end or (None is told) to the last moment before the process dies."""
    run = asyncio.ensure_future(driver.drive())
    try:
        for _ in range(20_000):
            for _ in range(8):
                await asyncio.sleep(0)
            if run.done():
                return run.result()
            due = clock.next_at()
            assert due is not None, "nothing will ever happen again"
            if until is not None and due > until:
                return None
            clock.advance_to(due)
        raise AssertionError(f"the run does not end: {driver.snapshot().tasks}")
    finally:
        if not run.done():
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)


async def played(scenario: Scenario, journal: MemoryJournal) -> RunState:
    """The scenario, to its end, in as many processes as it takes."""
    laws = Laws(scenario.plan)
    deaths = deque([*scenario.crashes, (None, None)])
    at, retry = START, None
    for process in range(9):
        dies, back = deaths.popleft()
        driver, clock = made(scenario, journal, laws, at, process, retry=retry)
        run = await drive(driver, clock, None if dies is None else START + dies)
        if laws.broken is not None:
            raise laws.broken
        laws.replayed(journal.history("run"))
        if run is None:
            at = START + back
        elif retry is None and can_retry(scenario, driver):
            at, retry, deaths = clock.now() + 0.5, scenario.retry, deque([(None, None)])
        else:
            break
    return driver.state


def made(
    scenario: Scenario, journal: MemoryJournal, laws: Laws, at: float, process: int,
    *, executor: Any = None, retry: str | None = None,
) -> tuple[Driver, ManualClock]:  # fmt: skip
    """A driver that begins, or goes on with what the journal has."""
    clock = ManualClock(at)
    if process:
        journal.claim("run")
    driver = laws.driver = Driver(
        scenario.plan, run_id="run", journal=journal, executor=executor or Executor(scenario),
        options=ev.RunOptions(**scenario.options_of(process)), observers=[laws], clock=clock,
        history=journal.history("run") if process else (),
        retry=None if scenario.skip else retry,
        skip=Request("skip", retry) if scenario.skip and retry is not None else None,
    )  # fmt: skip
    for when, verb, args in scenario.people_from(at):
        clock.call_at(when, acting(driver, verb, args))
    return driver, clock


def acting(driver: Driver, verb: str, args: tuple[Any, ...]) -> Any:
    if verb == "decide":
        name, approved = args
        return lambda: driver.approve(name) if approved else driver.reject(name)
    return lambda: getattr(driver, {"unpause": "resume"}.get(verb, verb))(*args)


def can_retry(scenario: Scenario, driver: Driver) -> bool:
    if scenario.retry not in {task.task for task in driver.state.every()}:
        return False
    status = driver.scheduler.status(scenario.retry)
    if scenario.skip:
        left = status not in (Status.SUCCEEDED, Status.SKIPPED)
        return left and not afterwards(scenario.retry)
    return status.ended and status is not Status.SUCCEEDED


def told(state: RunState) -> dict[str, Any]:
    """What the engine came to, as far as the reference knows such things."""
    found: dict[str, Any] = {"run": (state.status.value, state.finished)}
    for task in state.every():
        found[task.task] = task.status.value, [attempt(*pair) for pair in task.pairs()]
    return found


def attempt(start: ev.AttemptStarted, end: Any) -> tuple[Any, ...]:
    if isinstance(end, ev.AttemptSucceeded):
        return start.attempt, start.at, end.at, "succeeded"
    if isinstance(end, ev.AttemptLost):
        return start.attempt, start.at, end.at, "lost"
    marks = [name for name in ("timed_out", "abandoned", "injected") if getattr(end, name)]
    how = "cancelled" if end.cancelled else "failed"
    return start.attempt, start.at, end.at, " ".join([how, *marks])


# -- the reference works it out --------------------------------------------------------------------


def worked_out(scenario: Scenario) -> World:
    world = World(
        scenario.plan, scenario.outcome, start=START, meaning=scenario.meaning,
        **scenario.options_of(0),
    )  # fmt: skip
    people(world, scenario)
    world.begin()
    for dies, at in scenario.crashes:
        world.go(until=START + dies)
        if world.ended is not None:
            break
        goes_on(world, scenario, START + at)
    world.go()
    again = world.known(scenario.retry)
    fits = again is not None and again.has_ended and again.status != "succeeded"
    if scenario.skip:
        fits = again is not None and again.status not in ("succeeded", "skipped")
        fits = fits and not again.afterwards
    if fits:
        goes_on(world, scenario, world.now + 0.5, scenario.retry)
        world.go()
    return world


def goes_on(world: World, scenario: Scenario, at: float, retry: str | None = None) -> None:
    world.resume(
        at,
        retry,
        skip=scenario.skip,
        people=lambda: people(world, scenario),
        **scenario.options_of(1),
    )


def people(world: World, scenario: Scenario) -> None:
    for when, verb, args in scenario.people_from(world.now):
        world.at(when, verb, *args)


def expected(world: World, state: RunState) -> dict[str, Any]:
    """What the reference came to, in the form of `told`."""
    found: dict[str, Any] = {"run": (world.ended, world.finished)}
    for part in world.order:
        if part.afterwards and not part.attempts:
            continue
        status = part.status
        if part.afterwards and status == "pending":
            status = state.task(part.id).status.value  # judged anew; the fold tells what it was
        found[part.id] = status, [(a.number, a.started, a.finished, said(a)) for a in part.attempts]
    return found


def said(a: Attempt) -> str:
    marks = [name for name in ("timed_out", "abandoned", "injected") if getattr(a, name)]
    return " ".join([a.status, *marks])


def check(scenario: Scenario) -> RunState:
    world = worked_out(scenario)
    state = asyncio.run(played(scenario, MemoryJournal()))
    assert told(state) == expected(world, state)
    return state


# -- they come to the same -------------------------------------------------------------------------


@settings(
    max_examples=150, derandomize=True, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(rng=st.randoms(use_true_random=False))
def test_the_engine_comes_to_what_its_semantics_say(rng):
    check(Builder(rng).build())


def each(count: int, kind: str):
    """Sources of chance, so many; with ORCH_NB_SIMULATION as many as there is time for."""
    begun, seed = time.monotonic(), FIRST
    while seed < FIRST + count or time.monotonic() < begun + SECONDS:
        yield seed, random.Random(f"{kind} {seed}")
        seed += 1
    if SECONDS:
        done = seed - FIRST
        print(f"\n{done} scenarios, {60 * done / (time.monotonic() - begun):,.0f} a minute")


def test_many_scenarios():
    ends: Counter[str] = Counter()
    for seed, rng in each(2000, "scenario"):
        try:
            ends[check(Builder(rng).build()).status.value] += 1
        except BaseException as error:
            error.add_note(f"ORCH_NB_SCENARIO={seed}")
            raise
    assert set(ends) == {"succeeded", "failed", "cancelled", "waiting"}, "some end never came"


# -- killed between any two turns ------------------------------------------------------------------


class Mortal(MemoryJournal):
    """A journal whose process dies at its `left`-th commit, before it is kept or right after."""

    left = 10**9
    kept = False

    def append(self, run_id: str, events: Any, blobs: Any = ()) -> None:
        self.left -= 1
        if self.left < 0 and not self.kept:
            raise JournalError("the process dies")
        super().append(run_id, events, blobs)
        if self.left < 0:
            raise JournalError("the process dies")


class Counting(Executor):
    """What becomes of an attempt depends on how often its task has failed, not on its number: one
    that was lost has not been."""

    def __init__(self, scenario: Scenario, journal: MemoryJournal) -> None:
        super().__init__(scenario)
        self.journal = journal

    def scripted(self, request: Any) -> Any:
        failed = sum(
            isinstance(event, ev.AttemptFailed) and event.task == request.id
            for event in self.journal.history("run")
        )
        return self.scenario.outcome(request.id, request.task.id, failed + 1)


async def killed(scenario: Scenario, rng: random.Random) -> RunState:
    journal, laws = Mortal(), Laws(scenario.plan)
    at = START
    for process in range(9):
        journal.left = rng.choice([0, 1, 2, 3, 5, 8, 13]) if process < 3 else 10**9
        journal.kept = rng.random() < 0.5
        driver, clock = made(
            scenario, journal, laws, at, process, executor=Counting(scenario, journal)
        )
        done = {t.task for t in driver.state.every() if t.status is Status.SUCCEEDED}
        told = len(journal.history("run")) if process else 0
        try:
            run = await drive(driver, clock)
        except JournalError:
            run = None
        if laws.broken is not None:
            raise laws.broken
        history = journal.history("run")
        again = {e.task for e in history[told:] if isinstance(e, ev.AttemptStarted)}
        assert not done & again, "what had succeeded ran again"
        if run is not None:
            break
        at = clock.now() + 0.1
        laws.catch_up(history)
    laws.replayed(journal.history("run"))
    return driver.state


def test_killed_at_any_commit_a_run_comes_to_an_end_that_its_plan_explains():
    for seed, rng in each(600, "killed"):
        calm = rng.random() < 0.5
        scenario = Builder(rng, calm=calm).build()
        try:
            state = asyncio.run(killed(scenario, rng))
            if calm:
                explained(scenario, state)
        except BaseException as error:
            error.add_note(f"ORCH_NB_SCENARIO={seed}")
            raise


def explained(scenario: Scenario, state: RunState) -> None:
    """Every status is one that the plan and its script can lead to, whatever ended first."""
    edges = topology.upstream(scenario.plan)
    missing = False
    for task in scenario.plan.tasks:
        stands = {need: state.tasks[need].status.value for need in edges[task.id]}
        ends = possible(task.trigger, [s if s in ENDS else None for s in stands.values()])
        status = state.tasks[task.id].status.value
        may_be = ends - {"run"}
        if "run" in ends:
            may_be |= outcomes(scenario, task, state, stands)
        if not ends:
            may_be.add("pending")
        if status == "compensated":
            assert state.status == "failed"
            assert fate(scenario, task.compensate.id, task.compensate) == "succeeded"
            status = "succeeded"
        elif task.compensate is not None and status == "succeeded" and state.status == "failed":
            assert fate(scenario, task.compensate.id, task.compensate) == "failed"
        assert status in may_be, f"{task.id} is {status}, not one of {may_be}"
        missing |= task.required and status in ("failed", "upstream_failed", "cancelled")
    if any(t.status is Status.WAITING for t in state.tasks.values()):
        assert state.status == "waiting"
    else:
        assert state.status == ("failed" if missing else "succeeded")
    last = scenario.plan.on_failure
    if last is not None and state.status == "failed":
        assert state.task("on_failure").status == fate(scenario, last.id, last)


def outcomes(scenario: Scenario, task: Task, state: RunState, stands: dict[str, str]) -> set[str]:
    """How a task may end that its trigger rule lets run."""
    asks = scenario.meaning.get(task.id, {})
    if asks and task.trigger in ("always", "one_success", "one_failed", "one_done"):
        return {"succeeded", "failed", "skipped", "waiting"}  # by what was there by then
    results = {need: result(scenario, state, need) for need in stands}
    try:
        if task.when is not None and not asks["when"](results):
            return {"skipped"}
        items = asks["foreach"](results) if task.foreach is not None else None
    except Exception:  # noqa: BLE001  # whatever it is, it cannot be judged
        return {"failed"}
    if task.id in scenario.options.get("approve", ()) or task.kind == "milestone":
        return {"succeeded"}
    if task.waits_for_person:
        default = None if task.approval is None else task.approval.default
        return {{"approve": "succeeded", "reject": "failed", None: "waiting"}[default]}
    if task.foreach is None:
        return {fate(scenario, task.id, task)}
    if not isinstance(items, list):
        return {"failed"}
    names = [f"{task.id}[{n}]" for n in range(len(items))]
    failed = sum(fate(scenario, name, task) == "failed" for name in names)
    return {"failed" if failed > tolerated(task.tolerate, len(names)) else "succeeded"}


def fate(scenario: Scenario, name: str, task: Task) -> str:
    return "failed" if isinstance(last_outcome(scenario, name, task), Exception) else "succeeded"


def last_outcome(scenario: Scenario, name: str, task: Task) -> Any:
    """What the last attempt of a task comes to."""
    failures = 0
    while True:
        value = scenario.outcome(name, task.id, failures + 1).value
        failures += 1
        if not isinstance(value, Exception) or not retried(task.retry, failures, value):
            return value


def result(scenario: Scenario, state: RunState, name: str) -> Any:
    """What those that need it are given, by the script alone."""
    task, stands = scenario.plan[name], state.tasks[name]
    if stands.status not in ("succeeded", "compensated") or task.run is None:
        return None
    if stands.instances is None:
        return last_outcome(scenario, name, task)
    found = [last_outcome(scenario, f"{name}[{n}]", task) for n in range(stands.instances)]
    return [None if isinstance(value, Exception) else value for value in found]


# -- attempts given ahead --------------------------------------------------------------------------


class Ahead(Queueing):
    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario = scenario

    def scripted(self, request: Any) -> Any:
        return self.scenario.outcome(request.id, request.task.id, request.attempt)


async def given_ahead(scenario: Scenario) -> tuple[RunState, Ahead]:
    journal, laws = MemoryJournal(), Laws(scenario.plan, ahead=True)
    executor = Ahead(scenario)
    driver, clock = made(scenario, journal, laws, START, 0, executor=executor)
    await drive(driver, clock)
    if laws.broken is not None:
        raise laws.broken
    laws.replayed(journal.history("run"))
    return driver.state, executor


def test_attempts_that_are_given_ahead_break_no_law_and_end_as_they_would():
    given, back = 0, 0
    for seed, rng in each(250, "ahead"):
        calm = rng.random() < 0.5
        scenario = Builder(rng, calm=calm, wide=True, unit=0.0002).build()
        try:
            state, executor = asyncio.run(given_ahead(scenario))
            if calm:
                explained(scenario, state)
        except BaseException as error:
            error.add_note(f"ORCH_NB_SCENARIO={seed}")
            raise
        given += sum(request.task.run is not None for request in executor.requests)
        back += len(executor.given_back)
    assert given > 600
    assert back > 100, "nothing was ever given back: this tests nothing"
