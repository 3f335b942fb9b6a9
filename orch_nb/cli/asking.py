"""What is asked of a run that another process performs, or that has ended."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import threading
from pathlib import Path
from typing import Any

from orch_nb import archive, phases
from orch_nb.cli.telling import for_a_shell
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.launch import check_skip
from orch_nb.engine.ports import Request
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN
from orch_nb.model.status import RunStatus, Status

__all__ = ["ask", "journal_of", "log", "named", "past_of", "row_of", "runs", "status", "user"]

_FOLLOW_S = 0.2


def journal_of(arguments: argparse.Namespace) -> SqliteJournal:
    if not Path(arguments.journal).exists():
        raise UsageError(f"there is no journal {arguments.journal} here; see --journal")
    return SqliteJournal(arguments.journal)


def row_of(journal: SqliteJournal, run_id: str) -> Any:
    found = next((row for row in journal.runs() if row.run_id == run_id), None)
    if found is None:
        journal.history(run_id)  # raises RunNotFound, with the latest runs
    return found


def past_of(arguments: argparse.Namespace) -> Run:
    journal = journal_of(arguments)
    return phases.past_run(journal.history(named(arguments, journal)), journal)


def named(arguments: argparse.Namespace, journal: SqliteJournal) -> str:
    """The run that is meant: the one that is named, or the last. Raises RunNotFound."""
    return arguments.run if arguments.run is not None else archive.latest(journal)


def runs(arguments: argparse.Namespace) -> int:
    from orch_nb.render.listing import runs_bundle

    text = str(runs_bundle(journal_of(arguments).runs())["text/plain"])
    print(text.replace("%orchestrate open ", "orch-nb recover "))
    return 0


def status(arguments: argparse.Namespace) -> int:
    from orch_nb.render.bundle import run_bundle

    journal = journal_of(arguments)
    missing = phases.caught_up(named(arguments, journal), journal)
    run = past_of(arguments)
    if missing:
        print(f"As far as this journal knows: {missing}", file=sys.stderr)
    print(for_a_shell(str(run_bundle(run)["text/plain"]), run.run_id))
    row = row_of(journal, run.run_id)
    if row.unfollowed:
        print(f"It goes on there, on {row.on}, followed by nobody: orch-nb recover {run.run_id}")
    return 0


def log(arguments: argparse.Namespace) -> int:
    journal = journal_of(arguments)
    task = arguments.task
    row_of(journal, arguments.run)
    if task is not None:
        known_task(phases.past_run(journal.history(arguments.run), journal), task)
    after, pause = -1, threading.Event()
    while True:
        goes_on = arguments.follow and row_of(journal, arguments.run).held
        while lines := journal.read_lines(arguments.run, after=after, task=task):
            after = lines[-1].seq
            for line in lines:
                print(line.text if task is not None else f"{line.task} | {line.text}")
        if not goes_on:
            return 0
        sys.stdout.flush()
        pause.wait(_FOLLOW_S)


def known_task(run: Run, task: str) -> None:
    derived = [t.task for t in run.derived]
    if task not in run.plan and task not in derived:
        near = did_you_mean(task, [*run.plan.by_id, *derived])
        raise UsageError(f"run {run.run_id} has no task `{task}`. {near}".rstrip())


def ask(arguments: argparse.Namespace) -> int:
    journal = journal_of(arguments)
    row = row_of(journal, arguments.run)
    run = phases.past_run(journal.history(arguments.run), journal)
    task = arguments.task
    if task is not None:
        known_task(run, task)
    _can_be_asked(arguments.verb, run, task)
    if arguments.verb in ("pause", "resume", "workers") and not row.held:
        raise UsageError(
            f"no process works on run {run.run_id}; go on with: orch-nb recover {run.run_id}"
        )
    note = arguments.note
    if arguments.verb == "workers":
        note = arguments.number
        if not note.isdigit() or int(note) < 1:
            raise UsageError(f"workers is a whole number of at least 1, not `{note}`")
    # A request stands in the journal until it is taken, so its words are masked before.
    journal.ask(run.run_id, Request(arguments.verb, task, user(), PLAIN.text(note)))
    if row.held:
        _wait_until_taken(journal, run.run_id)
        print(f"{arguments.verb}: {task or run.run_id}")
    else:
        print(f"{arguments.verb}: {task or run.run_id}; go on with: orch-nb recover {run.run_id}")
    return 0


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's process may belong to nobody
        return f"user {os.getuid()}"


def _can_be_asked(verb: str, run: Run, task: str | None) -> None:
    if verb in ("approve", "reject") and run[task or ""].status is not Status.WAITING:
        raise UsageError(
            f"`{task}` of run {run.run_id} does not wait for anybody: it is "
            f"{run[task or ''].status}"
        )
    if run.status not in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.CUT_OFF):
        raise UsageError(f"run {run.run_id} is not going on: it is {run.status}")
    if verb == "skip":
        check_skip(run, task or "")
    if verb == "retry" and (
        not run[task or ""].status.ended or run[task or ""].status is Status.SUCCEEDED
    ):
        raise UsageError(
            f"`{task}` is {run[task or ''].status}: only a task that failed is retried"
        )


def _wait_until_taken(journal: SqliteJournal, run_id: str) -> None:
    """Give the live run the second it may need to take the request out of the journal."""
    pause = threading.Event()
    for _ in range(20):
        if not journal.requests_left(run_id):
            return
        pause.wait(0.1)
    raise UsageError(
        f"run {run_id} has not taken the request yet; it stays in the journal for it to take"
    )
