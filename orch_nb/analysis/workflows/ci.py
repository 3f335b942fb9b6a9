"""Continuous integration: the jobs of a CI file and which of them wait for which.

GitHub Actions, GitLab CI, CircleCI, Azure Pipelines, Cloud Build, Buildkite, Drone, Travis and
Jenkins, each by its own keys. A reader takes a page and yields its workflows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import yaml

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

__all__ = [
    "azure", "buildkite", "circleci", "cloud_build", "drone", "github_action", "github_actions",
    "gitlab_ci", "jenkins", "travis",
]  # fmt: skip

_GITLAB_KEYS = frozenset(
    "default include stages variables workflow image services cache before_script "
    "after_script spec".split()
)


def _root(page: Page) -> yaml.Node | None:
    found = documents(page.text)
    return found[0] if found else None


def github_actions(page: Page) -> Iterator[Workflow]:
    """Jobs and `needs`; `on` stays text, so that YAML 1.1 cannot make it `True`."""
    root = _root(page)
    jobs = next(((v, n) for k, v, n in entries(root) if k == "jobs"), None)
    if jobs is None or not isinstance(jobs[0], yaml.MappingNode):
        return
    name = text(child(root, "name")) or page.name.rpartition(".")[0]
    draft = Draft(name, "github_actions", "ci", Evidence("jobs", page.path, jobs[1]))
    for event in _events(child(root, "on")):
        draft.part(event, "schedule" if event == "schedule" else "trigger", 1, "on")
    for job, body, number in entries(jobs[0]):
        said = [text(child(body, "uses"))] if child(body, "uses") is not None else []
        if under(body, "strategy", "matrix") is not None:
            said.append("matrix")
        draft.task(job, "job", number, " ".join(said))
        for need in texts(child(body, "needs")):
            draft.edge(need, job)
    yield draft.done()


def _events(node: yaml.Node | None) -> list[str]:
    return [key for key, _, _ in entries(node)] or texts(node)


def github_action(page: Page) -> Iterator[Workflow]:
    """A composite action: its steps, in their order."""
    root = _root(page)
    steps = under(root, "runs", "steps")
    if text(under(root, "runs", "using")) != "composite" or steps is None:
        return
    name = text(child(root, "name")) or page.folder.rpartition("/")[2]
    draft = Draft(name, "github_actions", "action", Evidence("steps", page.path, line(steps)))
    _steps(items(steps), draft)
    yield draft.done()


def _steps(steps: list[yaml.Node], draft: Draft, *keys: str) -> None:
    """Steps that run one behind another, each by the first of its names."""
    before = ""
    for index, step in enumerate(steps, 1):
        given = (text(child(step, key)) for key in (*keys, "name", "id", "uses", "label"))
        name = next((said for said in given if said), f"step {index}")
        draft.task(name, "step", line(step))
        draft.edge(before, name)
        before = name


def gitlab_ci(page: Page) -> Iterator[Workflow]:
    """Jobs, hidden ones left out; by `needs`, else each stage waits for the one before it."""
    root = _root(page)
    bodies = {key: (value, number) for key, value, number in entries(root)}
    stages = texts(child(root, "stages")) or ["build", "test", "deploy"]
    stages = [".pre", *stages, ".post"]
    jobs: dict[str, tuple[yaml.Node, int]] = {}
    for key, (value, number) in bodies.items():
        if not isinstance(value, yaml.MappingNode) or key.startswith(".") or key in _GITLAB_KEYS:
            continue
        if any(_inherited(bodies, value, name) for name in ("script", "trigger", "run", "extends")):
            jobs[key] = value, number
    if not jobs:
        return
    draft = Draft(
        "GitLab CI",
        "gitlab_ci",
        "ci",
        Evidence("jobs", page.path, min(n for _, n in jobs.values())),
    )
    staged: dict[str, list[str]] = {}
    for job, (body, number) in jobs.items():
        stage = text(_inherited(bodies, body, "stage")) or "test"
        staged.setdefault(stage, []).append(job)
        draft.task(job, "job", number, f"stage {stage}")
    for job, (body, _) in jobs.items():
        needs = _inherited(bodies, body, "needs")
        if needs is not None:
            for need in items(needs):
                draft.edge(text(need) or text(child(need, "job")), job)
            continue
        stage = text(_inherited(bodies, body, "stage")) or "test"
        earlier = (
            [s for s in stages[: stages.index(stage)] if s in staged] if stage in stages else []
        )
        for before in staged[earlier[-1]] if earlier else ():
            draft.edge(before, job)
    for included in _includes(child(root, "include")):
        draft.part(included, "include", 1)
    yield draft.done()


def _inherited(
    bodies: dict[str, tuple[yaml.Node, int]], body: yaml.Node, key: str, depth: int = 6
) -> yaml.Node | None:
    """A key of a job, or of what it extends."""
    own = child(body, key)
    if own is not None or depth == 0:
        return own
    for base in reversed(texts(child(body, "extends"))):
        if base in bodies:
            found = _inherited(bodies, bodies[base][0], key, depth - 1)
            if found is not None:
                return found
    return None


def _includes(node: yaml.Node | None) -> list[str]:
    found = texts(node)
    for item in items(node) or ([node] if isinstance(node, yaml.MappingNode) else []):
        found += [text(value) for _, value, _ in entries(item) if text(value)][:1]
    return found


def circleci(page: Page) -> Iterator[Workflow]:
    """Each workflow of the file with its jobs and `requires`; else the jobs alone."""
    root = _root(page)
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
    root = _root(page)
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
        _steps(items(child(root, "steps")), draft, "displayName", "task", "script", "bash")
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
    root = _root(page)
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
    root = _root(page)
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
    root = _root(page)
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
