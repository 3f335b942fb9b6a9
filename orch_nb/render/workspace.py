"""What a workspace is, as ANALYZE shows it: a sentence, its parts, how work flows through it.

The sentence and what is drawn come first; tables of parts and workflows are folded, what matters
first, and bounded: of a hundred services twenty stand in the table, the rest in a fold of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orch_nb.model.analysis import Component, Evidence, Link, Scope, Workflow
from orch_nb.model.quantity import count, listed, number
from orch_nb.render.component_graph import component_drawing
from orch_nb.render.document import (
    Block,
    Code,
    Fold,
    Line,
    Paragraph,
    Table,
    Text,
    line,
)
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table

__all__ = ["drawing", "parts_of", "place", "summary", "system_name", "workflows_of"]

#: How the systems are called by their own people.
SYSTEMS = {
    "github_actions": "GitHub Actions", "gitlab_ci": "GitLab CI", "make": "Make", "npm": "npm",
    "airflow": "Airflow", "celery": "Celery", "bullmq": "BullMQ", "temporal": "Temporal",
    "restate": "Restate", "xstate": "XState", "argo": "Argo", "tekton": "Tekton", "dbt": "dbt",
    "snakemake": "Snakemake", "prefect": "Prefect", "dagster": "Dagster", "cron": "cron",
    "tool": "checks and builds", "retry": "retries by hand", "retries": "retries by hand",
    "django": "Django", "circleci": "CircleCI", "jenkins": "Jenkins", "just": "just",
    "cloud_build": "Cloud Build", "azure_pipelines": "Azure Pipelines", "tox": "tox", "nox": "nox",
    "skaffold": "Skaffold",
}  # fmt: skip
_FIRST = 20
_AT_A_GLANCE = 24
_WORDS = {
    "service": ("service", "services"), "worker": ("worker", "workers"),
    "ui": ("user interface", "user interfaces"),
    "application": ("application", "applications"), "job": ("job", "jobs"),
    "store": ("store", "stores"), "queue": ("queue", "queues"), "bucket": ("bucket", "buckets"),
    "support": ("supporting service", "supporting services"),
    "library": ("library", "libraries"), "module": ("module", "modules"),
    "cluster": ("cluster", "clusters"), "tool": ("tool", "tools"),
    "workspace": ("workspace", "workspaces"), "example": ("example", "examples"),
    "test": ("test suite", "test suites"),
    "broken manifest": ("manifest that does not parse", "manifests that do not parse"),
}  # fmt: skip
_ORDER = {kind: at for at, kind in enumerate(_WORDS)}
_MADE = ("service", "worker", "ui", "application", "job", "library", "module")
_HELD = ("store", "queue", "bucket")
_NOT_CODE = frozenset(
    {"YAML", "JSON", "TOML", "XML", "Markdown", "reStructuredText", "HTML", "CSS", "Dockerfile",
     "Makefile", "SCSS", "Text", "CSV", "INI"}
)  # fmt: skip
_MOST_LINKS, _MOST_FLOWS = 60, 80
_LONG = 40


def system_name(system: str) -> str:
    """A system as its own people call it."""
    return SYSTEMS.get(system, system.replace("_", " "))


def place(evidence: Evidence) -> str:
    """`path:line`, or the path, or ""."""
    return evidence.path if evidence.line is None else f"{evidence.path}:{evidence.line}"


# -- in a sentence ---------------------------------------------------------------------------------


def summary(scope: Scope) -> Paragraph | None:
    """What the workspace is made of and how work flows through it."""
    if not scope.root:
        return None
    name = scope.root.rstrip("/").rpartition("/")[2] or scope.root
    told = [f" is {_made_of(scope)}"]
    held = [c.name for c in scope.components if c.kind in _HELD]
    if held:
        told.append(f", with {_counted(scope, _HELD)} ({listed(held, 4)})")
    told.append(". ")
    systems = Counter(flow.system for flow in scope.workflows)
    if systems:
        flows = [f"{system_name(one)} ({number(n)})" for one, n in systems.most_common()]
        told.append(f"Work flows through {listed(flows, 6)}.")
    else:
        told.append(
            "No workflow was found in it."
            if scope.complete
            else "The scan's time was over before a workflow was found."
        )
    return Paragraph(line(Text(one_line(name, 80), strong=True), "".join(told)))


def _made_of(scope: Scope) -> str:
    languages = [name for name in scope.languages if name not in _NOT_CODE]
    made = _counted(scope, _MADE) or count(scope.files, "file")
    return f"{made} in {listed(languages, 4)}" if languages else made


def _counted(scope: Scope, kinds: Sequence[str]) -> str:
    counted = Counter(c.kind for c in scope.components)
    return listed([count(counted[kind], *_WORDS[kind]) for kind in kinds if counted[kind]], 9)


# -- its parts -------------------------------------------------------------------------------------


def drawing(scope: Scope) -> Fold | None:
    """The components and their links as a picture, where there are links to show; a picture of many
    is opened by who wants it."""
    made = component_drawing(scope) if scope.links else None
    if made is None:
        return None
    drawn = {name for link in scope.links for name in (link.source, link.target)}
    words = "What relies on what"
    return Fold(line(Text(words, muted=True)), (made,), open=len(drawn) <= _AT_A_GLANCE)


def parts_of(scope: Scope) -> list[Block]:
    """The components, services first, in a fold; what relies on what beside them."""
    if not scope.components:
        return []
    ranked = sorted(scope.components, key=lambda c: (_ORDER.get(c.kind, len(_ORDER)), c.name))
    uses: dict[str, list[str]] = {}
    for link in scope.links:
        uses.setdefault(link.source, []).append(link.target)
    every = dict.fromkeys([*_WORDS, *(c.kind for c in ranked)])
    told = listed([_word(ranked, kind) for kind in every if _word(ranked, kind)], 9)
    first = _components(ranked[:_FIRST], uses)
    rest = _components(ranked[_FIRST:], uses)
    blocks = [first, _fold(f"and {number(len(ranked) - _FIRST)} more", rest), _links(scope.links)]
    return [
        Fold(line(Text(f"Components: {told}", muted=True)), tuple(b for b in blocks if b)),
    ]


def _word(components: Sequence[Component], kind: str) -> str:
    n = sum(c.kind == kind for c in components)
    return count(n, *_WORDS.get(kind, (kind,))) if n else ""


def _fold(words: str, found: Table | None) -> Fold | None:
    return Fold(line(Text(words, muted=True)), (found,)) if found is not None else None


def _components(some: Sequence[Component], uses: dict[str, list[str]]) -> Table | None:
    return table(
        "",
        ("component", "kind", "language", "relies on", "declared at"),
        [
            (line(one_line(c.name, 60)), line(c.kind), line(c.language),
             line(listed(list(dict.fromkeys(uses.get(c.name, ()))), 4)),
             line(Code(place(c.evidence))) if c.evidence.path else line(c.evidence.text))
            for c in some
        ],
        wrap=("relies on", "declared at"),
    )  # fmt: skip


_DOES = {
    "depends_on": "starts after", "calls": "calls", "uses": "uses", "publishes": "publishes to",
    "consumes": "consumes from", "imports": "imports",
}  # fmt: skip


def _links(links: Sequence[Link]) -> Fold | None:
    rows = [
        (line(one.source), line(_DOES.get(one.kind, one.kind)), line(one.target),
         line(Code(place(one.evidence))) if one.evidence.path else line(one.evidence.text))
        for one in links
    ]  # fmt: skip
    found = table("", ("component", "", "other", "seen at"), rows, wrap=("seen at",),
                  most=_MOST_LINKS)  # fmt: skip
    return _fold(f"{count(len(links), 'link')} between them", found)


# -- how work flows --------------------------------------------------------------------------------


def workflows_of(scope: Scope) -> list[Block]:
    """The systems by which work flows, each with its kinds and an example; all in a fold."""
    by_system: dict[str, list[Workflow]] = {}
    for flow in scope.workflows:
        by_system.setdefault(flow.system, []).append(flow)
    rows = [_system(name, flows) for name, flows in
            sorted(by_system.items(), key=lambda row: -len(row[1]))]  # fmt: skip
    systems = table(
        "How work flows already", ("system", "workflows", "tasks", "kinds", "for example"), rows,
        numeric=("workflows", "tasks"), wrap=("kinds", "for example"),
    )  # fmt: skip
    if systems is None:
        return []
    every = table(
        "",
        ("workflow", "system", "tasks", "seen at"),
        [
            (line(one_line(flow.name, 60)), line(system_name(flow.system)),
             line(listed([_short(task) for task in flow.tasks], 5)),
             line(Code(place(flow.evidence))))
            for flow in scope.workflows
        ],
        wrap=("workflow", "tasks", "seen at"),
        most=_MOST_FLOWS,
    )  # fmt: skip
    whole = _fold(f"All {count(len(scope.workflows), 'workflow')}", every)
    return [systems, whole] if whole is not None and len(scope.workflows) > len(rows) else [systems]


def _system(name: str, flows: Sequence[Workflow]) -> tuple[Line, ...]:
    kinds = Counter(flow.kind for flow in flows if flow.kind)
    told = [kind.replace("_", " ") + (f" ×{number(n)}" if n > 1 else "")
            for kind, n in kinds.most_common()]  # fmt: skip
    best = max(flows, key=lambda flow: (flow.confidence, min(len(flow.tasks), 8)))
    return (
        line(system_name(name)),
        line(number(len(flows))),
        line(number(sum(len(flow.tasks) for flow in flows))),
        line(listed(told, 4)),
        line(f"{one_line(best.name, 60)}: {_tasks(best)} " if best.tasks else f"{best.name} ",
             Code(place(best.evidence))),
    )  # fmt: skip


def _tasks(flow: Workflow) -> str:
    return listed([_short(task) for task in flow.tasks], 3)


def _short(task: str) -> str:
    """A dotted name that is too long by its end, which says most."""
    end = task.rpartition(".")[2]
    return one_line(end if len(task) > _LONG and end.isidentifier() else task, _LONG)
