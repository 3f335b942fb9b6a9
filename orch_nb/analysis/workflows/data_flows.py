"""Data pipelines in languages of their own: dbt, Snakemake, Nextflow, WDL and CWL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.documents import child, documents, entries, text, texts
from orch_nb.analysis.workflows.page import LIKELY, SURE, Draft, Page, Pages
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["cwl", "dbt", "nextflow", "snakemake", "wdl"]

_REF = re.compile(r"\bref\(\s*(?:['\"][\w-]+['\"]\s*,\s*)?['\"]([\w.-]+)['\"]")
_JINJA_COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)


def dbt(pages: Pages) -> Iterator[Workflow]:
    """One workflow for each dbt project: its models, and which model refers to which."""
    every = list(pages)
    projects = [page for page in every if page.name in {"dbt_project.yml", "dbt_project.yaml"}]
    for project in projects:
        try:
            root = next(iter(documents(project.text)), None)
        except ValueError:
            pages.broken()
            continue
        name = text(child(root, "name")) or "dbt"
        number = next((n for key, _, n in entries(root) if key == "name"), 1)
        draft = Draft(name, "dbt", "project", Evidence("dbt project", project.path, number))
        folders = {
            key: texts(child(root, f"{key}-paths")) or [f"{key}s"] for key in ("model", "snapshot")
        }
        folders["model"] += texts(child(root, "source-paths"))
        folders["seed"] = texts(child(root, "seed-paths")) or ["seeds", "data"]
        base = f"{project.folder}/" if project.folder else ""
        refs: list[tuple[str, str]] = []
        for kind, paths in folders.items():
            for page in every:
                inside = any(page.path.startswith(f"{base}{path.strip('/')}/") for path in paths)
                if not inside or not page.name.endswith((".sql", ".py", ".csv")):
                    continue
                own = page.name.rpartition(".")[0]
                draft.task(own, kind, 1)
                # A part's own place is its file.
                draft.part(own, f"{kind} file", 1, path=page.path)
                source = _JINJA_COMMENT.sub("", page.text)
                refs += [(need, own) for need in _REF.findall(source)]
        for before, after in refs:
            draft.edge(before, after)
        if draft.tasks:
            yield draft.done()


_RULE = re.compile(r"^(?P<kind>rule|checkpoint)\s+(?P<name>\w+)\s*:", re.MULTILINE)
_SECTION = re.compile(
    r"^[ \t]+(?P<key>input|output)\s*:(?P<body>(?:[^\n]*\n)(?:[ \t]{6,}[^\n]*\n|\s*\n)*)",
    re.MULTILINE,
)
_QUOTED = re.compile(r"['\"]([^'\"\n]+)['\"]")


def snakemake(page: Page) -> Iterator[Workflow]:
    """Rules; one comes behind another where it reads what the other writes."""
    source = re.sub(r"(?m)^[ \t]*#[^\n]*", lambda m: " " * len(m.group()), page.text)
    found = list(_RULE.finditer(source))
    if not found:
        return
    draft = Draft(
        page.name, "snakemake", "rules", Evidence("rules", page.path, page.line(found[0].start()))
    )
    reads: dict[str, list[str]] = {}
    writes: dict[str, str] = {}
    for index, match in enumerate(found):
        name = match.group("name")
        draft.task(name, "rule", page.line(match.start()))
        end = found[index + 1].start() if index + 1 < len(found) else len(source)
        body = source[match.end() : end] + "\n"
        for section in _SECTION.finditer(body):
            for path in _QUOTED.findall(section.group("body")):
                if section.group("key") == "input":
                    reads.setdefault(name, []).append(path)
                else:
                    writes[_wild(path)] = name
            for need in re.findall(r"\brules\.(\w+)\.output", section.group("body")):
                draft.edge(need, name)
    for name, paths in reads.items():
        for path in paths:
            draft.edge(writes.get(_wild(path), ""), name)
    yield draft.done()


def _wild(path: str) -> str:
    """A path with its wildcards unnamed, so that `{sample}.bam` and `{s}.bam` are one."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


def nextflow(page: Page) -> Iterator[Workflow]:
    """Processes; edges where a call takes what another process gave (`A.out`, `A(B(x))`)."""
    code = Code(page, "groovy")
    processes = [
        (m.group(1), m.start()) for m in re.finditer(r"\bprocess\s+(\w+)\s*\{", code.blanked)
    ]
    flows = list(re.finditer(r"\bworkflow\b\s*(\w*)\s*(\{)", code.blanked))
    if not processes and not flows:
        return
    start = min([at for _, at in processes] + [m.start() for m in flows])
    # Every module of nf-core is a `main.nf`: its folder names it.
    own = page.folder.rpartition("/")[2] if page.name == "main.nf" else ""
    kind = "workflow" if flows else "process"
    draft = Draft(
        own or page.name,
        "nextflow",
        kind,
        Evidence("processes", page.path, page.line(start)),
        LIKELY,
    )
    for name, at in processes:
        draft.task(name, "task", page.line(at))
    for match in flows:
        end = code.close(match.start(2))
        for call in code.calls(r"[A-Z]\w*", match.start(2), end):
            draft.task(call.name, "task", page.line(call.start))
            for need in re.findall(r"\b([A-Z]\w*)\.out\b", code.blanked[call.start : call.end]):
                draft.edge(need, call.name)
        for need, after in re.findall(
            r"\b([A-Z]\w*)(?:\.out)?\s*\|\s*([A-Z]\w*)", code.blanked[match.start(2) : end]
        ):
            draft.edge(need, after)
    yield draft.done()


def wdl(page: Page) -> Iterator[Workflow]:
    source = re.sub(r"(?m)#[^\n]*", lambda m: " " * len(m.group()), page.text)
    for match in re.finditer(r"^workflow\s+(\w+)\s*\{", source, re.MULTILINE):
        draft = Draft(
            match.group(1),
            "wdl",
            "workflow",
            Evidence("workflow", page.path, page.line(match.start())),
            LIKELY,
        )
        calls = list(re.finditer(r"\bcall\s+([\w.]+)(?:\s+as\s+(\w+))?\s*(\{[^}]*\})?", source))
        for call in calls:
            draft.task(call.group(2) or call.group(1), "task", page.line(call.start()))
        for call in calls:
            for need in re.findall(r"=\s*[\w(\[ ]*?\b(\w+)\.\w+", call.group(3) or ""):
                draft.edge(need, call.group(2) or call.group(1))
        yield draft.done()


def cwl(page: Page) -> Iterator[Workflow]:
    root = next(iter(documents(page.text)), None)
    if text(child(root, "class")) != "Workflow":
        return
    steps = list(entries(child(root, "steps")))
    if not steps:
        return
    draft = Draft(page.stem, "cwl", "workflow", Evidence("steps", page.path, steps[0][2]), SURE)
    for name, body, number in steps:
        draft.task(name, "step", number)
        for _, value, _ in entries(child(body, "in")):
            for source in texts(child(value, "source")) or texts(value):
                draft.edge(source.partition("/")[0], name)
    yield draft.done()
