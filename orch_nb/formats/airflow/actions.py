"""What an operator does, as the action of a task: run, sh, notebook, approval, todo or none.

An operator that has no counterpart becomes a `todo`: a plan that passed it by in silence would be
wrong.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from orch_nb.formats.airflow.bodies import Body, body_of
from orch_nb.formats.airflow.expressions import (
    PLACE,
    filed,
    of_command,
    of_python,
    result_name,
    unshielded,
)
from orch_nb.formats.airflow.policies import Lose, seconds
from orch_nb.formats.airflow.symbols import (
    Function,
    Item,
    Opaque,
    Operator,
    Param,
    Ref,
    TaskFlow,
    Xcom,
)
from orch_nb.model.parameters import STAR

__all__ = ["USED", "action", "spell_expression"]

_PYTHON = re.compile(
    r"(Branch)?(Python|ExternalPython|PythonVirtualenv|ShortCircuit|BranchPythonVirtualenv|"
    r"BranchExternalPython|BranchPython)(Operator|Sensor)"
)
_WHOLE_RAW = re.compile(r"\{% raw %\}(.*)\{% endraw %\}", re.DOTALL)
_PULL = re.compile(
    r"(?:ti|task_instance)\.xcom_pull\(\s*(?:task_ids\s*=\s*)?\[?(['\"])([\w.-]+)\1\]?\s*\)"
)
#: The arguments of operators that are read here; whatever else is given is told as a loss.
USED = frozenset(
    "bash_command python_callable op_args op_kwargs subject defaults response_timeout body "
    "input_nb output_nb parameters options skip_on_exit_code multiple_outputs".split()
)


def spell_expression(value: Any) -> str | None:
    """An argument as an expression over results and parameters; None if there is none."""
    if isinstance(value, Xcom):
        return result_name(value.tasks[0].id) + value.how if _is_plain(value) else None
    if isinstance(value, Param):
        return f"params.{value.name}"
    if isinstance(value, (list, tuple)):
        parts = [spell_expression(item) for item in value]
        return None if None in parts else f"[{', '.join(filter(None, parts))}]"
    if isinstance(value, dict):
        pairs = [(repr(key), spell_expression(item)) for key, item in value.items()]
        if any(item is None for _, item in pairs):
            return None
        return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, (str, int, float)) else None


def _is_plain(value: Xcom) -> bool:
    return len(value.tasks) == 1 and (not value.how or value.how.startswith("["))


def action(task: Operator, said: Mapping[str, Any], stem: str, lose: Lose) -> dict[str, Any]:
    """The action of a task and its arguments, as fields of a `Task`."""
    last = task.last
    if task.function is not None:
        return _of_function(task, stem, lose)
    if last == "BashOperator":
        return _shell(said.get("bash_command"), task, lose)
    if _PYTHON.fullmatch(last):
        return _called(task, said, stem, lose)
    if last in ("EmptyOperator", "DummyOperator"):
        return {}
    if last == "ApprovalOperator":
        return _approval(said, lose)
    if last.startswith("HITL"):
        return _todo_of_person(said, lose)
    if last == "PapermillOperator" and isinstance(said.get("input_nb"), str):
        given = said.get("parameters")
        lose("output_nb", "the executed notebook is kept with the run", "changed")
        return {"notebook": said["input_nb"],
                "with_": _constants(given if isinstance(given, dict) else {}, lose)}  # fmt: skip
    lose("operator", f"`{last}` has no counterpart here; a person is asked to do what it did",
         "changed")  # fmt: skip
    return {"todo": f"Do what Airflow's {last} did: {task.id}"}


def _of_function(task: Operator, stem: str, lose: Lose) -> dict[str, Any]:
    assert task.function is not None
    kind = task.kind.rpartition(".")[2]
    body = body_of(task.function)
    found: dict[str, Any] = {"when": body.when} if body.when else {}
    if kind == "bash":
        names = {name: value.tasks[0].id for name, value in task.given.items()
                 if isinstance(value, Xcom) and _is_plain(value)}  # fmt: skip
        words = ("params", "item", "index", "words", "quote", *(task.mapped or ()))
        text = None if body.gives is None else of_command(body.gives, names, words)
        if text is None:
            lose(
                "bash", "its command is made by a function; a person is asked to run it", "changed"
            )
            return found | {"todo": f"Run the command that `{task.function.name}` gives"}
        constant = isinstance(body.gives, ast.Constant)
        return found | {"sh": _templates(text, task, lose) if constant else text}
    if body.empty:
        return found
    if body.notebook is not None:
        return found | _notebook(body.notebook, task, lose)
    if kind not in ("task", "branch", "short_circuit", "sensor"):
        lose(f"task.{kind}", "it runs where every task does, not in an environment of its own",
             "changed")  # fmt: skip
    if kind == "sensor":
        lose("sensor", "it is asked once, and not again until it says yes", "changed")
    body = _placed(task, body, task.given)
    run = body.calls or _name_of(task.function, stem, lose)
    return found | {"run": run, "with_": _with(task, task.given, body, lose)}


def _name_of(function: Function, stem: str, lose: Lose) -> str:
    if function.qualname != function.name or function.name == "<lambda>":
        lose(
            "run",
            f"`{function.name}` stands inside another function, where nothing can import it: "
            "move it to the top of its module",
            "changed",
        )
    return f"{function.module or stem}:{function.name}"


def _called(task: Operator, said: Mapping[str, Any], stem: str, lose: Lose) -> dict[str, Any]:
    """PythonOperator and its kin."""
    function = said.get("python_callable")
    if isinstance(function, TaskFlow):
        function = function.function
    args, kwargs = said.get("op_args"), said.get("op_kwargs")
    given = dict(kwargs) if isinstance(kwargs, dict) else {}
    if task.last.endswith("Sensor"):
        lose("sensor", "it is asked once, and not again until it says yes", "changed")
    if "Virtualenv" in task.last or "External" in task.last:
        lose(task.last, "it runs where every task does, not in an environment of its own",
             "changed")  # fmt: skip
    if isinstance(function, Function):
        names = [argument.arg for argument in function.node.args.args]
        given |= dict(zip(names, args if isinstance(args, (list, tuple)) else (), strict=False))
        body = body_of(function) if function.module == stem else Body()
        body = _placed(task, body, given)
        run = body.calls or _name_of(function, stem, lose)
        return {"run": run, "with_": _with(task, given, body, lose)}
    if args:
        lose("op_args", "the names of its parameters are not known here", "dropped")
    if isinstance(function, Ref) and "." in function.origin.strip("."):
        module, _, name = function.origin.rpartition(".")
        return {"run": f"{module}:{name}", "with_": _with(task, given, Body(), lose)}
    lose("python_callable", "it is not known without running the file; a person is asked to do it",
         "changed")  # fmt: skip
    return {"todo": f"Do what Airflow's task {task.id} did"}


def _with(task: Operator, given: Mapping[str, Any], body: Body, lose: Lose) -> dict[str, Any]:
    """The arguments that `needs` and parameters do not supply by their names."""
    if body.call is not None:
        return _passed_on(task, body.call, given, lose, by_position=body.by_position)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name.startswith("*"):
            continue
        argument = _argument(name, value, lose)
        if argument is not _MISSING:
            found[name] = argument
    return found


def _passed_on(
    task: Operator,
    call: ast.Call,
    given: Mapping[str, Any],
    lose: Lose,
    *,
    by_position: bool = False,
) -> dict[str, Any]:
    """What a function is called with in the body of another, whose arguments are `given`."""
    results = _results(given)
    found: dict[str, Any] = {}
    pairs = [(node.id, node) for node in call.args if isinstance(node, ast.Name)]
    if by_position:
        pairs, found[STAR] = [], _star(task, call, given)
    for name, node in [*pairs, *((k.arg, k.value) for k in call.keywords if k.arg is not None)]:
        if isinstance(node, ast.Name) and node.id in given:
            argument = _argument(name, given[node.id], lose)
        elif isinstance(node, ast.Name) and node.id in (task.mapped or ()):
            continue
        else:
            argument = _computed(name, node, results, task.mapped or (), lose)
        if argument is not _MISSING:
            found[name] = argument
    return found


def _computed(
    name: str, node: ast.expr, results: Mapping[str, str], items: Collection[str], lose: Lose
) -> Any:
    """A constant or an expression in the body of a function."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        expression = of_python(node, results, ("params", *items))
    if expression == f"params.{name}" or ast.unparse(node) in ("ti.map_index", "failures"):
        return _MISSING
    if expression is None:
        lose("argument", f"`{name}` is computed in its function", "dropped")
        return _MISSING
    return f"{{{{ {expression} }}}}"


