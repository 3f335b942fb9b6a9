"""A method, filled in with facts, becomes the tasks of a plan.

Each step is kept if its condition holds or the goal asks for it in words, and says which; a step
over a list becomes one task an item, side by side unless the step is a chain. Whoever needed a step
that was left out needs what that one needed, so that leaving out never loses an order:

    a ── b ── c      without b:   a ── c

Titles are short enough for a node of a drawing, the whole stands in the description.

This is the refinement of hierarchical task networks (Erol, Hendler and Nau, "HTN planning:
complexity and expressivity", AAAI 1994), with the order of a method's steps given beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.catalog.operations import CriterionTemplate, Method, Step
from orch_nb.catalog.words import MOST_ID, fit, slug
from orch_nb.model.analysis import Workflow
from orch_nb.model.duration import parse_duration
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Story
from orch_nb.model.task import Approval, Task, TriggerRule
from orch_nb.planners.facts import Facts
from orch_nb.planners.notes import Item

__all__ = ["refine"]

#: A shell task gets this many times its pessimistic estimate before it is cut off.
_TIMEOUT_FACTOR = 2.0
#: Lists whose items are clauses of the goal, so that the task is named after the item alone.
_OWN_WORDS = frozenset({"parts", "finals", "deliveries", "outgoing"})
_Kept = Mapping[str, list[tuple[str, Item | None]]]


def refine(
    method: Method,
    facts: Facts,
    said: Mapping[str, list[str]],
    workflows: tuple[Workflow, ...] = (),
) -> tuple[tuple[Story, ...], tuple[Task, ...], tuple[Criterion, ...]]:
    """Stories, tasks and criteria of `method` for `facts`; ids are unique and needs resolve.

    `said` has the goal's words for the steps that it asks for.
    """
    used = {step.id for step in method.steps}
    kept: dict[str, list[tuple[str, Item | None]]] = {}
    for step in method.steps:
        wanted = step.id in said or (facts.holds(step.when) and not facts.denies(step.unless))
        if wanted and (instances := _instances(step, facts, used)):
            kept[step.id] = instances
    bridged = _Bridge(method, kept)
    stories, tasks = [], []
    for story in method.stories:
        steps = [step for step in story.tasks if step.id in kept]
        if not steps:
            continue
        stories.append(Story(id=story.title))
        for step in steps:
            for number, (name, item) in enumerate(kept[step.id]):
                words = said.get(step.id, []) if number == 0 or not step.each else []
                task = _task(step, name, item, facts, words, workflows)
                needs = bridged.needs(step, number, facts)
                tasks.append(_placed(task, story.title, needs))
    return tuple(stories), _reduced(tasks), _criteria(method.criteria, facts, kept)


def _reduced(tasks: list[Task]) -> tuple[Task, ...]:
    """The same order with no need that another need already implies (transitive reduction)."""
    by_id = {task.id: task for task in tasks}
    above: dict[str, set[str]] = {}

    def ancestors(name: str) -> set[str]:
        if name not in above:
            needs = by_id[name].needs or ()
            above[name] = set(needs).union(*(ancestors(need) for need in needs))
        return above[name]

    found = []
    for task in tasks:
        needs = task.needs or ()
        implied = set().union(*(ancestors(need) for need in needs))
        # An undo watches each of its needs by itself, whatever comes before what.
        if task.trigger is TriggerRule.ALL_SUCCESS:
            needs = tuple(need for need in needs if need not in implied)
        found.append(replace(task, needs=needs))
    return tuple(found)


def _placed(task: dict[str, Any], story: str, needs: tuple[str, ...]) -> Task:
    made: Task = Task(story=story, needs=needs, **task)
    return made


def _instances(step: Step, facts: Facts, used: set[str]) -> list[tuple[str, Item | None]]:
    """(task id, item) of each task that `step` becomes; the ids are added to `used`."""
    if not step.each:
        return [(step.id, None)]
    found: list[tuple[str, Item | None]] = []
    for item in facts.items.get(step.each, ()):
        room = MOST_ID - len(step.id) - 1
        bare = step.each in _OWN_WORDS
        said = item.name or item.text.removeprefix("Ensure ")
        name = slug(said, 3) if bare else f"{step.id}_{slug(said, 4, room)}"
        base, count = name, 2
        while name in used:
            name, count = f"{base[: MOST_ID - 3].rstrip('_')}_{count}", count + 1
        used.add(name)
        found.append((name, item))
    return found


class _Bridge:
    """Resolves the needs of steps to task ids, across steps that were left out."""

    def __init__(self, method: Method, kept: _Kept) -> None:
        self.steps = {step.id: step for step in method.steps}
        self.kept = kept

    def needs(self, step: Step, number: int, facts: Facts) -> tuple[str, ...]:
        own = [name for name, _ in self.kept[step.id]]
        if step.chain == "ordered":
            stages = [item.stage for item in facts.items[step.each]]
            earlier = [stage for stage in stages if stage < stages[number]]
            if earlier:
                return tuple(own[i] for i, stage in enumerate(stages) if stage == max(earlier))
        elif step.chain is True and number:
            return (own[number - 1],)
        found: dict[str, None] = {}
        for need in step.needs:
            # An undo must not watch what stands before what was left out: a gate that is answered
            # with no has done nothing that could be taken back.
            if need in self.kept or not step.undo:
                self._resolve(need, facts, found)
        if step.pairs and step.pairs in self.kept:
            found[self.kept[step.pairs][number][0]] = None
        elif step.pairs:
            self._resolve(step.pairs, facts, found)
        return tuple(found)

    def _resolve(self, need: str, facts: Facts, found: dict[str, None]) -> None:
        step = self.steps[need]
        if need in self.kept:
            instances = [name for name, _ in self.kept[need]]
            if step.chain == "ordered":
                stages = [item.stage for item in facts.items[step.each]]
                last = [name for name, s in zip(instances, stages, strict=True) if s == stages[-1]]
            else:
                last = instances[-1:] if step.chain else instances
            found.update(dict.fromkeys(last))
        else:
            for further in (*step.needs, *([step.pairs] if step.pairs else [])):
                self._resolve(further, facts, found)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _task(
    step: Step,
    name: str,
    item: Item | None,
    facts: Facts,
    words: list[str],
    workflows: tuple[Workflow, ...],
) -> dict[str, Any]:
    values = dict(facts.text)
    if item is not None:
        values |= {"item": item.text, "check": item.check or "it is what was meant"}
    whole = _capital(" ".join(step.title.format_map(values).split()))
    title = fit(whole)
    about = step.about.format_map(values) if step.about else whole if title != whole else ""
    notes = [f"{_capital(about).rstrip('.')}."] if about else []
    notes.append(f"Done when {step.done.format_map(values)}.")
    fields: dict[str, Any] = {
        "id": name,
        "title": title,
        "required": step.required and not step.undo,
    }
    if step.undo:
        fields["trigger"] = TriggerRule.ONE_FAILED
        notes.append("Runs only if something before it failed.")
    if step.est is not None:
        fields["estimate"] = list(step.est)
    if step.gate:
        fields["approval"] = Approval(step.gate.format_map(values))
    elif step.sh and step.sh in facts.commands:
        command, evidence = facts.commands[step.sh]
        fields["sh"] = command
        notes.append(f"The command is from {evidence}.")
        if step.est is not None:
            fields["timeout"] = _TIMEOUT_FACTOR * parse_duration(step.est[2])
    else:
        fields["todo"] = title
        if step.sh:
            notes.append("No command for it was found in the workspace.")
    notes += _evidence(step, item, facts, words)
    if step.seen and "sh" not in fields and (seen := _existing(step.seen, workflows)):
        notes.append(f"The workspace has a workflow for it: {seen}.")
    fields["description"] = " ".join(notes)
    return fields


def _evidence(step: Step, item: Item | None, facts: Facts, words: list[str]) -> list[str]:
    """Why the task is there: the goal's words for it, or the fact that it depends on."""
    quoted = list(words)
    if step.gate and step.id == "approve":
        quoted += facts.gates
    if item is not None and item.words and item.words not in quoted:
        quoted.append(item.words)
    notes = [f"The goal says: “{said}”." for said in dict.fromkeys(quoted)]
    if item is not None and item.evidence:
        notes.append(f"It was found at {item.evidence}.")
    if step.when and not words and (reason := facts.reason(step.when)):
        notes.append(f"It is here because {reason}.")
    return notes


def _existing(words: str, workflows: tuple[Workflow, ...]) -> str:
    pattern = re.compile(words, re.IGNORECASE)
    for workflow in workflows:
        if pattern.search(workflow.name) or any(pattern.search(task) for task in workflow.tasks):
            return f"{workflow.name} ({workflow.evidence})"
    return ""


def _criteria(
    templates: tuple[CriterionTemplate, ...], facts: Facts, kept: _Kept
) -> tuple[Criterion, ...]:
    found = []
    for template in templates:
        tasks = tuple(name for step in template.tasks for name, _ in kept.get(step, ()))
        if tasks and facts.holds(template.when):
            found.append(Criterion(_capital(template.text.format_map(facts.text)), tasks))
    for name, item in (*kept.get("demand", ()), *kept.get("demanded", ())):
        if item is not None:
            found.append(Criterion(_capital(item.text), (name,)))
    return tuple(found)
