"""The same story without a notebook: `orch-nb run PLAN.yaml`, and what a person may ask afterwards.

Exit codes, for a CI: 0 succeeded · 1 failed or cancelled · 2 a usage or plan error, nothing was
run · 3 waiting for a person (`orch-nb approve RUN TASK`, then `orch-nb recover RUN`) · 130
interrupted.

`approve`, `reject`, `cancel`, `retry`, `skip`, `pause`, `resume` and `workers` work from anywhere:
a live run takes them out of its journal within a second, whichever process performs it, a
notebook's kernel too.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from orch_nb import archive, phases
from orch_nb.engine.journal import DEFAULT_PATH, SqliteJournal
from orch_nb.engine.launch import check_skip, compensation_of, failed_tasks
from orch_nb.engine.ports import Request
from orch_nb.errors import OrchestrationError, PlanError, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import duration
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN
from orch_nb.model.status import RunStatus, Status

__all__ = ["main"]

_FOLLOW_S = 0.2
_CODES = {RunStatus.SUCCEEDED: 0, RunStatus.WAITING: 3}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, "")  # a plan's `module:function` is found here, as by `python -m`
    try:
        with _terminated_like_interrupted():
            code = int(arguments.do(arguments))
        sys.stdout.flush()
    except OrchestrationError as error:
        print(f"orch-nb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("orch-nb: stopped; what had succeeded is kept in the journal", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at the exit's flush
        return 1
    except OSError as error:  # a report's folder that is not there, a disk that is full
        print(f"orch-nb: {error}", file=sys.stderr)
        return 2
    return code


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a CI that gives up, `kill`) cancels a run as Ctrl-C does, and leaves no process."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orch-nb",
        description="Plan, run and report a complex operation.",
        epilog="Exit codes: 0 succeeded, 1 failed, 2 usage or plan error, 3 waiting for a person.",
    )
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, do: Any, text: str, *arguments: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text, description=text)
        for argument in arguments:
            one.add_argument(
                argument.rstrip("?"),
                metavar=argument.rstrip("?").upper(),
                nargs="?" if argument.endswith("?") else None,
            )
        one.add_argument("--journal", default=str(DEFAULT_PATH), help="the journal's file")
        one.set_defaults(do=do)
        return one

    run = verb("run", _run, "run a plan document", "plan")
    _running(run)
    run.add_argument("--run-id", help="a name of one's own for the run")
    run.add_argument("--name", default="", help="name the plan: its runs are numbered")
    run.add_argument("--dry-run", action="store_true", help="check and show the plan, run nothing")
    recover = verb("recover", _recover, "go on with a run that was cut off or waits", "run")
    _running(recover)
    recover.add_argument("--plan", help="the plan document the run was made from")
    retry = verb("retry", _retry, "try a failed task anew, and what it kept from running",
                 "run", "task?")  # fmt: skip
    _running(retry)
    skip = verb("skip", _skip, "leave a task out: the rest goes on as if it had succeeded",
                "run", "task")  # fmt: skip
    _running(skip)
    skip.add_argument("--note", default="", help="why, for the report")
    undo = verb("compensate", _compensate, "undo what a task did, where that failed at the end",
                "run", "task")  # fmt: skip
    _running(undo)
    verb("runs", _runs, "list the runs of the journal")
    verb("status", _status, "show how a run stands", "run")
    for name in ("approve", "reject"):
        ask = verb(name, _ask, f"{name} a gate of a run", "run", "task")
        ask.add_argument("--note", default="", help="why, for the report")
        ask.set_defaults(verb=name)
    cancel = verb("cancel", _ask, "cancel a run, or one task of it", "run", "task?")
    cancel.set_defaults(verb="cancel", note="")
    pause = verb("pause", _ask, "start no further task of a run until `resume`", "run")
    pause.set_defaults(verb="pause", note="", task=None)
    resume = verb("resume", _ask, "end a pause (a run that was cut off: see recover)", "run")
    resume.set_defaults(verb="resume", note="", task=None)
    workers = verb("workers", _ask, "change how many tasks run at once", "run", "number")
    workers.set_defaults(verb="workers", task=None, note="")
    log = verb("log", _log, "print what a task printed, or all of them", "run", "task?")
    log.add_argument("--follow", "-f", action="store_true",
                     help="go on as long as the run does")  # fmt: skip
    verb("compare", _compare, "two runs side by side: ids, notebooks, HTML reports",
         "before", "after")  # fmt: skip
    report = verb("report", _report, "write the report of a run, or of a notebook", "run")
    report.add_argument("-o", "--output", default="report.html",
                        help="a .html, .md, .pdf or .xml (JUnit) file")  # fmt: skip
    report.add_argument("--code", action="store_true", help="with the notebook's code cells")
    return parser


def _running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="how many tasks run at once")
    parser.add_argument("--executor", choices=("threads", "inline", "processes", "dask"),
                        help="where functions run")  # fmt: skip
    parser.add_argument("--address", help="of the Dask cluster, for --executor dask")
    parser.add_argument("--fail-fast", action="store_true",
                        help="end the run when a required task has failed")  # fmt: skip
    parser.add_argument("--timeout", metavar="TIME", help="cancel the run after this long (10m)")
    parser.add_argument("--cache", action="store_true",
                        help="use kept results wherever nothing has changed")  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="use no kept results")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        dest="faults",
        help="fail on purpose: TASK=2, TASK=20%%, TASK=down:30s, kill or kill=TASK",
    )
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        dest="secrets",
        help="an environment variable or a parameter of the plan whose value is masked everywhere",
    )
    parser.add_argument("--approve", action="append", default=[], metavar="TASK",
                        help="a gate approved beforehand")  # fmt: skip
    parser.add_argument("--quiet", "-q", action="store_true", help="print the outcome only")


def _version() -> str:
    from importlib.metadata import version

    return f"orch-nb {version('orch_nb')}"


# -- running -------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    plan = _plan(arguments.plan)
    if arguments.dry_run:
        from orch_nb.render.bundle import plan_bundle

        print(plan_bundle(phases.seen(plan, arguments.secrets))["text/plain"])
        return 0
    executor = arguments.executor or ("dask" if arguments.address else "threads")
    options: dict[str, Any] = {"cache": arguments.cache, "fresh": arguments.fresh}
    if not arguments.quiet:
        _tell_beforehand(plan, arguments.journal, options)
    run = phases.execute(
        plan, workers=arguments.workers, executor=executor, address=arguments.address or "",
        journal=arguments.journal, run_id=arguments.run_id, name=arguments.name,
        approve=arguments.approve, fail_fast=arguments.fail_fast, timeout=arguments.timeout,
        faults=arguments.faults, secrets=arguments.secrets, observers=_observers(arguments),
        namespace={}, **options,
    )  # fmt: skip
    return _told(run, arguments)


def _tell_beforehand(plan: Plan, journal: str, options: dict[str, Any]) -> None:
    from orch_nb.render.beforehand import beforehand_text

    told = phases.beforehand(plan, SqliteJournal(journal), phases.run_options(**options))
    text = beforehand_text(*told)
    if text:
        print(text, file=sys.stderr)


def _recover(arguments: argparse.Namespace) -> int:
    return _go_on(arguments, plan=_plan(arguments.plan) if arguments.plan else None)


def _retry(arguments: argparse.Namespace) -> int:
    journal = _journal(arguments)
    held = _row(journal, arguments.run).held
    tasks = [arguments.task] if arguments.task else failed_tasks(_past(arguments))
    if not held:
        return _go_on(arguments, retry=tasks)
    for task in tasks:
        arguments.verb, arguments.note, arguments.task = "retry", "", task
        _ask(arguments)
    return 0


def _skip(arguments: argparse.Namespace) -> int:
    if _row(_journal(arguments), arguments.run).held:
        arguments.verb = "skip"
        return _ask(arguments)
    return _go_on(arguments, skip=arguments.task, note=arguments.note)


def _compensate(arguments: argparse.Namespace) -> int:
    if _row(_journal(arguments), arguments.run).held:
        raise UsageError(
            f"run {arguments.run} is going on: what it did is undone when it has ended"
        )
    return _go_on(arguments, retry=[compensation_of(_past(arguments), arguments.task)])


def _go_on(
    arguments: argparse.Namespace, *, plan: Plan | None = None, retry: Sequence[str] = (),
    skip: str | None = None, note: str = "",
) -> int:  # fmt: skip
    try:
        run = phases.recover(
            arguments.run, plan, journal=_journal(arguments), retry=retry, skip=skip, by=_user(),
            note=note, namespace={},
            workers=arguments.workers, executor=arguments.executor, approve=arguments.approve,
            address=arguments.address, fail_fast=arguments.fail_fast or None,
            timeout=arguments.timeout, cache=arguments.cache or None,
            fresh=arguments.fresh or None, faults=arguments.faults or None,
            secrets=arguments.secrets, observers=_observers(arguments),
        )  # fmt: skip
    except PlanError as error:
        if plan is not None:
            raise
        raise UsageError(
            f"run {arguments.run} cannot go on here: its functions are those of a notebook or a "
            f"script. Go on with it there (%orchestrate recover {arguments.run}).\n{error}"
        ) from None
    return _told(run, arguments)


def _plan(path: str) -> Plan:
    from orch_nb.planners.yaml import plan_from_yaml

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the plan {path} cannot be read: {error}") from None
    try:
        return plan_from_yaml(text, {}, first_line=1)
    except PlanError as error:
        raise PlanError(error.problems, what=f"plan {path}") from None


def _observers(arguments: argparse.Namespace) -> list[Any]:
    return [] if arguments.quiet else [_Teller()]


class _Teller:
    """Tells on stderr what happens, a line an event that a person would want to know."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, events: Sequence[ev.Event], state: RunState) -> None:
        for event in events:
            said = self._said(event)
            if said:
                at = duration(time.monotonic() - self._begun)
                print(f"{at:>9}  {said}", file=sys.stderr)

    def _said(self, event: ev.Event) -> str:
        tell = _TOLD.get(type(event))
        return tell(event) if tell is not None else ""


