"""A flow of BullMQ as a plan: each job a task that needs its children."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any

import msgspec
from msgspec.structs import replace

from orch_nb.errors import PlanError
from orch_nb.formats.bullmq.files import flow_in
from orch_nb.formats.bullmq.flow import (
    FAIL,
    HIGHEST_PRIORITY,
    IGNORE,
    QUEUE,
    REMOVE,
    flow,
    options,
)  # fmt: skip
from orch_nb.formats.bullmq.jobs import CONTINUE, Job, Jobs
from orch_nb.formats.script_literals import Code
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule
from orch_nb.model.translation import Import, Loss

__all__ = ["read", "recognises"]

_SAID = {"attempts", "backoff", "priority", FAIL, IGNORE, REMOVE, CONTINUE}
_NOT_OF_TASKS = {
    "delay": "it starts as soon as what it needs has ended",
    "jobId": "a task is known by its id",
    "removeOnComplete": "a run keeps all its tasks",
    "removeOnFail": "a run keeps all its tasks",
    "repeat": "a plan runs once; `%orchestrate` runs it again",
    "parent": "the job that waits for it is not in this file",
}
_LONGEST_MS = 1e12  #: some thirty years
_MOST_ATTEMPTS = 2**31  #: more than any job will see; a plan's numbers are of 64 bits


def recognises(text: str, path: str | os.PathLike[str] = "") -> bool:
    """Whether a file has a flow: a JSON tree of jobs, or a script that adds one."""
    begin = text.lstrip()[:1]
    if os.fspath(path).endswith(".json") or begin == "{":
        return '"queueName"' in text and '"name"' in text and begin in ("{", "[")
    return "FlowProducer" in text and ".add" in text


def read(text: str, path: str | os.PathLike[str] = "") -> Import:
    """The plan of a flow, never by running anything. Raises PlanError where there is none."""
    try:
        return _Reader().read(text, os.fspath(path))
    except RecursionError:
        raise PlanError("The flow is nested too deep to be read.") from None


class _Reader:
    def __init__(self) -> None:
        self._line: int | None = None
        self.losses: list[Loss] = []
        self._jobs: dict[str, Job] = {}

    def read(self, text: str, source: str) -> Import:
        found = flow_in(text)
        self._line = found.line
        reader = Jobs(found.defaults, self._lose)
        tops = [reader.add(tree) for tree in found.trees]
        self._jobs = reader.by_task
        plan = _exported(tops, self._jobs)
        if plan is not None and _unchanged(plan, found.trees[0]):
            return Import("bullmq", plan, tuple(self.losses), source)
        if plan is not None:
            self._lose("data", "the flow was changed since its export: what its jobs and options "
                       "say now holds", severity="note")  # fmt: skip
        goal = plan.goal if plan is not None else "The flow " + ", ".join(top.task for top in tops)
        decisive = _decisive(tops)
        tasks = [task for job in self._jobs.values() for task in self._tasks(job, decisive)]
        return Import(
            "bullmq", Plan(goal=goal, tasks=tuple(self._ranked(tasks))), tuple(self.losses), source
        )

    def _lose(self, what: str, why: str, task: str = "", severity: str = "dropped") -> None:
        self.losses.append(Loss(what, why, task, self._line, severity))

    # -- what a job's own words say

    def _tasks(self, job: Job, decisive: set[str]) -> list[Task]:
        """The task of a job, and, where its children differ in what their failure means, a
        milestone after those whose failure means nothing."""
        hard = [child.task for child in job.children if child.on_failure in ("", FAIL)]
        soft = [child for child in job.children if child.on_failure not in ("", FAIL)]
        for child in job.children:
            self._fails(child, job)
        # A child that waits for ever keeps its parent waiting, whatever its option says.
        hard += [blocker for child in soft for blocker in child.blockers()]
        before: list[Task] = []
        needs, trigger = hard, TriggerRule.ALL_SUCCESS
        if soft and hard:
            ended = f"{job.task} (may fail)"
            while ended in self._jobs:
                ended += "_"
            before.append(Task(id=ended, needs=tuple(child.task for child in soft),
                               trigger=TriggerRule.ALL_DONE, required=False))  # fmt: skip
            needs = [*hard, ended]
            why = f"`{ended}` ends after the children whose failure it ignores; results skip it"
            self._lose("trigger", why, job.task, "changed")
        elif soft:
            needs, trigger = [child.task for child in soft], TriggerRule.ALL_DONE
        self._other_options(job)
        said, required = job.said, job.task in decisive
        if said is None:
            said = Task(id=job.task, run=str(job.job["name"]), with_=self._arguments(job))
            self._callable(job)
        else:  # an export says by the option itself whether its task is required
            required = job.on_failure != REMOVE and said.required
        retry = said.retry if options(said) == _tries(job.opts) else self._retry(job)
        own = replace(
            said, id=job.task, needs=tuple(needs), trigger=trigger, retry=retry, required=required
        )
        return [*before, own]

    def _callable(self, job: Job) -> None:
        name = job.job["name"]
        if isinstance(name, str) and not all(map(str.isidentifier, re.split(r"[.:]", name))):
            why = (
                f"`{name}` is no name in Python: hand in what does it, as "
                f"namespace={{{json.dumps(name, ensure_ascii=False)}: function}}"
            )
            self._lose("run", why, job.task, "note")

    def _arguments(self, job: Job) -> dict[str, Any]:
        data = job.job.get("data")
        if isinstance(data, dict):
            found: dict[str, Any] = self._literal(data, "data", job.task)
            for key, value in found.items():
                if isinstance(value, str) and value.startswith("{{"):
                    why = "a text that begins with {{ is filled in here, as a template"
                    self._lose(f"data.{key}", why, job.task, "changed")
            return found
        if isinstance(data, Code):
            self._lose("data", f"`{data}` is worked out when the script runs", job.task)
        elif data is not None:
            why = f"`{str(data)[:60]}` is no object, and a task takes arguments by name"
            self._lose("data", why, job.task)
        return {}

    def _literal(self, value: Any, where: str, task: str) -> Any:
        """Arguments; what is code is told of, and stands as its text."""
        if isinstance(value, dict):
            return {key: self._literal(inner, f"{where}.{key}", task)
                    for key, inner in value.items()}  # fmt: skip
        if isinstance(value, list):
            return [self._literal(inner, where, task) for inner in value]
        if isinstance(value, Code):
            self._lose(where, f"`{value}` is worked out when the script runs", task)
            return str(value)
        return value

    def _fails(self, job: Job, parent: Job) -> None:
        if not job.on_failure:
            why = (
                f"if it fails, `{parent.task}` waits for ever, and so does all that waits for it; "
                "here they end as upstream_failed"
            )
            self._lose("no failure option", why, job.task, "changed")
        elif job.on_failure == CONTINUE and len(parent.children) > 1:
            why = (
                f"if it fails, `{parent.task}` starts at once, and fails if others have not ended "
                "by then; here it starts when all have ended"
            )
            self._lose(CONTINUE, why, job.task, "changed")
        blocked = next(job.blockers(), "") if job.on_failure in (IGNORE, REMOVE, CONTINUE) else ""
        if blocked and any(child.on_failure in (FAIL, CONTINUE) for child in job.children):
            why = (
                f"if `{blocked}` fails and another job fails `{job.task}`, `{parent.task}` goes "
                "on there; here it is upstream_failed"
            )
            self._lose(job.on_failure, why, job.task, "changed")

    def _other_options(self, job: Job) -> None:
        for option, value in job.opts.items():
            if isinstance(value, Code) or option == "...":
                shown = ", ".join(map(str, value)) if isinstance(value, list) else value
                self._lose("opts" if option == "..." else option,
                           f"`{shown}` is worked out when the script runs", job.task)  # fmt: skip
            elif option not in _SAID:
                self._lose(option, _NOT_OF_TASKS.get(option, "a task has no such option"), job.task)
        queue = job.job.get("queueName")
        if queue and queue != QUEUE:
            self._lose("queueName", f"its queue is `{queue}`; workers here take any task", job.task,
                       "note")  # fmt: skip

    def _retry(self, job: Job) -> RetryPolicy:
        most = job.opts.get("attempts", 1)
        if isinstance(most, str) and most.isascii() and most.isdigit():
            most = int(most[:12])  # JavaScript compares them as numbers
        if not isinstance(most, int | float | Code | None):
            self._lose("attempts", f"`{str(most)[:40]}` is no number", job.task)
        if not isinstance(most, int | float) or not 1 < most < math.inf:
            return RetryPolicy()
        most = math.ceil(min(most, _MOST_ATTEMPTS))
        backoff = job.opts.get("backoff")
        if isinstance(backoff, int | float):
            backoff = {"type": "fixed", "delay": backoff}
        if not isinstance(backoff, dict):
            return RetryPolicy(maximum_attempts=most, initial_interval_s=0, jitter=0)
        delay, kind = backoff.get("delay", 0), backoff.get("type")
        if delay == -1 and kind in ("fixed", "exponential"):  # BullMQ's word for "not again"
            return RetryPolicy()
        if (
            kind not in ("fixed", "exponential")
            or not isinstance(delay, int | float)
            or not 0 <= delay < _LONGEST_MS
        ):
            why = f"`{str(backoff)[:60]}` is worked out by the worker; here waits are of 1 s"
            self._lose("backoff", why, job.task, "changed")
            return RetryPolicy(maximum_attempts=most, backoff_coefficient=1)
        spread = backoff.get("jitter", 0)
        if not isinstance(spread, int | float) or not 0 <= spread <= 1:
            self._lose("jitter", f"`{str(spread)[:40]}` is no share from 0 to 1", job.task)
            spread = 0
        # There a wait is shortened by up to `jitter` of it; here it is spread about its middle.
        first = delay / 1000 * (1 - spread / 2)
        factor = 1.0 if kind == "fixed" else 2.0
        longest = first * factor ** min(most - 2, 60)
        return RetryPolicy(
            maximum_attempts=most, initial_interval_s=first, backoff_coefficient=factor,
            maximum_interval_s=longest if longest > first * 100 else None,
            jitter=spread / 2 / (1 - spread / 2),
        )  # fmt: skip

    def _ranked(self, tasks: list[Task]) -> list[Task]:
        """The tasks with their priorities: there 1 is the highest, and none at all higher still."""
        ranks = {
            name: rank
            for name, job in self._jobs.items()
            if isinstance(rank := job.opts.get("priority", 0), int)
            and 0 <= rank <= HIGHEST_PRIORITY
        }
        if not any(ranks.values()):
            return [replace(task, priority=0) for task in tasks]
        lowest = max(ranks.values())
        return [replace(task, priority=lowest - ranks.get(task.id, lowest)) for task in tasks]


def _decisive(tops: list[Job]) -> set[str]:
    """The tasks without whose success a flow's end does not complete."""
    found: set[str] = set()
    todo = list(tops)
    while todo:
        job = todo.pop()
        found.add(job.task)
        todo += [child for child in job.children if child.on_failure in ("", FAIL)]
    return found


def _unchanged(plan: Plan, tree: Any) -> bool:
    """Whether an export of the plan would be this flow."""
    try:
        return bool(flow(plan)[0] == tree)
    except PlanError:
        return False


def _tries(opts: dict[str, Any]) -> dict[str, Any]:
    return {key: opts[key] for key in ("attempts", "backoff") if key in opts}


def _exported(tops: list[Job], jobs: dict[str, Job]) -> Plan | None:
    """The plan that an export wrote into its flow."""
    data = tops[0].job.get("data") if len(tops) == 1 else None
    document = data.get("plan") if isinstance(data, dict) else None
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        return None
    tasks = [jobs[name].said for name in document["tasks"] if name in jobs]
    try:
        rest = msgspec.convert(document | {"tasks": []}, Plan)
        return replace(rest, tasks=tuple(task for task in tasks if task is not None))
    except (msgspec.ValidationError, ValueError, TypeError):
        return None