def _placed(task: Operator, body: Body, given: Mapping[str, Any]) -> Body:
    """The body, as one that says nothing where its arguments by position cannot be said here."""
    if body.by_position and body.call is not None and _star(task, body.call, given) is _MISSING:
        return replace(body, call=None, calls="")
    return body


def _star(task: Operator, call: ast.Call, given: Mapping[str, Any]) -> Any:
    """What comes by position, as `*` of a `with` says it; `_MISSING` where it cannot."""
    found = [_place(task, node.value if isinstance(node, ast.Starred) else node, given)
             for node in call.args]  # fmt: skip
    if any(one is _MISSING for one in found):
        return _MISSING
    return found[0] if isinstance(call.args[0], ast.Starred) else found


def _place(task: Operator, node: ast.expr, given: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name) and node.id in given:
        constant = _constant(given[node.id])
        if constant is not _MISSING and not (isinstance(constant, str) and "{{" in constant):
            return constant
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        expression = of_python(node, _results(given), ("params", *(task.mapped or ())))
    return _MISSING if expression is None else f"{{{{ {expression} }}}}"


def _results(given: Mapping[str, Any]) -> dict[str, str]:
    """The tasks whose whole results the arguments of a function are."""
    return {name: value.tasks[0].id for name, value in given.items()
            if isinstance(value, Xcom) and _is_plain(value) and not value.how}  # fmt: skip


