"""Runs DAGs in Airflow's own Python, one after the other, and tells the states of their tasks.

AIRFLOW_HOME=... airflow-python airflow_observer.py SCENARIO...    # JSON on the last line
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import datetime, timezone
from typing import Any


def main(scenarios: list[str]) -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag()
    if bag.import_errors:
        raise RuntimeError(bag.import_errors)
    found = {}
    for name in scenarios:
        facts: dict[str, Any] = {}
        if name == "approval":
            threading.Thread(target=answer, args=[facts], daemon=True).start()
        run = bag.dags[name].test()
        states = {}
        for one in run.get_task_instances():
            role = one.task_id if one.map_index < 0 else f"{one.task_id}{one.map_index}"
            states[role] = str(one.state)
        found[name] = {"states": {**states, "whole": str(run.state)}, "facts": facts}
    print("\n" + json.dumps(found))


def answer(facts: dict[str, Any]) -> None:
    """What a person does: looks at the gate after a while, and approves it."""
    from airflow.models.hitl import HITLDetail, HITLUser
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    gate_of = select(TaskInstance).filter_by(dag_id="approval", task_id="gate")
    while True:
        time.sleep(0.2)
        with create_session() as session:
            gate = session.scalar(gate_of)
            if gate is not None and gate.state == TaskInstanceState.AWAITING_INPUT:
                break
    time.sleep(2)
    with create_session() as session:
        gate, detail = session.scalars(gate_of).one(), session.scalars(select(HITLDetail)).one()
        facts["unanswered"] = str(gate.state)
        # As the API server does it (core_api/routes/public/hitl.py).
        detail.responded_by = HITLUser(id="1", name="a person")
        detail.responded_at = datetime.now(timezone.utc)  # noqa: UP017  # Airflow's own Python
        detail.chosen_options, detail.params_input = ["Approve"], {}
        event = TriggerEvent(detail.as_resume_event_payload())
        handle_event_submit(event, task_instance=gate, session=session)


if __name__ == "__main__":
    main(sys.argv[1:])
