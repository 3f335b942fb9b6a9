"""Work that a cluster runs: Argo Workflows and Rollouts, Tekton, Kubernetes' own jobs."""

from __future__ import annotations

import re
from collections import Counter
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
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["MANIFEST", "cluster"]

#: A file is worth parsing where it says one of these.
MANIFEST = re.compile(
    r"^[ \t-]*kind:\s*['\"]?(Workflow|CronWorkflow|WorkflowTemplate|ClusterWorkflowTemplate|"
    r"Rollout|Pipeline|PipelineRun|Task|TaskRun|ClusterTask|CronJob|Job|ScheduledJob|ScaledJob)\b",
    re.MULTILINE,
)
_TEMPLATED = re.compile(r"^[ \t]*\{\{.*\}\}[ \t]*$", re.MULTILINE)
_INLINE = re.compile(r"\{\{[^{}]*\}\}")
_WORD = re.compile(r"[A-Za-z][\w-]*")


def cluster(page: Page) -> Iterator[Workflow]:
    """The workflows of a manifest; a Helm template is read with its own lines left out."""
    source, sure = page.text, 1.0
    if _TEMPLATED.search(source) and "Values." in source:
        source = _INLINE.sub("templated", _TEMPLATED.sub("", source))
        sure = LIKELY
    for root in documents(source):
        roots = items(child(root, "items")) if text(child(root, "kind")) == "List" else [root]
        for one in roots:
            yield from _resource(page, one, sure)


def _resource(page: Page, root: yaml.Node, sure: float) -> Iterator[Workflow]:
    version, kind = text(child(root, "apiVersion")), text(child(root, "kind"))
    meta = child(root, "metadata")
    name = text(child(meta, "name")) or text(child(meta, "generateName")) or kind.lower()
    where = Evidence(kind, page.path, line(root))
    spec = child(root, "spec")
    if version.startswith("argoproj.io/"):
        if kind in {"Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"}:
            yield _argo(spec, Draft(name, "argo", "workflow", where, sure))
        elif kind == "CronWorkflow":
            draft = Draft(name, "argo", "cron", where, sure)
            for when in texts(child(spec, "schedule")) + texts(child(spec, "schedules")):
                draft.part(when, "schedule", line(root))
            yield _argo(child(spec, "workflowSpec"), draft)
        elif kind == "Rollout":
            yield _rollout(spec, Draft(name, "argo_rollouts", "deploy", where, sure))
    elif version.startswith("tekton.dev/"):
        yield from _tekton(spec, kind, Draft(name, "tekton", kind.lower(), where, sure))
    elif version.startswith("batch/") and kind in {"CronJob", "Job"}:
        draft = Draft(name, "kubernetes", "cron" if kind == "CronJob" else "job", where, sure)
        pod = under(spec, "template", "spec")
        if kind == "CronJob":
            draft.part(text(child(spec, "schedule")), "schedule", line(root))
            pod = under(spec, "jobTemplate", "spec", "template", "spec")
        before = ""
        for container in items(child(pod, "initContainers")):
            own = text(child(container, "name"))
            draft.task(own, "step", line(container), "init")
            draft.edge(before, own)
            before = own
        for container in items(child(pod, "containers")):
            own = text(child(container, "name"))
            draft.task(own, "step", line(container))
            draft.edge(before, own)
        yield draft.done()


def _argo(  # noqa: C901  a template is a graph, steps, or a thing that runs
    spec: yaml.Node | None, draft: Draft
) -> Workflow:
    """Tasks of every template; a template that runs a container is a task where none names it."""
    named: set[str] = set()
    templates = items(child(spec, "templates"))
    names = Counter(
        text(child(task, "name"))
        for template in templates
        for task in items(under(template, "dag", "tasks"))
    )
    plain: list[tuple[str, int, str]] = []
    for template in templates:
        own = text(child(template, "name"))
        tasks = items(under(template, "dag", "tasks"))
        groups = items(child(template, "steps"))
        draft.part(own, "template", line(template))
        for task in tasks:
            # A name that several templates have is told apart by its template's.
            known = {n: f"{own}.{n}" if names[n] > 1 else n for n in names}
            name = known[text(child(task, "name"))]
            named.add(text(child(task, "template")))
            draft.task(name, "task", line(task), text(child(task, "template")))
            needs = texts(child(task, "dependencies")) + texts(child(task, "depends"))
            for need in needs:
                for word in _WORD.findall(re.sub(r"\.[A-Z]\w*", "", need)):
                    draft.edge(known.get(word, word), name)
        before: list[str] = []
        for group in groups:
            current: list[str] = []
            for step in items(group) or [group]:
                name = text(child(step, "name"))
                if not name:
                    continue
                named.add(text(child(step, "template")))
                draft.task(name, "step", line(step), text(child(step, "template")))
                for one in before:
                    draft.edge(one, name)
                current.append(name)
            before = current or before
        for key, _, _ in entries(template):
            if key in {"container", "script", "resource", "suspend", "http", "containerSet"}:
                plain.append((own, line(template), key))
    for name, number, key in plain:
        if name not in named:
            draft.task(name, "task", number, key)
    return draft.done()


def _rollout(spec: yaml.Node | None, draft: Draft) -> Workflow:
    before = ""
    for index, step in enumerate(items(under(spec, "strategy", "canary", "steps")), 1):
        key, value, number = next(entries(step), ("step", step, line(step)))
        name = f"{index} {key} {text(value)}".strip()
        draft.task(name, "step", number)
        draft.edge(before, name)
        before = name
    return draft.done()


def _tekton(spec: yaml.Node | None, kind: str, draft: Draft) -> Iterator[Workflow]:
    """A pipeline's tasks wait by `runAfter` and by the results that they take; a task has steps."""
    if kind.endswith("Run"):
        inner = child(spec, "pipelineSpec") if kind == "PipelineRun" else child(spec, "taskSpec")
        if inner is None:
            return
        spec, kind = inner, kind.removesuffix("Run")
    if kind == "Pipeline":
        for key in ("tasks", "finally"):
            for task in items(child(spec, key)):
                name = text(child(task, "name"))
                draft.task(name, "task", line(task), text(under(task, "taskRef", "name")) or key)
                for need in texts(child(task, "runAfter")):
                    draft.edge(need, name)
                for need in _results(task):
                    draft.edge(need, name)
        yield draft.done()
        return
    before = ""
    for index, step in enumerate(items(child(spec, "steps")), 1):
        name = text(child(step, "name")) or f"step {index}"
        draft.task(name, "step", line(step))
        draft.edge(before, name)
        before = name
    if draft.tasks:
        yield draft.done()


def _results(node: yaml.Node) -> Iterator[str]:
    for key in ("params", "when", "matrix"):
        value = child(node, key)
        if value is not None:
            yield from re.findall(r"\$\(tasks\.([\w-]+)\.", yaml.serialize(value))
