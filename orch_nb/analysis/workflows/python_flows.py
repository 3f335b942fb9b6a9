"""Python's other orchestrators and queues, told by what their decorators and calls come from.

Prefect, Dagster, Luigi, RQ, Huey, Dramatiq, ARQ, APScheduler, LangGraph. A decorator counts only
where its name leads to the package: `@task` of a load tester or of invoke leads elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orch_nb.analysis.workflows.page import LIKELY, SURE, Draft, Page, Pages
from orch_nb.analysis.workflows.python_names import (
    FunctionNode,
    Module,
    Packages,
    dotted,
    keyword,
)
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "python_flows"]

NEEDLES = (
    "prefect", "dagster", "luigi", "huey", "dramatiq", "apscheduler", "django_rq", "from rq", "arq",
    "langgraph", "invoke", "@job", "rq_scheduler",
)  # fmt: skip
#: package -> (system, {what it marks: (kind of the workflow, kind of the part)})
_MARKS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "dagster": (
        "dagster",
        {
            "asset": ("assets", "task"), "multi_asset": ("assets", "task"),
            "graph_asset": ("assets", "task"), "op": ("ops", "task"), "job": ("job", "job"),
            "graph": ("job", "job"), "schedule": ("schedule", "schedule"),
            "sensor": ("sensor", "schedule"), "asset_sensor": ("sensor", "schedule"),
        },
    ),
    "dramatiq": ("dramatiq", {"actor": ("tasks", "task")}),
    "rq": ("rq", {"job": ("tasks", "task")}),
    "django_rq": ("rq", {"job": ("tasks", "task")}),
    "invoke": ("invoke", {"task": ("tasks", "task")}),
}  # fmt: skip
_SCHEDULERS = frozenset(
    "BackgroundScheduler BlockingScheduler AsyncIOScheduler AsyncScheduler GeventScheduler "
    "TornadoScheduler TwistedScheduler QtScheduler Scheduler".split()
)


def python_flows(pages: Pages, packages: Packages) -> Iterator[Workflow]:
    """What each file makes with one of these packages."""
    for page in pages:
        module = packages.read(page)
        if module is None:
            continue
        if module.uses("prefect"):
            yield from _prefect(module, page)
        if module.uses(*_MARKS) or "@job" in page.text:
            yield from _marked(module, packages, page)
        if module.uses("rq", "django_rq", "rq_scheduler"):
            yield from _queued(module, page)
        if module.uses("luigi"):
            yield from _luigi(module, page)
        if module.uses("huey"):
            yield from _by_instance(
                module,
                packages,
                page,
                "huey",
                ("task", "periodic_task", "db_task", "db_periodic_task"),
            )
        if module.uses("apscheduler"):
            yield from _scheduled(module, page)
        if module.uses("arq"):
            yield from _arq(module, page)
        if module.uses("langgraph"):
            yield from _graphs(module, page)


def _given_name(module: Module, decorator: ast.expr, default: str) -> str:
    given = keyword(decorator, "name") if isinstance(decorator, ast.Call) else None
    return module.text(given) or default


def _prefect(  # noqa: C901, PLR0912  what is made is what is used: one pass over each flow
    module: Module, page: Page
) -> Iterator[Workflow]:
    tasks: dict[str, tuple[str, int]] = {}
    flows: list[tuple[FunctionNode, str]] = []
    for function, _ in module.functions:
        for decorator, origin in module.decorators(function):
            if origin in {"prefect.task", "prefect.tasks.task"}:
                tasks[function.name] = (
                    _given_name(module, decorator, function.name),
                    function.lineno,
                )
            elif origin in {"prefect.flow", "prefect.flows.flow"}:
                flows.append((function, _given_name(module, decorator, function.name)))
    for function, name in flows:
        draft = Draft(name, "prefect", "flow", Evidence("@flow", page.path, function.lineno))
        made: dict[str, str] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.Await):
                call = node.value.value if isinstance(node.value, ast.Await) else node.value
                called = dotted(call).partition(".")[0]
                if called in tasks:
                    made |= {dotted(t): called for t in node.targets}
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
            called = dotted(call.func).partition(".")[0]
            if called in tasks:
                draft.task(tasks[called][0], "task", call.lineno)
                for value in [*call.args, *(k.value for k in call.keywords)]:
                    for inner in ast.walk(value):
                        if isinstance(inner, ast.Name) and inner.id in made:
                            draft.edge(tasks[made[inner.id]][0], tasks[called][0])
        yield draft.done()
    if tasks:
        line = min(line for _, line in tasks.values())
        draft = Draft(page.stem, "prefect", "tasks", Evidence("@task", page.path, line))
        for name, line in tasks.values():
            draft.task(name, "task", line)
        yield draft.done()


def _marked(module: Module, packages: Packages, page: Page) -> Iterator[Workflow]:
    drafts: dict[tuple[str, str], Draft] = {}
    for function, _ in module.functions:
        for decorator, said in module.decorators(function):
            origin = _unwrapped(module, packages, decorator, said)
            system, marks = _MARKS.get(origin.split(".")[0], ("", {}))
            kind, part = marks.get(origin.rpartition(".")[2], ("", ""))
            if not kind:
                continue
            name = _given_name(module, decorator, function.name)
            own = name if kind in {"job", "schedule", "sensor"} else page.stem
            where = Evidence(f"@{dotted(decorator)}", page.path, function.lineno)
            draft = drafts.setdefault((system, own), Draft(own, system, kind, where))
            draft.task(name, part, function.lineno)
            if kind == "assets":
                _asset_edges(module, decorator, function, name, draft)
            elif kind == "job":
                for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                    if isinstance(module.defined.get(dotted(call.func)), FunctionNode):
                        draft.task(dotted(call.func), "task", call.lineno)
                        for value in call.args:
                            if isinstance(value, ast.Call):
                                draft.edge(dotted(value), dotted(call.func))
    yield from (draft.done() for draft in drafts.values())


def _unwrapped(module: Module, packages: Packages, decorator: ast.expr, origin: str) -> str:
    """Where a decorator comes from, through a `partial(job, ...)` of the repository's own."""
    if not origin or origin.split(".", maxsplit=1)[0] in _MARKS:
        return origin
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    found = packages.resolve(module, target)
    if found is None or not isinstance(found[1], ast.Call) or not found[1].args:
        return origin
    where, made = found
    if not isinstance(made, ast.Call) or where.origin(made) != "functools.partial":
        return origin
    wrapped = packages.resolve(where, made.args[0])
    if wrapped is not None and isinstance(wrapped[1], ast.ClassDef):
        own, made_of = wrapped
        bases = made_of.bases if isinstance(made_of, ast.ClassDef) else []
        return next((o for base in bases if (o := own.origin(base))), origin)
    return where.origin(made.args[0])


