"""Queues and timers of Node: BullMQ with its flows, Bull, Agenda, node-cron, Inngest, Trigger.dev.

A `new Queue(...)` counts only where `Queue` was imported from the package: JavaScript has many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Call, Code
from orch_nb.analysis.workflows.page import Draft, Pages
from orch_nb.analysis.workflows.queue_names import made_by_callers, queue_name
from orch_nb.analysis.workflows.scripts import Script, Scripts
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "node_queues"]

NEEDLES = (
    "bullmq",
    "'bull'",
    '"bull"',
    "agenda",
    "node-cron",
    "inngest",
    "@trigger.dev",
    "bee-queue",
    "pg-boss",
    "/bullmq",
)
_BULL = {
    "Queue": "queue",
    "QueuePro": "queue",
    "Worker": "worker",
    "WorkerPro": "worker",
    "QueueEvents": "events",
    "FlowProducer": "flow",
    "FlowProducerPro": "flow",
}


def node_queues(pages: Pages, scripts: Scripts) -> Iterator[Workflow]:
    for page in pages:
        script = scripts.read(page)
        modules = {module for module, _ in script.imports.values()} | script.modules
        if any(m.startswith(("bullmq", "@taskforcesh/bullmq", "@nestjs/bullmq")) for m in modules):
            yield from _bullmq(script, scripts)
        if modules & {"bull", "@nestjs/bull"}:
            yield from _instances(script, "bull", "bull", ("default", "Queue"), ("process", "add"))
        if modules & {"bee-queue"}:
            yield from _instances(script, "bee-queue", "bee_queue", ("default",), ("process",))
        if modules & {"agenda", "@hokify/agenda"}:
            module = "agenda" if "agenda" in modules else "@hokify/agenda"
            yield from _named(
                script, module, "agenda", ("default", "Agenda"), ("define",), ("every", "schedule")
            )
        if "pg-boss" in modules:
            yield from _named(
                script, "pg-boss", "pg_boss", ("default", "PgBoss"), ("work",), ("schedule",)
            )
        if modules & {"node-cron", "cron", "node-schedule"}:
            yield from _cron(script)
        if any(m.startswith("inngest") for m in modules):
            yield from _inngest(script)
        if any(m.startswith("@trigger.dev/") for m in modules):
            yield from _trigger(script)


def _value(code: Code, span: tuple[int, int] | None) -> str:
    if span is None:
        return ""
    said = code.value(span)
    if said or code.blanked[span[0]] in "\"'`{[(":
        return said or re.sub(r"\$\{[^}]*\}", "{}", code.source(span).strip("`"))[:60] * (
            code.blanked[span[0]] == "`"
        )
    return (
        code.source(span).rpartition(".")[2] if re.fullmatch(r"[\w$.]+", code.source(span)) else ""
    )


def _new(script: Script, locals_: set[str]) -> Iterator[tuple[Call, str]]:
    """Each `new X(...)` with the name that it is given to, "" where there is none."""
    code = script.code
    # `const QueueClass = pro ? QueuePro : Queue` names a class by another name.
    named = "|".join(map(re.escape, sorted(locals_)))
    if named:
        alias = rf"\b(?:const|let)\s+([A-Z]\w*)\s*=\s*[^;(]*?(?<![\w.])(?:{named})\b(?!\s*[(<.])"
        locals_ = locals_ | {m.group(1) for m in re.finditer(alias, code.blanked)}
    for local in sorted(locals_):
        for call in code.calls(re.escape(local)):
            head = code.blanked[max(0, call.start - 160) : call.start]
            if re.search(r"\bnew\s+$", head) is None:
                continue
            held = re.search(r"([\w$]+)\s*(?::[^=;\n]*)?[=:]\s*new\s+$", head)
            yield call, held.group(1) if held else ""


def _bullmq(script: Script, scripts: Scripts) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    held: dict[str, Draft] = {}
    drafts: list[Draft] = []
    for name, kind in _BULL.items():
        for call, variable in _new(
            script, script.local("bullmq", name) | script.local("@taskforcesh/bullmq*", name)
        ):
            if kind == "flow":
                if variable:
                    held.setdefault(
                        variable,
                        Draft("", "bullmq", "flow", Evidence(name, path, code.line(call.start))),
                    )
                continue
            given = call.arguments[0] if call.arguments else None
            known = queue_name(scripts, script, given) if given else ""
            workers = [] if known or kind != "worker" else [*made_by_callers(scripts, script, call)]
            yield from workers
            if workers:
                continue
            own = known or _value(code, given) or variable or name
            where = Evidence(f"new {name}", path, code.line(call.start))
            draft = Draft(own, "bullmq", kind, where, code.confidence if known else 0.7)
            draft.part(own, "worker" if kind == "worker" else "queue", code.line(call.start))
            if kind == "queue" and variable:
                held[variable] = draft
            drafts.append(draft)
    for variable, draft in held.items():
        for call in code.calls(
            rf"(?:this\.)?{re.escape(variable)}\.(?:add|addBulk|upsertJobScheduler)"
        ):
            if draft.kind == "flow":
                yield from _flow(code, call, path)
            else:
                _added(code, call, draft)
    yield from (draft.done() for draft in drafts)
    yield from _processors(script)
    yield from _registered(script)


def _processors(script: Script) -> Iterator[Workflow]:
    """The classes of NestJS that work for a queue."""
    code = script.code
    for call in code.calls(r"@?Processor"):
        if (
            script.imports.get("Processor", ("", ""))[0].startswith("@nestjs/bull")
            and call.arguments
        ):
            queue = _value(code, call.arguments[0])
            where = Evidence("@Processor", script.page.path, code.line(call.start))
            yield Draft(queue or "processor", "bullmq", "worker", where, code.confidence).done()


def _registered(script: Script) -> Iterator[Workflow]:
    """Queues that a module of NestJS registers by name."""
    code = script.code
    for local in sorted(n for n, (m, _) in script.imports.items() if m.startswith("@nestjs/bull")):
        for call in code.calls(rf"{re.escape(local)}\.registerQueue(?:Async)?"):
            for start, _ in call.arguments:
                entries = code.entries(start) if code.blanked[start] == "{" else {}
                name = _value(code, entries.get("name"))
                if name:
                    where = Evidence(call.name, script.page.path, code.line(start))
                    draft = Draft(name, "bullmq", "queue", where, code.confidence)
                    draft.part(name, "queue", code.line(start))
                    yield draft.done()


def _added(code: Code, call: Call, draft: Draft) -> None:
    """A job that a queue is given: a schedule where it repeats."""
    if not call.arguments:
        return
    job = _value(code, call.arguments[0])
    repeats = call.name.endswith("upsertJobScheduler") or re.search(
        r"\brepeat\s*:", code.blanked[call.start : call.end]
    )
    if job:
        draft.task(job, "schedule" if repeats else "job", code.line(call.start))


def _flow(code: Code, call: Call, path: str) -> Iterator[Workflow]:
    """The tree that a `FlowProducer` is given; a child comes before its parent."""
    for start, _ in call.arguments[:1]:
        if code.blanked[start] != "{":
            continue
        name = _job(code, start)
        draft = Draft(
            name or "flow",
            "bullmq",
            "flow",
            Evidence("FlowProducer.add", path, code.line(call.start)),
            code.confidence,
        )
        _tree(code, start, draft, 0)
        yield draft.done()


def _job(code: Code, opening: int) -> str:
    entries = code.entries(opening)
    return _value(code, entries.get("name"))


def _tree(code: Code, opening: int, draft: Draft, depth: int) -> str:
    entries = code.entries(opening)
    name = _value(code, entries.get("name")) or f"job {len(draft.tasks) + 1}"
    draft.task(name, "job", code.line(opening), _value(code, entries.get("queueName")))
    children = entries.get("children")
    if children is not None and depth < 20:
        for match in re.finditer(r"[\[{]", code.blanked[children[0] : children[1]]):
            if match.group() != "[":
                break
            for start, _ in code.split(
                children[0] + match.end(), code.close(children[0] + match.start())
            ):
                if code.blanked[start] == "{":
                    draft.edge(_tree(code, start, draft, depth + 1), name)
            break
    return name


def _instances(
    script: Script, module: str, system: str, names: tuple[str, ...], methods: tuple[str, ...]
) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    for call, variable in _new(script, script.local(module, *names)):
        queue = _value(code, call.arguments[0] if call.arguments else None)
        draft = Draft(
            queue or variable,
            system,
            "queue",
            Evidence("new Queue", path, code.line(call.start)),
            code.confidence,
        )
        draft.part(queue or variable, "queue", code.line(call.start))
        for use in (
            code.calls(rf"{re.escape(variable)}\.(?:{'|'.join(methods)})") if variable else ()
        ):
            job = code.value(use.arguments[0]) if use.arguments else ""
            if job:
                draft.task(job, "job", code.line(use.start))
            elif use.name.endswith("process"):
                draft.part(queue or variable, "worker", code.line(use.start))
        yield draft.done()


def _named(
    script: Script, module: str, system: str, names: tuple[str, ...],
    defines: tuple[str, ...], times: tuple[str, ...],
) -> Iterator[Workflow]:  # fmt: skip
    code, path = script.code, script.page.path
    variables = {variable for _, variable in _new(script, script.local(module, *names)) if variable}
    draft: Draft | None = None
    for variable in sorted(variables):
        for call in code.calls(rf"{re.escape(variable)}\.(?:{'|'.join((*defines, *times))})"):
            method = call.name.rpartition(".")[2]
            timed = method in times
            at = 1 if timed and method in {"every", "schedule"} and system == "agenda" else 0
            job = code.value(call.arguments[at]) if len(call.arguments) > at else ""
            if job:
                where = Evidence(call.name, path, code.line(call.start))
                draft = draft or Draft(script.page.stem, system, "tasks", where, code.confidence)
                draft.task(job, "schedule" if timed else "job", code.line(call.start))
    if draft is not None:
        yield draft.done()


def _cron(script: Script) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    names = script.local("node-cron", "schedule") | script.local("node-schedule", "scheduleJob")
    draft: Draft | None = None
    calls = [c for name in sorted(names) for c in code.calls(re.escape(name))]
    calls += [c for c, _ in _new(script, script.local("cron", "CronJob"))]
    for index, call in enumerate(calls, 1):
        when = code.value(call.arguments[0]) if call.arguments else ""
        what = code.source(call.arguments[1]) if len(call.arguments) > 1 else ""
        name = what if re.fullmatch(r"[\w$.]+", what) else f"job {index}"
        where = Evidence(call.name, path, code.line(call.start))
        draft = draft or Draft(script.page.stem, "node_cron", "schedule", where, code.confidence)
        draft.task(name, "schedule", code.line(call.start), when)
    if draft is not None:
        yield draft.done()


def _inngest(script: Script) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    for call in code.calls(r"[\w$]+\.createFunction"):
        if not call.arguments or code.blanked[call.arguments[0][0]] != "{":
            continue
        entries = code.entries(call.arguments[0][0])
        name = _value(code, entries.get("id")) or _value(code, entries.get("name"))
        draft = Draft(
            name or "function",
            "inngest",
            "function",
            Evidence("createFunction", path, code.line(call.start)),
            code.confidence,
        )
        before = ""
        for step in code.calls(
            r"step\.(?:run|sleep|sleepUntil|waitForEvent|invoke|sendEvent)", call.start, call.end
        ):
            own = code.value(step.arguments[0]) if step.arguments else ""
            if own:
                draft.task(own, "step", code.line(step.start))
                draft.edge(before, own)
                before = own
        yield draft.done()


def _trigger(script: Script) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    names = script.local("@trigger.dev/sdk*", "task", "schemaTask") | {
        f"{n}.task" for n in script.local("@trigger.dev/sdk*", "schedules")
    }
    draft: Draft | None = None
    for name in sorted(names):
        for call in code.calls(re.escape(name)):
            if call.arguments and code.blanked[call.arguments[0][0]] == "{":
                own = _value(code, code.entries(call.arguments[0][0]).get("id"))
                where = Evidence(name, path, code.line(call.start))
                draft = draft or Draft(
                    script.page.stem, "trigger_dev", "tasks", where, code.confidence
                )
                draft.task(own or "task", "task", code.line(call.start))
    if draft is not None:
        yield draft.done()
