"""Airflow's examples are read here as well as imported."""

from __future__ import annotations

from ...formats.airflow.conftest import airflow_python  # noqa: TID252 (tests are no package)

__all__ = ["airflow_python"]