def _asset_edges(
    module: Module, decorator: ast.expr, function: FunctionNode, name: str, draft: Draft
) -> None:
    for argument in function.args.args:
        draft.edge(argument.arg, name)
    deps = (
        keyword(decorator, "deps", "non_argument_deps") if isinstance(decorator, ast.Call) else None
    )
    for item in deps.elts if isinstance(deps, ast.List | ast.Set | ast.Tuple) else []:
        draft.edge(module.text(item) or dotted(item), name)


def _luigi(module: Module, page: Page) -> Iterator[Workflow]:
    draft: Draft | None = None
    for node in module.classes:
        origins = [module.origin(base) for base in node.bases]
        local = [dotted(base) for base in node.bases]
        known = draft is not None and any(name in draft.tasks for name in local)
        if not known and not any(o.startswith("luigi.") and o.endswith("Task") for o in origins):
            continue
        draft = draft or Draft(
            page.stem, "luigi", "tasks", Evidence("luigi.Task", page.path, node.lineno)
        )
        draft.task(node.name, "task", node.lineno)
        for method in node.body:
            if isinstance(method, FunctionNode) and method.name == "requires":
                for call in (n for n in ast.walk(method) if isinstance(n, ast.Call)):
                    draft.edge(dotted(call.func).rpartition(".")[2], node.name)
    if draft is not None:
        yield draft.done()


def _by_instance(
    module: Module, packages: Packages, page: Page, package: str, marks: tuple[str, ...]
) -> Iterator[Workflow]:
    draft: Draft | None = None
    for function, _ in module.functions:
        for decorator in function.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            owner, _, mark = dotted(target).rpartition(".")
            origin = module.origin(target)
            if origin.startswith(f"{package}.") and (origin.rpartition(".")[2] in marks):
                sure = SURE
            elif isinstance(target, ast.Attribute) and owner and mark in marks:
                found = packages.resolve(module, target.value)
                made = found is not None and isinstance(found[1], ast.expr)
                ours = (
                    made
                    and found is not None
                    and isinstance(found[1], ast.Call)
                    and found[0].origin(found[1]).startswith(package)
                )
                sure = SURE if ours else 0.0
            else:
                continue
            if sure:
                where = Evidence(f"@{dotted(decorator)}", page.path, function.lineno)
                draft = draft or Draft(page.stem, package, "tasks", where, sure)
                kind = "schedule" if "periodic" in dotted(target) else "task"
                draft.task(_given_name(module, decorator, function.name), kind, function.lineno)
    if draft is not None:
        yield draft.done()


