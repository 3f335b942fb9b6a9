"""Which questions a plan and a failure in it ask of every system that could run it.

    lint ─► build ─► publish ─► notify (all_done)         the fault: build

    retry     `build` fails: who tries again?
    chain     `publish` waits for `build`: what becomes of it?
    cleanup   `notify` is to run in any case: does it?
    killed    the worker is killed while `build` runs: what is lost?

Each question names a scenario of tests/systems/, which the real systems have answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from orch_nb.errors import UsageError
from orch_nb.graph.critical_path import critical_path
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.topology import Edges, ancestors, descendants, downstream, upstream
from orch_nb.model.duration import duration_text
from orch_nb.model.observation import Question
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task, TriggerRule

__all__ = ["SHORT", "fault_of", "questions"]

#: What each scenario is called in a table.
SHORT = {
    "unsaid": "nothing said of retries", "retry": "retry with backoff", "timeout": "timeout",
    "foreach": "one item fails", "chain": "what waits for it", "siblings": "what runs beside it",
    "join": "what joins them", "branch": "what only that needs", "cleanup": "clean-up",
    "late": "clean-up further behind", "undo": "undo", "approval": "gate",
    "killed": "kill -9 of a worker", "diamond": "a diamond",
}  # fmt: skip
#: Rules by which a task runs after a failure too.
_ANYWAY = frozenset(
    {TriggerRule.ALL_DONE, TriggerRule.ALL_FAILED, TriggerRule.ONE_FAILED, TriggerRule.ONE_DONE,
     TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, TriggerRule.ALWAYS}
)  # fmt: skip


def fault_of(plan: Plan, task: str = "") -> str:
    """The task that is to fail: the one named, else the one of the critical path on which most
    depends. Raises UsageError."""
    if task and task not in plan:
        raise UsageError(_missing(plan, task))
    if task:
        return task
    if not len(plan):
        raise UsageError("The plan has no tasks: nothing of it can fail.")
    # Of a path the first task has all behind it that the others have.
    path = critical_path(plan).tasks
    return next((one for one in path if plan[one].kind not in _CANNOT), path[0])


def _missing(plan: Plan, task: str) -> str:
    near = did_you_mean(task, plan.by_id)
    names = list(plan.by_id)
    if not near and names:
        some = ", ".join(f"`{name}`" for name in names[:8])
        near = f"It has {some}{f' and {len(names) - 8} more' if len(names) > 8 else ''}."
    return f"The plan has no task `{task}`. {near}".rstrip()


#: A person or a milestone does not fail.
_CANNOT = frozenset({"approval", "todo", "milestone"})


def questions(plan: Plan, task: str) -> tuple[Question, ...]:
    """What the failure of `task` asks, the nearest first. The plan is acyclic."""
    faulted, up, after = plan[task], upstream(plan), downstream(plan)
    below, above = descendants(after, task), ancestors(up, task)
    behind = [one for one in plan.by_id if one in below]
    ahead = [one for one in plan.by_id if one in above]
    found = [
        *_itself(faulted, next(iter(after[task]), None)),
        *_after(plan, task, up, after),
        *_around(plan, task, behind),
    ]
    found += _undone(plan, task, ahead)
    if not faulted.waits_for_person:
        found.append(
            _question(
                "killed", f"A worker is killed while `{task}` runs: what is lost?", task=task,
                before=next(iter(up[task]), None), after=next(iter(after[task]), None),
            )
        )  # fmt: skip
    return (*found, *_diamond(plan, task, after))


def _question(scenario: str, words: str, **roles: str | None) -> Question:
    return Question(
        scenario, SHORT[scenario], words, {role: name for role, name in roles.items() if name}
    )


def _itself(task: Task, follower: str | None) -> Iterable[Question]:
    name, attempts = task.id, task.retry.maximum_attempts
    if task.waits_for_person:  # whom nobody tries again
        return
    if attempts > 1:
        wait = duration_text(task.retry.initial_interval_s)
        words = f"`{name}` fails and may be tried again after {wait}: who does it, and when?"
        yield _question("retry", words, task=name)
    else:
        yield _question("unsaid", f"`{name}` fails, nothing is said of retries: is it tried again?",
                        task=name)  # fmt: skip
    if task.timeout_s is not None:
        words = f"`{name}` takes longer than its {duration_text(task.timeout_s)}: is it stopped?"
        yield _question("timeout", words, task=name)
    if task.foreach is not None:
        words = f"One item of `{name}` fails: what becomes of the others, and of what waits?"
        yield _question("foreach", words, task=name, after=follower)


def _after(plan: Plan, task: str, up: Edges, after: Edges) -> Iterable[Question]:
    """What waits for the task alone, and what joins it with others."""
    waiting = [one for one in after[task] if plan[one].trigger not in _ANYWAY]
    alone = next((one for one in waiting if len(up[one]) == 1), None)
    if alone is not None:
        words = f"`{alone}` waits for `{task}`: what becomes of it?"
        yield _question("chain", words, task=task, after=alone, before=next(iter(up[task]), None))
    related = {*ancestors(up, task), *descendants(after, task), task}
    for join in waiting:
        sibling = next((one for one in up[join] if one not in related), None)
        if sibling is not None:
            parts = {"task": task, "sibling": sibling, "join": join}
            words = f"`{sibling}` still runs when `{task}` fails: does it end?"
            yield _question("siblings", words, **parts)
            words = f"`{join}` needs `{task}` and `{sibling}`: what becomes of it?"
            yield _question("join", words, **parts)
            break
    for sibling, follower in ((one, two) for one in up for two in after[one]):
        if not related.intersection((sibling, follower)) and up[follower] == (sibling,):
            words = f"`{follower}` needs `{sibling}` alone, which did not fail: does it run?"
            yield _question("branch", words, task=task, sibling=sibling, follower=follower)
            return


def _runs_anyway(plan: Plan, task: str, needs: tuple[str, ...], lost: set[str]) -> bool:
    """Whether its rule lets it run when `lost` has failed or been kept from running."""
    rule = plan[task].trigger
    if rule is TriggerRule.ALL_FAILED:
        return lost.issuperset(needs)
    if rule in (TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, TriggerRule.ONE_DONE):
        return not lost.issuperset(needs) or rule is TriggerRule.ONE_DONE
    return rule in _ANYWAY


def _around(plan: Plan, task: str, behind: list[str]) -> Iterable[Question]:
    needs, asked = upstream(plan), set()
    lost = {task, *(one for one in behind if plan[one].trigger not in _ANYWAY)}
    for last in (one for one in behind if _runs_anyway(plan, one, needs[one], lost)):
        words = f"`{last}` is to run though `{task}` failed ({plan[last].trigger}): does it?"
        between = next((one for one in needs[last] if one in behind), None)
        scenario = "cleanup" if between is None else "late"
        if scenario not in asked:
            yield _question(scenario, words, task=task, cleanup=last, after=between)
        asked.add(scenario)
    gates = [one for one in (task, *behind) if plan[one].waits_for_person]
    if gates:
        following = next(iter(downstream(plan)[gates[0]]), None)
        words = f"`{gates[0]}` asks a person, and nobody answers: what waits, and where?"
        yield _question("approval", words, gate=gates[0], after=following)


def _undone(plan: Plan, task: str, ahead: list[str]) -> Iterable[Question]:
    done = next((one for one in reversed(ahead) if plan[one].compensate is not None), None)
    if done is not None:
        words = f"`{done}` has been done when `{task}` fails: who undoes it?"
        yield _question("undo", words, task=task, before=done, undo=f"compensate({done})")


def _diamond(plan: Plan, task: str, after: Edges) -> Iterable[Question]:
    """Two ways from one task that meet again, those through the faulted task first."""
    for top in sorted(plan.by_id, key=lambda one: (one != task, task not in after[one])):
        by_bottom: dict[str, str] = {}
        for right in after[top]:
            for bottom in after[right]:
                left = by_bottom.setdefault(bottom, right)
                if left != right:
                    words = (
                        f"`{left}` and `{right}` both need `{top}`, and `{bottom}` needs both: can "
                        "that be said?"
                    )
                    parts = {"top": top, "left": left, "right": right, "bottom": bottom}
                    yield _question("diamond", words, **parts)
                    return
