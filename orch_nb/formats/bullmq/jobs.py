"""The jobs of a flow as they stand in a file, checked for what BullMQ itself would refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from orch_nb.errors import PlanError
from orch_nb.formats.bullmq.flow import DEEPEST, FAIL, HIGHEST_PRIORITY, IGNORE, REMOVE
from orch_nb.formats.script_literals import Code
from orch_nb.model.task import Task

__all__ = ["CONTINUE", "Job", "Jobs"]

CONTINUE = "continueParentOnFailure"
_ON_FAILURE = (FAIL, IGNORE, REMOVE, CONTINUE)
_MOST = 50_000
_KEYS = {"name", "queueName", "data", "opts", "children", "prefix"}


class Job(msgspec.Struct):
    """One job, under the name that its task has, with its queue's default options in its own."""

    task: str
    job: dict[str, Any]
    opts: dict[str, Any]
    children: list[Job]

    @property
    def on_failure(self) -> str:
        """The one option that says what its failure means to its parent, if it has one."""
        said = [option for option in _ON_FAILURE if self.opts.get(option)]
        said.sort(key=lambda option: isinstance(self.opts[option], Code))  # what is known first
        return said[0] if said else REMOVE if self._leaves else ""

    @property
    def _leaves(self) -> bool:
        """Whether it is removed as soon as it has failed: its parent does not wait for it then."""
        kept = self.opts.get("removeOnFail")
        numbers = [kept.get("count"), kept.get("age")] if isinstance(kept, dict) else [kept]
        return kept is True or any(
            isinstance(number, int | float) and number is not False and number == 0
            for number in numbers
        )

    @property
    def said(self) -> Task | None:
        """The task that an export put into its data."""
        data = self.job.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("task"), dict):
            return None
        try:
            return msgspec.convert(data["task"], Task)
        except (msgspec.ValidationError, ValueError, TypeError):
            return None

    def blockers(self) -> Iterator[str]:
        """The jobs below it whose failure would leave it waiting for ever."""
        for child in self.children:
            if not child.on_failure:
                yield child.task
            yield from child.blockers()


class Jobs:
    """The jobs of a flow by their task's name, children before their parents.

    Raises PlanError for what is no job, or for one that BullMQ refuses to add.
    """

    def __init__(self, defaults: Mapping[str, Any], lose: Callable[..., None]) -> None:
        self._defaults, self._lose = defaults, lose
        self._taken: dict[tuple[str, str], str] = {}
        self._repeated: dict[str, int] = {}
        self.by_task: dict[str, Job] = {}

    def add(self, job: Any, deep: int = 0) -> Job:
        if deep > DEEPEST:
            raise PlanError(f"The flow is nested deeper than {DEEPEST} jobs.")
        if len(self.by_task) >= _MOST:
            raise PlanError(f"The flow has more than {_MOST:,} jobs.")
        if not isinstance(job, dict) or not isinstance(job.get("name"), str | Code):
            raise PlanError(f"A job of a flow is an object with a `name`, not {str(job)[:60]!r}.")
        made = []
        for child in self._children(job):
            made.append(self.add(child, deep + 1))  # noqa: PERF401 (a frame less a level)
        found = Job(self._name(job), job, self._options(job), made)
        self.by_task[found.task] = found
        self._told(found)
        for option, why in refusals(found, below=deep > 0):
            text = f"BullMQ adds no such job ({why}); here it runs without"
            self._lose(option, text, found.task, "changed")
        return found

    def _children(self, job: dict[str, Any]) -> list[Any]:
        children = job.get("children") or []
        if not isinstance(children, list | Code):
            raise PlanError(f"`children` of `{job['name']}` is no list: {str(children)[:60]!r}.")
        found = children if isinstance(children, list) else [children]
        for code in found:
            if isinstance(code, Code):
                why = f"`{code}` is worked out when the script runs"
                self._lose("children", why, str(job["name"]))
        return [child for child in found if not isinstance(child, Code)]

    def _options(self, job: dict[str, Any]) -> dict[str, Any]:
        opts = job.get("opts") or {}
        if isinstance(opts, Code):
            opts = {"...": [opts]}
        if not isinstance(opts, dict):
            raise PlanError(f"`opts` of `{job['name']}` is no object: {str(opts)[:60]!r}.")
        defaults = self._defaults.get(str(job.get("queueName")), {})
        found = {**(defaults if isinstance(defaults, dict) else {}), **opts}
        failure = [o for o in _ON_FAILURE if found.get(o) and not isinstance(found[o], Code)]
        if len(failure) > 1:
            raise PlanError(f"`{job['name']}` has {' and '.join(failure)}: BullMQ takes one only.")
        return found

    def _name(self, job: dict[str, Any]) -> str:
        name = str(job["name"]).strip() or "job"
        if isinstance(job["name"], Code):
            self._lose("name", f"`{name}` is worked out when the script runs", name, "changed")
        said = name
        while said in self.by_task:
            self._repeated[name] = self._repeated.get(name, 1) + 1
            said = f"{name}_{self._repeated[name]}"
        if said != name:
            self._lose("name", f"another job is called `{name}` too", said, "changed")
        return said

    def _told(self, job: Job) -> None:
        """What of a job a task has not, whatever its options."""
        for key, value in job.job.items():
            if key == "..." or key not in _KEYS:
                shown = f"`{', '.join(map(str, value))}`" if isinstance(value, list) else "it"
                why = f"{shown} is worked out when the script runs" if key == "..." else "unknown"
                self._lose(key, why, job.task)
        prefix = job.job.get("prefix")
        if prefix:
            self._lose("prefix", f"its keys begin with `{prefix}`; workers here take any task",
                       job.task, "note")  # fmt: skip
        queue, own = job.job.get("queueName"), job.opts.get("jobId")
        if not isinstance(queue, str | Code) or not str(queue):
            self._lose("queueName", "it has none, and BullMQ wants one", job.task, "changed")
        if isinstance(own, str):
            first = self._taken.setdefault((str(queue), own), job.task)
            if first != job.task:
                why = (
                    f"`{first}` has it too: there they are one job, and a second parent of one job "
                    "waits for ever; here they are two tasks"
                )
                self._lose("jobId", why, job.task, "changed")


def refusals(job: Job, *, below: bool) -> Iterator[tuple[str, str]]:
    """The options for which BullMQ 6 throws when the job is added, and what it says then; `below`
    another job. Two options of failure are none of these: what they mean is not known here."""
    opts = job.opts
    own, priority = opts.get("jobId"), opts.get("priority")
    if own and not isinstance(own, Code):
        if not isinstance(own, str):
            yield "jobId", "it is to be a text"
        elif re.fullmatch(r"0|-?[1-9]\d*", own):
            yield "jobId", "custom ids cannot be integers"
        elif ":" in own and own.count(":") != 2:
            yield "jobId", "custom ids cannot contain `:`"
    if priority and not isinstance(priority, Code):
        if not isinstance(priority, int | float) or priority != int(priority):
            yield "priority", "it is to be a whole number"
        elif priority > HIGHEST_PRIORITY:
            yield "priority", f"it is to be between 0 and {HIGHEST_PRIORITY:,}"
    if opts.get("deduplication") and below:
        yield "deduplication", "it cannot be used together with a parent"
    elif opts.get("deduplication") and job.children:
        yield "deduplication", "it cannot be used on a job with children"
    if "debounce" in opts:
        yield "debounce", "it has been removed: use deduplication"
    queue = job.job.get("queueName")
    if isinstance(queue, str) and ":" in queue:
        yield "queueName", "queue names cannot contain `:`"
