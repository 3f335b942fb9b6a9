"""Drafts a plan for a goal in words from the catalogue's methods, without a key and without a
network.

The kind of operation picks the methods, facts read from the goal pick one of them, and the method
is filled in with what the goal and the workspace say: versions, stores, source and target, what is
to be published, each component, the commands that the workspace is seen to have. What nobody can
know from the text is a `todo` for a person, never an invented command.

    >>> import asyncio
    >>> plan = asyncio.run(PatternPlanner().plan("Release Foo 2.4: publish wheels to PyPI"))
    >>> plan["tag"].title
    'Tag 2.4'

Patterns expanded for each component, each part with a task that verifies it: ChatHTN's observation
that a method library keeps drafts sound (Munoz-Avila et al. 2025, arXiv 2505.11814), here without
the model.
"""

from __future__ import annotations

from msgspec.structs import replace

from orch_nb.catalog.clauses import Part
from orch_nb.catalog.operations import Method, classify, kind
from orch_nb.catalog.vocabulary import acts, constraints
from orch_nb.catalog.words import phase
from orch_nb.errors import PlanError
from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan, Story
from orch_nb.model.research import Research
from orch_nb.model.task import Task
from orch_nb.planners.facts import Facts, read
from orch_nb.planners.generic import generic_facts
from orch_nb.planners.notes import Item
from orch_nb.planners.refine import refine
from orch_nb.planners.weave import Woven, weave

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
    facts = _fitted(operation, goal, read(goal, analysis, operation))
    method = _method(operation, facts)
    woven = Woven(method, {}) if method.id == "generic" else weave(method, facts)
    workflows = analysis.scope.workflows if analysis else ()
    stories, tasks, criteria = refine(woven.method, facts, woven.said, workflows)
    if method.id == "generic":
        stories, tasks = _said_generic(stories, tasks)
    tasks = _with_context(tasks, (*facts.context, *woven.beside))
    tasks = tuple(_with_patterns(task, research) for task in tasks)
    return Plan(goal=goal.text, stories=stories, tasks=tasks, criteria=criteria)


def _method(operation: str, facts: Facts) -> Method:
    return next(method for method in kind(operation).methods if facts.holds(method.when))


def _fitted(operation: str, goal: Goal, facts: Facts) -> Facts:
    """`facts` with the lists that a kind of operation makes of the goal's clauses."""
    if operation == "data pipeline":
        shown = {"deliver", "chart"}
        late = [p for p in facts.parts if not p.leading and shown.intersection(acts(p.asks))]
        outputs = [Item(f"Deliver the {item.text}") for item in facts.items["outputs"]]
        written = "said_sink" in facts.flags
        facts.items["deliveries"] = tuple(map(_item, late)) or (() if written else tuple(outputs))
    if operation == "data analysis":
        going = [part for part in facts.parts if phase(part.verb) in {"out", "tell"}]
        going = [part for part in going if not (part.leading or part.implied)]
        facts.items["outgoing"] = tuple(map(_item, going))
        facts.items["sources"] = (Item(facts.text["data"]),)
    if not operation:
        return generic_facts(goal, facts)
    return facts


def _item(part: Part) -> Item:
    return Item(part.text[:1].upper() + part.text[1:], words=part.said, stage=part.stage)


def _with_context(tasks: tuple[Task, ...], context: tuple[str, ...]) -> tuple[Task, ...]:
    """What the goal says besides, quoted where the work begins, so that nothing of it is lost."""
    said = [quote for quote in context if len(quote) > 1]
    if not said or not tasks:
        return tasks
    told = " ".join(f"The goal says: “{quote}”." for quote in said)
    return (replace(tasks[0], description=f"{tasks[0].description} {told}"), *tasks[1:])


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
