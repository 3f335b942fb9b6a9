"""Temporal in TypeScript and JavaScript.

Workflows are the exported functions of the modules that a worker is pointed at (`workflowsPath`),
and of others that import `@temporalio/workflow` where somebody starts them or the path says what
they are. Activities are what the modules export whose types are proxied, or that a worker is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Code, FunctionAt
from orch_nb.analysis.workflows.page import GUESSED, LIKELY, Draft, Pages, a_test_file
from orch_nb.analysis.workflows.scripts import Script, Scripts
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "temporal_typescript"]

NEEDLES = ("@temporalio/",)
_MODULE = "@temporalio/workflow"
_PROXIES = ("proxyActivities", "proxyLocalActivities")
_CHILDREN = ("executeChild", "startChild", "continueAsNew")
_DEFINES = {"defineSignal": "signal", "defineQuery": "query", "defineUpdate": "update"}
_STARTED = re.compile(
    r"(?:\b(?:start|execute|signalWithStart|executeChild|startChild|executeUpdateWithStart)|"
    r"\bWithStartWorkflowOperation)\s*(?:<[^()]*>)?\(\s*(?:\w+\.)?(?P<name>[A-Za-z_$][\w$]*)|"
    r"\bworkflowType:\s*(?:\w+\.)?(?P<type>[A-Za-z_$][\w$]*)"
)
_PATH = re.compile(
    r"\bworkflowsPath\b\s*:\s*[^,]*?(['\"`])(?P<path>(?:\.{1,2}|@?[\w-]+)/[^'\"`]*|\.)\1|"
    r"\bworkflowsPath\b\s*:\s*[^\n]*?(['\"`])(?P<joined>[\w./-]+)\3"
)


def temporal_typescript(pages: Pages, scripts: Scripts) -> Iterator[Workflow]:
    """Workflows, activities and workers of all pages together: what is one is told elsewhere."""
    every = [scripts.read(page) for page in pages]
    started: set[str] = set()
    roots: set[str] = set()
    for script in every:
        for match in _STARTED.finditer(script.code.blanked):
            started.add(match.group("name") or match.group("type"))
        roots |= _roots(script, scripts)
    workflows = _workflows(every, scripts, roots, started)
    for (_, name), (script, function, sure) in workflows.items():
        yield _workflow(name, script, function, sure)
    yield from _activities(every, scripts, set(workflows))
    for script in every:
        yield from _workers(script)


Found = dict[tuple[str, str], tuple[Script, FunctionAt, float]]


def _workflows(every: list[Script], scripts: Scripts, roots: set[str], started: set[str]) -> Found:
    """Workflows by path and name: of the modules that workers name, then of others, less sure."""
    workflows: Found = {}
    for root in roots:
        for name, (script, function) in scripts.exported(root).items():
            if script.is_async(function):
                own = function.name if function.name != "default" else name
                workflows[script.page.path, own] = script, function, script.code.confidence
    imported = {
        path for script in every for module in script.modules
        if (path := scripts.resolve(module, script.page.path))
    }  # fmt: skip
    for script in every:
        if _MODULE not in script.modules:
            continue
        path = script.page.path
        for name, (owner, function) in scripts.exported(path).items():
            if owner is not script or (path, name) in workflows or not script.is_async(function):
                continue
            said = re.search(r"workflows?\b", path.rpartition("/")[2] + "/" + path, re.IGNORECASE)
            if name in started or said:
                workflows[path, name] = script, function, LIKELY
            elif path not in imported:
                # Nobody's module: a bundle of its own, or an example of one.
                workflows[path, name] = script, function, GUESSED
    return {
        key: value for key, value in workflows.items()
        if not a_test_file(key[0]) and not _intercepts(value[0], value[1])
    }  # fmt: skip


def _intercepts(script: Script, function: FunctionAt) -> bool:
    head = script.code.blanked[function.start : function.body[0]]
    return "Interceptor" in head or function.name == "interceptors"


def _roots(script: Script, scripts: Scripts) -> set[str]:
    found: set[str] = set()
    for match in _PATH.finditer(script.page.text):
        if script.code.blanked[match.start()] == " ":
            continue
        said = match.group("path") or match.group("joined")
        for module in (said, f"./{said}"):
            path = scripts.resolve(module, script.page.path)
            if path:
                found.add(path)
                break
    return found


def _workflow(name: str, script: Script, function: FunctionAt, sure: float) -> Workflow:
    code = script.code
    draft = Draft(
        name, "temporal", "workflow",
        Evidence("exported workflow", script.page.path, code.line(function.start)), sure,
    )  # fmt: skip
    start, end = function.body
    proxied = _proxied(script)
    body = code.blanked
    before = ""
    pattern = re.compile(
        r"(?P<await>\bawait\s+)?(?<![\w$])(?P<name>[A-Za-z_$][\w$]*(?:\.[\w$]+)?)\s*(?:<[^()]*>)?\("
    )
    children = {n for c in _CHILDREN for n in script.local(_MODULE, c)}
    sleeps = script.local(_MODULE, "sleep", "condition")
    for match in pattern.finditer(body, start, end):
        called = match.group("name")
        what, task = "", ""
        owner, _, member = called.partition(".")
        if called in proxied:
            what, task = "activity", proxied[called]
        elif member and f"{owner}.*" in proxied:
            what, task = "activity", member
        elif called in children and not called.endswith("continueAsNew"):
            given = code.split(match.end(), code.close(match.end() - 1))
            said = code.source(given[0]) if given else ""
            task = code.value(given[0]) if given else ""
            task = task or said.rpartition(".")[2]
            what = "child" if re.fullmatch(r"[\w$]+", task) else ""
        elif called in sleeps:
            draft.part(called.rpartition(".")[2], "timer", code.line(match.start("name")))
        if what:
            draft.task(task, what, code.line(match.start("name")))
            if match.group("await"):
                draft.edge(before, task)
                before = task
    for define, kind in _DEFINES.items():
        for local in script.local(_MODULE, define):
            for call in code.calls(re.escape(local)):
                said = code.value(call.arguments[0]) if call.arguments else ""
                holder = re.search(
                    r"([\w$]+)\s*(?::[^=\n]*)?=\s*(?:\w+\.)?$",
                    body[max(0, call.start - 120) : call.start],
                )
                used = holder is None or re.search(
                    rf"\b{re.escape(holder.group(1))}\b", body[start:end]
                )
                if said and used:
                    draft.part(said, kind, code.line(call.start))
    return draft.done()


def _proxied(script: Script) -> dict[str, str]:
    """Names that stand for activities: local -> the activity's, `acts.*` for a whole object."""
    found: dict[str, str] = {}
    for proxy in _PROXIES:
        for local in script.local(_MODULE, proxy):
            for match in re.finditer(
                rf"\b(?:const|let|var)\s+(?P<what>\{{[^}}]*\}}|[\w$]+)\s*=\s*(?:wf\.)?{re.escape(local)}\b",
                script.code.blanked,
            ):
                what = match.group("what")
                if not what.startswith("{"):
                    found[f"{what}.*"] = "*"
                    continue
                for part in what.strip("{}").split(","):
                    name, _, own = part.partition(":")
                    if name.strip():
                        found[own.strip() or name.strip()] = name.strip()
    return found


