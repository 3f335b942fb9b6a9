"""What may be typed after `orch-nb`: a verb, what it is about, and options."""

from __future__ import annotations

import argparse
from typing import Any

from orch_nb.cli import asking, patterns, reports, running, serving, translating
from orch_nb.cli.mcp import mcp_servers
from orch_nb.cli.systems import systems
from orch_nb.engine.journal import DEFAULT_PATH
from orch_nb.formats.translators import SYSTEMS
from orch_nb.model.duration import parse_duration
from orch_nb.options import add_run_options

__all__ = ["parser"]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="orch-nb",
        description="Plan, run and report a complex operation.",
        epilog="Exit codes: 0 succeeded, 1 failed, 2 usage or plan error, 3 waiting for a person.",
    )
    made.add_argument("--version", action="version", version=_version())
    verbs = made.add_subparsers(required=True, metavar="COMMAND")

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

    run = verb("run", running.run, "run a plan document", "plan")
    _running(run)
    run.add_argument("--run-id", help="a name of one's own for the run")
    run.add_argument("--name", default="", help="name the plan: its runs are numbered")
    run.add_argument("--dry-run", action="store_true", help="check and show the plan, run nothing")
    recover = verb("recover", running.recover, "go on with a run that was cut off or waits", "run")
    _running(recover)
    recover.add_argument("--plan", help="the plan document the run was made from")
    retry = verb("retry", running.retry, "try a failed task anew, and what it kept from running",
                 "run", "task?")  # fmt: skip
    _running(retry)
    skip = verb("skip", running.skip, "leave a task out: the rest goes on as if it had succeeded",
                "run", "task")  # fmt: skip
    _running(skip)
    skip.add_argument("--note", default="", help="why, for the report")
    undo = verb("compensate", running.compensate,
                "undo what a task did, where that failed at the end", "run", "task")  # fmt: skip
    _running(undo)
    verb("runs", asking.runs, "list the runs of the journal")
    verb("status", asking.status, "show how a run stands; without a name the last", "run?")
    for name in ("approve", "reject"):
        ask = verb(name, asking.ask, f"{name} a gate of a run", "run", "task")
        ask.add_argument("--note", default="", help="why, for the report")
        ask.set_defaults(verb=name)
    cancel = verb("cancel", asking.ask, "cancel a run, or one task of it", "run", "task?")
    cancel.set_defaults(verb="cancel", note="")
    pause = verb("pause", asking.ask, "start no further task of a run until `resume`", "run")
    pause.set_defaults(verb="pause", note="", task=None)
    resume = verb("resume", asking.ask, "end a pause (a run that was cut off: see recover)", "run")
    resume.set_defaults(verb="resume", note="", task=None)
    workers = verb("workers", asking.ask, "change how many tasks run at once", "run", "number")
    workers.set_defaults(verb="workers", task=None, note="")
    log = verb("log", asking.log, "print what a task printed, or all of them", "run", "task?")
    log.add_argument("--follow", "-f", action="store_true",
                     help="go on as long as the run does")  # fmt: skip
    verb("compare", reports.compare, "two runs side by side: ids, notebooks, HTML reports",
         "before", "after")  # fmt: skip
    report = verb("report", reports.report,
                  "write the report of a run (without a name the last), or of a notebook",
                  "run?")  # fmt: skip
    report.add_argument("-o", "--output", default="report.html",
                        help="a .html, .md, .pdf or .xml (JUnit) file")  # fmt: skip
    report.add_argument("--code", action="store_true", help="with the notebook's code cells")
    _plans(verb)
    _servers(verbs)
    _systems(verbs)
    return made


def _plans(verb: Any) -> None:
    """Plans of the catalogue, of other systems, and what these would do."""
    found = verb("patterns", patterns.show, "the catalogue of patterns: all, by words, one by id")
    found.add_argument("words", nargs="*", metavar="WORDS", help="an id, or what it is about")
    found.add_argument("--example", action="store_true", help="print its plan document, to run")
    export = verb("export", translating.export_plan,
                  f"a plan document as a file of another system: {', '.join(SYSTEMS)}",
                  "plan", "system")  # fmt: skip
    _made(export)
    read = verb("import", translating.import_plan,
                "the plan in a file of another system, as a document; `-` is standard input",
                "file")  # fmt: skip
    read.add_argument("--from", dest="system", help="the system, if the file does not show it")
    _made(read)
    six = verb("systems", systems, "what six systems would do if a task of a plan failed", "plan")
    six.add_argument("--fault", default="", metavar="TASK",
                     help="the task that fails; else the one on which most depends")  # fmt: skip
    six.add_argument("--json", action="store_true", help="a record a system and task")


