"""The TaskFlow function of a task: what it takes, and what it does with it.

@task(retries=2)                                 decorator and options
def load(fetch, params=None):                    results by name, and the DAG's parameters
    from shop import load                        where the function is (`sources`)

    if not fetch["rows"] > 0:                    `when`
        raise AirflowSkipException("when: fetch.rows > 0")
    return load(fetch, region=params["region"])
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orch_nb.formats.airflow.expressions import Python, python
from orch_nb.formats.airflow.layout import call, literal, quoted, shifted, styled
from orch_nb.formats.airflow.names import CONTEXT, WHEN
from orch_nb.formats.airflow.options import Tell
from orch_nb.formats.airflow.sources import Source, source_of
from orch_nb.graph.items import item_parameter
from orch_nb.model.parameters import STAR, Parameters, parameters, placed
from orch_nb.model.task import Call, Task, callable_name

__all__ = ["Writer", "Written", "stub"]


@dataclass
class Written:
    """The lines of a function's body, and what it takes: results by task, and words."""

    before: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    results: dict[str, None] = field(default_factory=dict)
    star: dict[str, None] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)
    item: str = ""  # what the function calls the item of its `foreach`
    skips: bool = False
    whole: Source | None = None  # a function of a notebook that can stand for it as it is

    def use(self, made: Python) -> str:
        self.results |= made.names
        self.words |= made.words
        return made.code