def _started(event: ev.AttemptStarted) -> str:
    again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    return f"▶ {event.task}{again}"


def _ended(event: ev.TaskEnded) -> str:
    if event.status is Status.FAILED and not event.reason:
        return ""  # its last attempt has said so
    return f"{_GLYPHS.get(event.status, '·')} {event.task}: {event.reason or event.status}"


_TOLD: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.AttemptStarted: _started,
    ev.AttemptSucceeded: lambda e: f"✓ {e.task}",
    ev.AttemptFailed: lambda e: f"✗ {e.task}: {e.error}",
    ev.BackingOff: lambda e: f"↻ {e.task}: next attempt in {duration(e.until - e.at)}",
    ev.Expanded: lambda e: f"▶ {e.task}: {e.count} instances",
    ev.Waiting: lambda e: f"⏸ {e.task}: {e.prompt}",
    ev.TaskEnded: _ended,
    ev.PauseRequested: lambda e: "⏸ paused: no further task starts until `orch-nb resume`",
    ev.PauseEnded: lambda e: "▶ resumed",
    ev.WorkersChanged: lambda e: f"{e.workers} workers",
    ev.CancelRequested: lambda e: (
        f"⊗ the run ends: {e.cause.replace('_', '-')}" if e.cause else "⊗ cancelling"
    ),
}


