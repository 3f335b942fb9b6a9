"""Temporal in Go: what workers register and clients start are workflows and activities.

A function with a `workflow.Context` that nobody registers or starts is a helper of a workflow, and
is followed for what it executes; a lower-case method of a registered struct is no activity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.go_packages import GoPackages
from orch_nb.analysis.workflows.go_source import GoFile, GoFunction
from orch_nb.analysis.workflows.page import GUESSED, LIKELY, Draft, Pages
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "temporal_go"]

NEEDLES = ("go.temporal.io/",)
_SDK = "go.temporal.io/sdk/workflow"
Where = tuple[str, str]  # (folder, name)
#: a call's last name -> which argument is the workflow
_STARTS = {
    "ExecuteWorkflow": 2, "SignalWithStartWorkflow": 5, "ExecuteChildWorkflow": 1,
    "NewWorkflowRunOperation": 1, "NewContinueAsNewError": 1, "NewWithStartWorkflowOperation": 1,
    "NewWorkflowRunOperationWithOptions": 0,
}  # fmt: skip
_ACTIVITIES = ("ExecuteActivity", "ExecuteLocalActivity")


def temporal_go(pages: Pages, packages: GoPackages) -> Iterator[Workflow]:
    files = [packages.read(page) for page in pages]
    reading = _Registry(packages)
    for file in files:
        reading.of_file(file)
    workflows: list[tuple[GoFile, GoFunction, float]] = []
    for file in files:
        contexts = {f"{name}.Context" for name in file.local(_SDK)}
        for function in file.functions:
            if function.first not in contexts:
                continue
            key = (file.page.folder, function.name)
            if key in reading.workflows:
                workflows.append((file, function, file.code.confidence))
            elif key in reading.started:
                workflows.append((file, function, LIKELY))
            elif _like_a_workflow(function):
                workflows.append((file, function, GUESSED))
    for file, function, sure in workflows:
        yield _workflow(file, function, sure, reading, packages)
    yield from _activities(reading, packages)
    for file in files:
        yield from _workers(file, packages)


def _like_a_workflow(function: GoFunction) -> bool:
    """Named as a workflow and free of a receiver: registered by means that were not seen."""
    return (
        function.name.endswith("Workflow") and function.name[0].isupper() and not function.receiver
    )


class _Registry:
    """What the files register and start, by the folder of its package and its name."""

    def __init__(self, packages: GoPackages) -> None:
        self.packages = packages
        self.workflows: set[Where] = set()
        self.started: set[Where] = set()
        self.activities: dict[Where, float] = {}
        self.structs: set[Where] = set()

    def of_file(self, file: GoFile) -> None:
        code = file.code
        for call in code.calls(r"[\w.\[\]()]*\bRegister(?:Workflow|Activity)(?:WithOptions)?"):
            if not call.arguments or "RegisterWorkflowService" in call.name:
                continue
            said = code.source(call.arguments[0])
            if "RegisterWorkflow" in call.name:
                self.workflows |= set(self.named(file, said))
            else:
                self._activity(file, said, call.start)
        for call in code.calls(rf"[\w.]*\b(?:{'|'.join(_STARTS)})"):
            last = call.name.rpartition(".")[2]
            at = _STARTS[last]
            if len(call.arguments) > at:
                self.started |= set(self.named(file, code.source(call.arguments[at])))
        for match in re.finditer(r"\bWorkflow:\s*([\w.]+)", code.blanked):
            self.started |= set(self.named(file, match.group(1)))
        for call in code.calls(rf"[\w.]*\b(?:{'|'.join(_ACTIVITIES)})"):
            of_workflow = call.name.partition(".")[0] in file.local(_SDK)
            at = 1 if of_workflow else 2
            if len(call.arguments) > at:
                for where in self.named(file, code.source(call.arguments[at])):
                    self.activities.setdefault(where, LIKELY)

    def named(self, file: GoFile, said: str) -> Iterator[Where]:
        """The function that `Name`, `pkg.Name` or `value.Method` is."""
        said = said.strip()
        if not re.fullmatch(r"[A-Za-z_]\w*(?:\.\w+)*", said):
            return
        owner, _, name = said.rpartition(".")
        folder = self.packages.folder(file.imports[owner]) if owner in file.imports else None
        if folder is not None:
            yield folder, name
        elif owner not in file.imports:
            yield file.page.folder, name
            typed = (
                re.search(
                    rf"\b{re.escape(owner.rpartition('.')[2])}\s*(?::?=\s*&?|\*?)\s*(\w+)\.\w+",
                    file.code.blanked,
                )
                if owner
                else None
            )
            if typed and typed.group(1) in file.imports:
                other = self.packages.folder(file.imports[typed.group(1)])
                if other is not None:
                    yield other, name

    def _activity(self, file: GoFile, said: str, at: int) -> None:
        said = said.strip()
        struct = re.match(r"&?\s*(?:new\()?\s*\*?((?:\w+\.)?[A-Za-z_]\w*)\s*(?:\{|\)$)", said)
        made = re.match(r"((?:\w+\.)?[A-Za-z_]\w*)\(", said)
        if struct and ("{" in said or said.startswith("new(")):
            self.structs |= set(self.named(file, struct.group(1)))
            return
        if made:
            self._constructed(file, made.group(1))
            return
        plain = re.fullmatch(r"&?([a-z]\w*)", said)
        if plain and self._variable(file, plain.group(1), at):
            return
        for where in self.named(file, said):
            self.activities[where] = file.code.confidence

    def _variable(self, file: GoFile, name: str, at: int) -> bool:
        """What a variable holds when it is registered: a struct, or what a function makes."""
        head = file.code.blanked[:at]
        given = list(re.finditer(
            rf"\b{name}\b(?:\s*,\s*\w+)?\s*:?=\s*(?P<what>&?\s*(?:new\()?(?P<type>(?:\w+\.)?\w+)\s*(?P<sign>[{{()]))|"
            rf"\bvar\s+{name}\s+\*?(?P<declared>(?:\w+\.)?\w+)", head,
        ))  # fmt: skip
        if not given:
            return False
        match = given[-1]
        if match.group("declared"):
            self.structs |= set(self.named(file, match.group("declared")))
        elif match.group("sign") == "(" and "new(" not in match.group("what"):
            self._constructed(file, match.group("type"))
        else:
            self.structs |= set(self.named(file, match.group("type")))
        return True

    def _constructed(self, file: GoFile, function: str) -> None:
        for folder, name in self.named(file, function):
            found = self.packages.function(folder, name)
            if found is not None:
                other, defined = found
                head = other.code.blanked[defined.start : defined.body[0]]
                result = re.findall(
                    r"\*?([A-Z]\w*)\b",
                    head[head.rfind(")", 0, len(head) - 1) :]
                    if head.rstrip().endswith(")") is False
                    else head[head.rfind("(") :],
                )
                self.structs |= {(folder, one) for one in result[:1]}


def _workflow(
    file: GoFile, function: GoFunction, sure: float, reading: _Registry, packages: GoPackages
) -> Workflow:
    code = file.code
    where = Evidence("workflow function", file.page.path, code.line(function.start))
    draft = Draft(function.name, "temporal", "workflow", where, sure)
    known = {name for folder, name in reading.workflows if folder == file.page.folder} - {
        function.name
    }
    own: dict[str, list[tuple[GoFile, GoFunction]]] = {}
    for other in packages.files(file.page.folder):
        for defined in other.functions:
            own.setdefault(defined.name, []).append((other, defined))
    seen = {(file.page.path, function.start)}
    queue = [(file, function)]
    before = ""
    while queue:
        at, current = queue.pop(0)
        before = _executed(at, current, draft, packages, before)
        for called in re.findall(r"\b(\w+)\s*\(", at.code.blanked[slice(*current.body)]):
            for other, defined in own.get(called, ()) if called not in known else ():
                if (other.page.path, defined.start) not in seen and len(seen) < 60:
                    seen.add((other.page.path, defined.start))
                    queue.append((other, defined))
    return draft.done()


def _executed(
    file: GoFile, function: GoFunction, draft: Draft, packages: GoPackages, before: str
) -> str:
    code = file.code
    names = "|".join(map(re.escape, sorted(file.local(_SDK)))) or "workflow"
    for call in code.calls(rf"(?:{names})\.\w+", *function.body):
        last = call.name.rpartition(".")[2]
        line, path = code.line(call.start), file.page.path
        given = [code.source(span) for span in call.arguments]
        if last in (*_ACTIVITIES, "ExecuteChildWorkflow") and len(given) > 1:
            task = packages.constant(file, given[1]) or given[1].rpartition(".")[2]
            if not re.fullmatch(r"[\w./-]+", task):
                continue
            kind = "child" if last == "ExecuteChildWorkflow" else "activity"
            draft.part(task, kind, line, last, path=path)
            draft.task(task, kind, line, last)
            if code.blanked[call.end + 1 : call.end + 6].startswith(".Get("):
                draft.edge(before, task)
                before = task
        elif (
            last
            in {
                "GetSignalChannel",
                "GetSignalChannelWithOptions",
                "SetQueryHandler",
                "SetQueryHandlerWithOptions",
                "SetUpdateHandler",
                "SetUpdateHandlerWithOptions",
            }
            and len(given) > 1
        ):
            kind = "signal" if "Signal" in last else "query" if "Query" in last else "update"
            name = packages.constant(file, given[1]) or given[1].rpartition(".")[2]
            if re.fullmatch(r"[\w.:/ -]+", name):
                draft.part(name, kind, line, path=path)
        elif last == "SignalExternalWorkflow" and len(given) > 3:
            name = packages.constant(file, given[3])
            if name:
                draft.part(name, "signal", line, "sent", path=path)
        elif last in {"Sleep", "NewTimer"}:
            draft.part(last, "timer", line, path=path)
    return before


def _activities(reading: _Registry, packages: GoPackages) -> Iterator[Workflow]:
    """One workflow for each file with activities."""
    found: dict[str, dict[str, tuple[GoFile, GoFunction, float]]] = {}

    def add(file: GoFile, function: GoFunction, sure: float) -> None:
        if not function.first.endswith("workflow.Context"):
            found.setdefault(file.page.path, {}).setdefault(function.name, (file, function, sure))

    for folder, struct in sorted(reading.structs):
        for file, function in packages.methods(folder, struct):
            head = file.code.blanked[function.start : function.body[0]]
            if re.search(r"\berror\s*\)?\s*$", head):
                add(file, function, file.code.confidence)
    for (folder, name), sure in sorted(reading.activities.items()):
        defined = packages.function(folder, name)
        if defined is not None:
            add(*defined, min(sure, defined[0].code.confidence))
    for path, functions in found.items():
        ordered = sorted(functions.values(), key=lambda item: item[1].start)
        file, first, _ = ordered[0]
        where = Evidence("activities", path, file.code.line(first.start))
        draft = Draft(
            f"{file.page.stem} activities",
            "temporal",
            "activities",
            where,
            max(s for *_, s in ordered),
        )
        for _, function, sure in ordered:
            draft.task(
                function.name, "activity", file.code.line(function.start), function.receiver, sure
            )
        yield draft.done()


def _workers(file: GoFile, packages: GoPackages) -> Iterator[Workflow]:
    names = file.local("go.temporal.io/sdk/worker")
    for name in sorted(names):
        for call in file.code.calls(rf"{re.escape(name)}\.New"):
            said = file.code.source(call.arguments[1]) if len(call.arguments) > 1 else ""
            queue = packages.constant(file, said)
            where = Evidence("worker.New", file.page.path, file.code.line(call.start))
            draft = Draft(
                queue or f"{file.page.folder or file.page.stem} worker",
                "temporal",
                "worker",
                where,
                file.code.confidence,
            )
            if queue:
                draft.part(queue, "queue", file.code.line(call.start))
            yield draft.done()