def _scheduled(module: Module, page: Page) -> Iterator[Workflow]:
    held = {
        name for name, value in module.assigned.items()
        if isinstance(value, ast.Call) and module.origin(value).rpartition(".")[2] in _SCHEDULERS
        and module.origin(value).startswith("apscheduler.")
    }  # fmt: skip
    draft: Draft | None = None

    def add(name: str, line: int, said: str) -> None:
        nonlocal draft
        draft = draft or Draft(
            page.stem, "apscheduler", "schedule", Evidence("scheduler", page.path, line)
        )
        draft.task(name, "schedule", line, said)

    for call in module.calls:
        owner, _, method = dotted(call.func).rpartition(".")
        if owner in held and method in {"add_job", "add_schedule"}:
            what = call.args[0] if call.args else keyword(call, "func")
            if what is not None:
                name = dotted(what) or module.text(what) or ast.unparse(what)[:60]
                add(name, call.lineno, method)
    for function, _ in module.functions:
        for decorator in function.decorator_list:
            owner, _, method = dotted(decorator).rpartition(".")
            if owner in held and method == "scheduled_job":
                add(function.name, function.lineno, "@scheduled_job")
    if draft is not None:
        yield draft.done()


def _queued(module: Module, page: Page) -> Iterator[Workflow]:
    """Functions that RQ is given by name and not by a decorator: put in a queue, or run by a clock,
    which a list of `{"func": f, "interval": ...}` may say."""
    drafts: dict[str, Draft] = {}

    def add(kind: str, node: ast.expr | None, line: int) -> None:
        name = module.text(node) or (dotted(node) if node is not None else "")
        if name := name.rpartition(".")[2]:
            where = Evidence("enqueue" if kind == "tasks" else "schedule", page.path, line)
            draft = drafts.setdefault(kind, Draft(page.stem, "rq", kind, where, LIKELY))
            draft.task(name, "task" if kind == "tasks" else "schedule", line)

    for call in module.calls:
        method = dotted(call.func).rpartition(".")[2]
        func = keyword(call, "func", "f")
        if method in {"enqueue", "enqueue_call"}:
            add("tasks", func or next(iter(call.args), None), call.lineno)
        elif method in {"enqueue_in", "enqueue_at"}:
            add("tasks", func or next(iter(call.args[1:]), None), call.lineno)
        elif method in {"schedule", "cron"} and module.uses("rq_scheduler"):
            add("schedule", func or next(iter(call.args[1:]), None), call.lineno)
    for node in ast.walk(module.tree) if module.uses("rq_scheduler") else ():
        if isinstance(node, ast.Dict):
            said = {
                module.text(key): value for key, value in zip(node.keys, node.values, strict=True)
            }
            if "func" in said and said.keys() & {"interval", "cron_string"}:
                add("schedule", said["func"], node.lineno)
    yield from (draft.done() for draft in drafts.values())


def _arq(module: Module, page: Page) -> Iterator[Workflow]:
    for node in module.classes:
        for statement in node.body:
            if not isinstance(statement, ast.Assign) or dotted(statement.targets[0]) != "functions":
                continue
            if isinstance(statement.value, ast.List | ast.Tuple) and node.name.endswith("Settings"):
                draft = Draft(
                    node.name,
                    "arq",
                    "worker",
                    Evidence("functions", page.path, node.lineno),
                    LIKELY,
                )
                for item in statement.value.elts:
                    first = item.args[0] if isinstance(item, ast.Call) and item.args else item
                    if name := dotted(first).rpartition(".")[2]:
                        draft.task(name, "task", item.lineno)
                yield draft.done()


def _graphs(module: Module, page: Page) -> Iterator[Workflow]:
    for variable, value in module.assigned.items():
        if not isinstance(value, ast.Call) or not module.origin(value).startswith("langgraph."):
            continue
        if module.origin(value).rpartition(".")[2] not in {"StateGraph", "MessageGraph", "Graph"}:
            continue
        draft = Draft(
            variable, "langgraph", "graph", Evidence("StateGraph", page.path, value.lineno)
        )
        for call in module.calls:
            owner, _, method = dotted(call.func).rpartition(".")
            if owner.partition(".")[0] != variable:
                continue
            names = [module.text(a) or dotted(a).rpartition(".")[2] for a in call.args]
            if method == "add_node" and names and names[0]:
                draft.task(names[0], "task", call.lineno)
            elif method == "add_edge" and len(names) > 1:
                draft.edge(names[0], names[1])
        yield draft.done()
