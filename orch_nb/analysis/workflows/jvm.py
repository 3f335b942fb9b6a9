"""Java, Kotlin and C#: Temporal, Restate, Spring's schedules and batches, Hangfire, Quartz.

By rules on code without comments and strings. An annotation counts only where its package is
imported: Spring, too, has a `@Service`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page, Pages
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["CSHARP_NEEDLES", "JVM_NEEDLES", "csharp", "jvm"]

JVM_NEEDLES = (
    "io.temporal.",
    "dev.restate.",
    "org.springframework.scheduling",
    "org.springframework.batch",
    "@Scheduled",
    "org.quartz",
)
CSHARP_NEEDLES = ("Temporalio", "Hangfire", "Quartz", "Restate.Sdk")
_TYPE = re.compile(r"\b(?:interface|class|object)\s+(?P<name>\w+)[^{;]*(?P<open>\{)")
_FUN = re.compile(r"\b(?:fun\s+)?(?P<name>[A-Za-z_]\w*)\s*\(")
_ACTED = re.compile(r"\b(?P<name>\w*[aA]ctivit\w*)\.(?P<method>[a-z]\w*)\s*\(")


def _after(code: Code, at: int) -> int:
    """Behind an annotation, its arguments included."""
    match = re.compile(r"\s*\(").match(code.blanked, at)
    return code.close(match.end() - 1) + 1 if match else at


def _given(code: Code, at: int, key: str = "") -> str:
    match = re.compile(r"\s*\(").match(code.blanked, at)
    if match is None:
        return ""
    said = code.page.text[match.end() : code.close(match.end() - 1)]
    found = re.search(
        rf"{key}\s*=\s*\"([^\"]*)\"" if key else r"^\s*(?:value\s*=\s*)?\"([^\"]*)\"", said
    )
    return found.group(1) if found else ""


def _marked_types(code: Code, mark: str) -> Iterator[tuple[str, int, int, str]]:
    """(name, place, its opening brace, given name) of each type that bears an annotation."""
    for match in re.finditer(rf"@{mark}\b", code.blanked):
        kind = _TYPE.search(code.blanked, _after(code, match.end()))
        if kind and kind.start() - match.end() < 600:
            yield (
                kind.group("name"),
                kind.start(),
                kind.start("open"),
                _given(code, match.end(), "name") or _given(code, match.end()),
            )


def _marked_functions(
    code: Code, mark: str, start: int, end: int
) -> Iterator[tuple[str, int, str]]:
    """(name, place, given name) of each method in a span that bears an annotation."""
    for match in re.finditer(rf"@{mark}\b", code.blanked[:end]):
        if match.start() < start:
            continue
        at = _after(code, match.end())
        while other := re.compile(r"\s*@\w+").match(code.blanked, at):
            at = _after(code, other.end())
        name = _FUN.search(code.blanked, at)
        if name:
            yield name.group("name"), name.start(), _given(code, match.end(), "name")


def jvm(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "java")
        if "io.temporal." in code.blanked:
            yield from _temporal(page, code)
        if "dev.restate." in code.blanked:
            yield from _restate(page, code)
        if "springframework" in code.blanked:
            yield from _spring(page, code)


def _declared(code: Code, opening: int) -> Iterator[tuple[str, int]]:
    """The methods that an interface declares at its own level."""
    closing = code.close(opening)
    at = opening + 1
    pattern = re.compile(r"[({]|\b(?P<name>[A-Za-z_]\w*)\s*(?P<open>\()|@\w+(?:\.\w+)*")
    while match := pattern.search(code.blanked, at, closing):
        sign = match.group()
        if match.group("name"):
            yield match.group("name"), match.start()
            at = code.close(match.start("open")) + 1
        elif sign.startswith("@"):
            at = _after(code, match.end())
        else:
            at = code.close(match.start()) + 1


def _temporal(page: Page, code: Code) -> Iterator[Workflow]:
    for name, at, opening, _ in _marked_types(code, "WorkflowInterface"):
        draft = Draft(
            name,
            "temporal",
            "workflow",
            Evidence("@WorkflowInterface", page.path, page.line(at)),
            LIKELY,
        )
        for mark, kind in (
            ("WorkflowMethod", "handler"),
            ("SignalMethod", "signal"),
            ("QueryMethod", "query"),
            ("UpdateMethod", "update"),
        ):
            for method, place, given in _marked_functions(code, mark, opening, code.close(opening)):
                draft.part(given or method, kind, page.line(place))
        for implementation in re.finditer(
            rf"\bclass\s+\w+\s*(?:\([^)]*\)\s*)?(?:implements|:)\s*[^{{]*\b{name}\b[^{{]*(\{{)",
            code.blanked,
        ):
            start = implementation.start(1)
            before = ""
            for act in _ACTED.finditer(code.blanked, start, code.close(start)):
                draft.task(act.group("method"), "activity", page.line(act.start()))
                draft.edge(before, act.group("method"))
                before = act.group("method")
        yield draft.done()
    for name, at, opening, _ in _marked_types(code, "ActivityInterface"):
        draft = Draft(
            name,
            "temporal",
            "activities",
            Evidence("@ActivityInterface", page.path, page.line(at)),
            LIKELY,
        )
        for method, place in _declared(code, opening):
            draft.task(method, "activity", page.line(place))
        yield draft.done()


def _restate(page: Page, code: Code) -> Iterator[Workflow]:
    for mark, kind in (
        ("Service", "service"),
        ("VirtualObject", "object"),
        ("Workflow", "workflow"),
    ):
        imported = re.search(rf"\bimport\s+dev\.restate\.sdk\.[\w.]*(?:{mark}\b|\*)", code.blanked)
        if imported is None:
            continue
        for name, at, opening, given in _marked_types(code, mark):
            draft = Draft(
                given or name,
                "restate",
                kind,
                Evidence(f"@{mark}", page.path, page.line(at)),
                LIKELY,
            )
            for handler in ("Handler", "Shared", "Exclusive", "Workflow"):
                for method, place, own in _marked_functions(
                    code, handler, opening, code.close(opening)
                ):
                    draft.task(own or method, "handler", page.line(place))
            if draft.tasks:
                yield draft.done()


def _spring(page: Page, code: Code) -> Iterator[Workflow]:
    draft: Draft | None = None
    if "org.springframework.scheduling" in code.blanked:
        for name, at, _ in _marked_functions(code, "Scheduled", 0, len(code.blanked)):
            where = Evidence("@Scheduled", page.path, page.line(at))
            draft = draft or Draft(page.stem, "spring", "schedule", where, LIKELY)
            draft.task(name, "schedule", page.line(at))
    if draft is not None:
        yield draft.done()
    if "org.springframework.batch" not in code.blanked:
        return
    for match in re.finditer(
        r"\bnew\s+JobBuilder\s*\(|\bjobBuilderFactory\s*\.\s*get\s*\(|\bjobs\.get\s*\(",
        code.blanked,
    ):
        end = code.blanked.find(";", match.end())
        given = code.split(match.end(), code.close(match.end() - 1))
        name = code.value(given[0]) if given else ""
        batch = Draft(
            name or page.stem,
            "spring_batch",
            "job",
            Evidence("job", page.path, page.line(match.start())),
            LIKELY,
        )
        before = ""
        for step in re.finditer(
            r"\.\s*(?:start|next|flow)\s*\(\s*(\w+)",
            code.blanked[match.end() : max(end, match.end())],
        ):
            batch.task(step.group(1), "step", page.line(match.end() + step.start()))
            batch.edge(before, step.group(1))
            before = step.group(1)
        yield batch.done()


def csharp(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "cs")
        if re.search(r"\busing\s+Temporalio", code.blanked):
            yield from _temporal_net(page, code)
        if re.search(r"\busing\s+Hangfire", code.blanked):
            yield from _hangfire(page, code)
        if re.search(r"\busing\s+Quartz", code.blanked):
            for match in re.finditer(
                r"\bclass\s+(\w+)\s*(?:\([^)]*\))?\s*:\s*[^{]*\bIJob\b", code.blanked
            ):
                draft = Draft(
                    match.group(1),
                    "quartz",
                    "job",
                    Evidence("IJob", page.path, page.line(match.start())),
                    LIKELY,
                )
                draft.task(match.group(1), "job", page.line(match.start()))
                yield draft.done()


_ATTRIBUTED = (
    r"\[{mark}(?:\([^\]]*\))?\](?:\s*\[[^\]]*\])*\s*(?:\b(?:public|private|internal|protected|static|"
    r"async|sealed|partial|virtual|override|abstract)\s+)*"
)


def _temporal_net(page: Page, code: Code) -> Iterator[Workflow]:
    for match in re.finditer(
        _ATTRIBUTED.format(mark="Workflow") + r"(?:class|interface|record)\s+(\w+)[^{]*(\{)",
        code.blanked,
    ):
        start, end = match.start(2), code.close(match.start(2))
        draft = Draft(
            match.group(1),
            "temporal",
            "workflow",
            Evidence("[Workflow]", page.path, page.line(match.start(1))),
            LIKELY,
        )
        for mark, kind in (
            ("WorkflowSignal", "signal"),
            ("WorkflowQuery", "query"),
            ("WorkflowUpdate", "update"),
        ):
            for part in re.finditer(
                _ATTRIBUTED.format(mark=mark) + r"[\w<>\[\]?., ]*?\b(\w+)\s*[({=]",
                code.blanked[:end],
            ):
                if part.start() > start:
                    draft.part(part.group(1), kind, page.line(part.start(1)))
        before = ""
        for call in code.calls(
            r"[\w.]*(?:Execute|Start)(?:Local)?(?:Activity|ChildWorkflow)Async", start, end
        ):
            said = (
                re.search(
                    r"\.\s*(\w+)\s*\(", code.blanked[call.arguments[0][0] : call.arguments[0][1]]
                )
                if call.arguments
                else None
            )
            if said:
                draft.task(
                    said.group(1),
                    "child" if "Child" in call.name else "activity",
                    page.line(call.start),
                )
                draft.edge(before, said.group(1))
                before = said.group(1)
        yield draft.done()
    found = list(
        re.finditer(
            _ATTRIBUTED.format(mark="Activity") + r"[\w<>\[\]?., ]*?\b(\w+)\s*\(", code.blanked
        )
    )
    if found:
        draft = Draft(
            f"{page.stem} activities",
            "temporal",
            "activities",
            Evidence("[Activity]", page.path, page.line(found[0].start())),
            LIKELY,
        )
        for match in found:
            draft.task(match.group(1), "activity", page.line(match.start(1)))
        yield draft.done()


def _hangfire(page: Page, code: Code) -> Iterator[Workflow]:
    draft: Draft | None = None
    for call in code.calls(
        r"(?:RecurringJob|BackgroundJob|\w*[jJ]obManager|\w*[jJ]obClient)\.(?:AddOrUpdate|Enqueue|Schedule|ContinueJobWith)"
    ):
        name = next((code.value(span) for span in call.arguments if code.value(span)), "")
        said = re.search(r"=>\s*[\w.()]*?(\w+)\s*\(", code.blanked[call.start : call.end])
        task = name or (said.group(1) if said else "")
        if task:
            where = Evidence(call.name, page.path, page.line(call.start))
            draft = draft or Draft(page.stem, "hangfire", "tasks", where, LIKELY)
            draft.task(
                task, "schedule" if "Recurring" in call.name else "job", page.line(call.start)
            )
    if draft is not None:
        yield draft.done()
