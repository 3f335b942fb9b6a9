"""A run that Temporal owns ends as it would have here, task by task, whatever is killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import conformance
import conformance_table
import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.backends import places
from orch_nb.backends.places import place
from orch_nb.backends.temporal import Temporal
from orch_nb.engine.hands import WorkerHands
from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import BackendUnavailable
from orch_nb.executors.local import local_executor

pytest.importorskip("temporalio")

from temporalio.client import Client
from temporalio.worker import Replayer

from orch_nb.backends.temporal_worker import work
from orch_nb.backends.temporal_workflow import PlanInterpreter


@pytest.fixture
def temporal(systems) -> object:
    return systems("temporal")


@pytest.fixture(scope="session")
def cases_there(performed, systems) -> object:
    return performed("temporal", on=systems("temporal").url)


@pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.name)
def test_a_run_there_ends_as_it_does_here(case, here, cases_there, observed):
    assert conformance.told(cases_there[case]) == conformance.told(here[case])
    observed(case.name, "temporal", conformance_table.EQUAL)


SAGA = """
goal: g
tasks:
  book: {run: "backend_tasks:one", compensate: {run: "backend_tasks:undo"}}
  long: {sh: "sleep 60", needs: [book]}
"""


def begun(text: str, url: str, folder: Path, **options: object):
    plan = nb.decompose(text, namespace={})
    return phases.begin(
        phases.starting(
            plan, journal=SqliteJournal(folder / "j.db"), options=phases.run_options(4, on=url),
            **options,
        )
    )  # fmt: skip


def there(live, act):
    """Do something to a run's workflow by Temporal's own client."""

    async def main():
        client = await Client.connect(live.snapshot().options.on.partition("://")[2])
        return await act(client.get_workflow_handle(live.snapshot().options.handle))

    return asyncio.run(main())


def until(live, task: str, status: str) -> None:
    end = time.monotonic() + 30
    while live.snapshot()[task].status != status:
        assert time.monotonic() < end, live.snapshot().df.to_string()
        time.sleep(0.05)


def test_temporals_own_cancel_cancels_the_run_and_undoes_it(temporal, tmp_path: Path):
    live = begun(SAGA, temporal.url, tmp_path)
    until(live, "long", "running")
    there(live, lambda handle: handle.cancel())
    assert live.done.wait(40)
    run = live.finished()
    assert (run.status, run["book"].status) == ("cancelled", "compensated")
    assert run.decisions[0].by == "Temporal"
    status = there(live, lambda handle: handle.describe()).status
    assert status.name == "CANCELED"


def test_a_run_that_is_terminated_there_has_ended_here(temporal, tmp_path: Path):
    live = begun(SAGA, temporal.url, tmp_path)
    until(live, "long", "running")
    there(live, lambda handle: handle.terminate())
    assert live.done.wait(40)
    run = live.finished()
    assert (run.status, run["long"].attempts[0].status) == ("cancelled", "lost")
    assert run.decisions[0].by == "Temporal (terminated)"


def test_a_failed_run_has_failed_there_too(temporal, tmp_path: Path):
    live = begun("goal: g\ntasks: {a: {sh: exit 3}}", temporal.url, tmp_path)
    assert live.done.wait(40)
    assert live.finished()["a"].attempts[0].exit_code == 3
    assert there(live, lambda handle: handle.describe()).status.name == "FAILED"


@pytest.mark.parametrize(
    "case", [c for c in conformance.CASES if c.name in ("trigger rules", "dynamic fan-out")],
    ids=lambda case: case.name,
)  # fmt: skip
def test_the_workflow_is_deterministic_in_temporals_eyes(temporal, case, tmp_path: Path):
    live = begun(case.plan, temporal.url, tmp_path)
    assert live.done.wait(60)
    history = there(live, lambda handle: handle.fetch_history())
    asyncio.run(Replayer(workflows=[PlanInterpreter]).replay_workflow(history))


def test_a_run_ends_in_order_before_its_history_is_full(temporal, tmp_path: Path, monkeypatch):
    """By a worker of this process, for which a history is full early."""
    monkeypatch.setattr(PlanInterpreter, "most_events", 40)
    monkeypatch.setattr(places, "backend_for", lambda url: Temporal(place(url), "short"))
    tasks = [f'  t{n}: {{run: "backend_tasks:one", needs: [t{n - 1}]}}' for n in range(1, 20)]
    text = "\n".join([
        "goal: g", "tasks:",
        '  t0: {run: "backend_tasks:one", compensate: {run: "backend_tasks:undo_nothing"}}', *tasks,
    ])  # fmt: skip

    async def working() -> nb.Run:
        up = asyncio.Event()
        hands = WorkerHands(
            lambda: local_executor("threads"), lambda plan: phases.checked(plan, {}), tmp_path
        )
        at = asyncio.create_task(
            work(place(temporal.url), hands, queue="short", ready=lambda text: up.set())
        )
        await up.wait()
        live = begun(text, temporal.url, tmp_path)
        await asyncio.to_thread(live.done.wait, 60)
        at.cancel()
        await asyncio.gather(at, return_exceptions=True)
        return live.finished()

    run = asyncio.run(working())
    assert run.status == "cancelled"
    assert "history is nearly full" in run.decisions[0].by
    assert run["t0"].status == "compensated"
    assert run["t19"].status == "cancelled"


def test_a_namespace_that_is_not_there_is_told(temporal, tmp_path: Path):
    plan = nb.decompose("goal: g\ntasks: {a: {sh: 'true'}}", namespace={})
    journal = SqliteJournal(tmp_path / "j.db")
    with pytest.raises(BackendUnavailable, match=r"namespace create .* --namespace payments"):
        nb.execute(plan, on=f"{temporal.url}/payments", journal=journal)
    assert not journal.runs()


def test_status_takes_what_nobody_followed(temporal, tmp_path: Path):
    text = "goal: g\ntasks: {a: {sh: sleep 1}, b: {sh: echo there, needs: [a]}}"
    live = begun(text, temporal.url, tmp_path, run_id="r")
    until(live, "a", "running")
    live.abandon()
    assert live.done.wait(10)
    journal = SqliteJournal(tmp_path / "j.db")
    assert phases.past_run(journal.history("r"), journal)["b"].status == "pending"
    end = time.monotonic() + 30
    while phases.past_run(journal.history("r"), journal).status == "running":
        assert phases.caught_up("r", journal) == ""
        assert time.monotonic() < end
        time.sleep(0.2)
    assert phases.past_run(journal.history("r"), journal).results["b"] == "there"


def test_opening_a_run_follows_it_again(temporal, tmp_path: Path):
    text = "goal: g\ntasks: {a: {sh: sleep 1}, b: {sh: echo there, needs: [a]}}"
    live = begun(text, temporal.url, tmp_path, run_id="r")
    until(live, "a", "running")
    live.abandon()
    assert live.done.wait(10)
    again = phases.followed("r", SqliteJournal(tmp_path / "j.db"))
    assert again is not None
    assert again.done.wait(40)
    assert again.finished().results["b"] == "there"
    assert phases.followed("r", SqliteJournal(tmp_path / "j.db")) is None


def test_what_tasks_print_is_kept_here(temporal, tmp_path: Path):
    live = begun("goal: g\ntasks: {a: {sh: 'echo one; echo two >&2'}}", temporal.url, tmp_path)
    assert live.done.wait(40)
    run = live.finished()
    lines = SqliteJournal(tmp_path / "j.db").read_lines(run.run_id, after=-1)
    assert sorted((line.task, line.stream, line.text) for line in lines) == [
        ("a", "stderr", "two"), ("a", "stdout", "one"),
    ]  # fmt: skip
