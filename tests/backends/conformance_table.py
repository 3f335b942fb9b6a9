"""The table of how six systems perform the same plans, from what tests have seen.

    ORCH_NB_CONFORMANCE=docs/conformance.md python -m pytest tests/backends

A test says what it saw by `observed(row, system, cell)`. When all have passed, the table is
written; where a cell was not seen by any, nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence

import conformance

import orch_nb as nb
from orch_nb import phases
from orch_nb.backends.places import common_losses

__all__ = ["EQUAL", "FACTS", "SYSTEMS", "markdown", "missing"]

#: The columns, by the names that tests use.
SYSTEMS = {"local": "local", "temporal": "Temporal", "restate": "Restate", "celery": "Celery",
           "bullmq": "BullMQ", "dask": "Dask"}  # fmt: skip
EQUAL = "equal"
#: What no case of the suite compares, since systems may differ in it: (row, of which systems).
FACTS = {
    "a function that does not return within its timeout": tuple(SYSTEMS),
    "a task kills the process that runs it, once": tuple(SYSTEMS),
    "the worker is killed in mid-task": tuple(SYSTEMS)[1:],
    "the server is killed in mid-task": tuple(SYSTEMS)[1:],
    "the kernel is killed in mid-run": tuple(SYSTEMS),
}

Seen = dict[tuple[str, str], str]


def _expected() -> list[tuple[str, str]]:
    cases = [(case.name, system) for case in conformance.CASES for system in SYSTEMS]
    facts = [(row, system) for row, systems in FACTS.items() for system in systems]
    return [*cases, *facts]


def missing(seen: Seen) -> list[tuple[str, str]]:
    """The cells that nobody has filled."""
    return [one for one in _expected() if one not in seen]


def _table(head: str, rows: Sequence[str], seen: Seen) -> str:
    lines = [f"| {head} | {' | '.join(SYSTEMS.values())} |", "|---|" + "---|" * len(SYSTEMS)]
    for row in rows:
        cells = [seen.get((row, system), "-") for system in SYSTEMS]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _losses() -> str:
    """What a backend says before a run of a plan that has everything that it cannot do."""
    plan = nb.decompose(
        "goal: g\npools: {api: {slots: 2}}\n"
        "tasks: {a: {sh: 'true', cache: true, priority: 3, pool: api}, n: {notebook: n.ipynb}}",
        namespace={},
    )
    lost = common_losses(plan, phases.run_options(faults=["kill"]), "Temporal or Restate")
    return "\n".join(f"- {loss}" for loss in lost)


_TEXT = """\
# One plan on six systems: what is equal, and what is not

Written by `make conformance` from what the tests of `tests/backends` saw on real servers and \
workers; nothing here is written by hand.

A case is a plan (`tests/backends/conformance.py`) that runs on each system and, by the local \
engine, here. *equal*: every task has the same status, the same attempts with the same ends, and \
the same result. Temporal and Restate own the whole run; Celery, BullMQ and Dask perform its \
attempts.

{cases}

## Where they differ

What was seen, where a system may do more or less than the local engine. A dash: there is no such \
part. The servers are Temporal's and Restate's, which keep what they know on the disk, a Redis \
that does not (for Celery and BullMQ), and Dask's scheduler.

{facts}

Each attempt of a task is one job, step or activity. How often there is another, and when, is \
decided by orch_nb's own retry policy on all six, and the systems' own retries are off. What is \
left to them is an attempt whose worker was lost.

## What a backend says before the run

{losses}
"""


def markdown(seen: Seen) -> str:
    """The whole document."""
    return _TEXT.format(
        cases=_table("plan", [case.name for case in conformance.CASES], seen),
        facts=_table("what happens", list(FACTS), seen),
        losses=_losses(),
    )