def _activities(
    every: list[Script], scripts: Scripts, workflows: set[tuple[str, str]]
) -> Iterator[Workflow]:
    """One workflow for each module of activities."""
    modules = _modules(every, scripts)
    drafts: dict[str, Draft] = {}

    def add(script: Script, activity: str, at: int) -> None:
        line, where = script.code.line(at), script.page.path
        draft = drafts.setdefault(where, Draft(
            f"{script.page.stem} activities", "temporal", "activities",
            Evidence("activities", where, line), script.code.confidence,
        ))  # fmt: skip
        draft.task(activity, "activity", line)

    for path, only in modules.items():
        holder = scripts.at(path)
        for name in only or () if holder is not None else ():
            assert holder is not None
            for activity, at in _of_class(holder, name).items():
                add(holder, activity, at)
        for name, (script, function) in scripts.exported(path).items():
            where = script.page.path
            if (only is not None and name not in only) or (where, name) in workflows:
                continue
            made = _made(script, function)
            named = made or ({name: function.start} if script.is_async(function) else {})
            for activity, at in named.items():
                add(script, activity, at)
    yield from (draft.done() for draft in drafts.values() if draft.tasks)


def _modules(every: list[Script], scripts: Scripts) -> dict[str, set[str] | None]:
    """The modules of activities, by path: those of their names that are, None for all."""
    modules: dict[str, set[str] | None] = {}
    for script in every:
        wanted: set[str] = set()
        for proxy in _PROXIES:
            for local in script.local(_MODULE, proxy):
                for call in script.code.calls(re.escape(local)):
                    wanted |= set(re.findall(r"[A-Za-z_$][\w$]*", call.types)) - {
                        "typeof",
                        "ReturnType",
                        "Pick",
                        "Omit",
                    }
        for local in script.local("@temporalio/worker", "Worker"):
            for call in script.code.calls(re.escape(local) + r"\.create"):
                wanted |= _given(script.code, call.arguments)
        for name in wanted | _maker(script, wanted):
            module, own = script.imports.get(name, ("", ""))
            path = scripts.resolve(module, script.page.path) if module else script.page.path
            if not path or a_test_file(path):
                continue
            if own == "*":
                modules[path] = None
            else:
                held = modules.setdefault(path, set())
                if held is not None:
                    held.add(own if module else name)
    return modules


