"""What can fail in a plan, task by task, and what the plan does about it.

Derived from the plan only: its retries, timeouts, trigger rules, gates, outputs and the words of
its shell commands. A row whose handling begins with "Nothing" is an invitation to change the plan.

    publish  the command fails         1 attempt; then 1 task after it does not run, the run fails
    publish  `twine upload` is final   waits for `approve` first
    approve  nobody answers            a headless run ends as waiting; `orch-nb approve` goes on

After Failure Mode and Effects Analysis (IEC 60812), without its risk numbers: nobody could know
them from a plan.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.graph.topology import Edges, invert, order, upstream
from orch_nb.model.duration import duration_text
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule

__all__ = ["TaskFailureMode", "failure_modes"]

_NETWORK = re.compile(
    r"\b(?:curl|wget|ssh|scp|rsync|sftp|ping|docker\s+(?:pull|push)|git\s+(?:push|pull|fetch|clone)|"
    r"pip3?\s+(?:install|download)|npm\s+(?:install|ci|publish)|twine\s+upload|gh\s+\w+|aws\s+\w+|"
    r"gcloud\s+\w+|az\s+\w+|kubectl\s+\w+|helm\s+(?:install|upgrade)|terraform\s+apply)\b|https?://"
)
_FINAL = re.compile(
    r"\b(?:rm\s+-\w*[rf]\w*|twine\s+upload|npm\s+publish|cargo\s+publish|docker\s+push|"
    r"git\s+push|gh\s+release\s+create|kubectl\s+(?:delete|apply)|terraform\s+(?:apply|destroy)|"
    r"helm\s+(?:install|upgrade|uninstall)|dropdb|mkfs\S*|(?:sendmail|mailx?)\b|"
    r"drop\s+(?:table|database|schema)|truncate\s+table|delete\s+from)\b",
    re.IGNORECASE,
)
#: A pipe whose earlier commands decide nothing; `||` and what is quoted are none.
_PIPE = re.compile(r"""^(?:[^'"|]|'[^']*'|"[^"]*"|\|\|)*(?<!\|)\|(?!\|)""")
#: Above this many tasks, what hangs behind each is not counted exactly.
_MANY = 5000
#: How many tasks that much depends on are named.
_HEAVY = 2


class TaskFailureMode(msgspec.Struct, frozen=True):
    """One thing that can go wrong with `task`, and how this plan handles it."""

    task: str
    failure: str
    handling: str


def failure_modes(plan: Plan) -> tuple[TaskFailureMode, ...]:
    """What can fail, in the order of the plan. The plan is acyclic."""
    edges = upstream(plan)
    after = invert(edges)
    lost = _lost(plan, edges, after)
    guarded = _guards(plan, edges)
    share = len(plan.tasks) - 1
    # In a long chain half of all tasks carry the rest: naming them all would name none.
    heavy = [task for task, behind in lost.items() if behind >= 4 and behind * 2 >= share]
    heavy = sorted(heavy, key=lambda task: -lost[task])[:_HEAVY]
    found: list[TaskFailureMode] = []
    for task in plan.tasks:
        behind = lost[task.id]
        then = _then(task, behind)
        guard = guarded.get(task.id)
        rows = _person(task, then) if task.waits_for_person else _work(task, guard, then)
        if not rows and not task.outputs:
            continue
        found += [TaskFailureMode(task.id, failure, handling) for failure, handling in rows]
        found += [
            TaskFailureMode(task.id, f"`{pattern}` is not there afterwards",
                            "The report says that this output is missing.")
            for pattern in task.outputs
        ]  # fmt: skip
        if task.id in heavy:
            found.append(
                TaskFailureMode(task.id, "Much depends on this one task",
                                f"{behind} of {share} other tasks do not run without it.")
            )  # fmt: skip
    return tuple(found)


def _lost(plan: Plan, edges: Edges, after: Edges) -> dict[str, int]:
    """How many tasks do not run if this one fails; one that takes any end runs all the same."""
    rules = {task.id: task.trigger for task in plan.tasks}
    stops = {
        task: [o for o in others if rules[o] in (TriggerRule.ALL_SUCCESS, TriggerRule.NONE_FAILED)]
        for task, others in after.items()
    }
    if len(rules) > _MANY:
        return {task: len(others) for task, others in stops.items()}
    bit = {task: 1 << n for n, task in enumerate(rules)}
    reach: dict[str, int] = {}
    for task in reversed(order(edges)):
        mask = 0
        for other in stops[task]:
            mask |= bit[other] | reach[other]
        reach[task] = mask
    return {task: mask.bit_count() for task, mask in reach.items()}


def _guards(plan: Plan, edges: Edges) -> dict[str, str]:
    """The nearest gate before each task that has one: a person said yes before it ran."""
    gates = {task.id for task in plan.tasks if task.approval is not None}
    open_anyway = {task.id for task in plan.tasks if task.trigger is not TriggerRule.ALL_SUCCESS}
    found: dict[str, str] = {}
    for task in order(edges):
        if task in open_anyway:
            continue
        for other in edges[task]:
            guard = other if other in gates else found.get(other)
            if guard is not None:
                found[task] = guard
                break
    return found


def _then(task: Task, behind: int) -> str:
    after = f"{behind} task{'s' if behind != 1 else ''} after it "
    stops = f"{after}{'do' if behind != 1 else 'does'} not run" if behind else ""
    if task.required:
        return f"{stops} and the run fails" if stops else "the run fails"
    return f"{stops}, but the run can succeed" if stops else "the run can succeed without it"


def _person(task: Task, then: str) -> list[tuple[str, str]]:
    if task.approval is None:
        return [("Nobody does it", "A headless run ends as waiting; ticking it goes on.")]
    default = task.approval.default
    answer = (
        f"A headless run takes its default: {default}."
        if default is not None
        else "A headless run ends as waiting; approving it goes on."
    )
    return [("Nobody answers", answer), ("The answer is no", f"Then {then}.")]


def _work(task: Task, guard: str | None, then: str) -> list[tuple[str, str]]:
    """Failure and handling of a task that runs something."""
    if task.run is None and task.sh is None:
        return []
    network = _NETWORK.search(task.sh or "")
    final = _FINAL.search(task.sh or "")
    fails = "The command fails" if task.sh is not None else "The function raises"
    if network is not None and not _retried(task.retry):
        fails = "The network or the other side fails"
    rows = [(fails, f"{_attempts(task.retry)}; then {then}.")]
    if task.timeout_s is not None:
        stop = "It is stopped" if task.sh is not None else "The attempt counts as failed"
        late = f"It takes longer than {duration_text(task.timeout_s)}"
        rows.append((late, f"{stop}; {_attempts(task.retry).lower()}."))
    elif network is not None:
        rows.append(("The other side never answers", "Nothing stops it: give it a `timeout`."))
    if _PIPE.search(task.sh or ""):
        rows.append(("A command before the last `|` fails",
                     "Nobody notices: a shell takes the exit code of the last one."))  # fmt: skip
    if final is not None:
        asked = f"`{guard}` is asked first." if guard is not None else (
            "Nothing asks first: put an `approval` before it."
        )  # fmt: skip
        rows.append((f"`{final[0]}` cannot be taken back", asked))
        if _retried(task.retry):
            rows.append((f"A retry does `{final[0]}` twice",
                         "Its idempotency key is the same in every attempt."))  # fmt: skip
    return rows


def _retried(retry: RetryPolicy) -> bool:
    return retry.maximum_attempts > 1


def _attempts(retry: RetryPolicy) -> str:
    if not _retried(retry):
        return "No retry"
    first = duration_text(retry.initial_interval_s)
    grows = f", growing {retry.backoff_coefficient:g}-fold" if retry.backoff_coefficient > 1 else ""
    if retry.maximum_attempts == 2:
        grows = ""
    return f"{retry.maximum_attempts} attempts, {first} apart{grows}"
