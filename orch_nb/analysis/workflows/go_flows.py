"""Restate services, asynq and machinery tasks, and cron jobs in Go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.go_packages import GoPackages
from orch_nb.analysis.workflows.go_source import GoFile
from orch_nb.analysis.workflows.page import Draft, Pages
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "go_flows"]

NEEDLES = (
    "restatedev/sdk-go",
    "hibiken/asynq",
    "RichardKnop/machinery",
    "robfig/cron",
    "riverqueue/river",
)
_CONTEXTS = {
    "Context": "service", "ObjectContext": "object", "ObjectSharedContext": "object",
    "WorkflowContext": "workflow", "WorkflowSharedContext": "workflow",
}  # fmt: skip
_RETURNED = re.compile(r"return\s+([\w.]+|\"[^\"]*\")")
_NEW = {"NewService": "service", "NewObject": "object", "NewWorkflow": "workflow"}


def go_flows(pages: Pages, packages: GoPackages) -> Iterator[Workflow]:
    for page in pages:
        file = packages.read(page)
        yield from _restate(file, packages)
        yield from _asynq(file, packages)
        yield from _cron(file, packages)


def _restate(file: GoFile, packages: GoPackages) -> Iterator[Workflow]:
    for alias in sorted(file.local("restatedev/sdk-go")):
        contexts = {f"{alias}.{name}": kind for name, kind in _CONTEXTS.items()}
        drafts: dict[str, Draft] = {}
        names = {
            f.receiver: packages.constant(file, said.group(1))
            for f in file.functions if f.name == "ServiceName" and f.receiver
            for said in [_RETURNED.search(file.page.text, *f.body)] if said
        }  # fmt: skip
        for function in file.functions:
            kind = contexts.get(function.first)
            if kind is None or not function.receiver or not function.name[0].isupper():
                continue
            line = file.code.line(function.start)
            name = names.get(function.receiver) or function.receiver
            where = Evidence("handlers", file.page.path, line)
            draft = drafts.setdefault(
                function.receiver, Draft(name, "restate", kind, where, file.code.confidence)
            )
            draft.task(function.name, "handler", line)
            if kind == "workflow" or (kind == "object" and draft.kind == "service"):
                draft.kind = kind
        yield from (draft.done() for draft in drafts.values())
        for call in file.code.calls(rf"{re.escape(alias)}\.(?:{'|'.join(_NEW)})"):
            name = (
                packages.constant(file, file.code.source(call.arguments[0]))
                if call.arguments
                else ""
            )
            where = Evidence(call.name, file.page.path, file.code.line(call.start))
            draft = Draft(
                name or "service",
                "restate",
                _NEW[call.name.rpartition(".")[2]],
                where,
                file.code.confidence,
            )
            at = call.end
            while match := re.compile(r"\)?\s*\.\s*\n?\s*Handler\s*(\()").match(
                file.code.blanked, at
            ):
                closing = file.code.close(match.start(1))
                given = file.code.split(match.start(1) + 1, closing)
                handler = packages.constant(file, file.code.source(given[0])) if given else ""
                if handler:
                    draft.task(handler, "handler", file.code.line(match.start(1)))
                at = closing
            yield draft.done()


def _asynq(file: GoFile, packages: GoPackages) -> Iterator[Workflow]:
    draft: Draft | None = None
    if not file.local("hibiken/asynq"):
        return
    for call in file.code.calls(r"\w+\.(?:HandleFunc|Handle|Register)"):
        timed = call.name.endswith("Register")
        if not call.arguments or (timed and len(call.arguments) < 2):
            continue
        said = file.code.source(call.arguments[0])
        name = packages.constant(file, said)
        if name:
            where = Evidence(call.name, file.page.path, file.code.line(call.start))
            draft = draft or Draft(file.page.stem, "asynq", "tasks", where, file.code.confidence)
            draft.task(name, "schedule" if timed else "task", file.code.line(call.start))
    if draft is not None:
        yield draft.done()


def _cron(file: GoFile, packages: GoPackages) -> Iterator[Workflow]:
    if not any(re.search(r"robfig/cron(/v\d)?$", path) for path in file.imports.values()):
        return
    draft: Draft | None = None
    for index, call in enumerate(file.code.calls(r"[\w.]+\.(?:AddFunc|AddJob)"), 1):
        when = (
            packages.constant(file, file.code.source(call.arguments[0])) if call.arguments else ""
        )
        what = file.code.source(call.arguments[1]) if len(call.arguments) > 1 else ""
        name = what if re.fullmatch(r"[\w.]+", what) else f"job {index}"
        where = Evidence(call.name, file.page.path, file.code.line(call.start))
        draft = draft or Draft(file.page.stem, "cron", "schedule", where, file.code.confidence)
        draft.task(name, "schedule", file.code.line(call.start), when)
    if draft is not None:
        yield draft.done()
