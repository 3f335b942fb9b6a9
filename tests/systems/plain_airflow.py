"""Any plan as a DAG of Airflow: the file lies in a folder of DAGs and is read by Airflow."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from typing import Any

sys.path.insert(0, os.environ["SCENARIOS"])

import plain  # beside this file, which lies elsewhere
from airflow.sdk import DAG, task


def made(one: plain.Job) -> Any:
    @task(task_id=one.name.partition(".")[2], trigger_rule=one.rule)
    def body() -> str:
        return plain.work(one.name, one.seconds, one.fails)

    return body()


for each in plain.loaded():
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  # Airflow's own Python
    with DAG(each.name, schedule=None, start_date=start, catchup=False) as dag:
        tasks: dict[str, Any] = {}
        for name, one in each.jobs.items():
            tasks[name] = made(one)
            for need in one.needs:
                tasks[need] >> tasks[name]
    globals()[each.name] = dag
