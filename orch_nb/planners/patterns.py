"""Drafts a plan for a goal in words from the catalogue's methods, without a key and without a
network.

The kind of operation picks the methods, facts read from the goal pick one of them, and the method
is filled in with what the goal and the workspace say: versions, stores, source and target, what is
to be published, each component, the commands that the workspace is seen to have. What nobody can
know from the text is a `todo` for a person, never an invented command.

    >>> import asyncio
    >>> plan = asyncio.run(PatternPlanner().plan("Release Foo 2.4: publish wheels to PyPI"))
    >>> plan["tag"].title
    'Let CI tag 2.4 on the merge commit'

Patterns expanded for each component, each part with a task that verifies it: ChatHTN's observation
that a method library keeps drafts sound (Munoz-Avila et al. 2025, arXiv 2505.11814), here without
the model.
"""

from __future__ import annotations

from msgspec.structs import replace

from orch_nb.catalog.operations import Method, classify, kind
from orch_nb.catalog.vocabulary import constraints
from orch_nb.errors import PlanError
from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan, Story
from orch_nb.model.research import Research
from orch_nb.model.task import Task
from orch_nb.planners.facts import Facts, read
from orch_nb.planners.notes import Item
from orch_nb.planners.refine import refine

__all__ = ["PatternPlanner"]

GENERIC = (
    "This plan is generic: the kind of operation was not recognised, so it only has the parts that "
    "the goal names, between preparing and verifying. Say more, or write the plan as YAML."
)


class PatternPlanner:
    """The planner of a bare install. `name` is shown with its drafts."""

    name = "patterns"

    async def plan(
        self, goal: Goal | str, analysis: Analysis | None = None, research: Research | None = None
    ) -> Plan:
        """A draft for `goal`. Raises PlanError for a goal without words."""
        if isinstance(goal, str):
            goal = Goal(goal, tuple(constraints(goal).values()))
        if not goal.text.strip():
            raise PlanError(
                "The goal is empty; say in a sentence what is to be reached.", what="goal"
            )
        return draft(goal, analysis, research)


def draft(goal: Goal, analysis: Analysis | None, research: Research | None) -> Plan:
    """The plan itself, by pure reading: no clock, no file, no network."""
    operation = (analysis.operation if analysis else "") or classify(goal.text)[0]
    facts = _fitted(operation, goal, read(goal, analysis))
    method = _method(operation, facts)
    workflows = analysis.scope.workflows if analysis else ()
    stories, tasks, criteria = refine(method, facts, workflows)
    if method.id == "generic":
        stories, tasks = _said_generic(stories, tasks)
    tasks = tuple(_with_patterns(task, research) for task in tasks)
    return Plan(goal=goal.text, stories=stories, tasks=tasks, criteria=criteria)


def _method(operation: str, facts: Facts) -> Method:
    return next(method for method in kind(operation).methods if facts.holds(method.when))


def _fitted(operation: str, goal: Goal, facts: Facts) -> Facts:
    """Facts without the parts that only say the goal again, and with what a kind makes of the
    rest."""
    told = facts.parts
    if operation:
        start = " ".join(goal.text.split()).lower()
        told = tuple(part for part in told if not start.startswith(part.text.lower()[:25]))
    elif not told:
        facts.items["parts"] = (Item(goal.title),)
    if operation == "data pipeline":
        giving = (
            "send",
            "deliver",
            "publish",
            "notify",
            "email",
            "share",
            "show",
            "give",
            "report",
        )
        late = tuple(part for part in told if part.text.split()[0] in giving)
        told = tuple(part for part in told if part not in late)
        outputs = [Item(f"Deliver {item.text}") for item in facts.items["outputs"]]
        facts.items["deliveries"] = tuple(
            Item(part.text[:1].upper() + part.text[1:]) for part in late
        ) or tuple(outputs)
    if operation == "release" and not facts.items["packages"]:
        facts.items["packages"] = (Item("the built artefacts", "users get the new version"),)
    if operation == "release" and not facts.items["follows"]:
        facts.items["follows"] = (
            Item("the documentation", "the new version is the default there"),
        )
    return replace(facts, parts=told)


def _said_generic(
    stories: tuple[Story, ...], tasks: tuple[Task, ...]
) -> tuple[tuple[Story, ...], tuple[Task, ...]]:
    first = replace(stories[0], description=GENERIC)
    said = replace(tasks[0], description=f"{tasks[0].description} {GENERIC}")
    return (first, *stories[1:]), (said, *tasks[1:])


def _with_patterns(task: Task, research: Research | None) -> Task:
    """Names the pattern that a gate, an undo or a canary follows, where the research brought it."""
    if research is None:
        return task
    wanted = ""
    if task.approval is not None:
        wanted = "human_gate"
    elif task.trigger == "one_failed":
        wanted = "saga"
    elif task.id == "canary":
        wanted = "canary"
    entry = next((p for p in research.patterns if p.id == wanted), None)
    if entry is None:
        return task
    return replace(task, description=f"{task.description} Pattern: {entry.title}.")
