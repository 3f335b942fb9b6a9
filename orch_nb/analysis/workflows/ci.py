"""GitHub Actions and GitLab CI: the jobs of a file and which of them wait for which."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

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
from orch_nb.analysis.workflows.page import Draft, Page
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["first_document", "github_action", "github_actions", "gitlab_ci", "in_order"]

_GITLAB_KEYS = frozenset(
    "default include stages variables workflow image services cache before_script "
    "after_script spec".split()
)


def first_document(page: Page) -> yaml.Node | None:
    found = documents(page.text)
    return found[0] if found else None


def github_actions(page: Page) -> Iterator[Workflow]:
    """Jobs and `needs`; `on` stays text, so that YAML 1.1 cannot make it `True`."""
    root = first_document(page)
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
    root = first_document(page)
    steps = under(root, "runs", "steps")
    if text(under(root, "runs", "using")) != "composite" or steps is None:
        return
    name = text(child(root, "name")) or page.folder.rpartition("/")[2]
    draft = Draft(name, "github_actions", "action", Evidence("steps", page.path, line(steps)))
    in_order(items(steps), draft)
    yield draft.done()


def in_order(steps: list[yaml.Node], draft: Draft, *keys: str) -> None:
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
    root = first_document(page)
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
