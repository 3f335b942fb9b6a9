"""DECOMPOSE: the plan, its graph, its critical path, its shape, and what can fail."""

from __future__ import annotations

from msgspec.structs import replace

from orch_nb.graph.failure_modes import failure_modes
from orch_nb.graph.strategy import coordination
from orch_nb.graph.topology import find_cycles, shape, upstream
from orch_nb.model.analysis import Analysis
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number
from orch_nb.model.run import Run
from orch_nb.model.task import Task, TriggerRule
from orch_nb.render import policies
from orch_nb.render.document import (
    Block,
    Code,
    CodeBlock,
    Fold,
    Line,
    Paragraph,
    Section,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.drawing import plan_drawings
from orch_nb.render.facts import Entry, critical, entries, situation
from orch_nb.render.five_questions import SUMMARY as QUESTIONS
from orch_nb.render.five_questions import five_questions
from orch_nb.render.header import tasks_in_stories
from orch_nb.render.plaintext import one_line
from orch_nb.render.plan_text import excerpt
from orch_nb.render.rows import hierarchy, table, task_name

__all__ = ["decompose_section"]

_PATH = 5
_TITLE = 24
_MOST = 60
_READ_AS = {
    "python": "read as Python",
    "yaml": "read as YAML",
    "goal": "read as a goal in words",
}


def decompose_section(
    plan: Plan,
    run: Run | None = None,
    *,
    document: str = "",
    is_open: bool = True,
    folded: bool = False,
    read_as: str = "",
    analysis: Analysis | None = None,
) -> Section:
    """The plan; with a run its graph is painted by it, and what it was made of stays behind folds,
    which `folded` asks for before there is one.

    `document` is the plan as YAML; `read_as` says what the plan was taken for (python, yaml, goal);
    `analysis` adds to the five questions what the goal demands and risks.
    A plan that has a cycle shows what it can.
    """
    blocks: list[Block] = [*plan_drawings(plan, run)]
    if plan.tasks and not _cycles(plan):
        strategy = coordination(plan)
        blocks.append(
            Paragraph(
                line(
                    "Coordination: ", Text(strategy.name, strong=True), ". ", *said(strategy.reason)
                )
            )
        )
    ending = _at_the_end(plan)
    blocks += [ending] if ending is not None else []
    folded = folded or run is not None
    for tables, summary in (
        ((five_questions(plan, analysis),), QUESTIONS),
        ((_tasks(plan),), f"Plan: {tasks_in_stories(plan)}, needs, estimates, slack"),
        (_shared(plan), "Limits, priorities, and what undoes"),
        ((_failure_modes(plan),), "What can fail, and how it is handled"),
    ):
        told = tuple(one for one in tables if one is not None)
        if told and folded:  # a caption that says what the fold says is not said twice
            told = tuple(replace(t, caption="") if t.caption == summary else t for t in told)
            blocks.append(Fold(line(Text(summary, muted=True)), told))
        else:
            blocks += told
    criteria = _criteria(plan)
    blocks += [criteria] if criteria and not folded else []
    if document:
        code = CodeBlock(excerpt(document, plan), "yaml", whole=True)
        blocks.append(Fold(line(Text("The plan as a document", muted=True)), (code,), not folded))
    finding = " · ".join(part for part in (_READ_AS.get(read_as, ""), _finding(plan)) if part)
    return Section(3, "DECOMPOSE", finding, tuple(blocks), is_open)


def _cycles(plan: Plan) -> list[list[str]]:
    return find_cycles(upstream(plan))


def _finding(plan: Plan) -> str:
    if not plan.tasks:
        return "no tasks"
    parts = [tasks_in_stories(plan)]
    cycles = _cycles(plan)
    if cycles:
        circle = " → ".join(one_line(task, 40) for task in (*cycles[0], cycles[0][0]))
        return " · ".join([*parts, f"waits for itself: {circle}"])
    parts.append(coordination(plan).name)
    found = situation(plan)
    if found is not None and len(found.path.tasks) > 1:
        names = [_short(plan[task]) for task in found.path.tasks]
        if len(names) > _PATH:
            names = [*names[:2], f"… {number(len(names) - 4)} more …", *names[-2:]]
        length = _length(found.path.length_s, found.estimated, len(found.path.tasks))
        parts.append(f"critical path {' → '.join(names)}, {length}")
    form = shape(plan)
    wide = "one at a time" if form.width == 1 else f"at most {number(form.width)} at once"
    spread = [_short(task) for task in plan.tasks if task.foreach is not None]
    wide += f", {listed(spread, 2)} for each item" if spread else ""
    parts.append(f"{count(form.depth, 'level')} deep, {wide}")
    return " · ".join(parts)


def _short(task: Task) -> str:
    """The title where it is short enough for a headline, else the id."""
    return one_line(task.label if len(task.label) <= _TITLE else task.id, 40)


def _length(length_s: float, estimated: int, tasks: int) -> str:
    if not estimated:
        return count(tasks, "task")
    return duration(length_s) if estimated == tasks else f"about {duration(length_s)}"


def _tasks(plan: Plan) -> Table | None:
    found, path = situation(plan), critical(plan)
    timed = found is not None and any(t.estimate_s is not None for t in plan.tasks)

    def cells(task: Task, _: str) -> tuple[Line, ...]:
        slack = found.path.slack_s.get(task.id) if found and timed else None
        tries = task.retry.maximum_attempts
        return (
            line(task.kind),
            _action(task),
            line(listed(tuple(one_line(need, 40) for need in task.needs or ()), 6)),
            _runs_when(task),
            _for_each(task),
            line(f"up to {number(tries)}" if tries > 1 else ""),
            line(policies.time_limits(task)),
            line(duration(task.estimate_s)),
            line(duration(slack)),
            line("◆" if task.id in path else ""),
            line("" if task.required else "no"),
            line(one_line(task.owner, 60)),
        )

    titles = ("task", "kind", "does", "needs", "runs when", "for each of", "attempts", "timeout",
              "estimate", "slack", "critical", "required", "owner")  # fmt: skip

    def group(entry: Entry) -> tuple[Line, ...]:
        owner = entry.story.owner if entry.story else ""
        cells = [()] * (len(titles) - 1)
        told: list[Line] = [*cells]
        told[0] = line(Text(count(len(entry.members), "task"), muted=True))
        told[-1] = line(one_line(owner, 60))
        return tuple(told)

    return hierarchy(
        entries(plan), "Tasks", titles, cells, group_cells=group,
        numeric=("timeout", "estimate", "slack"), wrap=("needs", "does", "runs when"),
    )  # fmt: skip


def _runs_when(task: Task) -> Line:
    """The trigger rule, where it is not the usual one, and the condition."""
    rule = "" if task.trigger is TriggerRule.ALL_SUCCESS else str(task.trigger).replace("_", " ")
    asked = one_line(policies.condition(task), 120)
    return line(
        rule, (", if " if rule else "if ") if asked else "", *([Code(asked)] if asked else [])
    )


def _for_each(task: Task) -> Line:
    over, bounds = one_line(policies.over(task), 120), policies.limits(task)
    return line(*([Code(over)] if over else []), f", {bounds}" if bounds else "")


def _shared(plan: Plan) -> tuple[Table, ...]:
    """What only some tasks say: which limits they share, who goes first, what undoes them."""
    some = [t for t in plan.tasks if t.pool or t.priority or t.compensate or t.cache]
    rows = []
    for task in some[:_MOST]:
        undo = one_line(policies.action(task.compensate), 160)
        told = (
            line(one_line(policies.pools(task), 80)),
            line(number(task.priority) if task.priority else ""),
            line(Code(undo)) if undo else (),
            line("yes" if task.cache else ""),
        )
        rows.append((task_name(task), *told))
    found = table(
        "Limits, priorities, and what undoes", ("task", "pool", "priority", "undone by",
        "reuses results"), rows, numeric=("priority",), wrap=("undone by",),
        left_out=max(0, len(some) - _MOST),
    )  # fmt: skip
    return tuple(one for one in (found, _pools(plan)) if one is not None)


def _pools(plan: Plan) -> Table | None:
    """The limits that tasks share, and who shares them."""
    users: dict[str, list[str]] = {name: [] for name in plan.pools}
    for task in plan.tasks:
        for name in task.pool or ():
            users.setdefault(name, []).append(one_line(task.label, 40))
    rows = []
    for name, pool in plan.pools.items():
        rows.append(
            (
                line(one_line(name, 60)),
                line(number(pool.slots) if pool.slots is not None else ""),
                line(policies.rate(pool.rate)),
                line(listed(users[name], 6) or "nobody"),
            )
        )
    return table(
        "Pools", ("pool", "slots", "starts at most", "shared by"), rows, numeric=("slots",),
        wrap=("shared by",),
    )  # fmt: skip


def _at_the_end(plan: Plan) -> Paragraph | None:
    """What runs when the run has failed."""
    if plan.on_failure is None:
        return None
    undone = ", after what can be undone has been" if any(t.compensate for t in plan.tasks) else ""
    does = Code(one_line(policies.action(plan.on_failure), 160))
    return Paragraph(line("If the run fails, ", does, f" runs at the end{undone}."))


def _action(task: Task) -> Line:
    told = one_line(task.description, 160)
    if task.sh is not None:  # whoever approves a plan must see what it would do
        return line(f"{told} " if told else "", Code(one_line(task.sh, 160)))
    if told:
        return line(told)
    if task.notebook is not None:
        return line(Code(one_line(task.notebook, 160)))
    words = task.approval.prompt if task.approval is not None else task.todo
    return line(one_line(words or "", 160))


def _failure_modes(plan: Plan) -> Table | None:
    if _cycles(plan):
        return None
    rows, before = [], None
    modes = failure_modes(plan)
    for mode in modes[:_MOST]:
        label = plan[mode.task].label if mode.task in plan else mode.task
        name = line(one_line(label, 80)) if mode.task != before else ()
        rows.append((name, said(mode.failure), said(mode.handling)))
        before = mode.task
    return table(
        "What can fail, and how it is handled",
        ("task", "can fail", "handled by"),
        rows,
        wrap=("can fail", "handled by"),
        left_out=max(0, len(modes) - _MOST),
    )


def _criteria(plan: Plan) -> Table | None:
    return table(
        "Done when",
        ("criterion", "shown by"),
        [(line(c.text), line(listed(c.tasks, 8))) for c in plan.criteria],
        wrap=("criterion", "shown by"),
    )
