"""The DAGs, groups and tasks of a file that is read, and where in them the reader stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orch_nb.formats.airflow.constants import Unknown
from orch_nb.formats.airflow.edges import connect, ends, link, results_in
from orch_nb.formats.airflow.symbols import (
    Dag,
    Factory,
    Function,
    Group,
    Item,
    Operator,
    Param,
    Scope,
    TaskFlow,
    Xcom,
    parameter_names,
)
from orch_nb.model.translation import Loss

__all__ = ["Maker"]

_SUFFIX = re.compile(r"__\d+$")
_MOST_TASKS = 20_000


class Maker:
    """What was made so far. `call` performs a function of the file."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.dags: list[Dag] = []
        self.losses: list[Loss] = []
        self._dag: list[Dag] = []
        self._group: list[Group | None] = []
        self._held: list[tuple[list[Operator], list[Operator]]] = []
        self._made = 0
        self.edges = 0
        self.call: Callable[..., Any] = lambda *_: None
        self.beside: Callable[[str], Scope | None] = lambda _: None
        #: The line of the file that is read; while a module beside it is followed, that stays.
        self.at = 1
        self.away = False

    def loss(
        self, what: str, why: str, line: int | None, task: str = "", severity: str = "dropped"
    ) -> None:
        found = Loss(what, why, task, self.at if self.away and line else line, severity)
        if found not in self.losses:
            self.losses.append(found)

    # -- where the reader stands

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While a module is loaded: what it makes and loses by itself is none of the file's."""
        kept = self.dags, self.losses, self._dag, self._group, self._held, self.away
        self.dags, self.losses, self._dag, self._group, self._held = [], [], [], [], []
        self.away = True
        try:
            yield
        finally:
            self.dags, self.losses, self._dag, self._group, self._held, self.away = kept

    @contextmanager
    def inside(self, function: Function) -> Iterator[None]:
        """While a function is followed, which may be one of another module."""
        away = self.away
        self.away = away or function.module != self.stem
        try:
            yield
        finally:
            self.away = away

    def enter(self, value: Any) -> Any:
        """`with value:`; what `as` binds."""
        if isinstance(value, Dag):
            self._dag.append(value)
            self._group.append(None)
        elif isinstance(value, Group):
            self._group.append(value)
            if value.dag is not None:
                self._dag.append(value.dag)
        elif (held := list(ends(value))) and all(isinstance(t, Operator) for t in held):
            self._held.append((held, []))
        return value

    def leave(self, value: Any) -> None:
        if isinstance(value, Dag):
            self._dag.pop()
            self._group.pop()
        elif isinstance(value, Group):
            self._group.pop()
            if value.dag is not None:
                self._dag.pop()
            if value.over is not None:
                connect(Xcom(tuple(results_in(value.over))), value)
        elif self._held and self._held[-1][0] == list(ends(value)):
            self._release(*self._held.pop())

    def _release(self, held: list[Operator], inside: list[Operator]) -> None:
        """Work in the context of a setup or a teardown stands between the two."""
        work = [task for task in inside if not (task.setup or task.teardown)]
        setups = {t for h in held for t in ((h,) if h.setup else h.up) if t.setup}
        teardowns = {t for h in held for t in ((h,) if h.teardown else h.down) if t.teardown}
        first = [task for task in work if not task.up]
        last = [task for task in work if not task.down]
        connect(list(setups), first)
        connect(last, list(teardowns))

    # -- DAGs and groups

    def dag_made(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Dag:
        said = kwargs.get("dag_id", args[0] if args else None)
        line = self.at if self.away else getattr(node, "lineno", 1)
        if not isinstance(said, str):
            said = f"dag_line_{line}"
            self.loss(
                "dag_id", "it is not known without running the file", line, severity="changed"
            )
        dag = Dag(said, kwargs, line)
        self.dags.append(dag)
        return dag

    def dag_of(self, what: Factory, args: list[Any], kwargs: dict[str, Any]) -> Dag:
        options = {"dag_id": what.function.name} | what.kwargs
        dag = self.dag_made([], options, what.function.node)
        if not isinstance(what.function.node, ast.Lambda):
            dag.doc = ast.get_docstring(what.function.node) or ""
        names = parameter_names(what.function)
        given = dict(zip(names, args, strict=False)) | kwargs
        own = dict(zip(reversed(names), reversed(what.function.node.args.defaults), strict=False))
        said = dag.kwargs.get("params")
        params = dict(said) if isinstance(said, dict) else {}
        for name in names:
            default = own.get(name)
            value = default.value if isinstance(default, ast.Constant) else None
            params[name] = given.get(name, value)
        if names:
            dag.kwargs = dag.kwargs | {"params": params}
        self.enter(dag)
        self.call(what.function, [], {name: Param(name) for name in names})
        self.leave(dag)
        return dag

    def group_made(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Group:
        parent = kwargs.get("parent_group") or (self._group[-1] if self._group else None)
        parent = parent if isinstance(parent, Group) else None
        dag = kwargs.get("dag") or (self._dag[-1] if self._dag else None)
        name = kwargs.get("group_id", args[0] if args else None)
        line = self.at if self.away else getattr(node, "lineno", 1)
        if not isinstance(name, str):
            name = f"group_line_{line}"
            self.loss("group_id", "it is not known without running the file", line,
                      severity="changed")  # fmt: skip
        known = dag.groups if isinstance(dag, Dag) else {}
        prefixes = kwargs.get("prefix_group_id", True) is not False
        full = parent.child_id(name) if parent is not None else name
        full = _unused(full, known)
        group = Group(full, kwargs, dag if isinstance(dag, Dag) else None, parent, line, prefixes)
        known[full] = group
        if parent is not None:
            parent.groups.append(group)
        return group

    def group_of(
        self, what: Factory, args: list[Any], kwargs: dict[str, Any], node: ast.Call,
        over: dict[str, Any] | None,
    ) -> Any:  # fmt: skip
        options = {"group_id": what.function.name} | what.kwargs
        doc = None
        if not isinstance(what.function.node, ast.Lambda):
            doc = ast.get_docstring(what.function.node)
        if doc and "tooltip" not in options:
            options["tooltip"] = doc
        group = self.group_made([], options, node)
        group.over = over
        items = {name: Item(value, group) for name, value in (over or {}).items()}
        self.enter(group)
        found = self.call(what.function, args, kwargs | items)
        self.leave(group)
        return group if found is None else found

    # -- tasks

    def task_of(
        self, what: TaskFlow, given: dict[str, Any], node: ast.expr | ast.stmt,
        over: dict[str, Any] | None,
    ) -> Any:  # fmt: skip
        function = what.function
        task = self.operator(
            what.kind, {"task_id": function.name} | what.kwargs, node, over, function, given
        )
        task.setup, task.teardown = what.setup, what.teardown
        return Xcom((task,))

    def operator(
        self, kind: str, kwargs: dict[str, Any], node: ast.expr | ast.stmt,
        mapped: dict[str, Any] | None = None, function: Function | None = None,
        given: dict[str, Any] | None = None,
    ) -> Operator:  # fmt: skip
        self._made += 1
        if self._made > _MOST_TASKS:
            raise Unknown
        line = node.lineno if function is None else function.node.lineno
        if self.away or (function is not None and function.module != self.stem):
            line = self.at
        dag = kwargs.get("dag") or (self._dag[-1] if self._dag else None)
        dag = dag if isinstance(dag, Dag) else None
        group = kwargs.get("task_group") or (self._group[-1] if self._group else None)
        group = group if isinstance(group, Group) else None
        if dag is None and group is not None:
            dag = group.dag
        name = kwargs.get("task_id")
        if not isinstance(name, str):
            self.loss("task_id", "it is not known without running the file; it is called by its "
                      "line", node.lineno, f"task_line_{node.lineno}", "changed")  # fmt: skip
            name = f"task_line_{node.lineno}"
        full = group.child_id(name) if group is not None else name
        if dag is not None and full in dag.tasks:
            taken, full = full, _unused(full, dag.tasks)
            if function is None:
                self.loss(
                    "task_id",
                    f"`{taken}` is there twice, which Airflow refuses",
                    node.lineno,
                    full,
                    "changed",
                )
        task = Operator(full, kind, kwargs, line, dag, group, function, given or {}, mapped)
        if dag is not None:
            dag.tasks[full] = task
        if group is not None:
            group.tasks.append(task)
        for _, inside in self._held:
            inside.append(task)
        for upstream in results_in([kwargs, task.given, mapped or {}]):
            link(upstream, task)
        return task


def _unused(name: str, taken: dict[str, Any]) -> str:
    """`name`, or the first of `name__1`, `name__2` that Airflow would give it."""
    if name not in taken:
        return name
    core = _SUFFIX.split(name)[0]
    numbers = [int(other[len(core) + 2 :]) for other in taken
               if other.startswith(f"{core}__") and other[len(core) + 2 :].isdigit()]  # fmt: skip
    return f"{core}__{max(numbers, default=0) + 1}"
