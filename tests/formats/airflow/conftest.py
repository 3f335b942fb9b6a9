"""Airflow itself, in a venv of its own: it does not live beside the project's packages."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
INSIDE = Path(__file__).with_name("inside_airflow.py")
INSTALL = (
    "python3 -m venv .venv/airflow && .venv/airflow/bin/pip install 'apache-airflow==3.*' "
    "(or name its python in ORCH_NB_AIRFLOW)"
)


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """The interpreter of an Airflow 3."""
    named = os.environ.get("ORCH_NB_AIRFLOW")
    found = Path(named) if named else ROOT / ".venv" / "airflow" / "bin" / "python"
    if not found.exists():
        if named or os.environ.get("ORCH_NB_CI") == "1":
            pytest.fail(f"Airflow is not at {found}; install it with: {INSTALL}")
        pytest.skip(f"Airflow is not here; install it with: {INSTALL}")
    return found


@pytest.fixture(scope="session")
def in_airflow(
    airflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """`in_airflow({"a.py": text}, "dag_to_run")` is what Airflow makes of the files."""

    def look(files: dict[str, str], *runs: str) -> dict[str, Any]:
        home = tmp_path_factory.mktemp("airflow")
        folder, out = home / "dags", home / "out.json"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        settings = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "PYTHON"))}
        done = subprocess.run(
            [airflow_python, INSIDE, folder, out, *runs],
            env=kept | settings, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found

    return look
