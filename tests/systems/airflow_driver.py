"""What Airflow does: its own Python runs each DAG with its own scheduling (`dag.test()`), and a
scheduler with its workers is killed and begun anew.

`ORCH_NB_AIRFLOW` names the Python of a venv that has it: it shares one with nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marks
import psutil
from redis_server import free_port

HERE = Path(__file__).parent
PYTHON = os.environ.get("ORCH_NB_AIRFLOW", "")


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
    return f"{ran.stdout.strip()}, by dag.test() and by its scheduler"


def observe(scenarios: list[str]) -> dict[str, Any]:
    rest = [name for name in scenarios if name != "killed"]
    found: dict[str, Any] = {}
    with home() as env:
        if rest:
            told = called(env, str(HERE / "airflow_observer.py"), *rest)
            found = json.loads(told.strip().splitlines()[-1])
        if "killed" in scenarios:
            found["killed"] = killed(env)
    return found


@contextlib.contextmanager
def home() -> Iterator[dict[str, str]]:
    """An Airflow of its own: a folder, a database, the DAGs; what its processes must be told."""
    with tempfile.TemporaryDirectory() as folder:
        dags = Path(folder, "dags")
        dags.mkdir()
        shutil.copy(HERE / "airflow_programs.py", dags)
        port = free_port()
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            "SCENARIOS": str(HERE), "AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__API_AUTH__JWT_SECRET": "the same for all processes of this Airflow",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        database = Path(folder, "airflow.db")
        if _fresh:
            database.write_bytes(_fresh[0])
        else:
            called(env, "-m", "airflow", "db", "migrate")
            _fresh.append(database.read_bytes())
        yield env


#: A database as the migration leaves it, which takes longer than all that is asked of it here.
_fresh: list[bytes] = []


def called(env: dict[str, str], *arguments: str) -> str:
    ran = subprocess.run(
        [PYTHON, *arguments], env=env, cwd=env["AIRFLOW_HOME"], capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(ran.stdout[-3000:] + ran.stderr[-6000:])
    return ran.stdout


def killed(env: dict[str, str]) -> dict[str, Any]:
    """The scheduler and the tasks that it runs (`LocalExecutor`) are killed; the server, by which
    tasks tell how they stand, is not."""
    api = ("127.0.0.1", int(env["AIRFLOW__API__PORT"]))
    processes = [started(env, "api-server")]
    try:
        called(env, "-m", "airflow", "dags", "reserialize")
        called(env, "-m", "airflow", "dags", "trigger", "killed")
        marks.until(lambda: answers(api), 120, "Airflow's server")
        processes.append(started(env, "scheduler"))
        marks.seen("killed.task", "begins", 1, 120)
        kill(processes[-1])
        marks.mark("killed.kill", "ends")
        processes.append(started(env, "scheduler"))
        marks.seen("killed.after", "ends", 1, 180)
        marks.until(lambda: states(env)["whole"] == "success", 60, "Airflow's run ends")
        return {"states": states(env), "facts": {}}
    finally:
        for one in reversed(processes):
            kill(one)


def started(env: dict[str, str], what: str) -> subprocess.Popen[bytes]:
    with Path(env["AIRFLOW_HOME"], f"{what}.log").open("a") as log:
        return subprocess.Popen(
            [PYTHON, "-m", "airflow", what], env=env, cwd=env["AIRFLOW_HOME"], stdout=log,
            stderr=log,
        )  # fmt: skip


def answers(address: tuple[str, int]) -> bool:
    with socket.socket() as one:
        return one.connect_ex(address) == 0


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a machine that is gone: it and its children, without a word."""
    if process.poll() is None:
        one = psutil.Process(process.pid)
        for each in [*one.children(recursive=True), one]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(10)


def states(env: dict[str, str]) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(Path(env["AIRFLOW_HOME"], "airflow.db"))) as database:
        tasks = database.execute("select task_id, state from task_instance where dag_id = 'killed'")
        found = {name: str(state) for name, state in tasks}
        (whole,) = database.execute("select state from dag_run where dag_id = 'killed'").fetchone()
    return {**found, "whole": str(whole)}
