"""Recorded executions of scientific workflows, performed by the engine in manual time.

Each instance's tasks take as long as they once took; what comes out is compared with the truth that
stands beside the recordings: a lower bound on any schedule of K workers, and the makespan of list
scheduling by the longest remaining path, which is what the engine does.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

import orch_nb as nb
from orch_nb.testing import FakeExecutor, ManualClock, Took, nothing, perform

WORKERS = (1, 2, 4, 8, 16, 64)
# Ties may be broken in another order than the truth's own list schedule breaks them.
TIES = 1.06


def _folder() -> Path | None:
    corpus = os.environ.get("ORCH_NB_CORPUS")
    return Path(corpus) / "wfcommons" if corpus else None


def _truths() -> list[dict[str, str]]:
    folder = _folder()
    if folder is None or not folder.is_dir():
        return []
    with (folder / "ground_truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _plan(path: Path) -> nb.Plan:
    workflow = json.loads(path.read_text(encoding="utf-8"))["workflow"]
    took = {t["id"]: float(t["runtimeInSeconds"]) for t in workflow["execution"]["tasks"]}
    return nb.Plan(
        goal=path.stem,
        tasks=[
            nb.Task(id=t["id"], run=nothing, needs=t["parents"], estimate=took[t["id"]])
            for t in workflow["specification"]["tasks"]
        ],
    )


TRUTHS = _truths()


pytestmark = pytest.mark.skipif(
    not TRUTHS, reason="set ORCH_NB_CORPUS to the folder that has the recorded workflows"
)


@pytest.fixture(params=TRUTHS or [{"file": "none.json"}], ids=lambda truth: truth["file"][:-5])
def recorded(request):
    return _plan(_folder() / request.param["file"]), request.param


@pytest.mark.parametrize("workers", WORKERS)
def test_the_makespan_is_that_of_list_scheduling_by_the_critical_path(recorded, workers):
    plan, truth = recorded
    clock = ManualClock()
    executor = FakeExecutor({t.id: [Took(None, t.estimate_s)] for t in plan})
    run = perform(plan, executor=executor, clock=clock, workers=workers, at_most_s=1e9)
    assert run.succeeded
    assert executor.most <= workers
    makespan = run.duration_s
    assert makespan >= float(truth[f"lb_{workers}"]) * 0.999
    assert makespan <= float(truth[f"cp_list_{workers}"]) * TIES + 0.01


def test_every_task_runs_once_after_all_that_it_needs(recorded):
    plan, _ = recorded
    ran: dict[str, int] = {}

    def note(task: str):
        def noted() -> None:
            assert task not in ran
            assert all(need in ran for need in plan[task].needs)
            ran[task] = len(ran)

        return noted

    tasks = [nb.Task(id=t.id, run=note(t.id), needs=t.needs) for t in plan]
    run = nb.execute(nb.Plan(goal=plan.goal, tasks=tasks), journal="memory", workers=8)
    assert run.succeeded, run.with_status(nb.Status.FAILED)[:1]
    assert set(ran) == set(plan.by_id)