def _maker(script: Script, names: set[str]) -> set[str]:
    """The functions that made what these names hold: `const activities = createActivities(db)`."""
    found: set[str] = set()
    for name in names:
        found |= set(re.findall(
            rf"\b(?:const|let)\s+{re.escape(name)}\s*(?::[^=]*)?=\s*(?:await\s+)?([A-Za-z_$][\w$]*)\s*\(",
            script.code.blanked,
        ))  # fmt: skip
    return found & set(script.imports)


def _of_class(script: Script, name: str) -> dict[str, int]:
    """The public asynchronous methods of a class of that name."""
    code = script.code
    match = re.search(rf"\bclass\s+{re.escape(name)}\b[^{{]*(\{{)", code.blanked)
    if match is None:
        return {}
    found: dict[str, int] = {}
    at, end = match.start(1) + 1, code.close(match.start(1))
    method = re.compile(
        r"(?P<hidden>(?:private|protected)\s+)?(?:public\s+)?async\s+(?P<name>[A-Za-z_$][\w$]*)\s*\("
    )
    while at < end:
        seen = method.match(code.blanked, at)
        if seen:
            if not seen.group("hidden"):
                found[seen.group("name")] = at
            at = code.close(seen.end() - 1)
        elif code.blanked[at] in "({[":
            at = code.close(at)
        at += 1
    return found


def _given(code: Code, arguments: list[tuple[int, int]]) -> set[str]:
    """The names that `activities` of `Worker.create({...})` mentions."""
    for start, _ in arguments:
        if code.blanked[start] != "{":
            continue
        entries = code.entries(start)
        if "activities" in entries:
            return set(
                re.findall(
                    r"(?<![.\w$])[A-Za-z_$][\w$]*", code.blanked[slice(*entries["activities"])]
                )
            )
    return set()


def _made(script: Script, function: FunctionAt) -> dict[str, int]:
    """The methods of the object that a function like `createActivities` returns."""
    code = script.code
    start, end = function.body
    found: dict[str, int] = {}
    if not re.search(r"activit", function.name, re.IGNORECASE):
        return found
    returned = re.compile(r"\breturn\s*(\{)" if code.blanked[start] == "{" else r"\(\s*(\{)")
    own = code.blanked[start] == "{"
    at = start + 1 if own else start
    openings: list[int] = []
    while at < end and not openings:
        match = returned.match(code.blanked, at)
        if match:
            openings.append(match.start(1))
        elif code.blanked[at] in "({[":
            at = code.close(at)  # what an inner function returns is its own
        at += 1
    for opening in openings:
        for name, span in code.entries(opening).items():
            if re.search(r"async|=>|\(|^\w+$", code.source(span)):
                found.setdefault(name, span[0])
    return found


def _workers(script: Script) -> Iterator[Workflow]:
    code = script.code
    for local in script.local("@temporalio/worker", "Worker"):
        for call in code.calls(re.escape(local) + r"\.create"):
            queue = ""
            for start, _ in call.arguments:
                if code.blanked[start] == "{":
                    entries = code.entries(start)
                    span = entries.get("taskQueue")
                    queue = code.value(span) if span else ""
            where = Evidence("Worker.create", script.page.path, code.line(call.start))
            draft = Draft(
                queue or f"{script.page.stem} worker", "temporal", "worker", where, code.confidence
            )
            if queue:
                draft.part(queue, "queue", code.line(call.start))
            yield draft.done()
