"""What a DAG file makes when its names are called: DAGs, groups, tasks and the edges between them.

The reader evaluates expressions; whatever of Airflow's is called, decorated or shifted comes here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.airflow.constants import Unknown, duration
from orch_nb.formats.airflow.edges import connect, ends, link, results_in
from orch_nb.formats.airflow.making import Maker
from orch_nb.formats.airflow.modules import is_elsewhere
from orch_nb.formats.airflow.symbols import (
    Class,
    Dag,
    Factory,
    Function,
    Group,
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

__all__ = ["Builder", "usable"]

_RELATIVES = ("set_upstream", "set_downstream", "as_setup", "as_teardown")
_MOST_EDGES = 500_000
_MARKS = ("dag", "task_group", "setup", "teardown", "asset", "multi")
_TASK = re.compile(r"\.task(\.\w+)?$")


def usable(value: Any) -> Any:
    """What is taken over from a module beside the file: functions, and constants. A class stays the
    name that it is imported by, and so does all that is not known."""
    if isinstance(value, (Function, TaskFlow, Factory, str, int, float, tuple, list, dict, set)):
        return value
    return None


class Builder(Maker):
    """Calls, methods, decorators and `>>`; what they make is kept as a `Maker` keeps it."""

    # -- attributes and methods

    def attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Ref):
            if owner.of_airflow and owner.last in ("TriggerRule", "WeightRule"):
                return name.lower()
            module = self.beside(owner.origin)
            if module is not None and (found := usable(module.names.get(name))) is not None:
                return found
            return Ref(f"{owner.origin}.{name}")
        if isinstance(owner, Operator) and name == "output":
            return Xcom((owner,))
        if isinstance(owner, Xcom) and name == "operator" and len(owner.tasks) == 1:
            return owner.tasks[0]
        if isinstance(owner, str) and name == "value":  # of an enum's member
            return owner
        if name in ("task_id", "dag_id", "group_id") and isinstance(owner, (Operator, Dag, Group)):
            return owner.id
        return Opaque()

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
        if isinstance(owner, (Operator, Xcom, Group)) and name in _RELATIVES:
            return True, self._related(owner, name, args, kwargs, node)
        if isinstance(owner, Xcom) and name in ("map", "zip", "concat"):
            tasks = dict.fromkeys((*owner.tasks, *results_in(everything)))
            return True, Xcom(tuple(tasks), f".{name}")
        if isinstance(owner, TaskFlow):
            return self._of_taskflow(owner, name, args, kwargs, node)
        if isinstance(owner, Factory) and owner.what == "group":
            return self._of_factory(owner, name, kwargs, node)
        if (
            isinstance(owner, (Ref, Class))
            and name == "partial"
            and self._makes_task(owner, kwargs)
        ):
            return True, Partial(self._kind(owner), kwargs)
        if isinstance(owner, Partial) and name in ("expand", "expand_kwargs"):
            over = kwargs if name == "expand" else {"**": args[0] if args else Opaque()}
            return True, self.operator(owner.kind, owner.kwargs, node, mapped=over)
        if isinstance(owner, Dag) and name == "param" and args and isinstance(args[0], str):
            return True, Param(args[0])
        return False, None

    def _related(
        self, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> Any:
        if name in ("set_upstream", "set_downstream"):
            other = args[0] if args else Opaque()
            self.shift(owner, other, name == "set_downstream", node)
            return None
        for task in ends(owner):
            task.setup |= name == "as_setup"
            task.teardown |= name == "as_teardown"
            if kwargs.get("on_failure_fail_dagrun") is not None:
                task.kwargs["on_failure_fail_dagrun"] = kwargs["on_failure_fail_dagrun"]
            for setup in ends(kwargs.get("setups", args)):
                setup.setup = True
                link(setup, task)
        return owner

    def _of_taskflow(
        self, owner: TaskFlow, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> tuple[bool, Any]:
        if name == "override":
            return True, owner.but(kwargs=owner.kwargs | kwargs)
        if name == "partial":
            return True, owner.but(given=owner.given | kwargs)
        if name in ("expand", "expand_kwargs"):
            over = kwargs if name == "expand" else {"**": args[0] if args else Opaque()}
            return True, self.task_of(owner, dict(owner.given), node, over)
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
            return True, self.group_of(owner, [], owner.given, node, kwargs or {"**": Opaque()})
        return False, None

    # -- calls

    def called(self, what: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        """What calling a thing of Airflow's makes; Opaque for all else."""
        if isinstance(what, TaskFlow):
            names = parameter_names(what.function, placed=True)
            given = dict(zip(names, args, strict=False)) | kwargs
            rest = args[len(names) :]
            if rest and what.function.node.args.vararg is not None:
                given[f"*{what.function.node.args.vararg.arg}"] = rest
            return self.task_of(what, given, node, None)
        if isinstance(what, Factory):
            if what.what == "dag":
                return self.dag_of(what, args, kwargs)
            return self.group_of(what, args, what.given | kwargs, node, None)
        if isinstance(what, Taking):
            return self.decorated(what, args[0]) if args else what
        if isinstance(what, (Ref, Class)):
            if self._makes_task(what, kwargs):
                return self.operator(self._kind(what), kwargs, node)
            if isinstance(what, Ref):
                return self._called_ref(what, args, kwargs, node)
        return Opaque()

    def _called_ref(
        self, what: Ref, args: list[Any], kwargs: dict[str, Any], node: ast.Call
    ) -> Any:
        name = what.last
        if name in ("timedelta", "duration"):
            return duration(args, kwargs)
        if not what.of_airflow:
            self._not_followed(what, [*args, *kwargs.values()], node)
            raise Unknown
        if name in ("DAG", "TaskGroup"):
            return (self.dag_made if name == "DAG" else self.group_made)(args, kwargs, node)
        if name in _MARKS or _TASK.search(what.origin):
            if args and isinstance(args[0], str):  # `@dag("release")`
                kwargs = {"group_id" if name == "task_group" else "dag_id": args[0]} | kwargs
                args = []
            marks = Taking(what.origin, kwargs)
            return self.decorated(marks, args[0]) if args else marks
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

    def _not_followed(self, what: Ref, given: list[Any], node: ast.Call) -> None:
        """A function of a module that is not here may make tasks, where a DAG is being made."""
        module = what.origin.lstrip(".")
        makes = bool(self._dag) or any(isinstance(one, (Dag, Operator, Xcom)) for one in given)
        if makes and what.last.islower() and not is_elsewhere(module) and "pendulum" not in module:
            self.loss("call", f"`{ast.unparse(node.func)[:60]}()` is not known here; tasks that it "
                      "makes, if any, are missing", node.lineno)  # fmt: skip

    @staticmethod
    def _makes_task(what: Ref | Class, kwargs: dict[str, Any]) -> bool:
        """An operator by its name, or by being told a task's id; a class by what it inherits."""
        if isinstance(what, Class):
            bases = [base for base in what.bases if isinstance(base, (Ref, Class))]
            return "task_id" in kwargs or any(Builder._makes_task(base, kwargs) for base in bases)
        if _TASK.search(what.origin) or what.origin.startswith("builtins."):
            return False
        return "task_id" in kwargs or (
            what.of_airflow and what.last.endswith(("Operator", "Sensor"))
        )

    def _kind(self, what: Ref | Class) -> str:
        return what.origin if isinstance(what, Ref) else f"{self.stem}:{what.name}"

    def decorated(self, mark: Any, target: Any) -> Any:
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
        if last == "asset" or kind.endswith(".asset.multi"):
            return self._asset(target, kwargs)
        if last == "dag":
            return Factory("dag", target, kwargs)
        if last == "task_group":
            return Factory("group", target, kwargs)
        if found := _TASK.search(kind):
            return TaskFlow(target, f"task{found[1] or ''}", kwargs)
        return target

    def _asset(self, function: Function, kwargs: dict[str, Any]) -> Any:
        """`@asset`: a DAG of its own with one task, which makes the asset."""
        name = kwargs.get("name", function.name)
        dag = self.dag_made([], {"dag_id": name} | kwargs, function.node)
        self.enter(dag)
        self.task_of(TaskFlow(function, "task"), {}, function.node, None)
        self.leave(dag)
        return Opaque()

    # -- edges

    def shift(self, left: Any, right: Any, down: bool, node: ast.AST) -> Any:
        """`left >> right`, or `left << right`; the value is the right one."""
        if isinstance(right, Label):
            side = {"before": (left,)} if down else {"after": (left,)}
            return Label(**side)
        if isinstance(left, Label):
            left = left.before if down else left.after
        before, after = (left, right) if down else (right, left)
        self.edges += len(list(ends(before))) * len(list(ends(after)))
        if self.edges > _MOST_EDGES:
            raise PlanError(
                f"The DAG file draws more than {_MOST_EDGES:,} edges; that is no file to read.",
                what="DAG file",
            )
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
        for one, other in pairwise(links):
            pairs: Iterable[tuple[Any, Any]] = [(one, other)]
            if (
                name == "chain"
                and isinstance(one, (list, tuple))
                and isinstance(other, (list, tuple))
            ):
                if len(one) != len(other):
                    self._lost_edge(node)
                    continue
                pairs = zip(one, other, strict=True)
            for before, after in pairs:
                self.shift(before, after, True, node)
