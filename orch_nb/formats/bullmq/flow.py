"""A plan as a flow of BullMQ: jobs and their children, which are done before them.

    {"name": "d", "queueName": "orch_nb", "data": {...}, "opts": {...}, "children": [...]}

A job has one parent, so a task that two wait for is no job of a flow, and is refused. What a task
does stands in its job's `data.task`, as in a plan document, and the rest of the plan in the last
job's `data.plan`. With no option for it a child that fails
leaves its parent waiting for ever; so each child of an export says what its failure means:

    its parent's rule     option of the child          its parent
    all_success           failParentOnFailure          fails too: here it is upstream_failed
    all_done              ignoreDependencyOnFailure    runs (removeDependencyOnFailure where the
                                                       child is not required: it is forgotten)
"""

from __future__ import annotations

import json
from typing import Any

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.bullmq.losses import losses
from orch_nb.graph.topology import compiled, downstream, upstream
from orch_nb.model.plan import Plan, encode
from orch_nb.model.task import Task, TriggerRule
from orch_nb.model.translation import Export, Loss

__all__ = ["FAIL", "IGNORE", "QUEUE", "REMOVE", "ROOT", "export", "flow", "options"]

QUEUE = "orch_nb"
HIGHEST_PRIORITY = 2**21 - 1  #: the largest number, which is the lowest priority
DEEPEST = 300  #: jobs within jobs
ROOT = "(end)"  #: what waits for all, where a plan has several ends
FAIL, IGNORE, REMOVE = (
    "failParentOnFailure", "ignoreDependencyOnFailure", "removeDependencyOnFailure",
)  # fmt: skip

_STRICT = {
    TriggerRule.ALL_SUCCESS, TriggerRule.NONE_FAILED, TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
}  # fmt: skip
_ANYWAY = {TriggerRule.ALL_DONE, TriggerRule.NONE_SKIPPED, TriggerRule.ALWAYS}
#: With one need these are the same as all_success.
_STRICT_ALONE = {TriggerRule.ONE_SUCCESS, TriggerRule.ALL_DONE_MIN_ONE_SUCCESS}


def export(plan: Plan) -> Export:
    """The plan as the tree that `FlowProducer.add` takes. Raises PlanError where it is none: it
    names the task with a second parent, a rule that no option says, a gate."""
    tree, told = flow(plan)
    return Export(
        system="bullmq",
        text=json.dumps(tree, indent=2, ensure_ascii=False) + "\n",
        suffix=".json",
        losses=told,
        usage=(
            "await new FlowProducer({ connection }).add(JSON.parse(text)), with a worker on the "
            f"queue `{QUEUE}` that does what each job's `data` says."
        ),
    )


def flow(plan: Plan) -> tuple[dict[str, Any], tuple[Loss, ...]]:
    """The tree, and what it cannot say. Raises PlanError."""
    problems = _refused(plan)
    if problems:
        raise PlanError(problems)
    after, before = downstream(plan), upstream(plan)
    ends = [task for task in plan.by_id if not after[task]]
    order = compiled(plan)
    ranks = _ranks(plan)
    jobs: dict[str, dict[str, Any]] = {}
    depth: dict[str, int] = {}
    for task in (plan[order.ids[n]] for n in order.order):  # children before their parents
        opts = options(task) | ({"priority": ranks[task.priority]} if ranks else {})
        parent = plan[after[task.id][0]] if after[task.id] else None
        if parent is not None or len(ends) > 1:
            opts[_on_failure(task, parent, len(before[parent.id]) if parent else 1)] = True
        data = {"task": json.loads(encode(task))}
        jobs[task.id] = _job(task.id, data, opts, [jobs[need] for need in before[task.id]])
        depth[task.id] = 1 + max((depth[need] for need in before[task.id]), default=0)
    if max(depth.values()) >= DEEPEST:
        raise PlanError([_too_deep(max(depth.values()))])
    several = len(ends) > 1
    root = _job(ROOT, {}, {}, [jobs[end] for end in ends]) if several else jobs[ends[0]]
    root["data"]["plan"] = json.loads(encode(plan)) | {"tasks": list(plan.by_id)}
    return root, losses(plan, root["name"], several)


