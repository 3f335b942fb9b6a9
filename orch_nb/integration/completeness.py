"""Is everything there? Four kinds of checks, each with what shows that it is met or what lacks.

    task        a required task succeeded, or was skipped by its own rule (an `one_failed` task
                where nothing failed): both count for the run too, and the evidence says which. What
                succeeded and was undone is not there any more
    output      a declared file exists. One that is older than its task counts only if the task
                succeeded: a build may rightly leave what is up to date, a failed one left it over,
                and one whose task was undone should be gone
    contract    a result is what its task's `check` says (`contracts`)
    criterion   what the goal had to show: all the tasks it names succeeded. One that names none is
                not met, because nothing shows it

Evidence names no absolute path: a report travels, and where it was made is nobody's business.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from orch_nb.integration.contracts import contract_checks
from orch_nb.model.account import account, failure_of, tried
from orch_nb.model.goal import Criterion
from orch_nb.model.quantity import count, duration, listed, number, size, when
from orch_nb.model.report import Check
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.model.task import Task, TriggerRule

__all__ = ["checks"]

_EVIDENCE_CHARS = 160
_MATCHES = 1000  # a pattern that matches more is counted no further: `**` can match a whole disk
_CLOCK_SKEW_S = 2.0  # file systems keep times to 2 s at worst (FAT)


def checks(run: Run, workspace: str | Path | None = None) -> tuple[Check, ...]:
    """Every check of `run`, by kind in the order of above, and within each of the plan.

    `workspace` is the folder that output patterns are relative to; None means the run's own, and
    the working directory where the run has none.
    """
    root = Path(workspace or run.options.workspace or ".")
    return (*_tasks(run), *_outputs(run, root), *contract_checks(run), *_criteria(run))


def _tasks(run: Run) -> Iterator[Check]:
    for task in run.plan.tasks:
        if task.required:
            ended = run[task.id]
            met = ended.status in (Status.SUCCEEDED, Status.SKIPPED)
            yield Check("task", task.label, (task.id,), met, _how(run, task, ended))


def _how(run: Run, task: Task, ended: TaskRun) -> str:
    """How a task ended, in words."""
    status, reason = ended.status, _short(ended.reason)
    if status == Status.SUCCEEDED:
        return _succeeded(run, ended)
    if status == Status.COMPENSATED:
        return f"{_succeeded(run, ended)}, then undone"
    if status == Status.SKIPPED:
        if ended.decided_by:
            return reason
        rule = "" if task.trigger is TriggerRule.ALL_SUCCESS else f" by its rule {task.trigger}"
        return f"skipped{rule}" + (f": {reason}" if reason else "")
    error = failure_of(ended)
    if status == Status.FAILED and error is not None:
        tries = tried(ended)
        often = f" after {count(tries, 'attempt')}" if tries > 1 else ""
        return f"failed{often}: {_short(str(error))}"
    if status == Status.WAITING:
        return f"waiting for a person: {reason}"
    if reason.startswith(str(status)):  # "cancelled by ana", "cancelled: fail-fast"
        return reason
    return status.replace("_", " ") + (f": {reason}" if reason else "")


def _succeeded(run: Run, ended: TaskRun) -> str:
    if ended.cached:
        return f"nothing has changed since run `{_short(ended.cached)}`: its result is used"
    words = "succeeded"
    made = account(run).instances.get(ended.task, ())
    if made:
        good = sum(one.status is Status.SUCCEEDED for one in made)
        words += f" with {number(good)} of {count(len(made), 'instance')}"
    if (ended.attempts or made) and ended.duration_s is not None:
        words += f" in {duration(ended.duration_s)}"
    if (tries := tried(ended)) > 1:
        words += f", {count(tries, 'attempt')}"
    return words + (f": {_short(ended.reason)}" if ended.reason else "")


class _Files(msgspec.Struct):
    """What a pattern matches: paths as matched, their bytes, the newest change."""

    names: list[str]
    size_bytes: int = 0
    changed: float = 0.0
    more: bool = False
    error: str = ""


def _outputs(run: Run, root: Path) -> Iterator[Check]:
    for task in run.plan.tasks:
        ended = run[task.id]
        for pattern in task.outputs:
            if ended.status != Status.SUCCEEDED and not task.required:
                continue  # what a task need not do, its outputs need not be
            if ended.status == Status.SKIPPED:
                yield Check(
                    "output", pattern, (task.id,), True, f"not expected: {_how(run, task, ended)}"
                )
                continue
            met, evidence = _output(ended, pattern, _match(root, pattern))
            yield Check("output", pattern, (task.id,), met, evidence)


def _output(ended: TaskRun, pattern: str, files: _Files) -> tuple[bool, str]:
    if files.error:
        return False, f"cannot be looked at: {files.error}"
    if not files.names:
        return False, f"no file matches `{pattern}`"
    many = f"{count(len(files.names), 'file')}{' or more' if files.more else ''}"
    which = f"`{files.names[0]}`" if len(files.names) == 1 else f"{many} ({listed(files.names)})"
    evidence = f"{which}, {size(files.size_bytes)}"
    if ended.status == Status.COMPENSATED:
        return False, f"{evidence}, still there though `{ended.task}` was undone"
    if ended.cached:
        return True, f"{evidence}, from run `{_short(ended.cached)}` or before"
    began = ended.started.timestamp() if ended.started is not None else None
    changed = when(datetime.fromtimestamp(files.changed, UTC))
    if began is not None and files.changed >= began - _CLOCK_SKEW_S:
        return True, f"{evidence}, written by this run at {changed}"
    if ended.status == Status.SUCCEEDED:
        before = "" if began is None else ", unchanged by this run"
        return True, f"{evidence}{before}, of {changed}"
    return False, f"{evidence}, but from before: `{ended.task}` {ended.status.replace('_', ' ')}"


def _match(root: Path, pattern: str) -> _Files:
    """The files of `pattern` below `root`; a name that exists as it stands is not read as one."""
    files = _Files([])
    try:
        if (root / pattern).exists():
            found: Iterator[str] = iter([pattern])
        else:
            # Not Path.glob: it refuses an absolute pattern, which a plan may rightly have.
            found = glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207
        for name in islice(found, _MATCHES):
            stat = (root / name).stat()
            files.names.append(name.replace(os.sep, "/"))
            files.size_bytes += stat.st_size
            files.changed = max(files.changed, stat.st_mtime)
        files.names.sort()
        files.more = next(found, None) is not None
    except (OSError, ValueError) as error:  # no permission; a name that no file can have
        files.error = error.strerror or "" if isinstance(error, OSError) else str(error)
    return files


def _criteria(run: Run) -> Iterator[Check]:
    for criterion in run.plan.criteria:
        met, evidence = _criterion(run, criterion)
        yield Check("criterion", criterion.text, criterion.tasks, met, evidence)


def _criterion(run: Run, criterion: Criterion) -> tuple[bool, str]:
    if not criterion.tasks:
        return False, "names no task, so nothing shows it"
    parts, met = [], True
    for name in criterion.tasks:
        if name not in run.plan:
            met = False
            parts.append(f"`{name}` is no task of this plan")
            continue
        ended = run[name]
        met = met and ended.status == Status.SUCCEEDED
        shown = ended.result.preview if ended.result is not None else ""
        how = _how(run, run.plan[name], ended)
        parts.append(f"`{name}` {how}" + (f" → {_short(shown)}" if shown else ""))
    return met, "; ".join(parts)


def _short(text: str) -> str:
    """The first line, cut where evidence would become a document."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _EVIDENCE_CHARS else line[: _EVIDENCE_CHARS - 1] + "…"
