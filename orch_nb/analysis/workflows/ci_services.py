"""The other CI services: CircleCI, Azure, Cloud Build, Buildkite, Drone, Travis and Jenkins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import yaml

from orch_nb.analysis.workflows.ci import first_document, in_order
from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.documents import (
    child,
    documents,
    entries,
    items,
    line,
    text,
    texts,
    under,
)
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["azure", "buildkite", "circleci", "cloud_build", "drone", "jenkins", "travis"]


def circleci(page: Page) -> Iterator[Workflow]:
    """Each workflow of the file with its jobs and `requires`; else the jobs alone."""
    root = first_document(page)
    drawn = 0
    for name, body, number in entries(child(root, "workflows")):
        jobs = items(child(body, "jobs"))
        if not jobs:
            continue
        draft = Draft(name, "circleci", "ci", Evidence("workflow", page.path, number))
        for job in jobs:
            named = (
                [(text(job), job)]
                if text(job)
                else [(key, value) for key, value, _ in entries(job)]
            )
            for key, value in named:
                own = text(child(value, "name")) or key
                approval = text(child(value, "type")) == "approval"
                draft.task(own, "approval" if approval else "job", line(job))
                for need in texts(child(value, "requires")):
                    draft.edge(need, own)
        drawn += 1
        yield draft.done()
    jobs_only = list(entries(child(root, "jobs")))
    if not drawn and jobs_only:
        draft = Draft("CircleCI", "circleci", "ci", Evidence("jobs", page.path, jobs_only[0][2]))
        for key, _, number in jobs_only:
            draft.task(key, "job", number)
        yield draft.done()


def azure(page: Page) -> Iterator[Workflow]:
    """Stages and jobs with `dependsOn`; a stage without one waits for the stage before it."""
    root = first_document(page)
    if not any(child(root, key) is not None for key in ("stages", "jobs", "steps")):
        return
    if not any(
        child(root, key) is not None
        for key in (
            "trigger",
            "pool",
            "pr",
            "stages",
            "extends",
            "schedules",
            "resources",
            "parameters",
        )
    ):
        return
    first = next(n for k, _, n in entries(root) if k in {"stages", "jobs", "steps"})
    named = text(child(root, "name"))
    where = Evidence("pipeline", page.path, first)
    name = named if named and "$" not in named else "Azure Pipelines"
    draft = Draft(name, "azure_pipelines", "ci", where)
    _stages(root, draft)
    for job in items(child(root, "jobs")):
        own = text(child(job, "job")) or text(child(job, "deployment"))
        if own:
            draft.task(own, "job", line(job))
            for need in texts(child(job, "dependsOn")):
                draft.edge(need, own)
    if not draft.tasks and items(child(root, "steps")):
        in_order(items(child(root, "steps")), draft, "displayName", "task", "script", "bash")
    if draft.tasks:
        yield draft.done()


def _stages(root: yaml.Node | None, draft: Draft) -> None:
    before = ""
    for stage in items(child(root, "stages")):
        name = text(child(stage, "stage"))
        if not name:
            continue
        draft.task(name, "stage", line(stage))
        depends = child(stage, "dependsOn")
        for need in texts(depends) if depends is not None else filter(None, [before]):
            draft.edge(need, name)
        before = name
        for job in items(child(stage, "jobs")):
            own = text(child(job, "job")) or text(child(job, "deployment"))
            if own:
                draft.part(own, "job", line(job), f"stage {name}")


def cloud_build(page: Page) -> Iterator[Workflow]:
    """Steps; `waitFor` where they say so ("-" is the start), else one behind another."""
    root = first_document(page)
    steps = items(child(root, "steps"))
    if not steps or child(steps[0], "name") is None:
        return
    draft = Draft("Cloud Build", "cloud_build", "ci", Evidence("steps", page.path, line(steps[0])))
    done: list[str] = []
    for index, step in enumerate(steps, 1):
        name = text(child(step, "id")) or f"{index} {text(child(step, 'name')).rpartition('/')[2]}"
        draft.task(name, "step", line(step))
        waits = child(step, "waitFor")
        for need in texts(waits) if waits is not None else done:
            draft.edge(need, name)
        done.append(name)
    yield draft.done()


def buildkite(page: Page) -> Iterator[Workflow]:
    root = first_document(page)
    steps = items(child(root, "steps"))
    if not steps:
        return
    draft = Draft("Buildkite", "buildkite", "ci", Evidence("steps", page.path, line(steps[0])))
    walls: list[str] = []
    since: list[str] = []
    for index, step in enumerate(steps, 1):
        if text(step) == "wait" or any(k == "wait" for k, _, _ in entries(step)):
            walls, since = since or walls, []
            continue
        for own in items(child(step, "steps")) or [step]:
            given = (
                text(child(own, key)) for key in ("key", "label", "block", "command", "trigger")
            )
            name = next((said for said in given if said), f"step {index}")
            draft.task(name, "step", line(own))
            for need in texts(child(own, "depends_on")) or walls:
                draft.edge(need, name)
            since.append(name)
    if draft.tasks:
        yield draft.done()


def drone(page: Page) -> Iterator[Workflow]:
    for root in documents(page.text):
        steps = items(child(root, "steps"))
        if text(child(root, "kind")) != "pipeline" or not steps:
            continue
        name = text(child(root, "name")) or "Drone"
        draft = Draft(name, "drone", "ci", Evidence("steps", page.path, line(steps[0])))
        named = any(child(step, "depends_on") is not None for step in steps)
        before = ""
        for step in steps:
            own = text(child(step, "name"))
            draft.task(own, "step", line(step))
            for need in texts(child(step, "depends_on")) if named else filter(None, [before]):
                draft.edge(need, own)
            before = own
        yield draft.done()


def travis(page: Page) -> Iterator[Workflow]:
    root = first_document(page)
    keys = {key: number for key, _, number in entries(root)}
    phases = [
        k
        for k in (
            "before_install",
            "install",
            "before_script",
            "script",
            "after_success",
            "before_deploy",
            "deploy",
            "after_script",
        )
        if k in keys
    ]
    jobs = [j for key in ("jobs", "matrix") for j in items(under(root, key, "include"))]
    if not phases and not jobs and "language" not in keys:
        return
    first = min(keys.values())
    draft = Draft("Travis CI", "travis", "ci", Evidence("phases", page.path, first))
    for phase in phases:
        draft.task(phase, "step", keys[phase])
    for one, other in pairwise(phases):
        draft.edge(one, other)
    for job in jobs:
        if name := text(child(job, "name")) or text(child(job, "stage")):
            draft.task(name, "job", line(job))
    yield draft.done()


_STAGE = re.compile(r"\b(?:stage)\s*\(?\s*(['\"])")


def jenkins(page: Page) -> Iterator[Workflow]:
    """The stages of a Jenkinsfile in their order; those within `parallel` beside one another."""
    code = Code(page, "groovy")
    if not re.search(r"\b(pipeline|node)\b", code.blanked):
        return
    draft: Draft | None = None
    parallel = [
        (m.end() - 1, code.close(m.end() - 1))
        for m in re.finditer(r"\bparallel\s*\(?\s*[{]?", code.blanked)
        if code.blanked[m.end() - 1] in "{("
    ]
    before: list[str] = []
    within: dict[tuple[int, int], list[str]] = {}
    current: tuple[int, int] | None = None
    for match in _STAGE.finditer(code.blanked):
        quote = match.start(1)
        closing = code.blanked.find(match.group(1), quote + 1)
        name = page.text[quote + 1 : closing]
        if draft is None:
            where = Evidence("stages", page.path, page.line(match.start()))
            draft = Draft("Jenkinsfile", "jenkins", "ci", where, LIKELY)
        draft.task(name, "stage", page.line(match.start()))
        span = next((s for s in parallel if s[0] < match.start() < s[1]), None)
        if span is None:
            if current is not None:
                before, current = within[current], None
            for one in before:
                draft.edge(one, name)
            before = [name]
        else:
            if current != span:
                current = span
                within[span] = []
            for one in before:
                draft.edge(one, name)
            within[span].append(name)
    if draft is not None:
        yield draft.done()