class Writer:
    """Writes what functions do. `variables` has the names of results, by task."""

    def __init__(
        self, variables: Mapping[str, str], params: Mapping[str, Any],
        up: Mapping[str, Sequence[str]],
    ) -> None:  # fmt: skip
        self._variables, self._params, self._up = variables, params, up

    def parameter(self, task: str) -> str:
        """What a function calls the result of a task."""
        name = self._variables[task]
        return f"{name}_" if name in CONTEXT or name in ("item", "index") else name

    def names(self, needs: tuple[str, ...]) -> dict[str, str]:
        return {need: self.parameter(need) for need in needs}

    # -- when

    def when(self, task: Task, needs: tuple[str, ...], into: Written, tell: Tell) -> None:
        """The lines that skip a task."""
        if task.when is None:
            return
        if isinstance(task.when, Call):
            name = callable_name(task.when.function)
            asked = self.called(task.when.function, needs, {}, into, tell)
            if asked.startswith("raise "):
                into.lines.append(asked)
                return
            test, said = asked, f"{name}()"
            tell("when", f"it is asked by `{name}`; an import has its text alone", "note")
        else:
            said = task.when
            made = python(said, self.names(needs), self._params)
            if made is None:
                tell("when", f"`{said}` has no form in Python: the task raises until it is written",
                     "changed")  # fmt: skip
                into.lines.append(stub(f"say in Python when this runs: {said}"))
                return
            test = into.use(made)
        into.skips = True
        skip = call("raise AirflowSkipException", [quoted(WHEN + said)], 12)
        into.lines += [f"if {_negated(test)}:", shifted(skip)]

    # -- calls

    def runs(self, task: Task, needs: tuple[str, ...], into: Written, tell: Tell) -> None:
        """The lines that do what `run` does."""
        item = None
        extra: dict[str, str] = {}
        if task.foreach is not None:
            if not callable(task.run):
                item = task.foreach.item or "item"
            else:
                item = item_parameter(task, needs, self._params)
            if item is not None:
                extra[item] = self.item(task)
            extra["index"] = "ti.map_index"
        value = self.called(task.run, needs, task.with_, into, tell, extra)
        into.lines.append(value if value.startswith("raise ") else f"return {value}")

    def item(self, task: Task) -> str:
        """The parameter that takes an item: the function's own, where nothing else is called so."""
        assert task.foreach is not None
        named = task.foreach.item
        if not named and task.run is not None and callable(task.run):
            needs = self._up.get(task.id, ())
            named = item_parameter(task, needs, self._params) or ""
            if any(named in (need, self.parameter(need)) for need in needs):
                named = ""
        return named if named and named not in {*CONTEXT, "index", "upstream"} else "item"

    def called(
        self, function: Any, needs: tuple[str, ...], with_: Mapping[str, Any], into: Written,
        tell: Tell, extra: Mapping[str, str] | None = None,
    ) -> str:  # fmt: skip
        """The call of a function of the plan; a `raise`, where it cannot be had."""
        source = source_of(function)
        if source.why:
            tell("run", f"{source.why}: the task raises until it can be imported", "changed")
            return stub(f"{source.why}; move it to a module that Airflow can import")
        if source.asks:
            tell("run", f"`{source.name}` uses orch_nb, which Airflow's workers must have, and "
                 "whose `current()` knows no task there", "changed")  # fmt: skip
        if callable(function):
            taken = parameters(function)
            supplied = {*with_, *placed(taken, with_), *(extra or {}), *self._params}
            supplied |= set() if STAR in with_ else {*needs}
            missing = [name for name in taken.required if name not in supplied]
            if missing:
                tell("run", f"nothing supplies {', '.join(missing)}", "note")
        else:
            given = tuple(with_) + tuple(name for name in extra or {} if name != "index")
            taken = Parameters(required=() if STAR in with_ else given)
            if needs and STAR not in with_:
                tell("run", f"what `{source.name}` takes is not known here: results are not passed "
                     "to it", "changed")  # fmt: skip
        star = with_.get(STAR)
        if isinstance(star, str) and self._expression(star, needs, into) is None:
            why = f"`*`: `{star}` has no form in Python: the task raises until it is written"
            tell("with", why, "changed")
            return stub(f"say in Python what arguments this takes: {star}")
        if STAR in with_:
            arguments, plain = self._as_written(taken, needs, with_, extra or {}, into, tell), False
        else:
            arguments, plain = self._arguments(taken, needs, with_, extra or {}, into, tell)
        name = self._brought(source, into)
        if source.lines and plain and not into.lines and not source.calls_itself:
            into.whole = source
        if source.runs:
            into.before[:0] = ["import asyncio", ""]
            return f"asyncio.run({call(name, arguments, 20)})"
        return call(name, arguments, 15)

    def _brought(self, source: Source, into: Written) -> str:
        """The name that a function has in the body, and the lines that bind it."""
        if source.lines:
            into.before += [*source.before, "", *source.lines, ""]
            return source.name
        top = source.name.partition(".")[0]
        words = {self.parameter(task) for task in (*into.results, *into.star)} | {*into.words}
        clashes = top in words or top in ("words", "item", "params", "ti", "asyncio", "upstream")
        alias = f"run_{top}" if clashes else top
        bound = f"from {source.module} import {top}" + ("" if alias == top else f" as {alias}")
        into.before.append(bound)
        return alias + source.name[len(top) :]

    def _arguments(
        self, taken: Parameters, needs: tuple[str, ...], with_: Mapping[str, Any],
        extra: Mapping[str, str], into: Written, tell: Tell,
    ) -> tuple[list[str], bool]:  # fmt: skip
        """The arguments of a call, and whether they are results by their own names alone."""
        placed: list[str] = []
        named: list[str] = []
        gap, plain = False, True
        for name in taken.names:
            value = self._argument(name, needs, with_, extra, into, tell)
            if value is None:
                gap |= name not in taken.keyword_only
                continue
            plain &= value == name
            by_place = name not in taken.keyword_only and not gap
            if by_place and (
                value == name or taken.var_positional or name in taken.positional_only
            ):
                placed.append(value)
            else:
                gap |= name not in taken.keyword_only
                named.append(f"{name}={value}")
        others = [need for need in needs if need not in taken.names]
        if taken.var_positional and others and not gap:
            into.star |= dict.fromkeys(others)
            placed.append("*upstream")
            plain = False
        elif taken.var_positional and others:
            tell("run", "what its star takes cannot be passed behind a default", "changed")
        if taken.var_keyword:
            into.results |= dict.fromkeys(others)
            more = {name for name in with_ if name not in taken.names}
            named += self._by_key(others, more, needs, with_, into, tell)
            plain = False
        return [*placed, *named], plain

    def _as_written(
        self, taken: Parameters, needs: tuple[str, ...], with_: Mapping[str, Any],
        extra: Mapping[str, str], into: Written, tell: Tell,
    ) -> list[str]:  # fmt: skip
        """The arguments of a call that says some by position: results only where `with` says so."""
        star = with_[STAR]
        if isinstance(star, (list, tuple)):
            found = _told_apart([self.value(STAR, one, needs, into, tell) for one in star], taken)
        else:
            found = [f"*{self.value(STAR, star, needs, into, tell)}"]
        named = {name: value for name, value in with_.items() if name != STAR}
        found += self._by_key([], {*named}, needs, with_, into, tell)
        filled = {*placed(taken, with_), *with_}
        for name in taken.names:
            given = None if name in filled else self._argument(name, (), {}, extra, into, tell)
            if given is not None:
                found.append(f"{name}={given}")
        return found

    def _by_key(
        self, others: list[str], more: set[str], needs: tuple[str, ...],
        with_: Mapping[str, Any], into: Written, tell: Tell,
    ) -> list[str]:  # fmt: skip
        """What `**upstream` takes: results by task, and the rest of `with`."""
        values = {need: self.parameter(need) for need in others}
        values |= {name: self.value(name, with_[name], needs, into, tell) for name in sorted(more)}
        found = [f"{name}={value}" for name, value in values.items() if name.isidentifier()]
        rest = {name: value for name, value in values.items() if not name.isidentifier()}
        if rest:
            pairs = ", ".join(f"{quoted(name)}: {value}" for name, value in rest.items())
            found.append(f"**{{{pairs}}}")
        return found

    def _argument(
        self, name: str, needs: tuple[str, ...], with_: Mapping[str, Any],
        extra: Mapping[str, str], into: Written, tell: Tell,
    ) -> str | None:  # fmt: skip
        if name in with_:
            return self.value(name, with_[name], needs, into, tell)
        if name in extra:
            into.words[extra[name] if name != "index" else "ti"] = None
            return extra[name]
        if name in needs:
            into.results[name] = None
            return self.parameter(name)
        if name in self._params:
            into.words["params"] = None
            return f"params[{quoted(name)}]"
        return None

    def value(
        self, name: str, value: Any, needs: tuple[str, ...], into: Written, tell: Tell
    ) -> str:
        """An argument of `with` as source: a constant, or what a whole template gives."""
        if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
            made = self._expression(value, needs, into)
            if made is not None:
                return into.use(made)
            tell("with", f"`{name}`: `{value}` has no form in Python; it is None", "changed")
            return "None"
        written = literal(value, 20)
        if written is None:
            tell("with", f"`{name}` is a {type(value).__name__}, which no source says; it is None",
                 "changed")  # fmt: skip
            return "None"
        return written

    def _expression(self, template: str, needs: tuple[str, ...], into: Written) -> Python | None:
        return python(template[2:-2], self.names(needs), self._params, into.item)


def _told_apart(values: list[str], taken: Parameters) -> list[str]:
    """Values by position. Names alone would be read back as those of the parameters they fill."""
    if not all(value.isidentifier() for value in values):
        return values
    places = [name for name in taken.names if name not in taken.keyword_only]
    if len(places) < len(values) or {*places[: len(values)]} & {*taken.positional_only}:
        return [f"*[{', '.join(values)}]"] if values else []
    return [f"{name}={value}" for name, value in zip(places, values, strict=False)]


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def _negated(test: str) -> str:
    """`not (a > b)`, and `a` for `not a`."""
    tree = ast.parse(test, mode="eval").body
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return styled(ast.unparse(tree.operand))
    if isinstance(tree, ast.Compare) and type(tree.ops[0]) in _OPPOSITE and len(tree.ops) == 1:
        tree.ops = [_OPPOSITE[type(tree.ops[0])]()]
        return styled(ast.unparse(tree))
    plain = isinstance(tree, (ast.Name, ast.Subscript, ast.Constant, ast.Call))
    return f"not {test}" if plain else f"not ({test})"


def stub(why: str) -> str:
    """What a task does until somebody has written it."""
    return call("raise NotImplementedError", [quoted(why)], 8)
