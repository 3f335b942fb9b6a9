"""What orch_nb does: its own engine in this process, and one that is killed from outside.

python tests/systems/orch_nb_driver.py killed JOURNAL
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import marks

import orch_nb as nb

SETTLED_S = 3.5
SLOW = 1.5


def missing() -> str:
    return ""


def versions() -> str:
    return str(nb.__version__)


def do(name: str, fails: int = 0, seconds: float = 0.0, **fields: Any) -> nb.Task:
    async def body() -> str:
        return await marks.work_async(name, fails, seconds)

    return nb.Task(id=name.partition(".")[2], run=body, **fields)


def each() -> nb.Task:
    async def item(n: int) -> str:
        failing = n == 1
        return await marks.work_async(f"foreach.item{n}", 99 * failing, 0 if failing else SLOW)

    return nb.Task(id="task", run=item, foreach={"n": [0, 1, 2]})


def plans() -> dict[str, list[nb.Task]]:
    policy = {"maximum_attempts": 3, "initial_interval_s": 0.5, "jitter": 0.0}
    return {
        "unsaid": [do("unsaid.task", 99)],
        "retry": [do("retry.task", 2, retry=policy)],
        "chain": [
            do("chain.before"), do("chain.task", 99, needs=["before"]),
            do("chain.after", needs=["task"]), do("chain.last", needs=["after"]),
        ],
        "branch": [
            do("branch.task", 99), do("branch.sibling", 0, SLOW),
            do("branch.follower", needs=["sibling"]),
            do("branch.join", needs=["task", "follower"]), do("branch.last", needs=["join"]),
        ],
        "late": [
            do("late.task", 99), do("late.after", needs=["task"]),
            do("late.cleanup", needs=["after"], trigger="all_done"),
        ],
        "join": [
            do("join.task", 99), do("join.sibling", 0, SLOW),
            do("join.join", needs=["task", "sibling"]),
        ],
        "cleanup": [
            do("cleanup.task", 99), do("cleanup.cleanup", needs=["task"], trigger="all_done"),
        ],
        "timeout": [do("timeout.task", 0, 4.0, timeout_s=1.0)],
        "approval": [
            nb.Task(id="gate", approval="Go on?"), do("approval.after", needs=["gate"]),
        ],
        "undo": [
            do("undo.before", compensate=do("undo.undo")),
            do("undo.task", 99, needs=["before"]),
        ],
        "foreach": [each(), do("foreach.after", needs=["task"])],
        "killed": [
            do("killed.before", 0, 0.1), do("killed.task", 0, 2.0, needs=["before"]),
            do("killed.after", 0, 0.1, needs=["task"]),
        ],
        "diamond": [
            do("diamond.top"), do("diamond.left", needs=["top"]),
            do("diamond.right", needs=["top"]), do("diamond.bottom", needs=["left", "right"]),
        ],
    }  # fmt: skip


def plan(scenario: str) -> nb.Plan:
    return nb.Plan(goal=scenario, tasks=plans()[scenario])


def observe(scenarios: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(scenarios)) as pool:
        found = dict(zip(scenarios, pool.map(lambda s: one(s, folder), scenarios), strict=True))
        time.sleep(SETTLED_S)
    return found


def one(scenario: str, folder: str) -> dict[str, Any]:
    if scenario == "killed":
        return killed(folder)
    made, facts = plan(scenario), {}
    journal = str(Path(folder, f"{scenario}.db"))
    run = nb.execute(made, journal=journal, run_id=scenario)
    if scenario == "approval":
        facts["unanswered"] = f"{run['gate'].status}"
        run = nb.recover(scenario, plan=made, journal=journal, approve=["gate"])
    return {"states": states(run), "facts": facts}


def states(run: Any) -> dict[str, str]:
    found = {one.task: str(one.status) for one in run.tasks}
    return {**found, "whole": str(run.status)}


def killed(folder: str) -> dict[str, Any]:
    journal = str(Path(folder, "killed.db"))
    first = marks.spawn(__file__, "killed", journal)
    marks.seen("killed.task")
    first.kill()
    first.wait()
    marks.mark("killed.kill", "ends")
    run = nb.recover("killed", plan=plan("killed"), journal=journal)
    return {"states": states(run), "facts": {}}


if __name__ == "__main__":
    import orch_nb_driver  # under the name by which the journal's plan knows its functions

    nb.execute(orch_nb_driver.plan("killed"), journal=sys.argv[2], run_id="killed")
