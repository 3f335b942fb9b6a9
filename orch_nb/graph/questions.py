"""The five questions of a decomposition, answered from the plan itself.

    1 What are the major phases?                 its stories, else the stages of its graph
    2 What must be sequential?                   gates, joins, and what waits for them
    3 What can run in parallel?                  the widest levels, and what limits them
    4 What is the critical path?                 the longest chain, and what shortens it
    5 What can fail, and how is it handled?      retries, gates, undoing; what nothing handles

Each answer names what it rests on: ids of tasks (`between backticks`), estimates, criteria, and,
where the analysis is known, the goal's demands and risks. A plan of one or two tasks answers them
by itself; one that waits for itself has no answers. Linear in the plan, bounded in what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from orch_nb.graph.critical_path import CriticalPath, critical_path
from orch_nb.graph.failure_modes import TaskFailureMode, failure_modes
from orch_nb.graph.topology import (
    Edges,
    children,
    compiled,
    descendants,
    downstream,
    levels,
    upstream,
)
from orch_nb.model.analysis import Analysis
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number, percent
from orch_nb.model.research import Answer
from orch_nb.model.task import Task

__all__ = ["QUESTIONS", "five_answers"]

QUESTIONS = (
    "What are the major phases?",
    "What must be sequential?",
    "What can run in parallel?",
    "What is the critical path?",
    "What can fail, and how is it handled?",
)
_FEWEST = 3
_NAMED, _EVIDENCE = 4, 4
_TITLE = 40
#: A part of the critical path below this share shortens nothing.
_WORTH = 0.05
_DEMANDS_OF_ORDER = {"order", "approval", "window", "condition"}
_DEMANDS_OF_WIDTH = {"at_once"}
_DEMANDS_OF_TIME = {"deadline"}


def five_answers(plan: Plan, analysis: Analysis | None = None) -> tuple[Answer, ...]:
    """The five questions with their answers; none for a plan of fewer than three tasks, and none
    for one that has a cycle."""
    graph = compiled(plan)
    if len(plan.tasks) < _FEWEST or len(graph.order) < len(graph.ids):
        return ()
    rows = levels(plan)
    found = (
        _phases(plan, rows),
        _sequential(plan, analysis, rows),
        _parallel(plan, analysis, rows),
        _path(plan, analysis),
        _failures(plan, analysis),
    )
    return tuple(
        Answer(question, answer, tuple(evidence[:_EVIDENCE]))
        for question, (answer, evidence) in zip(QUESTIONS, found, strict=True)
    )


_Told = tuple[str, list[str]]


def _code(ids: Iterable[str], most: int = _NAMED) -> str:
    return listed([f"`{one}`" for one in ids], most)


def _label(task: Task) -> str:
    return task.label if len(task.label) <= _TITLE else task.id


def _demands(analysis: Analysis | None, kinds: set[str]) -> list[str]:
    told = analysis.constraints if analysis is not None else ()
    return [f"the goal: “{demand.text}”" for demand in told if demand.kind in kinds]


# -- 1 ---------------------------------------------------------------------------------------------


def _phases(plan: Plan, rows: Sequence[Sequence[str]]) -> _Told:
    members = Counter(task.story for task in plan.tasks if task.story is not None)
    stories = [story for story in plan.stories if members[story.id]]
    if len(stories) > 1:
        told = [f"{story.label} ({number(members[story.id])})" for story in stories]
        evidence = [f"{count(len(stories), 'story', 'stories')} of {count(len(plan), 'task')}"]
        if loose := len(plan.tasks) - sum(members.values()):
            evidence.append(f"{count(loose, 'task')} of no story")
        return _chain(told), evidence + _criteria(plan)
    stages = [_stage(plan, row) for row in rows]
    return _chain(stages), [f"{count(len(rows), 'level')} of the graph", *_criteria(plan)]


def _stage(plan: Plan, row: Sequence[str]) -> str:
    first = _label(plan[row[0]])
    return first if len(row) == 1 else f"{first} and {number(len(row) - 1)} beside it"


def _chain(told: Sequence[str]) -> str:
    if len(told) > 2 * _NAMED:
        left = len(told) - _NAMED - 2
        told = [*told[:_NAMED], f"{number(left)} more", *told[-2:]]
    return " → ".join(told)


def _criteria(plan: Plan) -> list[str]:
    if not plan.criteria:
        return []
    shown = _code(dict.fromkeys(task for one in plan.criteria for task in one.tasks), 3)
    return [f"{count(len(plan.criteria), 'criterion', 'criteria')}"
            + (f", shown by {shown}" if shown else "")]  # fmt: skip


# -- 2 ---------------------------------------------------------------------------------------------


def _sequential(plan: Plan, analysis: Analysis | None, rows: Sequence[Sequence[str]]) -> _Told:
    up, after = upstream(plan), downstream(plan)
    waiting = sum(1 for waits in up.values() if waits)
    demands = _demands(analysis, _DEMANDS_OF_ORDER)
    if not waiting:
        return "Nothing: no task waits for another.", demands
    deep = f"{number(waiting)} of {count(len(plan), 'task')} wait for another"
    said = [f"{deep}, {count(len(rows), 'level')} deep"]
    evidence = []
    gates = [task for task in plan.tasks if task.approval is not None and after[task.id]]
    if gates:
        behind = len(descendants(after, *(gate.id for gate in gates)))
        hang = "hangs" if behind == 1 else "hang"
        names = listed([_label(gate) for gate in gates], 2)
        said.append(f"{count(behind, 'task')} {hang} behind {names}")
        evidence += [
            f"`{g.id}` is asked after {_code(up[g.id], 3) or 'nothing'}" for g in gates[:2]
        ]
    evidence += [
        f"`{task}` needs {_code(up[task])}" for task in _joins(plan, up)[: 3 - len(gates[:2])]
    ]
    return "; ".join(said) + ".", [*demands[:2], *evidence]


def _joins(plan: Plan, up: Edges) -> list[str]:
    """Tasks that wait for most others, parents aside; without any, the first that wait."""
    families = children(plan)
    waiting = [task for task in up if up[task] and task not in families]
    joins = sorted((t for t in waiting if len(up[t]) > 1), key=lambda t: -len(up[t]))
    return joins or waiting


# -- 3 ---------------------------------------------------------------------------------------------


def _parallel(plan: Plan, analysis: Analysis | None, rows: Sequence[Sequence[str]]) -> _Told:
    wide = sorted((row for row in rows if len(row) > 1), key=lambda row: -len(row))
    spread = [task for task in plan.tasks if task.foreach is not None]
    said = [listed([_label(plan[one]) for one in row], _NAMED) for row in wide[:2]]
    said += [f"{_label(task)}, once for each item" for task in spread[:2]]
    evidence = _demands(analysis, _DEMANDS_OF_WIDTH)
    if not said:
        return "Nothing: the tasks run one after the other.", evidence
    if wide:
        at, most = rows.index(wide[0]) + 1, len(wide[0])
        evidence.append(f"none of the {number(most)} tasks of level {number(at)} waits for another")
    if len(wide) > 2:
        evidence.append(f"{number(len(wide))} of {count(len(rows), 'level')} hold several tasks")
    evidence += [f"`{task.id}` at most {number(task.max_active)} side by side"
                 for task in spread[:2] if task.max_active]  # fmt: skip
    slots = {name: pool.slots for name, pool in plan.pools.items() if pool.slots is not None}
    evidence += [f"pool `{name}`: {count(most, 'slot')}" for name, most in list(slots.items())[:2]]
    return "; ".join(said) + ".", evidence


# -- 4 ---------------------------------------------------------------------------------------------


def _path(plan: Plan, analysis: Analysis | None) -> _Told:
    path = critical_path(plan)
    steps = [_label(plan[task]) for task in path.tasks]
    known = [task for task in path.tasks if plan[task].estimate_s is not None]
    demands = _demands(analysis, _DEMANDS_OF_TIME)
    if not known:
        return (f"{_chain(steps)}: {count(len(steps), 'task')}, the longest chain.",
                [*demands, "no task of it has an estimate, so tasks are counted"])  # fmt: skip
    about = "" if len(known) == len(path.tasks) else "about "
    longest = max(known, key=lambda task: plan[task].estimate_s or 0.0)
    share = (plan[longest].estimate_s or 0.0) / (path.length_s or 1.0)
    evidence = [f"{number(len(known))} of its {count(len(steps), 'task')} have an estimate"]
    if len(steps) > 1 and share >= _WORTH:
        evidence.append(f"`{longest}` is {percent(share)} of it")
    if (near := _next(plan, path)) is not None:
        evidence.append(f"next is `{near}`, with {duration(path.slack_s[near])} of slack")
    return f"{_chain(steps)}: {about}{duration(path.length_s)}.", [*demands, *evidence]


def _next(plan: Plan, path: CriticalPath) -> str | None:
    """The task off the path that has the least slack, of those that take time."""
    slack = path.slack_s
    rest = [t.id for t in plan.tasks if slack.get(t.id, 0.0) > 0 and t.estimate_s]
    return min(rest, key=lambda task: slack[task]) if rest else None


# -- 5 ---------------------------------------------------------------------------------------------


def _failures(plan: Plan, analysis: Analysis | None) -> _Told:
    modes = failure_modes(plan)
    bare = [mode for mode in modes if mode.handling.startswith(("Nothing", "Nobody"))]
    held = (
        _held(plan, lambda t: t.retry.maximum_attempts > 1, "retried"),
        _held(plan, lambda t: t.approval is not None, "put to a person"),
        _held(plan, lambda t: t.todo is not None, "done by a person"),
        _held(plan, lambda t: t.compensate is not None, "undone when the run fails"),
        _held(plan, lambda t: t.timeout_s is not None, "stopped at a limit of time"),
    )
    said = [text for text in held if text]
    if plan.on_failure is not None:
        said.append("a task for failure runs at the end")
    answer = "; ".join(said) if said else "No task is retried, undone or put to a person"
    answer += f". {count(len(bare), 'way')} to fail that nothing handles." if bare else "."
    evidence = [f"`{mode.task}`: {_lower(mode.failure)}. {mode.handling}" for mode in bare[:2]]
    final = [mode for mode in modes if "cannot be taken back" in mode.failure and mode not in bare]
    evidence += [f"{mode.failure} (`{mode.task}`): {mode.handling}" for mode in final[:1]]
    evidence += _risks(analysis)[:2]
    if not evidence:
        evidence = [f"{count(len(modes), 'way')} to fail, {_most(modes)}"]
    return answer[:1].upper() + answer[1:], evidence


def _lower(text: str) -> str:
    return text if text.startswith("`") else text[:1].lower() + text[1:]


def _held(plan: Plan, holds: Callable[[Task], bool], how: str) -> str:
    some = [_label(task) for task in plan.tasks if holds(task)]
    if not some:
        return ""
    if len(some) > _NAMED:
        return f"{count(len(some), 'task')} are {how}"
    return f"{listed(some)} {'is' if len(some) == 1 else 'are'} {how}"


def _risks(analysis: Analysis | None) -> list[str]:
    worst = [r for r in analysis.risks if r.impact == "high"] if analysis is not None else []
    return [f"risk: {risk.name} ({risk.mitigation})" for risk in worst]


def _most(modes: Sequence[TaskFailureMode]) -> str:
    if not modes:
        return "since nothing is run"
    task, ways = Counter(mode.task for mode in modes).most_common(1)[0]
    return f"most of them `{task}`'s ({number(ways)})"