def _argument(name: str, value: Any, lose: Lose) -> Any:
    """One argument of a task as `with` says it; `_MISSING` where it need not, or cannot."""
    if isinstance(value, Item):
        return _MISSING
    if isinstance(value, Xcom) and _is_plain(value) and not value.how and value.tasks[0].id == name:
        return _MISSING
    if isinstance(value, Param) and value.name == name:
        return _MISSING
    if isinstance(value, str) and "{{" in value:
        lose("template", f"`{name}` is a template of Airflow's: {value[:60]!r}", "dropped")
        return _MISSING
    constant = _constant(value)
    if constant is not _MISSING:
        return constant
    expression = spell_expression(value)
    if expression is not None:
        return f"{{{{ {expression} }}}}"
    why = (
        "is made of several results"
        if isinstance(value, Xcom)
        else "is not known without running the file"
    )
    lose("argument", f"`{name}` {why}", "dropped")
    return _MISSING


class _Missing:
    pass


_MISSING = _Missing()


def _constant(value: Any) -> Any:
    """A value that a plan document can hold, or `_MISSING`."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        items = [_constant(item) for item in value]
        return _MISSING if any(item is _MISSING for item in items) else items
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        pairs = {key: _constant(item) for key, item in value.items()}
        return _MISSING if any(item is _MISSING for item in pairs.values()) else pairs
    return _MISSING


def _constants(given: Mapping[Any, Any], lose: Lose) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        constant = _constant(value)
        if constant is _MISSING or (isinstance(value, str) and "{{" in value):
            lose("argument", f"`{name}` is not known without running the file", "dropped")
        else:
            found[str(name)] = constant
    return found


def _notebook(call: ast.Call, task: Operator, lose: Lose) -> dict[str, Any]:
    path = call.args[0] if call.args else None
    if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
        lose("notebook", "its path is not known without running the file", "changed")
        return {"todo": f"Run the notebook of {task.id}"}
    said = [k.value for k in call.keywords if k.arg == "parameters"]
    with_ = {}
    if said and isinstance(said[0], ast.Dict):
        parts = [ast.keyword(key.value, value)
                 for key, value in zip(said[0].keys, said[0].values, strict=True)
                 if isinstance(key, ast.Constant) and isinstance(key.value, str)]  # fmt: skip
        with_ = _passed_on(task, ast.Call(call.func, [], parts), task.given, lose)
    return {"notebook": path.value, "with_": with_}


# -- shell


def _shell(text: Any, task: Operator, lose: Lose) -> dict[str, Any]:
    if not isinstance(text, str):
        if task.mapped and "bash_command" in task.mapped:
            return {"sh": "{{ item | unquoted }}"}
        lose("bash_command", "it is not known without running the file; a person is asked to run "
             "it", "changed")  # fmt: skip
        return {"todo": f"Run the command of {task.id}"}
    return {"sh": _templates(filed(text), task, lose)}


def _templates(text: str, task: Operator, lose: Lose) -> str:
    """A command of Airflow's as one of a plan: what it shields, and what it fills in."""
    whole = _WHOLE_RAW.fullmatch(text)
    if whole is not None and "raw %}" not in whole[1]:
        return unshielded(whole[1]) if text != unshielded(whole[1]) else text
    outside = PLACE.sub("", text)
    if "{%" in outside or "{#" in outside:
        lose("template", "its command is a template of Airflow's with statements; it is passed on "
             "as it is written", "changed")  # fmt: skip
        return f"{{% raw %}}{text}{{% endraw %}}" if "raw" not in text else text
    known = {upstream.id for upstream in task.up}

    def place(found: re.Match[str]) -> str:
        if found["raw"] is not None:
            return found[0]
        inner = found["expression"].strip()
        pulled = _PULL.fullmatch(inner)
        if pulled is not None and pulled[2] in known:
            return f"{{{{ {result_name(pulled[2])} | unquoted }}}}"
        if re.fullmatch(r"params\.\w+", inner) and task.dag is not None:
            params = task.dag.kwargs.get("params")
            if isinstance(params, dict) and inner[7:] in params:
                return f"{{{{ {inner} | unquoted }}}}"
        lose("template", f"`{{{{ {inner[:50]} }}}}` is Airflow's; the command gets it as it is "
             "written", "dropped")  # fmt: skip
        return f"{{% raw %}}{found[0]}{{% endraw %}}"

    return PLACE.sub(place, text)