_GLYPHS = {
    Status.SUCCEEDED: "✓",
    Status.FAILED: "✗",
    Status.SKIPPED: "–",
    Status.UPSTREAM_FAILED: "⊘",
    Status.CANCELLED: "⊗",
}


def _told(run: Run, arguments: argparse.Namespace) -> int:
    from orch_nb.render.bundle import header_bundle

    report = phases.integrate(run)
    print(_for_a_shell(str(header_bundle(run.plan, run, report)["text/plain"]), run.run_id))
    if run.status is RunStatus.WAITING:
        print(f"Then: orch-nb recover {run.run_id}")
    return _CODES.get(run.status, 1)


def _for_a_shell(text: str, run_id: str) -> str:
    """The lines that go on, as typed here: `%orchestrate retry a` is `orch-nb retry RUN a`."""
    lines = r"%orchestrate (retry|skip|compensate|approve|reject|recover|resume|pause)\b"
    text = re.sub(rf"(%orchestrate [^\n]*?) --run {re.escape(run_id)}\b", r"\1", text)
    text = text.replace(f"%orchestrate recover {run_id}", "%orchestrate recover")
    text = re.sub(lines, rf"orch-nb \1 {run_id}", text)
    # A shell would take the brackets of an instance for a pattern.
    return re.sub(r"(orch-nb \w+ \S+) ([^\s'\"]+\[\d+\])", r"\1 '\2'", text)


