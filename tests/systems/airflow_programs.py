"""The scenarios as Airflow's own DAGs: the file lies in a folder of DAGs and is read by Airflow."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

sys.path.insert(0, os.environ["SCENARIOS"])

import marks  # beside this file, which lies elsewhere
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

SLOW = 1.5


def dag(name: str) -> DAG:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  # Airflow's own Python
    return DAG(name, schedule=None, start_date=start, catchup=False)


def do(name: str, fails: int = 0, seconds: float = 0.0, **options: Any) -> Any:
    _scenario, _, role = name.partition(".")

    @task(task_id=role, **options)
    def body() -> str:
        return marks.work(name, fails, seconds)

    return body()


with dag("unsaid"):
    do("unsaid.task", 99)

with dag("retry"):
    do(
        "retry.task", 2, retries=2, retry_delay=timedelta(seconds=0.5),
        retry_exponential_backoff=2.0, max_retry_delay=timedelta(seconds=60),
    )  # fmt: skip

with dag("chain"):
    do("chain.before") >> do("chain.task", 99) >> do("chain.after") >> do("chain.last")

with dag("join"):
    [do("join.task", 99), do("join.sibling", 0, SLOW)] >> do("join.join")

with dag("branch"):
    fails, follower = do("branch.task", 99), do("branch.follower")
    do("branch.sibling", 0, SLOW) >> follower
    [fails, follower] >> do("branch.join") >> do("branch.last")

with dag("late"):
    do("late.task", 99) >> do("late.after") >> do("late.cleanup", trigger_rule="all_done")

with dag("cleanup"):
    do("cleanup.task", 99) >> do("cleanup.cleanup", trigger_rule="all_done")

with dag("timeout"):
    do("timeout.task", 0, 4.0, execution_timeout=timedelta(seconds=1))

with dag("approval"):
    ApprovalOperator(task_id="gate", subject="Go on?") >> do("approval.after")

with dag("undo"):
    do("undo.before") >> do("undo.task", 99) >> do("undo.undo", trigger_rule="one_failed")

with dag("foreach"):

    @task(task_id="item")
    def item(n: int) -> None:
        marks.work(f"foreach.item{n}", 99 if n == 1 else 0, 0 if n == 1 else SLOW)

    item.expand(n=[0, 1, 2]) >> do("foreach.after")

with dag("diamond"):
    do("diamond.top") >> [do("diamond.left"), do("diamond.right")] >> do("diamond.bottom")

with dag("killed"):
    (do("killed.before", 0, 0.1) >> do("killed.task", 0, 3.0) >> do("killed.after", 0, 0.1))
