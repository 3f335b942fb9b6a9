"""A plan as a module for Celery: a task each, and the canvas that puts them in order.

    chain(fetch.s(), chord([left.s(), right.s()], joined.s()))

A canvas nests chains and groups, so it says exactly the orders that are series-parallel; another
is refused with the four tasks that make it so. What stands side by side is joined before it goes
on: by the task that follows, or by `gather`, which does nothing else. Results travel along the
canvas in a dict by task, so that each task finds those that it needs, near and far.
"""

from __future__ import annotations

import ast
import functools
import keyword
import re
from types import ModuleType
from typing import Any

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.celery.losses import losses
from orch_nb.formats.celery.options import options
from orch_nb.graph.series_parallel import N, Parallel, Piece, Series, decomposed
from orch_nb.graph.topology import upstream
from orch_nb.model.parameters import STAR
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task, TriggerRule, callable_name
from orch_nb.model.translation import Export

__all__ = ["GATHER", "export"]

GATHER = "gather"
_OURS = {
    "Celery", "PARAMS", "app", "asyncio", "attrgetter", "broker", "canvas", "chain", "chord",
    "dict", "group", GATHER, "given", "import_module", "inspect", "isinstance", "os", "results",
    "step", "subprocess",
}  # fmt: skip
#: Rules that a canvas, in which nothing follows a failure, would turn into another plan.
_NEVER = {TriggerRule.ALL_FAILED, TriggerRule.ALL_SKIPPED, TriggerRule.ONE_FAILED}

_HEAD = '''\
"""{goal}

Exported by orch_nb. A worker: `celery -A {module} worker`; a run of it, from anywhere:
`{module}.canvas.delay().get()`, which gives the results by task.
"""

import asyncio
import inspect
import os
import subprocess
from importlib import import_module
from operator import attrgetter

from celery import Celery, chain, chord, group

broker = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
app = Celery("{module}", broker=broker, backend=os.environ.get("CELERY_RESULT_BACKEND", broker))

PARAMS = {params}


def results(given):
    """The results that came along: of one task, or of several that ran side by side."""
    if isinstance(given, dict):
        return given
    return {{task: value for one in given or () for task, value in results(one).items()}}


def step(task, given, run=None, sh=None, needs=(), arguments=None):
    """Does what a task does, and hands its result on with those that came along."""
    before = results(given)
    value = None
    if sh is not None:
        done = subprocess.run(sh, shell=True, check=True, stdout=subprocess.PIPE, text=True)
        value = done.stdout.strip()
    elif run is not None:
        module, _, name = run.partition(":")
        function = attrgetter(name)(import_module(module))
        known = {{**PARAMS, **{{need: before[need] for need in needs}}, **(arguments or {{}})}}
        parameters = inspect.signature(function).parameters
        args, kwargs = [], {{}}
        for key, taken in parameters.items():
            if taken.kind is taken.VAR_POSITIONAL:
                others = [before[need] for need in needs if need not in parameters]
                args, kwargs = [*args, *kwargs.values(), *others], {{}}
            elif taken.kind is taken.VAR_KEYWORD:
                more = {{need: before[need] for need in needs}} | (arguments or {{}})
                kwargs |= {{name: more[name] for name in more if name not in parameters}}
            elif key not in known and taken.default is taken.empty:
                raise TypeError(f"{{task}}: nothing supplies {{key}} of {{run}}")
            elif taken.kind is taken.POSITIONAL_ONLY:
                args.append(known.get(key, taken.default))
            else:
                kwargs[key] = known.get(key, taken.default)
        value = function(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
    return {{**before, task: value}}
'''

_GATHER = '''

@app.task(name="{module}.gather")
def gather(given):
    """Joins what ran side by side, before more does."""
    return results(given)
'''


def export(plan: Plan) -> Export:
    """The plan as a module for Celery. Raises PlanError where a canvas would be wrong."""
    problems = [problem for task in plan.tasks for problem in _refused(task)]
    if problems:
        raise PlanError(problems)
    needs = upstream(plan)
    found = decomposed(needs)
    if found is None:
        raise PlanError("A plan without tasks is no canvas.")
    if isinstance(found, N):
        raise PlanError([_forbidden(found)])
    names = _names(plan)
    module = re.sub(r"\W+", "_", plan.goal.lower()).strip("_")[:40] or "plan"
    module = module if module.isidentifier() and not keyword.iskeyword(module) else f"plan_{module}"
    text = _HEAD.format(
        goal=_quoted(" ".join(plan.goal.split())), module=module, params=_literal(plan.params, "")
    )
    text += "".join(_task(task, names[task.id], module, needs[task.id]) for task in plan.tasks)
    canvas = _Canvas(names)
    said = canvas.of(found, top=True)
    if canvas.gathers:
        text += _GATHER.format(module=module)
    if plan.on_failure is not None:
        text += _task(plan.on_failure, "on_failure", module, parameter="task_id")
        said = f"{said}.on_error(on_failure.s())"
    text += f"\n\ncanvas = {_wrapped(said)}\n"
    return Export(
        system="celery",
        text=text,
        suffix=".py",
        losses=losses(plan, canvas.gathers),
        usage=f"Save it as {module}.py; `celery -A {module} worker`, and {module}.canvas.delay().",
    )


def _forbidden(n: N) -> Problem:
    return Problem(
        f"The order is no nest of chains and groups: `{n.a}` and `{n.b}` come before `{n.c}`, and "
        f"`{n.b}` before `{n.d}`, but `{n.a}` does not.",
        task=n.d,
        hint=f"Let `{n.d}` wait for `{n.a}` too, if that costs little; or run the plan here with "
        "`executor='celery'`.",
    )


