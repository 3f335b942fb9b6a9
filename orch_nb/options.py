"""What may be asked of a run in words, said once for `%%orchestrate` and for `orch-nb`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["EXECUTORS", "add_run_options"]

EXECUTORS = ("threads", "inline", "processes", "dask", "celery", "bullmq")


def add_run_options(add: Callable[..., Any]) -> None:
    """Declare the options of `execute` by `add`, an `ArgumentParser.add_argument`."""
    add("--workers", type=int, metavar="N", help="how many tasks run at once")
    add("--executor", choices=EXECUTORS, help="where functions run")
    add(
        "--address",
        metavar="URL",
        help="where the executor is: tcp://… (dask), module:app (celery), redis://… (bullmq)",
    )
    add(
        "--on", metavar="URL", default="",
        help="the system that owns the run: temporal://HOST:PORT, restate://HOST:PORT",
    )  # fmt: skip
    add("--approve", action="append", default=[], metavar="TASK", help="a gate approved beforehand")
    add("--cache", action="store_true", help="use kept results wherever nothing has changed")
    add(
        "--fresh",
        action="store_true",
        help="begin anew: not where the last run was cut off, and without kept results",
    )
    add("--fail-fast", action="store_true", help="end the run when a required task has failed")
    add("--timeout", metavar="TIME", help="cancel the run after this long, as 90s, 10m or 1h30m")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        dest="faults",
        help="fail on purpose: TASK=2, TASK=20%%, TASK=down:30s, kill or kill=TASK",
    )
    add(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        dest="secrets",
        help="an environment variable or a parameter of the plan whose value is masked everywhere",
    )
