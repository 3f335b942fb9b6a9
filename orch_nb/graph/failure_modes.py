"""What can fail in a plan, task by task, and what the plan does about it.

Derived from the plan only: its retries, timeouts, trigger rules, gates, fan-outs, compensations,
outputs and the words of its shell commands. A row whose handling begins with "Nothing" is an
invitation to change the plan.

    publish  the command fails         1 attempt; then 1 task after it does not run, the run fails
    publish  `twine upload` is final   waits for `approve` first
    approve  nobody answers            a headless run ends as waiting; `orch-nb approve` goes on

After Failure Mode and Effects Analysis (IEC 60812), without its risk numbers: nobody could know
them from a plan.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.graph.topology import Edges, downstream, order, upstream
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
#: Rules by which a task does not run where one that it waits for has failed.
_STOPPED = frozenset(
    {TriggerRule.ALL_SUCCESS, TriggerRule.ALL_SKIPPED, TriggerRule.NONE_FAILED,
     TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS}
)  # fmt: skip
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
    after = downstream(plan)
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
        task: [other for other in others if rules[other] in _STOPPED]
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
    default, patience = task.approval.default, task.approval.timeout_s
    answer = (
        f"A headless run takes its default: {default}."
        if default is not None
        else "A headless run ends as waiting; approving it goes on."
    )
    if patience is not None:
        late = f"its default holds: {default}" if default is not None else f"it fails; then {then}"
        answer = f"After {duration_text(patience)} {late}. {answer}"
    return [("Nobody answers", answer), ("The answer is no", f"Then {then}.")]


def _work(task: Task, guard: str | None, then: str) -> list[tuple[str, str]]:
    """Failure and handling of a task that runs something."""
    if task.kind not in ("python", "shell", "notebook"):
        return []
    network = _NETWORK.search(task.sh or "") is not None
    fails = {
        "shell": "The command fails", "notebook": "A cell of the notebook raises",
    }.get(task.kind, "The function raises")  # fmt: skip
    if network and not _retried(task.retry):
        fails = "The network or the other side fails"
    rows = [(fails, f"{_attempts(task.retry)}; then {_each(task, then)}.")]
    rows += _late(task, then, network)
    if _PIPE.search(task.sh or ""):
        rows.append(("A command before the last `|` fails",
                     "Nobody notices: a shell takes the exit code of the last one."))  # fmt: skip
    return rows + _undone(task, guard)


def _each(task: Task, then: str) -> str:
    """What follows where one item of a fan-out has failed for good, or the task has."""
    if task.foreach is None:
        return then
    if task.tolerate == "all":
        return "the other items go on, and the task succeeds without it"
    limit = f"more than {task.tolerate} of them failed" if task.tolerate else ""
    return f"the other items go on, and {f'if {limit} ' if limit else ''}{then}"


def _late(task: Task, then: str, network: bool) -> list[tuple[str, str]]:
    rows = []
    if task.timeout_s is not None:
        stop = "The attempt counts as failed" if task.kind == "python" else "It is stopped"
        late = f"It takes longer than {duration_text(task.timeout_s)}"
        rows.append((late, f"{stop}; {_attempts(task.retry).lower()}."))
    if task.total_timeout_s is not None:
        late = f"All its attempts take longer than {duration_text(task.total_timeout_s)}"
        rows.append((late, f"No further attempt; then {then}."))
    if network and not rows:
        rows.append(("The other side never answers", "Nothing stops it: give it a `timeout`."))
    return rows


def _undone(task: Task, guard: str | None) -> list[tuple[str, str]]:
    """What becomes of work that was done when the run fails, and of work that cannot be undone."""
    rows = []
    final = _FINAL.search(task.sh or "")
    if task.compensate is not None:
        rows.append(("The run fails after it", "Its `compensate` takes back what it did."))
        again = _attempts(task.compensate.retry)
        rows.append(("Taking it back fails", f"{again}; then the next is taken back."))
    elif final is not None:
        asked = f"`{guard}` is asked first." if guard is not None else (
            "Nothing asks first: put an `approval` before it."
        )  # fmt: skip
        rows.append((f"`{final[0]}` cannot be taken back", asked))
    if final is not None and _retried(task.retry):
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
