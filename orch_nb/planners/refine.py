"""A method, filled in with facts, becomes the tasks of a plan.

Each step is kept if its condition holds or the goal asks for it in words; a step over a list
becomes one task an item, side by side unless the step is a chain. Whoever needed a step that was
left out needs what that one needed, so that leaving out never loses an order:

    a ── b ── c      without b:   a ── c

This is the refinement of hierarchical task networks (Erol, Hendler and Nau, "HTN planning:
complexity and expressivity", AAAI 1994), with the order of a method's steps given beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from orch_nb.catalog.operations import CriterionTemplate, Method, Step
from orch_nb.model.analysis import Workflow
from orch_nb.model.duration import parse_duration
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Story
from orch_nb.model.task import Approval, Task, TriggerRule
from orch_nb.planners.clauses import Part, slug
from orch_nb.planners.facts import Facts
from orch_nb.planners.notes import Item

__all__ = ["refine"]

#: A shell task gets this many times its pessimistic estimate before it is cut off.
_TIMEOUT_FACTOR = 2.0


def refine(
    method: Method, facts: Facts, workflows: tuple[Workflow, ...] = ()
) -> tuple[tuple[Story, ...], tuple[Task, ...], tuple[Criterion, ...]]:
    """Stories, tasks and criteria of `method` for `facts`; ids are unique and needs resolve."""
    asked, left = _asked(method, facts)
    facts.items["parts"] = tuple(Item(_capital(part.text)) for part in left)
    kept = {
        step.id: _instances(step, facts)
        for step in method.steps
        if step.id in asked or facts.holds(step.when)
    }
    kept = {name: instances for name, instances in kept.items() if instances}
    bridged = _Bridge(method, kept)
    stories, tasks = [], []
    for story in method.stories:
        steps = [step for step in story.tasks if step.id in kept]
        if not steps:
            continue
        stories.append(Story(id=story.title))
        for step in steps:
            for number, (name, item) in enumerate(kept[step.id]):
                needs = bridged.needs(step, number, facts, left)
                task = _task(step, name, item, facts, asked.get(step.id, ()), workflows)
                tasks.append(_placed(task, story.title, needs))
    return tuple(stories), _reduced(tasks), _criteria(method.criteria, facts, kept)


def _reduced(tasks: list[Task]) -> tuple[Task, ...]:
    """The same order with no need that another need already implies (transitive reduction)."""
    above: dict[str, set[str]] = {}
    found = []
    for task in tasks:  # a method's steps stand in an order in which needs come first
        needs = task.needs or ()
        implied = set().union(*(above[need] for need in needs)) if needs else set()
        above[task.id] = implied.union(needs)
        # An undo watches each of its needs by itself, whatever comes before what.
        if task.trigger is TriggerRule.ALL_SUCCESS:
            needs = tuple(need for need in needs if need not in implied)
        found.append(replace(task, needs=needs))
    return tuple(found)


def _placed(task: dict[str, object], story: str, needs: tuple[str, ...]) -> Task:
    made: Task = Task(story=story, needs=needs, **task)
    return made


def _asked(method: Method, facts: Facts) -> tuple[dict[str, list[str]], list[Part]]:
    """Steps that the goal asks for, with its words; and the parts that no step speaks of."""
    asked: dict[str, list[str]] = {}
    left: list[Part] = []
    lists = {step.each for step in method.steps} & {"packages", "records", "follows"}
    words = [item.words.lower() for name in lists for item in facts.items[name] if item.words]
    for part in facts.parts:
        if any(word in part.text.lower() for word in words):
            continue  # it is planned as something that is published
        step = next((step for step in method.steps if _speaks_of(step, part)), None)
        if step is None:
            left.append(part)
        else:
            asked.setdefault(step.id, []).append(part.text)
    return asked, left


def _speaks_of(step: Step, part: Part) -> bool:
    return bool(step.says) and re.search(step.says, part.text, re.IGNORECASE) is not None


def _instances(step: Step, facts: Facts) -> list[tuple[str, Item | None]]:
    """(task id, item) of each task that `step` becomes."""
    if not step.each:
        return [(step.id, None)]
    items = facts.items.get(step.each, ())
    bare = step.each in {"parts", "deliveries"}
    named: dict[str, Item | None] = {}
    for item in items:
        name = slug(item.text) if bare else f"{step.id}_{slug(item.text, 4)}"
        base, count = name, 2
        while name in named:
            name, count = f"{base}_{count}", count + 1
        named[name] = item
    return list(named.items())


class _Bridge:
    """Resolves the needs of steps to task ids, across steps that were left out."""

    def __init__(self, method: Method, kept: Mapping[str, list[tuple[str, Item | None]]]) -> None:
        self.steps = {step.id: step for step in method.steps}
        self.kept = kept

    def needs(self, step: Step, number: int, facts: Facts, left: list[Part]) -> tuple[str, ...]:
        own = [name for name, _ in self.kept[step.id]]
        if step.chain == "ordered" and "ordered" in facts.flags and step.each == "parts":
            before = [i for i, part in enumerate(left) if part.stage < left[number].stage]
            last = max((left[i].stage for i in before), default=-1)
            if before:
                return tuple(own[i] for i in before if left[i].stage == last)
        elif step.chain is True and number:
            return (own[number - 1],)
        found: dict[str, None] = {}
        for need in step.needs:
            self._resolve(need, found)
        if step.pairs and step.pairs in self.kept:
            found[self.kept[step.pairs][number][0]] = None
        return tuple(found)

    def _resolve(self, need: str, found: dict[str, None]) -> None:
        if need in self.kept:
            instances = [name for name, _ in self.kept[need]]
            last = instances[-1:] if self.steps[need].chain is True else instances
            found.update(dict.fromkeys(last))
        else:
            step = self.steps[need]
            for further in (*step.needs, *([step.pairs] if step.pairs else [])):
                self._resolve(further, found)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _task(
    step: Step,
    name: str,
    item: Item | None,
    facts: Facts,
    words: list[str] | tuple[str, ...],
    workflows: tuple[Workflow, ...],
) -> dict[str, object]:
    values = dict(facts.text)
    if item is not None:
        values |= {"item": item.text, "check": item.check or "it is what was meant"}
    title = _capital(step.title.format_map(values))
    notes = [f"Done when {step.done.format_map(values)}."]
    fields: dict[str, object] = {
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
    notes += [f"The goal says: “{said}”." for said in words]
    if item is not None and item.words:
        notes.append(f"The goal says: “{item.words}”.")
    if item is not None and item.evidence:
        notes.append(f"It was found at {item.evidence}.")
    if step.seen and (seen := _existing(step.seen, workflows)):
        notes.append(f"The workspace has a workflow for it: {seen}.")
    fields["description"] = " ".join(notes)
    return fields


def _existing(words: str, workflows: tuple[Workflow, ...]) -> str:
    pattern = re.compile(words, re.IGNORECASE)
    for workflow in workflows:
        if pattern.search(workflow.name) or any(pattern.search(task) for task in workflow.tasks):
            return f"{workflow.name} ({workflow.evidence})"
    return ""


def _criteria(
    templates: tuple[CriterionTemplate, ...],
    facts: Facts,
    kept: Mapping[str, list[tuple[str, Item | None]]],
) -> tuple[Criterion, ...]:
    found = []
    for template in templates:
        tasks = tuple(name for step in template.tasks for name, _ in kept.get(step, ()))
        if tasks and facts.holds(template.when):
            found.append(Criterion(_capital(template.text.format_map(facts.text)), tasks))
    for name, item in kept.get("demand", ()):
        if item is not None:
            found.append(Criterion(_capital(item.text), (name,)))
    return tuple(found)
