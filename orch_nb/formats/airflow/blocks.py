"""The lines of one task in a DAG file, with what it imports and whose results flow into it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.formats.airflow.block import Block, fitted, inner, tidy, with_lines
from orch_nb.formats.airflow.expressions import Python, command, has_places, python, shielded
from orch_nb.formats.airflow.functions import Writer, Written, stub
from orch_nb.formats.airflow.layout import (
    call,
    docstring,
    duration,
    literal,
    quoted,
    spelled_out,
)
from orch_nb.formats.airflow.names import ITEMS, ITEMS_DOC, spelled, unique
from orch_nb.formats.airflow.options import Options, Tell, described, options
from orch_nb.graph import topology
from orch_nb.model.plan import Plan
from orch_nb.model.task import Call, Task, TriggerRule, callable_name

__all__ = ["Blocks"]

_BASH = "airflow.providers.standard.operators.bash", "BashOperator"
_EMPTY = "airflow.providers.standard.operators.empty", "EmptyOperator"
_HITL = "airflow.providers.standard.operators.hitl"
_SKIP = "airflow.sdk.exceptions", "AirflowSkipException"
_VARIABLES = {
    "ORCH_TASK": "{{ ti.task_id }}", "ORCH_ATTEMPT": "{{ ti.try_number }}",
    "ORCH_RUN_ID": "{{ run_id }}", "ORCH_IDEMPOTENCY_KEY": "{{ run_id }}/{{ ti.task_id }}",
    "ORCH_INDEX": "{{ ti.map_index }}",
}  # fmt: skip
_SPECIAL = ("{{", "{%", "{#")


class Blocks:
    """Writes tasks. `variables` are the names of their results, `shared` what the DAG gives all."""

    def __init__(
        self, plan: Plan, variables: dict[str, str], shared: Options,
        teardowns: Mapping[str, tuple[str, ...]],
    ) -> None:  # fmt: skip
        self._plan, self._variables, self._shared = plan, variables, shared
        self._teardowns = teardowns
        self.writer = Writer(variables, plan.params, topology.upstream(plan))
        self.imports: dict[str, dict[str, None]] = {}
        self.commands = False

    def result(self, task: str) -> str:
        """How a result is passed to another task: of an operator that is no function, by name."""
        name = self._variables[task]
        found = self._plan.by_id.get(task)
        return f"{name}.output" if found is not None and self._is_operator(found) else name

    def _is_operator(self, task: Task) -> bool:
        if task.kind in ("approval", "todo"):
            return True
        if task.kind == "milestone":
            return task.when is None
        return task.kind == "shell" and not self._computes(task)

    def need(self, module: str, *names: str) -> None:
        self.imports.setdefault(module, {}).update(dict.fromkeys(names))

    def of(
        self, task: Task, needs: tuple[str, ...], tell: Tell, more: Options | None = None
    ) -> list[Block]:
        """The blocks of a task: one, and one more where its items have to be computed."""
        tries = task.kind in ("python", "shell", "notebook")
        if task.trigger is TriggerRule.ALWAYS and task.foreach is not None and self._maps(task):
            tell("trigger", "Airflow does not map over what is computed at once: it waits for all",
                 "changed")  # fmt: skip
            task = replace(task, trigger=TriggerRule.ALL_DONE)
        said = {} if spelled(task.id) == self._variables[task.id] else {
            "task_id": quoted(spelled(task.id))
        }  # fmt: skip
        said |= options(task, self._plan, self._shared, tell, tries) | (more or {})
        if task.id in self._teardowns:
            del said["trigger_rule"]
        elif not task.required:
            tell("required", "its failure fails the DAG run, if nothing comes after it; that of a "
                 "teardown, a last task with `trigger: all_done`, does not", "dropped")  # fmt: skip
        for setup in self._teardowns.get(task.id, ()):
            tell(
                "setup", f"in Airflow it runs only if its setup `{setup}` has succeeded", "changed"
            )
        if "TriggerRule" in said.get("trigger_rule", ""):
            self.need("airflow.sdk", "TriggerRule")
        if any("timedelta(" in value for value in said.values()):
            self.need("datetime", "timedelta")
        if task.kind in ("approval", "todo") and task.when is not None:
            tell("when", "a person is always asked", "dropped")
        if task.kind == "approval":
            return [self._approval(task, said, tell)]
        if task.kind == "todo":
            return [self._todo(task, said)]
        if task.kind == "milestone" and task.when is None:
            self.need(*_EMPTY)
            return [self._operator("EmptyOperator", task, {}, said)]
        if task.kind == "shell" and not self._computes(task):
            return [self._bash(task, said)]
        return self._function(task, needs, said, tell)

    # -- operators

    def _operator(self, name: str, task: Task, own: Options, said: Options) -> Block:
        said = {"task_id": quoted(spelled(task.id))} | own | said
        if task.description:
            said["doc_md"] = spelled_out(task.description)
        arguments = [f"{key}={value}" for key, value in said.items()]

        def made(columns: int) -> str:
            return self._torn_down(task, call(name, arguments, columns))

        return Block(task.id, self._variables[task.id], None, made, self._setups(task))

    def _setups(self, task: Task) -> dict[str, None]:
        return dict.fromkeys(self._teardowns.get(task.id, ()))

    def _torn_down(self, task: Task, made: str) -> str:
        """What makes a task, said to be a teardown where it is one."""
        if task.id not in self._teardowns:
            return made
        names = [self._variables[setup] for setup in self._teardowns[task.id]]
        setups = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        return f"{made}.as_teardown({f'setups={setups}' if names else ''})"

    def _computes(self, task: Task) -> bool:
        """Whether a command is made by a function, and not a constant."""
        assert task.sh is not None
        return task.when is not None or task.foreach is not None or has_places(task.sh)

    def _bash(self, task: Task, said: Options) -> Block:
        assert task.sh is not None
        self.need(*_BASH)
        text = shielded(task.sh, ours=True)
        if text.endswith((".sh", ".bash")):  # which Airflow would take for a template's file
            text += " "
        return self._operator(
            "BashOperator",
            task,
            {"bash_command": spelled_out(text)} | self._environment(task),
            said,
        )

    def _environment(self, task: Task) -> Options:
        """The variables of ours that a command speaks of."""
        text = task.sh or ""
        found = {name: value for name, value in _VARIABLES.items() if name in text}
        found |= {
            f"ORCH_PARAM_{name.upper()}": f"{{{{ params[{name!r}] }}}}"
            for name in self._plan.params
            if f"ORCH_PARAM_{name.upper()}" in text
        }
        if not found:
            return {}
        return {"env": literal(found, 12) or "{}", "append_env": "True"}

    def _approval(self, task: Task, said: Options, tell: Tell) -> Block:
        assert task.approval is not None
        self.need(_HITL, "ApprovalOperator")
        gate = task.approval
        own = {"subject": spelled_out(shielded(gate.prompt))}
        if gate.default is not None:
            own["defaults"] = quoted(gate.default.capitalize())
            if gate.timeout_s is None:
                tell(
                    "default",
                    "it answers once the time for an answer is over, and there is none; "
                    "Airflow waits for a person",
                    "changed",
                )
        if gate.timeout_s is not None:
            self.need("datetime", "timedelta")
            own["response_timeout"] = duration(gate.timeout_s)
        own["fail_on_reject"] = "True"
        return self._operator("ApprovalOperator", task, own, said)

    def _todo(self, task: Task, said: Options) -> Block:
        assert task.todo is not None
        self.need(_HITL, "HITLEntryOperator")
        own = {"subject": spelled_out(shielded(task.todo)), "options": '["Done"]'}
        return self._operator("HITLEntryOperator", task, own, said)

    # -- functions

    def _function(
        self, task: Task, needs: tuple[str, ...], said: Options, tell: Tell
    ) -> list[Block]:
        into = Written(item="" if task.foreach is None else self.writer.item(task))
        self.writer.when(task, needs, into, tell)
        kind = "task"
        if task.kind == "shell":
            kind = "task.bash"
            said |= self._environment(task)
            self._command(task, needs, into, tell)
        elif task.kind == "notebook":
            self._notebook(task, needs, into, tell)
        elif task.kind == "python":
            self.writer.runs(task, needs, into, tell)
        self.need("airflow.sdk", "task")
        if into.skips:
            self.need(*_SKIP)
        doc, as_option = described(task.description)
        said |= as_option
        before: list[Block] = []
        over, data = "", {**into.results, **into.star, **self._setups(task)}
        if task.foreach is not None:
            over, before = self._over(task, needs, tell)
            if task.max_active is not None:
                said["max_active_tis_per_dagrun"] = repr(task.max_active)
            if into.star:
                tell("run", "a mapped task takes no `*upstream`", "changed")
                into.lines = [line.replace("*upstream", "") for line in into.lines]
            if not before and isinstance(task.foreach.over, str):
                data[task.foreach.over] = None
            data |= {block.task: None for block in before}

        def defined(columns: int) -> list[str]:
            return self._definition(task, kind, said, into, doc, columns)

        def made(columns: int) -> str:
            return self._torn_down(task, self._called(task, into, over, columns))

        return [*before, Block(task.id, self._variables[task.id], defined, made, data)]

    def _definition(
        self, task: Task, kind: str, said: Options, into: Written, doc: str, columns: int
    ) -> list[str]:
        stands = into.whole is not None and self._stands(task, into)
        arguments = [f"{key}={value}" for key, value in said.items()
                     if not (stands and key == "doc_md")]  # fmt: skip
        decorator = f"@{kind}" if not arguments else f"@{call(kind, arguments, columns + 1)}"
        lists = self._lists(task, into)
        if into.whole is not None and stands:
            first = [*into.whole.before, "", *lists] if lists else into.whole.before
            return [*decorator.split("\n"), *with_lines(into.whole.lines, first)]
        head = f"def {self._variables[task.id]}({', '.join(self._parameters(task, into))}):"
        body = doc.split("\n") if doc else []
        if into.before:
            body += [*([""] if doc else []), *into.before, ""]
        if "index" in into.words:
            body.append("index = ti.map_index")
        body += lists
        body += [row for line in into.lines for row in fitted(line, columns + 4).split("\n")]
        while body and not body[-1]:
            body.pop()
        if not body:
            body = ["pass"]
        return [*decorator.split("\n"), head, *inner(tidy(body))]

    def _lists(self, task: Task, into: Written) -> list[str]:
        """The lines that make lists of what mapped tasks give, which comes as a lazy sequence."""
        if task.kind != "python":
            return []
        mapped = [need for need in into.results if self._plan[need].foreach is not None]
        return [f"{name} = list({name})" for name in map(self.writer.parameter, mapped)]

    def _stands(self, task: Task, into: Written) -> bool:
        """Whether a notebook's function can stand in the file as it is, under `@task`."""
        assert into.whole is not None
        tree = ast.parse("\n".join(into.whole.lines)).body[0]
        assert isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
        names = [argument.arg for argument in ast.walk(tree.args) if isinstance(argument, ast.arg)]
        own = ast.get_docstring(tree) or ""
        taken = [self.writer.parameter(need) for need in into.results]
        if task.foreach is not None:  # all is passed by name
            names, taken = sorted(names), sorted([*taken, self.writer.item(task)])
        return (
            into.whole.name == self._variables[task.id]
            and names == taken
            and own.startswith(task.description or "")
        )

    def _parameters(self, task: Task, into: Written) -> list[str]:
        found = [self.writer.parameter(need) for need in into.results]
        item = self.writer.item(task) if task.foreach is not None else ""
        if item:
            found.append(item)
        if into.star and not item:
            found.append("*upstream")
        context = {"params", "run_id", "ti"} & {*into.words}
        if "index" in into.words:
            context.add("ti")
        return [*dict.fromkeys(found), *(f"{name}=None" for name in sorted(context - {item}))]

    def _called(self, task: Task, into: Written, over: str, columns: int) -> str:
        """`load(fetch)`, or `load.partial(day=day).expand(item=fetch)`."""
        name = self._variables[task.id]
        if task.foreach is None:
            given = [self.result(need) for need in (*into.results, *into.star)]
            return call(name, given, columns)
        item = self.writer.item(task)
        rest = [f"{self.writer.parameter(need)}={self.result(need)}" for need in into.results
                if self.writer.parameter(need) != item]  # fmt: skip
        made = f"{call(f'{name}.partial', rest, 30)}.expand" if rest else f"{name}.expand"
        return call(made, [f"{item}={over}"], columns)

    def _command(self, task: Task, needs: tuple[str, ...], into: Written, tell: Tell) -> None:
        assert task.sh is not None
        item = "" if task.foreach is None else self.writer.item(task)
        made = command(task.sh, self.writer.names(needs), self._plan.params, item)
        if made is None:
            tell("sh", "what its braces say has no form in Python: the task raises until it is "
                 "written", "changed")  # fmt: skip
            why = f"say in Python what this command is: {task.sh}"
            into.lines.append(stub(why))
            return
        code = into.use(made)
        if "words(" in code:
            self.commands = True
            self.need("json")
            self.need("collections.abc", "Sequence")  # as results of `foreach` come
            self.need("shlex", "quote")
        into.lines.append(f"return {code}")
        if made.names:
            tell(
                "sh",
                "what a result puts into a command is read as a template by Airflow once more",
                "note",
            )

    def _notebook(self, task: Task, needs: tuple[str, ...], into: Written, tell: Tell) -> None:
        assert task.notebook is not None
        tell("notebook", "papermill runs it, which Airflow's workers must have, and its result is "
             "the path of what was executed", "changed")  # fmt: skip
        given = {name: self.writer.value(name, value, needs, into, tell)
                 for name, value in task.with_.items()}  # fmt: skip
        if task.foreach is not None:
            given = {
                self.writer.item(task): self.writer.item(task),
                "index": "ti.map_index",
            } | given
            into.words["ti"] = None
        inner = ", ".join(f"{quoted(name)}: {value}" for name, value in given.items())
        done = task.notebook.removesuffix(".ipynb") + ".executed.ipynb"
        into.before.append("import papermill")
        into.lines.append(
            call(
                "papermill.execute_notebook",
                [quoted(task.notebook), quoted(done), f"parameters={{{inner}}}" if inner else ""],
                12,
            )
        )

    # -- items

    @staticmethod
    def _maps(task: Task) -> bool:
        """Whether what a task is expanded over is the result of a task."""
        assert task.foreach is not None
        over = _constant(task.foreach.over)
        return not isinstance(over, list) or _has_special(over)

    def _over(self, task: Task, needs: tuple[str, ...], tell: Tell) -> tuple[str, list[Block]]:
        """What a task is expanded over, and the task that computes it where one has to."""
        assert task.foreach is not None
        over = _constant(task.foreach.over)
        tell("foreach", "over no items at all Airflow skips it, and what needs it; here it "
             "succeeds with an empty list", "note" if over else "changed")  # fmt: skip
        if isinstance(over, list):
            text = literal(over, 30)
            if text is not None and not _has_special(over):
                if len(over) > 1024:
                    tell("foreach", "Airflow maps over 1024 items at most, unless it is told more",
                         "note")  # fmt: skip
                return text, []
        if isinstance(over, str) and over in self._plan.by_id:
            return self.result(over), []
        name = unique(f"{spelled(task.id)}{ITEMS}", self._variables)
        variable = unique(f"{self._variables[task.id]}{ITEMS}", self._variables.values())
        self._variables[name] = variable
        into, said = Written(), ""
        if isinstance(over, Call):
            said = f"{callable_name(over.function)}()"
            value = self.writer.called(over.function, needs, {}, into, tell)
            into.lines.append(value if value.startswith("raise ") else f"return {value}")
        else:
            said = str(over)
            self._computed(over, needs, into, tell)
        tell("foreach", f"the task `{name}` computes the items", "changed")
        doc = docstring(f"{ITEMS_DOC}`{task.id}`: {said}") or f'"""{ITEMS_DOC.strip()}."""'
        helper = Task(id=name, trigger=task.trigger)
        rule = {"trigger_rule": f"TriggerRule.{task.trigger.name}"}
        options_ = rule if task.trigger != "all_success" else {}
        if spelled(name) != variable:
            options_ = {"task_id": quoted(spelled(name))} | options_

        def defined(columns: int) -> list[str]:
            return self._definition(helper, "task", options_, into, doc, columns)

        def made(columns: int) -> str:
            return self._called(helper, into, "", columns)

        return variable, [Block(name, variable, defined, made, {**into.results, **into.star})]

    def _computed(self, over: Any, needs: tuple[str, ...], into: Written, tell: Tell) -> None:
        """What an expression gives, or a list that would be read as templates."""
        made: Python | None
        if isinstance(over, list):
            text = literal(over, 15)
            made = None if text is None else Python(text)
        else:
            made = python(over, self.writer.names(needs), self._plan.params)
        if made is None:
            tell("foreach", f"`{over}` has no form in Python: the task raises until it is written",
                 "changed")  # fmt: skip
            why = f"give the list that this means: {over}"
            into.lines.append(stub(why))
        else:
            into.lines.append(f"return {into.use(made)}")


def _constant(over: Any) -> Any:
    """The list that an expression is, where it speaks of nothing else."""
    try:
        value = ast.literal_eval(over) if isinstance(over, str) else over
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return over
    return list(value) if isinstance(value, (list, tuple)) else over


def _has_special(items: list[Any]) -> bool:
    """Whether Airflow would find a template in what is mapped over."""
    text = literal(items) or ""
    return any(mark in text for mark in _SPECIAL)
