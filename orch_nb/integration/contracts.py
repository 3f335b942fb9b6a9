"""Do results hold what was asked of them? Each `check` of a task against what the task returned.

    met          it is of the type, its schema took it, the function said nothing against it
    not met      with what it is instead, or what was raised
    not checked  with the reason: the result cannot be had, or the check is not of this process

Only checks that are here are asked: a name in a plan that came from a journal or a file is not
imported for this, and so are only the types of Python itself known by it. A result that is pickled
is loaded only where the check is here, which is where the plan is: in the process that made it, or
one that recovered it. A check is told by what it raises, never more: a report is made all the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints, is_typeddict

import msgspec

from orch_nb.model.contract import Contract, Held
from orch_nb.model.quantity import count
from orch_nb.model.report import Check
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.model.task import Task

__all__ = ["contract_checks"]

_INSTANCES = 1000  # of a fan-out, each is a result of its own
_CHARS = 240
_OWN = {
    kind.__name__: kind
    for kind in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)
}


class _NotChecked(Exception):
    """Why nothing can be said."""


def contract_checks(run: Run) -> Iterator[Check]:
    """Of each task that succeeded and says what its result must be, in the order of the plan."""
    for task in run.plan.tasks:
        if task.check and run[task.id].status is Status.SUCCEEDED:
            for contract in task.check:
                yield _check(run, task, contract)


def _check(run: Run, task: Task, contract: Contract) -> Check:
    known, met = True, False
    try:
        test = _test(task, contract)
        results = list(_results(run, task, bound=not isinstance(contract.of, str)))
        evidence = next(
            (
                f"`{name}`: {wrong}" if name != task.id else wrong
                for name, value in results
                if (wrong := _wrong(test, value))
            ),
            "",
        )
        met = not evidence
        evidence = evidence or _fine(run, task, results)
    except _NotChecked as error:
        known, evidence = False, f"not checked: {error}"
    return Check(
        "contract", contract.label, (task.id,), met, evidence,
        required=contract.required and task.required, known=known,
    )  # fmt: skip


def _results(run: Run, task: Task, *, bound: bool) -> Iterator[tuple[str, Any]]:
    """What the task returned, by the name in the run: once, or for each instance."""
    made: tuple[TaskRun, ...] = (run[task.id],)
    if made[0].instances is not None:
        made = run.instances(task.id)[:_INSTANCES]
    for one in made:
        if one.status is not Status.SUCCEEDED:
            continue
        kept = one.result.format if one.result is not None else "none"
        if kept == "pickle" and not bound:
            raise _NotChecked("the check is not of this process, and a report loads no pickle")
        try:
            yield one.task, run.results[one.task]
        except LookupError as error:
            why = str(error.args[0] if error.args else error)
            raise _NotChecked(f"the result cannot be had here ({why})") from None


def _test(task: Task, contract: Contract) -> Any:
    """What is to be held against the result."""
    of = contract.of
    if of is True:
        return _returned(task)
    if isinstance(of, Held):
        return of.value
    if isinstance(of, str):
        if contract.label in _OWN:
            return _OWN[contract.label]
        raise _NotChecked(
            f"`{contract.label}` is not of this process: make the report where the plan is, or "
            "with integrate(run, namespace=globals())"
        )
    return of


def _returned(task: Task) -> Any:
    try:
        hints = get_type_hints(inspect.unwrap(task.run))
    except Exception as error:  # noqa: BLE001  # a name of the annotation may be anything
        raise _NotChecked(f"its annotation cannot be read: {_said(error)}") from None
    if "return" not in hints:
        raise _NotChecked(f"`{task.id}` does not say what it returns (def f() -> int)")
    return hints["return"]


def _wrong(test: Any, value: Any) -> str:
    """What is wrong with a result; empty where nothing is."""
    try:
        if test is None or test is type(None):
            return "" if value is None else f"it is {_kind(value)}, not None"
        validate = getattr(test, "validate", None)
        if callable(validate):
            validate(value)
            return ""
        if test is Any or is_typeddict(test):
            return "" if test is Any else _fits(test, value)
        if isinstance(test, type) and not hasattr(test, "__origin__"):
            number = test is float and type(value) is int  # as type checkers have it (PEP 484)
            return "" if number or isinstance(value, test) else f"it is {_kind(value)}"
        if hasattr(test, "__origin__") or hasattr(test, "__args__"):
            return _fits(test, value)
        return _answered(test(value))
    except _NotChecked:
        raise
    except Exception as error:  # noqa: BLE001  # a check may raise anything: that is its answer
        return _said(error)


def _answered(answer: Any) -> str:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise _NotChecked("an async function cannot be asked here: write a plain one")
    return "" if answer is None or bool(answer) else "it says no"


def _fits(test: Any, value: Any) -> str:
    """A generic type (`list[int]`, `int | None`) against a value, by msgspec."""
    try:
        msgspec.convert(value, test)
    except msgspec.ValidationError as error:
        return str(error)
    except TypeError as error:  # it holds a class that msgspec knows nothing of
        raise _NotChecked(f"{test} cannot be checked: {_said(error)}") from None
    return ""


def _fine(run: Run, task: Task, results: list[tuple[str, Any]]) -> str:
    if run[task.id].instances is not None:
        return f"holds for {count(len(results), 'instance')}"
    ref = run[task.id].result
    shown = ref.preview if ref is not None else ""
    return f"holds: {shown[:_CHARS]}" if shown else "holds"


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _said(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # of a foreign __str__
        text = ""
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return told if len(told) <= _CHARS else told[: _CHARS - 1] + "…"
