"""A run as JUnit XML, which every CI reads: a suite a story, a case a task.

    failed               <failure> for an assertion or an exit code, <error> for any other exception
    failed, not needed   <skipped>: of a task that is not `required`, of an instance whose task
                         bears it. The run bears it, so a CI should; the error is in <system-out>
    skipped, cancelled,  <skipped>, with the reason: what did not run has not failed
    upstream failed,
    not ended
    printed, tried anew  <system-out>, bounded: attempts that failed, then the task's own output

A suite of its own, completeness, has a case for each declared output and each contract of a result:
it fails where a task succeeded without what it owes. A run that failed though no task of it did
(its time was over) fails there too.

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
from orch_nb.model.report import Check, Operation, Report
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status

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
    done = [operation for operation in operations if operation.run is not None]
    runs = [operation.run for operation in done if operation.run is not None]
    if not runs:
        raise UsageError("JUnit XML tells of a run, and nothing has run: this is a draft")
    root = ET.Element("testsuites")
    room = [_IN_ALL]
    for run, report in zip(runs, (operation.report for operation in done), strict=True):
        suites = [*_suites(run, log, room, several=len(runs) > 1)]
        suites += _completeness(run, report, suites, several=len(runs) > 1)
        for suite in suites:
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
            cases = [_case(run, done, log, room) for done in _with_instances(run, members)]
            yield _suite(run, name, cases, sum(done.duration_s or 0.0 for done in members))


_BAD = (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.CUT_OFF)


def _completeness(
    run: Run, report: Report | None, suites: list[ET.Element], *, several: bool
) -> list[ET.Element]:
    """What a run owes besides its tasks' success; none where it owes nothing."""
    checks = report.checks if report is not None else ()
    cases = [_check(run, check) for check in checks if check.kind in ("output", "contract")]
    bad = any(int(suite.get(kind, 0)) for suite in suites for kind in ("failures", "errors"))
    if run.status in _BAD and not bad:  # a CI must not take it for a success
        case = ET.Element("testcase", name="run", classname="completeness", time=_seconds(0.0))
        told = _clean(report.outcome if report is not None else f"run {run.run_id} {run.status}")
        ET.SubElement(case, "failure", message=told[:2000], type="RunFailed").text = told[:_TEXT]
        cases.append(case)
    name = f"{run.run_id}: completeness" if several else "completeness"
    return [_suite(run, name, cases, 0.0)] if cases else []


def _check(run: Run, check: Check) -> ET.Element:
    """What had to be. What a task lacks that did not succeed is no second failure."""
    name = _clean(f"{check.kind} {check.subject}")
    of = _clean(", ".join(check.tasks)) or "plan"
    case = ET.Element("testcase", name=name, classname=of, time=_seconds(0.0))
    ran = all(run[task].status is Status.SUCCEEDED for task in check.tasks if task in run.plan)
    told = _clean(check.evidence)
    if check.met:
        ET.SubElement(case, "system-out").text = told
    elif not (check.required and check.known and ran):
        why = "" if check.required else "not required: "
        ET.SubElement(case, "skipped", message=f"{why}{told}"[:2000])
    else:
        kind = "MissingOutput" if check.kind == "output" else "BrokenContract"
        found = ET.SubElement(case, "failure", message=told[:2000], type=kind)
        found.text = told[:_TEXT]
    return case


def _suite(run: Run, name: str, cases: list[ET.Element], took_s: float) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(name) or "plan", package=_clean(run.run_id))
    suite.set("timestamp", f"{run.started.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
    suite.set("hostname", "localhost")
    properties = ET.SubElement(suite, "properties")
    for key, value in _told(run):
        ET.SubElement(properties, "property", name=key, value=_clean(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    suite.set("tests", str(len(cases)))
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", _seconds(took_s))
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
    outcome = _outcome(run, done)
    if outcome is not None:
        case.append(outcome)
    printed = _printed(run, done, log, room)
    if done.status is Status.FAILED and outcome is not None and outcome.tag == "skipped":
        error = _error(done)
        printed = f"{_clean(error.traceback or str(error))[:_TEXT]}\n{printed}".rstrip("\n")
    if printed:
        ET.SubElement(case, "system-out").text = printed
    return case


def _error(done: TaskRun) -> Failure:
    return failure_of(done) or Failure("Failed", done.reason)


def _borne(run: Run, done: TaskRun) -> str:
    """Why a failure is none of the run's; empty where it is."""
    if not run.spec(done.task).required:
        return "not required"
    if done.index is not None and done.of is not None:
        whole = run[done.of].status
        return "tolerated" if whole in (Status.SUCCEEDED, Status.COMPENSATED) else ""
    return ""


def _outcome(run: Run, done: TaskRun) -> ET.Element | None:
    """What is wrong with a case; nothing if it passed."""
    if done.status in (Status.SUCCEEDED, Status.COMPENSATED):
        return None
    if done.status is Status.FAILED and (borne := _borne(run, done)):
        return ET.Element("skipped", message=_clean(f"failed, {borne}: {_error(done)}")[:2000])
    if done.lost and run.status is RunStatus.CUT_OFF:
        gone = "its process went while it ran, and it has not run since"
        return ET.Element("error", message=gone, type="CutOff")
    if done.status is Status.FAILED:
        error = _error(done)
        found = ET.Element("failure" if error.type in _FAILS else "error")
        found.set("message", _clean(error.message or done.reason or str(error))[:2000])
        found.set("type", _clean(error.type) or "Failed")
        found.text = _clean(error.traceback or str(error))[:_TEXT]
        return found
    reason = done.reason or ("" if done.status.ended else "it had not ended")
    words = str(done.status).replace("_", " ")
    told = f"{words}: {reason}" if reason and not reason.startswith(words) else reason or words
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