def _ranks(plan: Plan) -> dict[int, int]:
    """Each priority's number, where tasks have different ones: 1 is the highest there, and a job
    without a number comes before them all."""
    said = sorted({task.priority for task in plan.tasks}, reverse=True)
    if said in ([], [0]):
        return {}
    if said[0] - said[-1] < HIGHEST_PRIORITY:
        return {priority: 1 + said[0] - priority for priority in said}
    return {priority: 1 + n for n, priority in enumerate(said)}


def _too_deep(depth: int) -> Problem:
    return Problem(
        f"{depth} tasks wait for one another in a row, and jobs nested so deep are no JSON that "
        f"could be read: a flow here has fewer than {DEEPEST}.",
        hint="Cut the plan in two, or run it here with `executor='bullmq'`.",
    )


def _job(
    name: str, data: dict[str, Any], opts: dict[str, Any], children: list[dict[str, Any]]
) -> dict[str, Any]:
    job: dict[str, Any] = {"name": name, "queueName": QUEUE, "data": data, "opts": opts}
    if children:
        job["children"] = children
    return job


def options(task: Task) -> dict[str, Any]:
    policy = task.retry
    if policy.maximum_attempts == 1:
        return {}
    kind = "fixed" if policy.backoff_coefficient == 1 else "exponential"
    delay = round(policy.initial_interval_s * 1000)
    return {"attempts": policy.maximum_attempts, "backoff": {"type": kind, "delay": delay}}


def _on_failure(task: Task, parent: Task | None, siblings: int) -> str:
    """What a child's failure means, so that no parent waits for ever."""
    if parent is None:  # of the root that was put above several ends
        return FAIL if task.required else IGNORE
    if parent.trigger in _ANYWAY or (parent.trigger is TriggerRule.ONE_DONE and siblings == 1):
        return IGNORE if task.required else REMOVE
    return FAIL


# -- what is no flow


def _refused(plan: Plan) -> list[Problem]:
    problems = []
    after, before = downstream(plan), upstream(plan)
    if not plan.tasks:
        problems.append(Problem("A plan without tasks is no flow."))
    if ROOT in plan:
        problems.append(Problem(f"`{ROOT}` is the name of a flow's own end.", task=ROOT))
    for task in plan.tasks:
        others = after[task.id]
        if len(others) > 1:
            first, *more = (f"`{other}`" for other in others)
            problems.append(
                Problem(
                    f"`{task.id}` has a second parent: {first} and {', '.join(more)} wait for it, "
                    "and a job of a BullMQ flow has one.",
                    task=task.id,
                    hint=f"Let only {first} need it, and {' and '.join(more)} need {first}; or run "
                    "the plan here with `executor='bullmq'`.",
                )
            )
        what = _never(task)
        if what:
            problems.append(Problem(f"`{task.id}` {what}.", task=task.id))
        needs = before[task.id]
        if needs and not _rule_is_said(task, [(plan[n], bool(before[n])) for n in needs]):
            problems.append(
                Problem(
                    f"`{task.id}` waits for `{task.trigger}`, which no option of a flow says.",
                    task=task.id,
                    hint="A flow's job runs when all its children have succeeded (all_success) or "
                    "when all have ended (all_done).",
                )
            )
    return problems


def _never(task: Task) -> str:
    """What a worker would do that it must not."""
    if task.waits_for_person:
        return "waits for a person, and a worker would go on without"
    if task.when is not None:
        return "has `when`, and a worker would run it whatever that gives"
    if task.foreach is not None:
        return "has `foreach`, and a flow's jobs are all there before it starts"
    return ""


def _rule_is_said(task: Task, needs: list[tuple[Task, bool]]) -> bool:
    rule = task.trigger
    if rule in _STRICT or rule in _ANYWAY:
        return True
    if rule in _STRICT_ALONE:
        return len(needs) == 1
    # one_done does not run after what did not run itself
    return rule is TriggerRule.ONE_DONE and len(needs) == 1 and not needs[0][1]
