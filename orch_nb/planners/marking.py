"""`@task`: marks a function as a task and leaves it the function that it is.

    @task                                   @task(retry=3, estimate="2s", needs=["orders"])
    def orders(): ...                       def refunds(): ...

    @task(approval="Publish?", default="approve")
    def publish_gate(report): ...           a gate; the parameters name what it needs

Decorating never raises for an option: that would show our stack in the middle of a person's cell,
one fault at a time. It keeps what was said and where, and `plan_from_functions` judges it all.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

import msgspec

from orch_nb.errors import UsageError
from orch_nb.model.task import Approval, Foreach, RetryPolicy, Task, TriggerRule

__all__ = [
    "MARK",
    "OPTIONS",
    "TaskOptions",
    "TaskSpec",
    "collecting",
    "has_no_body",
    "task",
]

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__orch_task__"


class TaskOptions(TypedDict, total=False):
    """What `@task(...)` takes; the keys of a task in a plan document, with `with_` for `with`."""

    id: str
    title: str
    description: str
    story: str
    parent: str
    needs: str | Sequence[str]
    trigger: TriggerRule | str
    when: str | bool | Callable[..., Any]
    foreach: str | Sequence[Any] | Mapping[str, Any] | Foreach | Callable[..., Any]
    max_active: int
    tolerate: int | str
    retry: int | RetryPolicy | dict[str, Any]
    timeout: float | str
    total_timeout: float | str
    estimate: float | str | Sequence[float | str]
    pool: str | Sequence[str] | Mapping[str, int]
    priority: int
    outputs: str | Sequence[str]
    check: Any
    required: bool
    compensate: str | Callable[..., Any] | Mapping[str, Any] | Task
    cache: bool
    owner: str
    with_: dict[str, Any]
    sh: str
    notebook: str
    approval: str | Approval | dict[str, Any]
    default: Literal["approve", "reject"]
    todo: str
    on_failure: bool


OPTIONS = tuple(TaskOptions.__annotations__)


class TaskSpec(msgspec.Struct, frozen=True):
    """What `@task` was told: `options` as given, `line` of `filename` where it stands."""

    options: dict[str, Any]
    filename: str
    line: int


#: While a cell's body runs: its namespace, and the functions it marks, in order.
collecting: ContextVar[tuple[dict[str, Any], list[Callable[..., Any]]] | None] = ContextVar(
    "orch_nb_collecting", default=None
)


@overload
def task(function: F, /, **options: Unpack[TaskOptions]) -> F: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[F], F]: ...
def task(function: Any = None, /, **options: Any) -> Any:
    """Marks a function as a task; what comes back is the function itself.

    Use it bare (`@task`) or with options:

    - `needs`: names of tasks to wait for; a parameter named after a task is a need anyway.
    - `trigger`: how those must have ended, as in `TriggerRule`. `when`: an expression, or a
      function of the same results; the task is skipped where it is false. `required=False`: the
      run can succeed without it.
    - `foreach`: a task, an expression, a list or a function; one instance an item, which goes to
      the parameter `item`, or to the one that nothing else supplies; `{"region": ...}` names it.
      At most `max_active` at once; `tolerate` of them may fail (2, "20%" or "all").
    - `retry`: attempts, or a `RetryPolicy`. `timeout` (of one attempt), `total_timeout` (of all),
      `estimate`: "30s", or seconds; an estimate may be three (optimistic, likely, pessimistic).
    - `pool`: the limits it shares, by name. `priority`: higher starts first. `cache`: keep the
      result while source, arguments and upstream results are unchanged.
    - `compensate`: what undoes it when the run fails or is cancelled. `on_failure=True`: this is no
      task, but what runs when the run has failed; a parameter `failures` gets the errors by task.
    - `story`, `parent`, `title`, `description` (else the docstring's first line), `owner`, `id`.
    - `with_`: arguments by name. `outputs`: files (globs) that must be there afterwards.
      `check`: what the result must be: a type, a pandera schema, a function, or several; True for
      the return annotation. The report tells; {"check": ..., "required": False} where it may fail.
    - `approval` (with `default`), `todo`, `sh` or `notebook` instead of a body.

    Options that cannot be are reported when a plan is made of the functions, all at once.
    """
    caller = sys._getframe(1)  # noqa: SLF001  # the only way to know the line of a decorator
    filename, line = caller.f_code.co_filename, caller.f_lineno
    namespace = caller.f_globals

    def decorate(target: Any) -> Any:
        return _mark(target, options, filename, line, namespace)

    if function is None:
        return decorate
    if not callable(function):
        raise UsageError(
            f"task({function!r}): options have names, as in @task(story={function!r})."
        )
    return decorate(function)


def _mark(
    target: Any, options: dict[str, Any], filename: str, line: int, namespace: dict[str, Any]
) -> Any:
    """Attaches the spec; a second decorator adds to what the first one said."""
    earlier = getattr(target, MARK, None)
    said = {**earlier.options, **options} if isinstance(earlier, TaskSpec) else dict(options)
    try:
        setattr(target, MARK, TaskSpec(said, filename, line))
    except AttributeError:
        raise UsageError(
            f"{target!r} cannot be marked as a task; wrap it in a function of your own, or use "
            "Task(id=..., run=...)."
        ) from None
    collector = collecting.get()
    if collector is not None and collector[0] is namespace:
        collector[1].append(target)
    return target


_PLAIN = frozenset(
    {"RESUME", "NOP", "CACHE", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "RETURN_GENERATOR",
     "POP_TOP", "COPY_FREE_VARS"}
)  # fmt: skip


def has_no_body(function: Callable[..., Any]) -> bool:
    """Whether a function is only a docstring, `...` or `pass`: it would return None at once."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    last = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("RETURN_CONST", "LOAD_CONST"):
            last = instruction.argval
        if instruction.opname.startswith("RETURN_") and instruction.opname in _PLAIN:
            if instruction.opname != "RETURN_GENERATOR":
                return last is None
        elif instruction.opname not in _PLAIN:
            return False
    return False
