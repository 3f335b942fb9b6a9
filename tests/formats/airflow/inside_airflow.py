"""Runs in Airflow's own interpreter: what it makes of a folder of DAG files, as JSON.

python inside_airflow.py FOLDER OUT.json [DAG_ID ...]     the DAGs that are named really run
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def task_of(task: Any, groups: dict[str, str]) -> dict[str, Any]:
    return {
        "up": sorted(task.upstream_task_ids),
        "kind": getattr(task, "operator_name", None) or task.task_type,
        "trigger": getattr(task.trigger_rule, "value", task.trigger_rule),
        "mapped": bool(getattr(task, "is_mapped", False)),
        "retries": task.retries,
        "delay_s": task.retry_delay.total_seconds(),
        "backoff": float(task.retry_exponential_backoff or 0),
        "most_s": task.max_retry_delay.total_seconds() if task.max_retry_delay else None,
        "timeout_s": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "pool": task.pool,
        "slots": task.pool_slots,
        "priority": task.priority_weight,
        "weight": type(task.weight_rule).__name__,
        "owner": task.owner,
        "group": groups.get(task.task_id),
        "most": task.max_active_tis_per_dagrun,
    }


def groups_of(group: Any) -> dict[str, str]:
    """The innermost group of each task."""
    found = {}
    for name, child in group.children.items():
        if hasattr(child, "children"):
            found |= groups_of(child)
        elif group.group_id:
            found[name] = group.group_id
    return found


def run(dag: Any) -> dict[str, Any]:
    done = dag.test()
    states = {
        f"{one.task_id}[{one.map_index}]" if one.map_index >= 0 else one.task_id: str(one.state)
        for one in done.get_task_instances()
    }
    return {"state": str(done.state.value), "tasks": states}


def main() -> None:
    folder, out, *runs = sys.argv[1:]
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = DagBag(folder)
    found: dict[str, Any] = {"errors": bag.import_errors, "dags": {}, "runs": {}}
    for dag in bag.dags.values():
        written = DagSerialization.to_dict(dag)
        groups = groups_of(dag.task_group)
        found["dags"][dag.dag_id] = {
            "tasks": {task.task_id: task_of(task, groups) for task in dag.tasks},
            "serialized": len(written["dag"]["tasks"]),
            "file": Path(dag.fileloc).name,
            "doc": dag.doc_md,
            "description": dag.description,
        }
    if runs:
        from airflow.utils.db import upgradedb

        upgradedb()
        found["runs"] = {name: run(bag.dags[name]) for name in runs}
    Path(out).write_text(json.dumps(found, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
