"""What a DAG file makes when its names are called: DAGs, groups, tasks and the edges between them.

The reader evaluates expressions; whatever of Airflow's is called, decorated or shifted comes here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any

from orch_nb.formats.airflow.constants import Unknown, duration
from orch_nb.formats.airflow.edges import connect, ends, link, results_in
from orch_nb.formats.airflow.symbols import (
    Class,
    Dag,
    Factory,
    Function,
    Group,
    Item,
    Label,
    Opaque,
    Operator,
    Param,
    Partial,
    Ref,
    Taking,
    TaskFlow,
    Xcom,
    parameter_names,
)
from orch_nb.model.translation import Loss

__all__ = ["Builder"]

_TASK = re.compile(r"\.task(\.\w+)?$")
_SUFFIX = re.compile(r"__\d+$")
_MOST_TASKS = 20_000


class Builder:
    """What was made so far, and in which DAG and group the reader stands."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.dags: list[Dag] = []
        self.losses: list[Loss] = []
        self._dag: list[Dag] = []
        self._group: list[Group | None] = []
        self._held: list[tuple[list[Operator], list[Operator]]] = []
        self._made = 0
        self.call: Callable[..., Any] = lambda *_: None

    def loss(
        self, what: str, why: str, line: int | None, task: str = "", severity: str = "dropped"
    ) -> None:
        found = Loss(what, why, task, line, severity)
        if found not in self.losses:
            self.losses.append(found)

    # -- where the reader stands

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

    # -- attributes and methods

    def attribute(self, owner: Any, name: str, text: str) -> Any:
        if isinstance(owner, Ref):
            if owner.of_airflow and owner.last in ("TriggerRule", "WeightRule"):
                return name.lower()
            return Ref(f"{owner.origin}.{name}")
        if isinstance(owner, Operator) and name == "output":
            return Xcom((owner,))
        if isinstance(owner, Xcom) and name == "operator" and len(owner.tasks) == 1:
            return owner.tasks[0]
        if isinstance(owner, str) and name == "value":  # of an enum's member
            return owner
        if name in ("task_id", "dag_id", "group_id") and isinstance(owner, (Operator, Dag, Group)):
            return owner.id
        return Opaque(text)

    def assigned(self, owner: Any, name: str, value: Any) -> None:
        """`owner.name = value`, after it was made."""
        if isinstance(owner, Dag) and name == "doc_md" and not isinstance(value, str):
            return
        for made in [owner] if isinstance(owner, (Dag, Group)) else ends(owner):
            made.kwargs = made.kwargs | {name: value}

    def method(
        self, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> tuple[bool, Any]:
        """Whether a method is one that is known here, and what it gives."""
        everything = [*args, *kwargs.values()]
        if isinstance(owner, (Operator, Xcom, Group)):
            if name in ("set_upstream", "set_downstream"):
                self.shift(owner, args[0] if args else Opaque(), name == "set_downstream",
                           node)  # fmt: skip
                return True, None
            if name in ("as_setup", "as_teardown"):
                for task in ends(owner):
                    task.setup |= name == "as_setup"
                    task.teardown |= name == "as_teardown"
                    for setup in ends(kwargs.get("setups", args)):
                        setup.setup = True
                        link(setup, task)
                return True, owner
        if isinstance(owner, Xcom) and name in ("map", "zip", "concat"):
            tasks = dict.fromkeys((*owner.tasks, *results_in(everything)))
            return True, Xcom(tuple(tasks), f".{name}")
        if isinstance(owner, TaskFlow):
            return self._of_taskflow(owner, name, args, kwargs, node)
        if isinstance(owner, Factory) and owner.what == "group":
            return self._of_factory(owner, name, kwargs, node)
        if isinstance(owner, (Ref, Class)) and name == "partial" and self._makes_task(owner, kwargs):
            return True, Partial(self._kind(owner), kwargs)
        if isinstance(owner, Partial) and name in ("expand", "expand_kwargs"):
            over = kwargs if name == "expand" else {"**": args[0] if args else Opaque()}
            return True, self._operator(owner.kind, owner.kwargs, node, mapped=over)
        if isinstance(owner, Dag) and name == "param" and args and isinstance(args[0], str):
            return True, Param(args[0])
        return False, None

    def _of_taskflow(
        self, owner: TaskFlow, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> tuple[bool, Any]:
        if name == "override":
            return True, owner.but(kwargs=owner.kwargs | kwargs)
        if name == "partial":
            return True, owner.but(given=owner.given | kwargs)
        if name in ("expand", "expand_kwargs"):
            over = kwargs if name == "expand" else {"**": args[0] if args else Opaque()}
            return True, self._task(owner, dict(owner.given), node, over)
        return False, None

    def _of_factory(
        self, owner: Factory, name: str, kwargs: dict[str, Any], node: ast.Call
    ) -> tuple[bool, Any]:
        if name == "override":
            return True, Factory("group", owner.function, owner.kwargs | kwargs, owner.given)
        if name == "partial":
            given = owner.given | kwargs
            return True, Factory("group", owner.function, owner.kwargs, given)
        if name in ("expand", "expand_kwargs"):
            return True, self._group_of(owner, [], owner.given, node, kwargs or {"**": Opaque()})
        return False, None

    # -- calls

    def called(self, what: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        """What calling a thing of Airflow's makes; Opaque for all else."""
        if isinstance(what, TaskFlow):
            names = parameter_names(what.function)
            given = dict(zip(names, args, strict=False)) | kwargs
            rest = args[len(names) :]
            if rest and what.function.node.args.vararg is not None:
                given[f"*{what.function.node.args.vararg.arg}"] = rest
            return self._task(what, given, node, None)
        if isinstance(what, Factory):
            if what.what == "dag":
                return self._dag_of(what, args, kwargs, node)
            return self._group_of(what, args, what.given | kwargs, node, None)
        if isinstance(what, Taking):
            return self.decorated(what, args[0], node.lineno) if args else what
        if isinstance(what, (Ref, Class)):
            if self._makes_task(what, kwargs):
                return self._operator(self._kind(what), kwargs, node)
            if isinstance(what, Ref):
                return self._called_ref(what, args, kwargs, node)
        return Opaque(ast.unparse(node)[:80])

    def _called_ref(
        self, what: Ref, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> Any:
        name = what.last
        if name in ("timedelta", "duration"):
            return duration(args, kwargs)
        if not what.of_airflow:
            raise Unknown
        if name == "DAG":
            return self._dag_made(args, kwargs, node)
        if name == "TaskGroup":
            return self._group_made(args, kwargs, node)
        if name in ("dag", "task_group", "setup", "teardown") or _TASK.search(what.origin):
            marks = Taking(what.origin, kwargs)
            return self.decorated(marks, args[0], node.lineno) if args else marks
        if name in ("chain", "chain_linear", "cross_downstream"):
            self._chained(name, args, node)
            return None
        if name in ("Label", "EdgeModifier"):
            return Label()
        if name == "Param":
            return args[0] if args else kwargs.get("default")
        if name == "XComArg" and args and isinstance(args[0], Operator):
            return Xcom((args[0],))
        if name == "literal" and args:
            return args[0]
        raise Unknown

    @staticmethod
    def _makes_task(what: Ref | Class, kwargs: dict[str, Any]) -> bool:
        """An operator by its name, or by being told a task's id; a class by what it inherits."""
        if isinstance(what, Class):
            bases = [base for base in what.bases if isinstance(base, (Ref, Class))]
            return "task_id" in kwargs or any(Builder._makes_task(base, kwargs) for base in bases)
        if _TASK.search(what.origin) or what.origin.startswith("builtins."):
            return False
        return "task_id" in kwargs or (what.of_airflow and what.last.endswith(("Operator", "Sensor")))

    def _kind(self, what: Ref | Class) -> str:
        return what.origin if isinstance(what, Ref) else f"{self.stem}:{what.name}"

    def decorated(self, mark: Any, target: Any, line: int) -> Any:
        """`target` under a decorator; itself, where that is not one of Airflow's."""
        kind, kwargs = "", {}
        if isinstance(mark, Taking):
            kind, kwargs = mark.kind, mark.kwargs
        elif isinstance(mark, Ref) and mark.of_airflow:
            kind = mark.origin
        last = kind.rpartition(".")[2]
        if last in ("setup", "teardown"):
            flow = TaskFlow(target, "task", kwargs) if isinstance(target, Function) else target
            if isinstance(flow, TaskFlow):
                setup = last == "setup"
                return flow.but(setup=flow.setup or setup, teardown=flow.teardown or not setup)
        if not isinstance(target, Function):
            return target
        if last == "dag":
            return Factory("dag", target, kwargs)
        if last == "task_group":
            return Factory("group", target, kwargs)
        if found := _TASK.search(kind):
            return TaskFlow(target, f"task{found[1] or ''}", kwargs)
        return target

    # -- DAGs and groups

    def _dag_made(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Dag:
        said = kwargs.get("dag_id", args[0] if args else None)
        line = getattr(node, "lineno", 1)
        if not isinstance(said, str):
            said = f"dag_line_{line}"
            self.loss("dag_id", "it is not known without running the file", line, severity="changed")
        dag = Dag(said, kwargs, line)
        self.dags.append(dag)
        return dag

    def _dag_of(
        self, what: Factory, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> Dag:
        options = {"dag_id": what.function.name} | what.kwargs
        dag = self._dag_made([], options, what.function.node)
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

    def _group_made(self, args: list[Any], kwargs: dict[str, Any], node: ast.AST) -> Group:
        parent = kwargs.get("parent_group") or (self._group[-1] if self._group else None)
        parent = parent if isinstance(parent, Group) else None
        dag = kwargs.get("dag") or (self._dag[-1] if self._dag else None)
        name = kwargs.get("group_id", args[0] if args else None)
        line = getattr(node, "lineno", 1)
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

    def _group_of(
        self, what: Factory, args: list[Any], kwargs: dict[str, Any], node: ast.Call,
        over: dict[str, Any] | None,
    ) -> Any:  # fmt: skip
        options = {"group_id": what.function.name} | what.kwargs
        doc = None
        if not isinstance(what.function.node, ast.Lambda):
            doc = ast.get_docstring(what.function.node)
        if doc and "tooltip" not in options:
            options["tooltip"] = doc
        group = self._group_made([], options, node)
        group.over = over
        items = {name: Item(value, group) for name, value in (over or {}).items()}
        self.enter(group)
        found = self.call(what.function, args, kwargs | items)
        self.leave(group)
        return group if found is None else found

    # -- tasks

    def _task(
        self, what: TaskFlow, given: dict[str, Any], node: ast.Call, over: dict[str, Any] | None
    ) -> Any:
        function = what.function
        task = self._operator(
            what.kind, {"task_id": function.name} | what.kwargs, node, over, function, given
        )
        task.setup, task.teardown = what.setup, what.teardown
        return Xcom((task,))

    def _operator(
        self, kind: str, kwargs: dict[str, Any], node: ast.Call,
        mapped: dict[str, Any] | None = None, function: Function | None = None,
        given: dict[str, Any] | None = None,
    ) -> Operator:  # fmt: skip
        self._made += 1
        if self._made > _MOST_TASKS:
            raise Unknown
        line = node.lineno if function is None else function.node.lineno
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
                self.loss("task_id", f"`{taken}` is there twice, which Airflow refuses", node.lineno,
                          full, "changed")  # fmt: skip
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

    # -- edges

    def shift(self, left: Any, right: Any, down: bool, node: ast.AST) -> Any:
        """`left >> right`, or `left << right`; the value is the right one."""
        if isinstance(right, Label):
            side = {"before": (left,)} if down else {"after": (left,)}
            return Label(**side)
        if isinstance(left, Label):
            left = left.before if down else left.after
        before, after = (left, right) if down else (right, left)
        if not connect(before, after):
            self._lost_edge(node)
        return right

    def _lost_edge(self, node: ast.AST) -> None:
        text = ast.unparse(node)
        self.loss("dependency", f"`{text[:60]}` has no task on one side that is known without "
                  "running the file", getattr(node, "lineno", None))  # fmt: skip

    def _chained(self, name: str, args: list[Any], node: ast.AST) -> None:
        if name == "cross_downstream":
            for one in args[0] if args and isinstance(args[0], list) else args[:1]:
                self.shift(one, args[1] if len(args) > 1 else Opaque(), True, node)
            return
        links = [value for value in args if not isinstance(value, Label)]
        for one, other in zip(links, links[1:], strict=False):
            pairs: Iterable[tuple[Any, Any]] = [(one, other)]
            if name == "chain" and isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
                if len(one) != len(other):
                    self._lost_edge(node)
                    continue
                pairs = zip(one, other, strict=True)
            for before, after in pairs:
                self.shift(before, after, True, node)


def _unused(name: str, taken: dict[str, Any]) -> str:
    """`name`, or the first of `name__1`, `name__2` that Airflow would give it."""
    if name not in taken:
        return name
    core = _SUFFIX.split(name)[0]
    numbers = [int(other[len(core) + 2 :]) for other in taken
               if other.startswith(f"{core}__") and other[len(core) + 2 :].isdigit()]  # fmt: skip
    return f"{core}__{max(numbers, default=0) + 1}"