# -- asking --------------------------------------------------------------------------------------


def _journal(arguments: argparse.Namespace) -> SqliteJournal:
    if not Path(arguments.journal).exists():
        raise UsageError(f"there is no journal {arguments.journal} here; see --journal")
    return SqliteJournal(arguments.journal)


def _row(journal: SqliteJournal, run_id: str) -> Any:
    found = next((row for row in journal.runs() if row.run_id == run_id), None)
    if found is None:
        journal.history(run_id)  # raises RunNotFound, with the latest runs
    return found


def _past(arguments: argparse.Namespace) -> Run:
    journal = _journal(arguments)
    return phases.past_run(journal.history(arguments.run), journal)


def _runs(arguments: argparse.Namespace) -> int:
    from orch_nb.render.listing import runs_bundle

    print(runs_bundle(_journal(arguments).runs())["text/plain"])
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from orch_nb.render.bundle import run_bundle

    run = _past(arguments)
    print(_for_a_shell(str(run_bundle(run)["text/plain"]), run.run_id))
    return 0


def _log(arguments: argparse.Namespace) -> int:
    journal = _journal(arguments)
    task = arguments.task
    _row(journal, arguments.run)
    if task is not None:
        _known_task(phases.past_run(journal.history(arguments.run), journal), task)
    after, pause = -1, threading.Event()
    while True:
        goes_on = arguments.follow and _row(journal, arguments.run).held
        while lines := journal.read_lines(arguments.run, after=after, task=task):
            after = lines[-1].seq
            for line in lines:
                print(line.text if task is not None else f"{line.task} | {line.text}")
        if not goes_on:
            return 0
        sys.stdout.flush()
        pause.wait(_FOLLOW_S)


def _report(arguments: argparse.Namespace) -> int:
    found, code, log = _reported(arguments.run, arguments)
    print(archive.write_report(found, arguments.output, code=code, log=log))
    return 0


def _reported(source: str, arguments: argparse.Namespace) -> tuple[Any, list[str], Any]:
    """The operations that are meant, cells to show with them, and where their output is."""
    from orch_nb.formats.report_file import SUFFIXES, code_cells

    path = Path(source)
    if path.suffix.lower() not in SUFFIXES:
        if arguments.code:
            raise UsageError(f"--code shows the cells of a notebook; {source} is a run")
        journal = _journal(arguments)
        return archive.past_operation(source, journal), [], journal.read_log
    if arguments.code and path.suffix.lower() != ".ipynb":
        raise UsageError(f"--code shows the cells of a notebook; {path} has none")
    return archive.operations(path), code_cells(path) if arguments.code else [], None


def _compare(arguments: argparse.Namespace) -> int:
    found = archive.compare(arguments.before, arguments.after, journal=arguments.journal)
    from orch_nb.render.bundle import contrast_bundle

    print(contrast_bundle(found)["text/plain"])
    return 0


def _known_task(run: Run, task: str) -> None:
    derived = [t.task for t in run.derived]
    if task not in run.plan and task not in derived:
        near = did_you_mean(task, [*run.plan.by_id, *derived])
        raise UsageError(f"run {run.run_id} has no task `{task}`. {near}".rstrip())


def _ask(arguments: argparse.Namespace) -> int:
    journal = _journal(arguments)
    row = _row(journal, arguments.run)
    run = phases.past_run(journal.history(arguments.run), journal)
    task = arguments.task
    if task is not None:
        _known_task(run, task)
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
    journal.ask(run.run_id, Request(arguments.verb, task, _user(), PLAIN.text(note)))
    if row.held:
        _wait_until_taken(journal, run.run_id)
        print(f"{arguments.verb}: {task or run.run_id}")
    else:
        print(f"{arguments.verb}: {task or run.run_id}; go on with: orch-nb recover {run.run_id}")
    return 0


def _user() -> str:
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


if __name__ == "__main__":
    sys.exit(main())
