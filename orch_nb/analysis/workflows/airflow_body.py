"""The body of a DAG, followed: which tasks it makes, in which groups, and what comes after what."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from orch_nb.analysis.workflows.airflow_wires import Nodes, Wires
from orch_nb.analysis.workflows.page import GUESSED, SURE, Draft
from orch_nb.analysis.workflows.python_names import (
    FunctionNode,
    Module,
    Packages,
    dotted,
    keyword,
)

__all__ = ["Body"]

_UNROLLED = 60
_GROUPS = ("TaskGroup", "DbtTaskGroup", "task_group")
_MANAGERS = ("setup", "teardown")
_MAPPED = frozenset({"expand", "expand_kwargs", "partial", "override", "map", "zip", "concat"})


@dataclass(slots=True)
class Body:
    """Follows statements within one DAG. Until `open` is called only names are learned."""

    module: Module
    packages: Packages
    draft: Draft
    dag: str = ""
    names: dict[str, Nodes] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    loop: dict[str, str] = field(default_factory=dict)
    functions: dict[str, tuple[FunctionNode, str]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    made: dict[int, Nodes] = field(default_factory=dict)
    confidence: float = SURE
    opened: bool = False
    depth: int = 0
    wires: Wires = field(init=False)

    def __post_init__(self) -> None:
        self.wires = Wires(self.draft)

    def open(self) -> None:
        self.opened = True

    def statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, FunctionNode):
            self._function(node)
        elif isinstance(node, ast.Assign):
            nodes = self._value(node.value)
            for target in node.targets:
                self._bind(target, node.value, nodes)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, node.value, self._value(node.value))
        elif isinstance(node, ast.Expr | ast.Return) and node.value is not None:
            nodes = self._value(node.value)
            if isinstance(node, ast.Return):
                self.names["return"] = nodes
        elif isinstance(node, ast.With):
            self._with(node)
        elif isinstance(node, ast.For):
            self._for(node)
        elif isinstance(node, ast.If):
            self.statements(node.body)
            self.statements(node.orelse)
        elif isinstance(node, ast.Try):
            self.statements([*node.body, *node.orelse, *node.finalbody])

    def _function(self, node: FunctionNode) -> None:
        for decorator, origin in self.module.decorators(node):
            if origin.startswith("airflow."):
                last = origin.rpartition(".")[2]
                if ".task." in f"{origin}." or last in _MANAGERS:
                    known = self.functions.get(node.name, (None, ""))
                    kind = known[1] if known[0] is node and known[1] in _MANAGERS else "task"
                    self.functions[node.name] = node, last if last in _MANAGERS else kind
                    self.values[node.name] = decorator
                elif last == "task_group":
                    self.functions[node.name] = node, "group"
                    self.values[node.name] = decorator

    def _bind(self, target: ast.expr, value: ast.expr, nodes: Nodes) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            given = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for index, one in enumerate(target.elts):
                own = (nodes[index],) if len(nodes) == len(target.elts) else nodes
                own = self._value(given[index]) if index < len(given) else own
                self._bind(one, given[index] if index < len(given) else value, own)
            return
        if isinstance(target, ast.Subscript):
            # a mapping of tasks: what is taken from it may be any of them
            name = dotted(target)
            self.names[name] = (*self.names.get(name, ()), *nodes)
            return
        name = dotted(target)
        if name:
            self.names[name] = nodes
            self.values[name] = value

    def _with(self, node: ast.With) -> None:
        entered, before = 0, set(self.draft.tasks)
        managers: Nodes = ()
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and self._last(call) in _GROUPS and self.opened:
                given = keyword(call, "group_id") or (call.args[0] if call.args else None)
                group = self.wires.enter(self._text(given) or "group", call.lineno)
                entered += 1
                if item.optional_vars is not None:
                    self.names[dotted(item.optional_vars)] = (group,)
            elif not self._of_another_dag(call):
                managers += self._value(call)
        if any(self._of_another_dag(item.context_expr) for item in node.items):
            return
        self.statements(node.body)
        if managers:
            inside = tuple(one for one in self.draft.tasks if one not in before)
            self.wires.around(managers, inside)
        for _ in range(entered):
            self.wires.leave()

    def _of_another_dag(self, call: ast.expr) -> bool:
        """A `with DAG(...)`, or `with dag:` where the DAG is another than ours."""
        if isinstance(call, ast.Call):
            return self._last(call) in {"DAG", "DbtDag"}
        known = isinstance(call, ast.Name) and call.id in self.names
        return isinstance(call, ast.Name) and not known and self.dag not in {"", call.id}

    def _for(self, node: ast.For) -> None:
        choices = self._choices(node.iter)
        if choices is None or len(choices) > _UNROLLED:
            before = self.confidence
            self.confidence = GUESSED if self.opened else before
            if self.opened:
                self.draft.confidence = min(self.draft.confidence, 0.7)
            members = self._value(node.iter)
            self._bind(node.target, node.iter, members)
            self.statements(node.body)
            self.confidence = before
            return
        for choice in choices:
            self._set_loop(node.target, choice)
            self.statements(node.body)

    def _set_loop(self, target: ast.expr, choice: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(choice, ast.Tuple | ast.List):
            for one, value in zip(target.elts, choice.elts, strict=False):
                self._set_loop(one, value)
        elif isinstance(target, ast.Name):
            if isinstance(choice, ast.Constant):
                self.loop[target.id] = str(choice.value)
            self.names[target.id] = self._value(choice)

    def _choices(self, node: ast.expr) -> list[ast.expr] | None:
        if isinstance(node, ast.Name):
            value = self.values.get(node.id) or self.module.assigned.get(node.id)
            return self._choices(value) if isinstance(value, ast.List | ast.Tuple) else None
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return list(node.elts)
        if isinstance(node, ast.Dict):
            return [key for key in node.keys if key is not None]
        if isinstance(node, ast.Call) and dotted(node.func) == "range":
            said = [a.value for a in node.args if isinstance(a, ast.Constant)]
            numbers = [value for value in said if isinstance(value, int)]
            if len(numbers) == len(node.args) and all(abs(n) <= 1000 for n in numbers):
                return [ast.Constant(i) for i in range(*numbers)]
        if isinstance(node, ast.Call) and dotted(node.func) == "enumerate" and node.args:
            inner = self._choices(node.args[0])
            if inner is not None:
                pairs = enumerate(inner)
                return [ast.Tuple([ast.Constant(i), v], ast.Load()) for i, v in pairs]
        return None

    def _text(self, node: ast.expr | None) -> str:
        if isinstance(node, ast.Name) and node.id in self.loop:
            return self.loop[node.id]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._text(node.left), self._text(node.right)
            return left + right if left and right else ""
        if isinstance(node, ast.Attribute) and "TriggerRule" in dotted(node):
            return node.attr.lower()
        text = self.module.text(node)
        for name, value in self.loop.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _last(self, node: ast.Call) -> str:
        origin = self.module.origin(node)
        return (origin or dotted(node.func)).rpartition(".")[2]

    def _value(self, node: ast.expr) -> Nodes:  # noqa: C901, PLR0911, PLR0912  a case a kind of expression
        if isinstance(node, ast.Name):
            return self.names.get(node.id, ())
        if isinstance(node, ast.Attribute):
            return self.names.get(dotted(node)) or self._value(node.value)
        if isinstance(node, ast.Subscript):
            return self._value(node.value)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return tuple(n for item in node.elts for n in self._value(item))
        if isinstance(node, ast.Dict):
            return tuple(n for item in node.values for n in self._value(item))
        if isinstance(node, ast.Starred | ast.Await):
            return self._value(node.value)
        if isinstance(node, ast.IfExp):
            return (*self._value(node.body), *self._value(node.orelse))
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self._comprehension(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift | ast.LShift):
            left, right = self._value(node.left), self._value(node.right)
            if self._is_label(node.right):
                return left  # what is said of an edge stands between its ends
            if isinstance(node.op, ast.RShift):
                self.wires.follow(left, right)
            else:
                self.wires.follow(right, left)
            return right
        if isinstance(node, ast.BinOp):
            return (*self._value(node.left), *self._value(node.right))
        if isinstance(node, ast.Call):
            return self._call(node)
        return ()

    def _is_label(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self._last(node) == "Label"

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Nodes:
        choices = self._choices(node.generators[0].iter)
        if choices is None or len(choices) > _UNROLLED:
            self._bind(node.generators[0].target, node.elt, self._value(node.generators[0].iter))
            return self._value(node.elt)
        found: list[str] = []
        for choice in choices:
            self._set_loop(node.generators[0].target, choice)
            found += self._value(node.elt)
        return tuple(found)

    def _call(self, node: ast.Call) -> Nodes:
        if id(node) in self.made and not self.loop:
            return self.made[id(node)]
        nodes = self._called(node)
        self.made[id(node)] = nodes
        return nodes

    def _called(self, node: ast.Call) -> Nodes:  # noqa: C901, PLR0911, PLR0912  a case a name
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = dotted(node.func)
        last = self._last(node)
        if method in {"set_downstream", "set_upstream"} and isinstance(node.func, ast.Attribute):
            here, there = self._value(node.func.value), self._arguments(node)
            self.wires.follow(*((here, there) if method == "set_downstream" else (there, here)))
            return ()
        if last in {"chain", "chain_linear"} and self.module.origin(node).startswith("airflow."):
            self.wires.chain(self._steps(node.args), linear=last != "chain")
            return ()
        if last == "cross_downstream" and len(node.args) + len(node.keywords) >= 2:
            given = [*node.args, *(k.value for k in node.keywords)]
            self.wires.follow(self._value(given[0]), self._value(given[1]))
            return ()
        if method == "append" and isinstance(node.func, ast.Attribute):
            held = dotted(node.func.value)
            self.names[held] = (*self.names.get(held, ()), *self._arguments(node))
            return ()
        if not self.opened:
            return ()
        if self.dag and (owner := keyword(node, "dag")) is not None and dotted(owner) != self.dag:
            return ()
        base = name.split(".")[0]
        if base in self.functions:
            return self._flow(node, base)
        if name.endswith((".output",)):
            return self._value(node.func)
        task_id = self._given(node, "task_id")
        if task_id is not None and (text := self._text(task_id) or ast.unparse(task_id)):
            return self._task(text, node, last)
        if last == "DbtTaskGroup":
            # Its tasks are the models of a project, which only dbt knows: it stands for them.
            name = self._text(self._given(node, "group_id")) or "dbt"
            full = self.wires.full(name)
            self.wires.place(full)
            self.draft.task(full, "group", node.lineno, last, self.confidence)
            return (full,)
        if self._made_from_function(node):
            return self._flow_of_call(node)
        if method and isinstance(node.func, ast.Attribute):
            inner = self._value(node.func.value)
            if method in {"as_setup", "as_teardown", "output", "map", "expand", "concat", "zip"}:
                self._managing(inner, method.removeprefix("as_"))
                if keyword(node, "setups") is not None:
                    self._managing(self._arguments(node), "setup")
                    self.wires.follow(self._arguments(node), inner)
                return inner
        return self._local(node, name)

    def _given(self, node: ast.Call, name: str) -> ast.expr | None:
        """A keyword of the call, or of the `.partial(...)` before an `.expand(...)`."""
        value = keyword(node, name)
        if value is None and isinstance(node.func, ast.Attribute):
            inner = node.func.value
            if isinstance(inner, ast.Call) and node.func.attr in _MAPPED:
                return self._given(inner, name)
        return value

    def _arguments(self, node: ast.Call) -> Nodes:
        given = [*node.args, *(k.value for k in node.keywords)]
        return tuple(n for value in given for n in self._value(value))

    def _steps(self, given: list[ast.expr]) -> list[tuple[Nodes, bool]]:
        """The steps of a chain, and which of them are lists; what is starred is a step each."""
        found: list[tuple[Nodes, bool]] = []
        for one in given:
            if not isinstance(one, ast.Starred):
                found.append((self._value(one), self._listed(one)))
                continue
            held = self.values.get(one.value.id) if isinstance(one.value, ast.Name) else one.value
            if isinstance(held, ast.List | ast.Tuple):
                found += self._steps(held.elts)
            else:
                found += [((node,), False) for node in self._value(one.value)]
        return found

    def _listed(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            node = self.values.get(node.id, node)
        return isinstance(node, ast.List | ast.Tuple | ast.ListComp)

    def _task(self, task_id: str, node: ast.Call, what: str) -> Nodes:
        full = self.wires.full(task_id)
        if "{" in task_id:
            self.draft.confidence = min(self.draft.confidence, 0.7)
        self.wires.place(full)
        confidence = GUESSED if "{" in task_id else self.confidence
        rule = keyword(node, "trigger_rule")
        said = what if rule is None else f"{what}, {_rule(rule)}"
        self.draft.task(full, "task", node.lineno, said, confidence)
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        calls = [node, inner] if isinstance(inner, ast.Call) else [node]
        for call in calls:
            self.wires.follow(self._arguments(call), (full,))
        return (full,)

    def _flow(self, node: ast.Call, base: str) -> Nodes:
        """A TaskFlow function called, mapped or overridden: a task of its own each time."""
        function, kind = self.functions[base]
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in {"override", "partial"}:
            return ()
        decorator = self.values.get(base)
        given = None
        calls: list[ast.Call] = [node]
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        while isinstance(inner, ast.Call):
            calls.append(inner)
            given = given or keyword(inner, "task_id", "group_id")
            inner = inner.func.value if isinstance(inner.func, ast.Attribute) else inner.func
        if given is None and isinstance(decorator, ast.Call):
            given = keyword(decorator, "task_id", "group_id")
        name = self._text(given) or function.name
        key = self.wires.full(name)
        count = self.called[key] = self.called.get(key, -1) + 1
        if count:
            name = f"{name}__{count}"
        arguments = tuple(n for call in calls for n in self._arguments(call))
        if kind == "group":
            return self._group(function, name, node, arguments)
        said = "@task" if not isinstance(decorator, ast.expr) else f"@{dotted(decorator)}"
        nodes = self._task_of(name, node, said, decorator)
        self._managing(nodes, kind)
        self.wires.follow(arguments, nodes)
        return nodes

    def _managing(self, nodes: Nodes, kind: str) -> None:
        if kind == "setup":
            self.wires.setups.update(nodes)
        elif kind == "teardown":
            self.wires.teardowns.update(nodes)

    def _task_of(self, name: str, node: ast.Call, said: str, decorator: ast.expr | None) -> Nodes:
        full = self.wires.full(name)
        self.wires.place(full)
        rule = keyword(decorator, "trigger_rule") if isinstance(decorator, ast.Call) else None
        text = said if rule is None else f"{said}, {_rule(rule)}"
        self.draft.task(full, "task", node.lineno, text, self.confidence)
        return (full,)

    def _group(self, function: FunctionNode, name: str, node: ast.Call, given: Nodes) -> Nodes:
        if self.depth > 8:
            return ()
        group = self.wires.enter(name, node.lineno)
        parameters = [a.arg for a in function.args.args]
        saved, made = dict(self.names), self.made
        self.made = {}
        for index, value in enumerate(node.args[: len(parameters)]):
            self.names[parameters[index]] = self._value(value)
        for one in node.keywords:
            if one.arg:
                self.names[one.arg] = self._value(one.value)
        self.depth += 1
        self.names.pop("return", None)
        self.statements(function.body)
        returned = self.names.pop("return", ())
        self.depth -= 1
        self.names, self.made = saved, made
        self.wires.leave()
        if isinstance(node.func, ast.Attribute):
            self.wires.follow(given, (group,))
        self.names[f"{group}()"] = returned
        return (group,)

    def _made_from_function(self, node: ast.Call) -> bool:
        """`task(f)(...)`, `task.branch(f)(...)`: a function of the file made into a task."""
        return isinstance(node.func, ast.Call) and ".task." in f"{self.module.origin(node.func)}."

    def _flow_of_call(self, node: ast.Call) -> Nodes:
        inner = node.func
        assert isinstance(inner, ast.Call)
        given = keyword(inner, "task_id") or keyword(inner, "python_callable")
        name = self._text(keyword(inner, "task_id"))
        first = given if name else (inner.args[0] if inner.args else None)
        name = name or (dotted(first) if first is not None else "")
        if not name:
            return ()
        nodes = self._task_of(name, node, "@task", inner)
        self.wires.follow(self._arguments(node), nodes)
        return nodes

    def _local(self, node: ast.Call, name: str) -> Nodes:
        """A plain function of the file that makes tasks: it is followed as if it stood here."""
        function = self.module.defined.get(name)
        if not isinstance(function, FunctionNode) or self.depth > 3:
            self._arguments(node)
            return ()
        if "task_id" not in ast.unparse(function) and not self.functions:
            return ()
        parameters = [a.arg for a in function.args.args]
        saved, loop, made = dict(self.names), dict(self.loop), self.made
        self.made = {}
        pairs = [*zip(parameters, node.args, strict=False)]
        pairs += [(k.arg, k.value) for k in node.keywords if k.arg]
        for parameter, value in pairs:
            if text := self._text(value):
                self.loop[parameter] = text
            self.names[parameter] = self._value(value)
        self.depth += 1
        self.names.pop("return", None)
        self.statements(function.body)
        returned = self.names.pop("return", ())
        self.depth -= 1
        self.names, self.loop, self.made = saved, loop, made
        return returned


def _rule(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return dotted(node).rpartition(".")[2].lower()
