"""What the names of a DAG file stand for while it is read: values, and things of Airflow's.

    from airflow.sdk import DAG       Ref("airflow.sdk.DAG")
    with DAG("d"): ...                Dag
    a = BashOperator(task_id="a")     Operator
    @task def f(x): ...               TaskFlow, and f(1) is the Xcom of an Operator
    os.environ["X"]                   Opaque: not known without running the file

Constants are what they are in Python.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = [
    "Class", "Dag", "Factory", "Function", "Group", "Item", "Label", "Opaque", "Operator", "Param",
    "Partial", "Ref", "Scope", "Taking", "TaskFlow", "Xcom", "parameter_names",
]  # fmt: skip


@dataclass(eq=False)
class Scope:
    """The names of a function or of the module, and those around it. `perhaps`: what a function
    gives on ways of which it is not known whether they are gone."""

    names: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None
    path: str = ""
    perhaps: list[Any] = field(default_factory=list)

    def get(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        raise KeyError(name)

    def module(self) -> Scope:
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope


@dataclass(frozen=True, eq=False)
class Opaque:
    """A value that only running the file would tell."""


@dataclass(frozen=True)
class Ref:
    """Something imported, by its dotted origin."""

    origin: str

    @property
    def last(self) -> str:
        return self.origin.rpartition(".")[2]

    @property
    def of_airflow(self) -> bool:
        return self.origin.partition(".")[0] == "airflow"


@dataclass(eq=False)
class Function:
    """A function or lambda of the file, with the scope that it was made in."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    name: str
    qualname: str

    @property
    def module(self) -> str:
        """The dotted name of the module that it stands in."""
        return str(self.scope.module().names.get("__name__", ""))


@dataclass(eq=False)
class Class:
    name: str
    bases: list[Any]


@dataclass(frozen=True, eq=False)
class Label:
    """A word on an edge, and what stands on its one side so far."""

    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Param:
    """A parameter of the DAG, where its value is used."""

    name: str


@dataclass(eq=False)
class Dag:
    """A DAG: its arguments, its tasks and groups by their ids in Airflow."""

    id: str
    kwargs: dict[str, Any]
    line: int
    doc: str = ""
    variable: str = ""
    tasks: dict[str, Operator] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


@dataclass(eq=False)
class Group:
    """A task group; `over` is what a mapped one goes over, by parameter."""

    id: str
    kwargs: dict[str, Any]
    dag: Dag | None
    parent: Group | None
    line: int
    prefixes: bool = True
    over: dict[str, Any] | None = None
    tasks: list[Operator] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def child_id(self, name: str) -> str:
        return f"{self.id}.{name}" if self.prefixes else name

    def every(self) -> list[Operator]:
        """Its tasks and those of the groups in it."""
        return [*self.tasks, *(task for group in self.groups for task in group.every())]


@dataclass(eq=False)
class Operator:
    """A task. `kind` is the operator's class or decorator, `given` what its function is called
    with, `mapped` what it is expanded over."""

    id: str
    kind: str
    kwargs: dict[str, Any]
    line: int
    dag: Dag | None = None
    group: Group | None = None
    function: Function | None = None
    given: dict[str, Any] = field(default_factory=dict)
    mapped: dict[str, Any] | None = None
    setup: bool = False
    teardown: bool = False
    up: dict[Operator, None] = field(default_factory=dict)
    down: dict[Operator, None] = field(default_factory=dict)

    @property
    def last(self) -> str:
        return self.kind.rpartition(".")[2].rpartition(":")[2]


@dataclass(frozen=True, eq=False)
class Xcom:
    """The result of a task, or something made of results: `how` says what."""

    tasks: tuple[Operator, ...]
    how: str = ""


@dataclass(frozen=True, eq=False)
class Item:
    """The item of a mapped task group, in its parameter."""

    over: Any
    group: Group


@dataclass(eq=False)
class TaskFlow:
    """A decorated function; calling it makes a task."""

    function: Function
    kind: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    setup: bool = False
    teardown: bool = False

    def but(self, **changes: Any) -> TaskFlow:
        return replace(self, **changes)


@dataclass(eq=False)
class Factory:
    """A function under `@dag` or `@task_group`."""

    what: str
    function: Function
    kwargs: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Taking:
    """A decorator with its options: `@task.bash(retries=2)`."""

    kind: str
    kwargs: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Partial:
    """`SomeOperator.partial(...)`."""

    kind: str
    kwargs: dict[str, Any]


def parameter_names(function: Function, *, placed: bool = False) -> list[str]:
    """The parameters of a function, in order; `placed`: those that have a place."""
    taken = function.node.args
    named = [] if placed else taken.kwonlyargs
    return [argument.arg for argument in (*taken.posonlyargs, *taken.args, *named)]