# -- people


def _approval(said: Mapping[str, Any], lose: Lose) -> dict[str, Any]:
    subject, default = said.get("subject"), said.get("defaults")
    if isinstance(default, list) and len(default) == 1:
        default = default[0]
    known = {"Approve": "approve", "Reject": "reject"}
    if default is not None and default not in known:
        lose("defaults", "it is neither Approve nor Reject", "dropped")
    limit = said.get("response_timeout", said.get("execution_timeout"))
    given: dict[str, Any] = {"prompt": _told(subject, "Approve?"),
                             "default": known.get(str(default))}  # fmt: skip
    if limit is not None:
        given["timeout_s"] = seconds(limit)
    if not said.get("fail_on_reject"):
        lose("fail_on_reject", "a rejection fails the task here; in Airflow it skips what comes "
             "after", "changed")  # fmt: skip
    return {"approval": given}


def _todo_of_person(said: Mapping[str, Any], lose: Lose) -> dict[str, Any]:
    options = said.get("options")
    if options and options != ["Done"]:
        lose("options", "a person ticks it, and chooses nothing", "dropped")
    if said.get("defaults") is not None or said.get("params"):
        lose("hitl", "what a person enters is not asked for", "dropped")
    return {"todo": _told(said.get("subject"), "A person does this")}


def _told(text: Any, otherwise: str) -> str:
    if not isinstance(text, str) or isinstance(text, Opaque):
        return otherwise
    whole = _WHOLE_RAW.fullmatch(text)
    return whole[1] if whole is not None else text
