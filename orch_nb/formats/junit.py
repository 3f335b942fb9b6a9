"""A run as JUnit XML, which every CI reads: a suite a story, a case a task.

    failed               <failure> for an assertion or an exit code, <error> for any other exception
    skipped, cancelled,  <skipped>, with the reason: what did not run has not failed
    upstream failed,
    not ended
    printed, tried anew  <system-out>, bounded: attempts that failed, then the task's own output

A `foreach` task has a case, and so has each of its instances, those that failed first, up to a
bound. Elements and attributes are those that both Ant's schema and Jenkins' know.
Source: https://github.com/windyroad/JUnit-Schema, and Jenkins' `junit-10.xsd`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from xml.etree import ElementTree as ET

from orch_nb.errors import UsageError
from orch_nb.model.account import account, failed_instances, failure_of
from orch_nb.model.event import Failure
from orch_nb.model.quantity import count
from orch_nb.model.report import Operation
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status

__all__ = ["Log", "junit"]

#: What a task printed, by run and task.
Log = Callable[[str, str], str]

_INSTANCES = 1000
_OUTPUT = 20_000  # characters of output a task
_IN_ALL = 5_000_000
_TEXT = 20_000
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_FAILS = ("ShellError", "AssertionError")


def junit(operations: Sequence[Operation], log: Log | None = None) -> bytes:
    """The runs as one JUnit document, in UTF-8. Raises UsageError where nothing has run."""
    runs = [operation.run for operation in operations if operation.run is not None]
    if not runs:
        raise UsageError("JUnit XML tells of a run, and nothing has run: this is a draft")
    root = ET.Element("testsuites")
    room = [_IN_ALL]
    for run in runs:
        for suite in _suites(run, log, room, several=len(runs) > 1):
            suite.set("id", str(len(root)))
            root.append(suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    root.set("time", _seconds(sum(run.duration_s or 0.0 for run in runs)))
    root.set("name", _clean(runs[-1].plan.goal.split("\n")[0]) or "orch_nb")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _suites(run: Run, log: Log | None, room: list[int], *, several: bool) -> Iterator[ET.Element]:
    homes: dict[str | None, list[TaskRun]] = {None: []}
    homes |= {story.id: [] for story in run.plan.stories}
    for done in run.tasks:
        homes[run.plan[done.task].story].append(done)
    found = account(run)
    ending = [*found.undoing, *([found.last] if found.last is not None else [])]
    homes[None] += [done for done in ending if done.attempts]
    labels = {story.id: story.label for story in run.plan.stories}
    goal = run.plan.goal.strip().split("\n")[0] or "plan"
    for story, members in homes.items():
        if members:
            name = goal if story is None else labels[story]
            name = f"{run.run_id}: {name}" if several else name
            yield _suite(run, name, members, log, room)


def _suite(
    run: Run, name: str, members: list[TaskRun], log: Log | None, room: list[int]
) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(name) or "plan", package=_clean(run.run_id))
    suite.set("timestamp", f"{run.started.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
    suite.set("hostname", "localhost")
    properties = ET.SubElement(suite, "properties")
    for key, value in _told(run):
        ET.SubElement(properties, "property", name=key, value=_clean(value))
    cases = [_case(run, done, log, room) for done in _with_instances(run, members)]
    suite.extend(cases)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    suite.set("tests", str(len(cases)))
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", _seconds(sum(done.duration_s or 0.0 for done in members)))
    return suite


def _told(run: Run) -> Iterator[tuple[str, str]]:
    yield "run_id", run.run_id
    yield "status", str(run.status)
    yield "workers", str(run.options.workers)
    if run.faults:
        yield "faults on purpose", ", ".join(run.faults)


def _with_instances(run: Run, members: Sequence[TaskRun]) -> Iterator[TaskRun]:
    """Each task, and the instances that it became: first those that failed, as far as there is
    room."""
    made = account(run).instances
    room = _INSTANCES
    for done in members:
        yield done
        bad = failed_instances(run, done.task)
        named = {one.task for one in bad}
        chosen = [*bad, *(one for one in made.get(done.task, ()) if one.task not in named)][:room]
        yield from chosen
        room -= len(chosen)


def _case(run: Run, done: TaskRun, log: Log | None, room: list[int]) -> ET.Element:
    spec = run.spec(done.task)
    home = run.plan[done.of].story if done.of is not None else spec.story
    case = ET.Element("testcase", name=_clean(done.task) or "task")
    case.set("classname", _clean(home or run.run_id) or "plan")
    case.set("time", _seconds(done.duration_s or 0.0))
    outcome = _outcome(done)
    if outcome is not None:
        case.append(outcome)
    printed = _printed(run, done, log, room)
    if printed:
        ET.SubElement(case, "system-out").text = printed
    return case


def _outcome(done: TaskRun) -> ET.Element | None:
    """What is wrong with a case; nothing if it passed."""
    if done.status in (Status.SUCCEEDED, Status.COMPENSATED):
        return None
    if done.status is Status.FAILED:
        error = failure_of(done) or Failure("Failed", done.reason)
        found = ET.Element("failure" if error.type in _FAILS else "error")
        found.set("message", _clean(error.message or done.reason or str(error))[:2000])
        found.set("type", _clean(error.type) or "Failed")
        found.text = _clean(error.traceback or str(error))[:_TEXT]
        return found
    reason = done.reason or ("" if done.status.ended else "it had not ended")
    words = str(done.status).replace("_", " ")
    told = f"{words}: {reason}" if reason else words
    return ET.Element("skipped", message=_clean(told)[:2000])


def _printed(run: Run, done: TaskRun, log: Log | None, room: list[int]) -> str:
    """Attempts that failed though the task was tried anew, what became of instances, the output."""
    lines = [
        f"attempt {attempt.number} {attempt.status}: {attempt.error or ''}".rstrip(": ")
        for attempt in done.attempts[:-1][:50]
    ]
    if done.instances:
        made = account(run).instances.get(done.task, ())
        good = sum(one.status is Status.SUCCEEDED for one in made)
        lines.append(f"{good} of {count(done.instances, 'instance')} succeeded")
    output = log(run.run_id, done.task) if log is not None and done.attempts else ""
    output = _clean(output)
    most = min(_OUTPUT, room[0])
    if len(output) > most:
        output = (
            f"… the last {most:,} characters of {len(output):,}:\n{output[-most:] if most else ''}"
        )
    room[0] -= min(len(output), room[0])
    return _clean("\n".join([*lines, *([output] if output else [])]))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    """Text without what XML cannot hold, or a terminal acts on."""
    return _FORBIDDEN.sub("", _ANSI.sub("", text))
