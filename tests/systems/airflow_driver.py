"""What Airflow does: its own Python runs each DAG with its own scheduling (`dag.test()`).

`ORCH_NB_AIRFLOW` names the Python of a venv that has it: it shares one with nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = os.environ.get("ORCH_NB_AIRFLOW", "")
#: What is not observed here.
NOTHING = {
    "killed": (
        "Not observed here: the scheduler finds a task whose heartbeat has stopped (after 300 s by "
        "default) and tries it again, if retries are left; what had succeeded stays so.",
        "https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/tasks.html"
        "#task-instance-heartbeat-timeout",
    )
}


def missing() -> str:
    if PYTHON and Path(PYTHON).exists():
        return ""
    return (
        "python3 -m venv /tmp/airflow && /tmp/airflow/bin/pip install 'apache-airflow==3.*', "
        "and ORCH_NB_AIRFLOW=/tmp/airflow/bin/python"
    )


def versions() -> str:
    asked = "from importlib.metadata import version; print(version('apache-airflow'))"
    ran = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True, check=True)
    return f"{ran.stdout.strip()}, by dag.test()"


def observe(scenarios: list[str]) -> dict[str, Any]:
    rest = [name for name in scenarios if name not in NOTHING]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "dags")
        folder.mkdir()
        shutil.copy(HERE / "airflow_programs.py", folder)
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            "SCENARIOS": str(HERE), "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        }  # fmt: skip
        for command in (
            ["-m", "airflow", "db", "migrate"], [str(HERE / "airflow_observer.py"), *rest]
        ):  # fmt: skip
            ran = subprocess.run(
                [PYTHON, *command], env=env, cwd=home, capture_output=True, text=True, timeout=300
            )
            if ran.returncode:
                raise RuntimeError(ran.stdout[-3000:] + ran.stderr[-6000:])
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found
