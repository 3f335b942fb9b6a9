"""A run that Restate owns ends as it would have here, task by task, whatever is killed."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import conformance
import conformance_table
import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.engine.journal import SqliteJournal

pytest.importorskip("restate")


@pytest.fixture
def restate(systems) -> object:
    return systems("restate")


@pytest.fixture(scope="session")
def cases_there(performed, systems) -> object:
    return performed("restate", on=systems("restate").url)


@pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.name)
def test_a_run_there_ends_as_it_does_here(case, here, cases_there, observed):
    assert conformance.told(cases_there[case]) == conformance.told(here[case])
    observed(case.name, "restate", conformance_table.EQUAL)


SAGA = """
goal: g
tasks:
  book: {run: "backend_tasks:one", compensate: {run: "backend_tasks:undo"}}
  long: {sh: "sleep 60", needs: [book]}
"""


def admin(live, path: str, method: str, body: object = None) -> object:
    port = int(live.snapshot().options.on.rpartition(":")[2]) + 990
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json", "accept": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as answer:
        told = answer.read()
    return json.loads(told) if told else None


def invocation(live) -> str:
    """What Restate itself calls the run."""
    handle = live.snapshot().options.handle
    query = (
        f"select id from sys_invocation where target_service_key='{handle}' "
        "and target_handler_name='run'"
    )
    return admin(live, "/query", "POST", {"query": query})["rows"][0]["id"]


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_a_run_that_is_ended_by_restates_own_means_is_cancelled(restate, tmp_path: Path, how):
    plan = nb.decompose(SAGA, namespace={})
    options = phases.run_options(4, on=restate.url)
    live = phases.begin(
        phases.starting(plan, journal=SqliteJournal(tmp_path / "j.db"), options=options)
    )
    end = time.monotonic() + 30
    while live.snapshot()["long"].status != "running":
        assert time.monotonic() < end
        time.sleep(0.05)
    admin(live, f"/invocations/{invocation(live)}/{how}", "PATCH")
    assert live.done.wait(40)
    run = live.finished()
    assert run.status == "cancelled"
    if how == "cancel":
        assert run["book"].status == "compensated"
        assert run.decisions[0].by == "Restate"
    else:
        assert run["long"].attempts[0].status == "lost"
        assert run.decisions[0].by == "Restate (killed)"