def _made(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="else, and for `-`, it is printed")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument("--json", action="store_true", help="text and losses as one JSON value")


def _servers(verbs: Any) -> None:
    """What RESEARCH may ask."""
    mcp = verbs.add_parser("mcp", help="MCP servers for RESEARCH: list, approve or revoke them")
    mcp.add_argument("act", nargs="?", default="list", choices=("list", "approve", "revoke"))
    mcp.add_argument("names", nargs="*", metavar="NAME", help="servers, as `mcp list` names them")
    mcp.add_argument("--workspace", default=".", metavar="DIR", help="whose files are read too")
    mcp.set_defaults(do=mcp_servers)


def _systems(verbs: Any) -> None:
    """What runs need that another system owns: its server, a worker."""
    text = "perform tasks that another system hands out, until Ctrl-C"
    worker = verbs.add_parser("worker", help=text, description=text)
    systems = worker.add_subparsers(required=True, metavar="SYSTEM", dest="system")
    for name in ("temporal", "restate"):
        text = f"perform the tasks of runs that {name} owns"
        owner = systems.add_parser(name, help=text, description=text)
        owner.add_argument("--address", default="", metavar="HOST:PORT", help="of the server")
        owner.add_argument("--workers", type=int, default=16, metavar="N", help="attempts at once")
        owner.set_defaults(do=serving.worker, queue="", listen="", patience=None)
        if name == "temporal":
            owner.add_argument("--queue", metavar="NAME", help="its task queue")
            _patience(owner, "15s")
        else:
            owner.add_argument("--listen", metavar="HOST:PORT",
                               help="where it calls this worker (127.0.0.1:9080)")  # fmt: skip
    text = "perform functions that runs send to a Celery app"
    celery = systems.add_parser("celery", help=text, description=text)
    celery.add_argument("--app", default="", metavar="MODULE:APP", help="as in proj.celery:app")
    celery.add_argument("--queue", default="", metavar="NAME", help="instead of the app's own")
    celery.add_argument("--concurrency", type=int, metavar="N", help="attempts at once")
    celery.add_argument("--pool", choices=serving.POOLS, default="prefork",
                        help="prefork can stop what runs")  # fmt: skip
    celery.set_defaults(do=serving.celery)
    text = "perform functions that runs send to a BullMQ queue"
    bullmq = systems.add_parser("bullmq", help=text, description=text)
    bullmq.add_argument("--address", default="", metavar="URL", help="of Redis, as redis://…")
    bullmq.add_argument("--queue", default="", metavar="NAME", help="the queue (orch_nb)")
    bullmq.add_argument("--concurrency", type=int, default=4, metavar="N", help="attempts at once")
    _patience(bullmq, "10s")
    bullmq.set_defaults(do=serving.bullmq)
    text = "start a server on this machine, until Ctrl-C"
    dev = verbs.add_parser("dev", help=text, description=text)
    dev.add_argument("system", choices=["temporal", "restate", "redis"])
    dev.add_argument("--port", type=int, help="another than its usual one")
    dev.add_argument("--data", default=".orch_nb", metavar="FOLDER", help="where its data stands")
    dev.set_defaults(do=serving.dev)


def _patience(parser: argparse.ArgumentParser, usual: str) -> None:
    parser.add_argument("--patience", metavar="TIME", default=usual, type=_time,
                        help=f"a worker that is silent for so long has gone ({usual})")  # fmt: skip


def _time(text: str) -> float:
    found = parse_duration(text)
    if found < 1:
        raise ValueError(text)
    return found


def _running(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser.add_argument)
    parser.add_argument("--quiet", "-q", action="store_true", help="print the outcome only")


def _version() -> str:
    from importlib.metadata import version

    return f"orch-nb {version('orch_nb')}"
