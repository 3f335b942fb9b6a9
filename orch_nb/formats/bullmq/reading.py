"""A flow of BullMQ as a plan: each job a task that needs its children."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.bullmq.flow import FAIL, IGNORE, QUEUE, REMOVE, flow, options
from orch_nb.formats.script_literals import Code, ScriptError, arguments
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule
from orch_nb.model.translation import Import, Loss

__all__ = ["read", "recognises"]

CONTINUE = "continueParentOnFailure"
_SAID = {"attempts", "backoff", "priority", FAIL, IGNORE, REMOVE, CONTINUE}
_DEEPEST, _MOST = 500, 100_000


def recognises(text: str, path: str | os.PathLike[str] = "") -> bool:
    """Whether a file has a flow: a JSON tree of jobs, or a script that adds one."""
    if os.fspath(path).endswith(".json") or text.lstrip().startswith("{"):
        return '"queueName"' in text and '"name"' in text and text.lstrip().startswith("{")
    return "FlowProducer" in text and ".add" in text


def read(text: str, path: str | os.PathLike[str] = "") -> Import:
    """The plan of a flow, never by running anything. Raises PlanError where there is none."""
    trees, line = _trees(text)
    return _Reader(line).read(trees, os.fspath(path))


def _trees(text: str) -> tuple[list[Any], int | None]:
    if text.lstrip().startswith(("{", "[")):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"This is no JSON: {error}") from None
        return (found if isinstance(found, list) else [found]), None
    try:
        calls = arguments(text, r"[\w$.]*\.(?:add|addBulk)")
    except ScriptError as error:
        raise PlanError(f"The script cannot be read: {error}") from None
    flows = [
        (given[0] if isinstance(given[0], list) else [given[0]], line)
        for given, line in calls
        if given and _is_flow(given[0])
    ]
    if not flows:
        raise PlanError("No call of `FlowProducer.add` with an object literal is in this script.")
    if len(flows) > 1:
        others = ", ".join(str(line) for _, line in flows)
        raise PlanError(
            [Problem(f"The script adds several flows (lines {others}).",
                     hint="Keep one of them in the file.")]
        )  # fmt: skip
    return flows[0]


def _is_flow(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_flow, value))
    return isinstance(value, dict) and "name" in value and "queueName" in value


class _Job(msgspec.Struct):
    """One job, under the name that its task has."""

    task: str
    job: dict[str, Any]
    children: list[_Job]

    @property
    def opts(self) -> dict[str, Any]:
        found = self.job.get("opts")
        return found if isinstance(found, dict) else {}

    @property
    def on_failure(self) -> str:
        return next((o for o in (FAIL, IGNORE, REMOVE, CONTINUE) if self.opts.get(o)), "")

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


class _Reader:
    def __init__(self, line: int | None) -> None:
        self._line = line
        self.jobs: dict[str, _Job] = {}
        self.losses: list[Loss] = []

    def read(self, trees: list[Any], source: str) -> Import:
        tops = [self._job(tree, 0) for tree in trees]
        plan = _exported(tops, self.jobs)
        if plan is not None and _unchanged(plan, trees[0]):
            return Import("bullmq", plan, tuple(self.losses), source)
        if plan is not None:
            self._lose("data", "the flow was changed since its export: what its jobs and options "
                       "say now holds", severity="note")  # fmt: skip
        goal = plan.goal if plan is not None else "The flow " + ", ".join(top.task for top in tops)
        tasks: list[Task] = []
        for job in self.jobs.values():  # children first
            tasks += self._tasks(job)
        found = Plan(goal=goal, tasks=tuple(self._ranked(tasks)))
        return Import("bullmq", found, tuple(self.losses), source)

    def _lose(self, what: str, why: str, task: str = "", severity: str = "dropped") -> None:
        self.losses.append(Loss(what, why, task, self._line, severity))

    def _job(self, job: Any, deep: int) -> _Job:
        """A job, after its children."""
        if deep > _DEEPEST or len(self.jobs) > _MOST:
            raise PlanError("The flow is too large or nested too deep to be a plan.")
        if not isinstance(job, dict) or not isinstance(job.get("name"), str | Code):
            raise PlanError(f"A job of a flow is an object with a `name`, not {str(job)[:60]!r}.")
        children = job.get("children") or []
        if not isinstance(children, list):
            self._lose(
                "children", f"`{children}` is worked out when the script runs", str(job["name"])
            )
            children = []
        made = [self._job(child, deep + 1) for child in children]
        found = _Job(self._name(job), job, made)
        self.jobs[found.task] = found
        return found

    def _name(self, job: dict[str, Any]) -> str:
        name = str(job["name"]).strip() or "job"
        if isinstance(job["name"], Code):
            self._lose("name", f"`{name}` is worked out when the script runs", name, "changed")
        said, count = name, 1
        while said in self.jobs:
            count += 1
            said = f"{name}_{count}"
        if said != name:
            self._lose("name", f"another job is called `{name}` too", said, "changed")
        return said

    # -- what a job's own words say

    def _tasks(self, job: _Job) -> list[Task]:
        """The task of a job, and, where its children differ in what their failure means, a
        milestone after those whose failure means nothing."""
        hard = [child.task for child in job.children if child.on_failure in ("", FAIL)]
        soft = [child.task for child in job.children if child.task not in hard]
        for child in job.children:
            self._fails(child, job.task)
        before: list[Task] = []
        needs, trigger = [child.task for child in job.children], TriggerRule.ALL_SUCCESS
        if soft and hard:
            ended = f"{job.task} (may fail)"
            before.append(Task(id=ended, needs=tuple(soft), trigger=TriggerRule.ALL_DONE))
            needs = [*hard, ended]
            why = f"`{ended}` ends after the children whose failure it ignores; results skip it"
            self._lose("trigger", why, job.task, "changed")
        elif soft:
            trigger = TriggerRule.ALL_DONE
        said = job.said
        data = job.job.get("data")
        if isinstance(data, Code):
            self._lose("data", f"`{data}` is worked out when the script runs", job.task)
        if said is None:
            given = data if isinstance(data, dict) else {}
            said = Task(id=job.task, run=str(job.job["name"]), with_=_literal(given))
        self._other_options(job)
        retry = said.retry if options(said) == _tries(job.opts) else self._retry(job)
        own = replace(
            said, id=job.task, needs=tuple(needs), trigger=trigger, retry=retry,
            required=job.on_failure != REMOVE and said.required,
        )  # fmt: skip
        return [*before, own]

    def _fails(self, job: _Job, parent: str) -> None:
        if not job.on_failure:
            why = f"if it fails, `{parent}` waits for ever; here it ends as upstream_failed"
            self._lose("no failure option", why, job.task, "changed")
        elif job.on_failure == CONTINUE:
            why = (
                f"if it fails, `{parent}` starts at once, and fails if others have not ended by "
                "then; here it starts when all have ended"
            )
            self._lose(CONTINUE, why, job.task, "changed")

    def _other_options(self, job: _Job) -> None:
        for option, value in job.opts.items():
            if option not in _SAID:
                self._lose(option, "a task has no such option", job.task)
            elif isinstance(value, Code):
                self._lose(option, f"`{value}` is worked out when the script runs", job.task)
        queue = job.job.get("queueName")
        if queue != QUEUE:
            self._lose("queueName", f"its queue is `{queue}`; workers here take any task", job.task,
                       "note")  # fmt: skip
        opts = job.job.get("opts")
        if opts is not None and not isinstance(opts, dict):
            self._lose("opts", f"`{opts}` is worked out when the script runs", job.task)

    def _retry(self, job: _Job) -> RetryPolicy:
        most = job.opts.get("attempts", 1)
        if not isinstance(most, int) or most <= 1:
            return RetryPolicy()
        backoff = job.opts.get("backoff")
        if isinstance(backoff, (int, float)):
            backoff = {"type": "fixed", "delay": backoff}
        if not isinstance(backoff, dict):
            return RetryPolicy(maximum_attempts=most, initial_interval_s=0, jitter=0)
        delay, kind = backoff.get("delay", 0), backoff.get("type")
        if kind not in ("fixed", "exponential") or not isinstance(delay, (int, float)):
            self._lose("backoff", f"`{kind}` is worked out by the worker; here waits are of 1 s",
                       job.task, "changed")  # fmt: skip
            return RetryPolicy(maximum_attempts=most, backoff_coefficient=1)
        if backoff.get("jitter"):
            self._lose("jitter", "a wait there is shortened by chance", job.task)
        first = max(0.0, delay / 1000)
        factor = 1.0 if kind == "fixed" else 2.0
        longest = first * factor ** min(most - 2, 60)
        return RetryPolicy(
            maximum_attempts=most, initial_interval_s=first, backoff_coefficient=factor, jitter=0,
            maximum_interval_s=longest if longest > first * 100 else None,
        )  # fmt: skip

    def _ranked(self, tasks: list[Task]) -> list[Task]:
        """The tasks with their priorities: there 1 is the highest, and none at all higher still."""
        ranks = {
            name: rank
            for name, job in self.jobs.items()
            if isinstance(rank := job.opts.get("priority", 0), int)
        }
        if not any(ranks.values()):
            return [replace(task, priority=0) for task in tasks]
        lowest = max(ranks.values())
        return [replace(task, priority=lowest - ranks.get(task.id, lowest)) for task in tasks]


def _unchanged(plan: Plan, tree: Any) -> bool:
    """Whether an export of the plan would be this flow."""
    try:
        return bool(flow(plan)[0] == tree)
    except PlanError:
        return False


def _tries(opts: dict[str, Any]) -> dict[str, Any]:
    return {key: opts[key] for key in ("attempts", "backoff") if key in opts}


def _literal(value: Any) -> Any:
    """Arguments, with the text of what is code."""
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return str(value) if isinstance(value, Code) else value


def _exported(tops: list[_Job], jobs: dict[str, _Job]) -> Plan | None:
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