def _refused(task: Task) -> list[Problem]:
    """What a canvas would do wrong."""
    found = []
    if task.waits_for_person:
        found.append("waits for a person, and a canvas would go on without")
    if task.when is not None:
        found.append("has `when`, and a canvas would run it whatever that gives")
    if task.foreach is not None:
        found.append("has `foreach`, and a canvas is all there before it starts")
    if task.notebook is not None:
        found.append("is a notebook, which the exported module does not run")
    if task.sh is not None and "{{" in task.sh:
        found.append("has a command with templates, which are filled in here only")
    if any(isinstance(value, str) and value.startswith("{{") for value in task.with_.values()):
        found.append("has an argument that is a template, which is filled in here only")
    if STAR in task.with_:
        found.append("has arguments by position (`*`), and the exported module passes them by name")
    if task.trigger in _NEVER and task.needs:
        found.append(f"waits for `{task.trigger}`, and in a canvas nothing follows a failure")
    if task.run is not None and not _importable(task.run):
        name = callable_name(task.run)
        found.append(f"runs `{name}`, which no worker can import (it wants module:function)")
    try:
        _literal(task.with_, task.id)
    except PlanError as error:
        return [*error.problems]
    return [Problem(f"`{task.id}` {why}.", task=task.id) for why in found]


def _importable(run: Any) -> bool:
    """Whether a worker finds by its name what a task runs: none has this notebook, or an object
    whose method it would be."""
    module, _, name = callable_name(run).partition(":")
    own = isinstance(getattr(run, "__self__", None), type | ModuleType | None)
    return bool(module and name) and "<" not in name and module != "__main__" and (
        isinstance(run, str) or (own and not isinstance(run, functools.partial))
    )  # fmt: skip


def _literal(value: Any, task: str) -> str:
    """A value as Python writes it."""
    text = repr(dict(value) if isinstance(value, dict) else value)
    try:
        if ast.literal_eval(text) == value:
            return text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    of = f"An argument of `{task}`" if task else "A parameter of the plan"
    raise PlanError([Problem(f"{of} has no form that a module can hold.", task=task or None)])


def _names(plan: Plan) -> dict[str, str]:
    """The name of each task's function."""
    taken, found = set(_OURS) | {"on_failure"}, {}
    for task in plan.by_id:
        name = re.sub(r"\W+", "_", task).strip("_") or "task"
        if not name.isidentifier() or keyword.iskeyword(name):
            name = f"task_{name}"
        while name in taken:
            name += "_"
        taken.add(name)
        found[task] = name
    return found


def _quoted(text: str) -> str:
    """A text in a docstring."""
    return text.replace("\\", "\\\\").replace('"', '\\"').strip() or "A plan."


def _task(
    task: Task, name: str, module: str, needs: tuple[str, ...] = (), parameter: str = "given"
) -> str:
    said = {"name": f"{module}.{task.id}", **options(task)[0]}
    decorator = ", ".join(f"{key}={_shown(value)}" for key, value in said.items())
    words = [repr(task.id), "given" if parameter == "given" else "{}"]
    if task.run is not None:
        words.append(f"run={callable_name(task.run)!r}")
    if task.sh is not None:
        words.append(f"sh={task.sh!r}")
    if needs:
        words.append(f"needs={list(needs)!r}")
    if task.with_:
        words.append(f"arguments={_literal(task.with_, task.id)}")
    default = "=None" if parameter == "given" else ""
    doc = f'    """{_quoted(task.description)}"""\n' if task.description else ""
    return (
        f"\n\n@app.task({decorator})\ndef {name}({parameter}{default}):\n{doc}"
        f"    return step({', '.join(words)})\n"
    )


def _shown(value: Any) -> str:
    """An option's value; exceptions stand by their names."""
    if isinstance(value, tuple):
        return f"({', '.join(value)},)"
    return repr(value)


class _Canvas:
    """The words of a canvas."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self.gathers = 0

    def of(self, piece: Piece, *, top: bool = False) -> str:
        if isinstance(piece, str):
            return f"{self._names[piece]}.s()"
        if isinstance(piece, Parallel):
            return self._group(piece) if top else self._chord(piece, self._gather())
        return self._chain(piece, top=top)

    def _chain(self, piece: Series, *, top: bool) -> str:
        found = []
        parts = list(piece.parts)
        while parts:
            part = parts.pop(0)
            if not isinstance(part, Parallel):
                found.append(self.of(part))
            elif not parts and top:
                found.append(self._group(part))
            elif parts and isinstance(parts[0], str):
                found.append(self._chord(part, self.of(parts.pop(0))))
            else:
                found.append(self._chord(part, self._gather()))
        return found[0] if len(found) == 1 else f"chain({', '.join(found)})"

    def _group(self, piece: Parallel) -> str:
        return f"group({', '.join(map(self.of, piece.parts))})"

    def _chord(self, header: Parallel, body: str) -> str:
        return f"chord([{', '.join(map(self.of, header.parts))}], {body})"

    def _gather(self) -> str:
        self.gathers += 1
        return f"{GATHER}.s()"


def _wrapped(said: str) -> str:
    """A long expression over several lines, a bracket's contents indented."""
    if len(said) < 88:
        return said
    found, deep = "", 0
    for part in re.findall(r"\(\)|[\[(]|[\])]|, |[^\[\](),]+|,", said):
        if part in ("(", "["):
            deep += 1
            found += part + "\n" + "    " * deep
        elif part in (")", "]"):
            deep -= 1
            found += ",\n" + "    " * deep + part
        elif part == ", ":
            found += ",\n" + "    " * deep
        else:
            found += part
    return found
