"""What performs a run: a new one, the rest of one, a task of it anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orch_nb import phases
from orch_nb.cli.asking import ask, journal_of, past_of, row_of, user
from orch_nb.cli.telling import observers, outcome
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.launch import compensation_of, failed_tasks
from orch_nb.errors import PlanError, UsageError
from orch_nb.model.plan import Plan

__all__ = ["compensate", "plan_of", "recover", "retry", "run", "skip"]


def run(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments.plan)
    if arguments.dry_run:
        from orch_nb.render.bundle import plan_bundle

        print(plan_bundle(phases.seen(plan, arguments.secrets))["text/plain"])
        return 0
    executor = arguments.executor or ("dask" if arguments.address else "threads")
    options: dict[str, Any] = {
        "cache": arguments.cache, "fresh": arguments.fresh, "on": arguments.on,
    }  # fmt: skip
    if not arguments.quiet:
        _tell_beforehand(plan, arguments.journal, options)
    run = phases.execute(
        plan, workers=arguments.workers, executor=executor, address=arguments.address or "",
        journal=arguments.journal, run_id=arguments.run_id, name=arguments.name,
        approve=arguments.approve, fail_fast=arguments.fail_fast, timeout=arguments.timeout,
        faults=arguments.faults, secrets=arguments.secrets, observers=observers(arguments),
        namespace={}, **options,
    )  # fmt: skip
    return outcome(run, arguments)


def _tell_beforehand(plan: Plan, journal: str, options: dict[str, Any]) -> None:
    from orch_nb.render.beforehand import beforehand_text

    chosen = phases.run_options(**options)
    told = phases.beforehand(plan, SqliteJournal(journal), chosen)
    text = beforehand_text(*told)
    if text:
        print(text, file=sys.stderr)


def recover(arguments: argparse.Namespace) -> int:
    return _go_on(arguments, plan=plan_of(arguments.plan) if arguments.plan else None)


def retry(arguments: argparse.Namespace) -> int:
    journal = journal_of(arguments)
    held = row_of(journal, arguments.run).held
    tasks = [arguments.task] if arguments.task else failed_tasks(past_of(arguments))
    if not held:
        return _go_on(arguments, retry=tasks)
    for task in tasks:
        arguments.verb, arguments.note, arguments.task = "retry", "", task
        ask(arguments)
    return 0


def skip(arguments: argparse.Namespace) -> int:
    if row_of(journal_of(arguments), arguments.run).held:
        arguments.verb = "skip"
        return ask(arguments)
    return _go_on(arguments, skip=arguments.task, note=arguments.note)


def compensate(arguments: argparse.Namespace) -> int:
    if row_of(journal_of(arguments), arguments.run).held:
        raise UsageError(
            f"run {arguments.run} is going on: what it did is undone when it has ended"
        )
    return _go_on(arguments, retry=[compensation_of(past_of(arguments), arguments.task)])


def _go_on(
    arguments: argparse.Namespace, *, plan: Plan | None = None, retry: Sequence[str] = (),
    skip: str | None = None, note: str = "",
) -> int:  # fmt: skip
    try:
        run = phases.recover(
            arguments.run, plan, journal=journal_of(arguments), retry=retry, skip=skip, by=user(),
            note=note, namespace={},
            workers=arguments.workers, executor=arguments.executor, approve=arguments.approve,
            address=arguments.address, fail_fast=arguments.fail_fast or None,
            timeout=arguments.timeout, cache=arguments.cache or None,
            fresh=arguments.fresh or None, faults=arguments.faults or None,
            secrets=arguments.secrets, observers=observers(arguments),
        )  # fmt: skip
    except PlanError as error:
        if plan is not None:
            raise
        raise UsageError(
            f"run {arguments.run} cannot go on here: its functions are those of a notebook or a "
            f"script. Go on with it there (%orchestrate recover {arguments.run}).\n{error}"
        ) from None
    return outcome(run, arguments)


def plan_of(path: str) -> Plan:
    """The plan in a document, `-` for standard input. Raises UsageError, PlanError."""
    from orch_nb.planners.yaml import plan_from_yaml

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the plan {path} cannot be read: {error}") from None
    try:
        return plan_from_yaml(text, {}, first_line=1)
    except PlanError as error:
        raise PlanError(error.problems, what=f"plan {path}") from None
