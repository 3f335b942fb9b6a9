"""A task: the unit of work, and the policies that say when and how often it is tried."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, NoReturn

import msgspec
from msgspec.structs import force_setattr

from orch_nb.model.contract import Contract, contracts
from orch_nb.model.duration import parse_duration

__all__ = [
    "Approval", "Call", "Foreach", "Pool", "Rate", "RetryPolicy", "Subtask", "Task", "TriggerRule",
    "callable_name",
]  # fmt: skip


class TriggerRule(StrEnum):
    """When a task may run, seen from how its upstream ended; in Airflow's spellings.

    Source: https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules
    """

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_SKIPPED = "all_skipped"
    ONE_FAILED = "one_failed"
    ONE_SUCCESS = "one_success"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALWAYS = "always"


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a task is tried and how long it waits in between, in Temporal's vocabulary.

    The wait before attempt n + 1, after n attempts have failed, is

        initial_interval_s * backoff_coefficient ** (n - 1)

    spread by ±`jitter` of itself, and never more than `maximum_interval_s` (None: 100 initial
    intervals). `non_retryable` names exception classes (`"ValueError"` or `"module.Name"`),
    subclasses included, that end the task at once; `retry_on` names those that are tried again, and
    no others are (empty: all are). A class that is in both is not retried.

    Source: https://docs.temporal.io/encyclopedia/retry-policies
    """

    maximum_attempts: int = 1
    initial_interval_s: float = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval_s: float | None = None
    jitter: float = 0.1
    non_retryable: tuple[str, ...] = ()
    retry_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.maximum_attempts < 1:
            raise ValueError("retry: maximum_attempts is at least 1 (1 means no retry)")
        if self.initial_interval_s < 0 or (self.maximum_interval_s or 0) < 0:
            raise ValueError("retry: an interval is not negative")
        if self.backoff_coefficient < 1:
            raise ValueError("retry: backoff_coefficient is at least 1")
        if not 0 <= self.jitter <= 1:
            raise ValueError("retry: jitter is a share from 0 to 1")
        for name in ("non_retryable", "retry_on"):
            kinds = getattr(self, name)
            if type(kinds) is not tuple:
                kinds = (kinds,) if isinstance(kinds, str) else kinds
                force_setattr(self, name, tuple(kinds))


class Approval(msgspec.Struct, frozen=True):
    """A gate: a question to a person. `default` ("approve" or "reject") answers a headless run.

    `timeout_s` bounds how long an answer is waited for, in seconds: then the default holds, and
    without one the gate fails.
    """

    prompt: str
    default: str | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.default not in (None, "approve", "reject"):
            raise ValueError(f"approval: default is approve or reject, not {self.default!r}")
        if self.timeout_s is not None and type(self.timeout_s) is not float:
            force_setattr(self, "timeout_s", parse_duration(self.timeout_s))


class Call(msgspec.Struct, frozen=True):
    """A callable, or its name, where a text would be an expression: in `when` and `foreach`.

    It is called as a task's function is: with the results of what the task needs, by name.
    """

    function: Any


class Foreach(msgspec.Struct, frozen=True, omit_defaults=True):
    """One instance of a task for each item of `over`: a task's id (its result), an expression over
    results and parameters, a list, or a `Call`. `item` is the parameter that takes the item; where
    it is not said, a parameter `item`, or the one that nothing else supplies.
    """

    over: str | list[Any] | Call
    item: str = ""


class Rate(msgspec.Struct, frozen=True):
    """At most `starts` attempts begin in any `period_s` seconds."""

    starts: int
    period_s: float

    def __post_init__(self) -> None:
        if self.starts < 1 or self.period_s <= 0:
            raise ValueError("rate: at least one start in a period longer than nothing")


_PERIODS = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0,
            "h": 3600.0, "hour": 3600.0}  # fmt: skip


def _rate(text: str) -> Rate:
    """`10/s`, `100/min`, `5/10s` as a `Rate`. Raises ValueError."""
    starts, slash, period = (part.strip() for part in text.partition("/"))
    if not (slash and starts.isdigit() and period):
        raise ValueError(f"rate: {text!r} is not so many starts in a time; write 10/s or 5/10s")
    return Rate(int(starts), _PERIODS.get(period) or parse_duration(period))


class Pool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit that tasks share: how many slots they may hold at once, how often they may start."""

    slots: int | None = None
    rate: Rate | None = None

    def __post_init__(self) -> None:
        if self.slots is not None and (isinstance(self.slots, bool) or self.slots < 1):
            raise ValueError("pool: at least one slot")
        if isinstance(self.rate, str):
            force_setattr(self, "rate", _rate(self.rate))


class _Nothing(dict[str, Any]):
    """The arguments of a task that has none: one empty dict for all, which nobody can fill.

    A dict of its own would cost each task 80 bytes and the collector an object to visit.
    """

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a task does not change: make another with msgspec.structs.replace")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> str:
        return "_NO_ARGUMENTS"  # copies and pickles of it are it


# What a task is told unless it says otherwise. `is` finds them again, which costs next to nothing.
_ONCE = RetryPolicy()
_ALL_SUCCESS = TriggerRule.ALL_SUCCESS
_NO_ARGUMENTS = _Nothing()
_NONE: tuple[Any, ...] = ()


class _TaskMeta(type(msgspec.Struct)):  # type: ignore[misc]  # msgspec's metaclass is untyped
    """Lets `Task(timeout="30s", estimate="2s")` be written as documents spell it."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        if "timeout" in fields:
            fields["timeout_s"] = fields.pop("timeout")
        if "total_timeout" in fields:
            fields["total_timeout_s"] = fields.pop("total_timeout")
        if "estimate" in fields:
            fields["estimate_s"] = fields.pop("estimate")
        return _made(cls, *args, **fields)


_made = type(msgspec.Struct).__call__  # `super()` would look it up for every task


class Task(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, metaclass=_TaskMeta):
    """One unit of work with one action, or none (a milestone, which ends at once).

    Actions: `run` (a callable, or a name: of the namespace, or `"module:function"`), `sh` (a shell
    command), `notebook` (a path, executed with `with` as its parameters), `approval` (a person
    decides), `todo` (a person does it and ticks it).

    - `needs`: ids of the tasks it waits for. None means "not said": a `Plan` makes it (), or, for a
      subtask, its elder sibling. A parameter of `run` that is named after a task is a need too.
    - `trigger`: how those must have ended. `retry`: a `RetryPolicy`, or a number of attempts.
    - `timeout_s` bounds one attempt, in seconds; `estimate_s` is what one is expected to take, as a
      number or three (optimistic, likely, pessimistic). Both also as "30s", under the names
      `timeout` and `estimate`.
    - `with_`: arguments by name; under `"*"`, a list of those by position. `outputs`: globs of
      files that must exist afterwards. `check`: what its result must be (`Contract`s): types,
      schemas, functions, told by the report.
    - `total_timeout_s` bounds the task over all its attempts and the waits between them.
    - `when`: an expression over upstream results and parameters, or a callable; what it gives is
      false: the task is skipped. `foreach`: one instance an item (`Foreach`); at most `max_active`
      run at once, and `tolerate` of them may fail (a number, a share as "20%", or "all").
    - `pool`: slots that an attempt holds, by pool (a name stands for one slot). `priority`: higher
      starts first. `cache`: an earlier result is used while source, arguments and upstream are
      unchanged.
    - `compensate`: what undoes the task when the run fails or is cancelled: a `Task` without an id.
    - `required`: the run fails if this task does. `parent`: the task that this is a subtask of;
      `subtasks` nests the other way round, and a `Plan` flattens it.
    """

    id: str
    title: str = ""
    description: str = ""
    story: str | None = None
    parent: str | None = None
    run: Any = None
    sh: str | None = None
    approval: Approval | None = None
    todo: str | None = None
    notebook: str | None = None
    with_: dict[str, Any] = msgspec.field(default=_NO_ARGUMENTS, name="with")
    needs: tuple[str, ...] | None = None
    trigger: TriggerRule = _ALL_SUCCESS
    when: str | Call | None = None
    foreach: Foreach | None = None
    max_active: int | None = None
    tolerate: int | str = 0
    retry: RetryPolicy = _ONCE
    timeout_s: float | None = None
    total_timeout_s: float | None = None
    estimate_s: float | None = None
    estimate_range_s: tuple[float, float, float] | None = None
    pool: dict[str, int] | None = None
    priority: int = 0
    outputs: tuple[str, ...] = _NONE
    check: tuple[Contract, ...] = _NONE
    required: bool = True
    compensate: Task | None = None
    cache: bool = False
    owner: str = ""
    subtasks: tuple[Task, ...] = _NONE

    def __post_init__(self) -> None:
        needs = self.needs
        if needs is not None and type(needs) is not tuple:
            force_setattr(self, "needs", (needs,) if isinstance(needs, str) else tuple(needs))
        # Most tasks say little, and among many thousands every look at a field counts.
        if not (
            self.with_ is _NO_ARGUMENTS
            and self.trigger is _ALL_SUCCESS
            and self.retry is _ONCE
            and self.timeout_s is None
            and self.total_timeout_s is None
            and self.estimate_s is None
            and self.approval is None
            and self.outputs is _NONE
            and self.check is _NONE
            and self.subtasks is _NONE
        ):
            self._settle()
        if not (
            self.when is None and self.foreach is None and self.pool is None
            and self.compensate is None
        ):  # fmt: skip
            self._settle_more()

    def _settle(self) -> None:
        """Fields that are given in several forms, in the one that they are kept in."""
        if not self.with_ and self.with_ is not _NO_ARGUMENTS:
            force_setattr(self, "with_", _NO_ARGUMENTS)
        if type(self.trigger) is not TriggerRule:
            force_setattr(self, "trigger", TriggerRule(self.trigger))
        if type(self.retry) is not RetryPolicy:
            force_setattr(self, "retry", _retry(self.retry))
        for name in ("timeout_s", "total_timeout_s"):
            value = getattr(self, name)
            if value is not None and type(value) is not float:
                force_setattr(self, name, parse_duration(value))
        if self.check is not _NONE:
            force_setattr(self, "check", contracts(self.check))
        if self.estimate_s is not None and type(self.estimate_s) is not float:
            self._set_estimate(self.estimate_s)
        if self.approval is not None and type(self.approval) is not Approval:
            force_setattr(self, "approval", _approval(self.approval))
        for name in ("outputs", "subtasks"):
            value = getattr(self, name)
            if type(value) is not tuple:
                force_setattr(self, name, (value,) if isinstance(value, str) else tuple(value))

    def _settle_more(self) -> None:
        """The same for what makes a task more than one thing to do at one time."""
        if self.when is not None and not isinstance(self.when, (str, Call)):
            force_setattr(self, "when", Call(self.when))
        if self.foreach is not None and type(self.foreach) is not Foreach:
            force_setattr(self, "foreach", _foreach(self.foreach))
        if self.pool is not None and type(self.pool) is not dict:
            force_setattr(self, "pool", _pool(self.pool))
        if self.compensate is not None:
            force_setattr(self, "compensate", _undo(self.id, self.compensate))

    def _set_estimate(self, estimate: Any) -> None:
        if isinstance(estimate, (list, tuple)):
            low, likely, high = (parse_duration(part) for part in estimate)
            force_setattr(self, "estimate_range_s", (low, likely, high))
            # The mean of PERT's beta distribution (Malcolm et al. 1959).
            force_setattr(self, "estimate_s", (low + 4 * likely + high) / 6)
        else:
            force_setattr(self, "estimate_s", parse_duration(estimate))

    @property
    def kind(self) -> str:
        """`python`, `shell`, `notebook`, `approval`, `todo` or `milestone`."""
        if self.run is not None:
            return "python"
        if self.sh is not None:
            return "shell"
        if self.notebook is not None:
            return "notebook"
        if self.approval is not None:
            return "approval"
        return "todo" if self.todo is not None else "milestone"

    @property
    def label(self) -> str:
        """The title, or the id where there is none."""
        return self.title or self.id

    @property
    def waits_for_person(self) -> bool:
        return self.approval is not None or self.todo is not None


#: A `Task` whose `parent` is set; the hierarchy is Epic (the plan's goal) > Story > Task > Subtask.
Subtask = Task


def _retry(value: Any) -> RetryPolicy:
    if isinstance(value, bool):
        raise TypeError("retry: a number of attempts or a RetryPolicy, not a boolean")
    if isinstance(value, int):
        return _attempts(value)
    if isinstance(value, Mapping):
        return RetryPolicy(**value)
    raise TypeError(f"retry: a number of attempts or a RetryPolicy, not {value!r}")


@functools.lru_cache(maxsize=64)
def _attempts(count: int) -> RetryPolicy:
    """The policy that a number stands for; tasks share it."""
    return RetryPolicy(maximum_attempts=count)


def _approval(value: Any) -> Approval:
    if isinstance(value, str):
        return Approval(value)
    fields = dict(value)
    if "timeout" in fields:
        fields["timeout_s"] = fields.pop("timeout")
    return Approval(**fields)


def _foreach(value: Any) -> Foreach:
    if isinstance(value, Mapping):
        ((item, over),) = value.items()  # {region: params.regions}
        return Foreach(_over(over), str(item))
    return Foreach(_over(value))


def _over(value: Any) -> str | list[Any] | Call:
    if isinstance(value, (str, list, Call)):
        return value
    return Call(value) if callable(value) else list(value)


def _pool(value: Any) -> dict[str, int]:
    names = (value,) if isinstance(value, str) else value
    return dict.fromkeys(names, 1) if not isinstance(names, Mapping) else dict(names)


def _undo(task: str, action: Any) -> Task:
    """The compensation of `task`, under the id that it has in a run."""
    if isinstance(action, Task):
        return msgspec.structs.replace(action, id=f"compensate({task})")
    fields = dict(action) if isinstance(action, Mapping) else {"run": action}
    return Task(id=f"compensate({task})", **fields)


def callable_name(function: Callable[..., Any] | str) -> str:
    """`module:qualified.name` of a callable, as plan documents and journals spell it: what it is
    found by. Of an object that its module has no name for, the class stands in `<>`."""
    if isinstance(function, str):
        return function
    if type(function) is FunctionType and function.__module__:  # most are, and a plan asks for all
        name = f"{function.__module__}:{function.__qualname__}"
        return name if "__wrapped__" not in function.__dict__ else _wrapped_name(function, name)
    owner = getattr(function, "__self__", None)
    if isinstance(function, (MethodType, BuiltinMethodType)):
        if owner is not None and not isinstance(owner, ModuleType):
            return f"{_object_name(owner)}.{function.__name__}"
    elif not hasattr(function, "__qualname__"):
        return _object_name(function)
    module = getattr(function, "__module__", None) or type(function).__module__
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}:{name}"


def _object_name(value: Any) -> str:
    """What an object is called in the module that made it: it has no name of its own, and its
    class's would be another's."""
    if isinstance(value, type):
        return f"{value.__module__}:{value.__qualname__}"
    kind = type(value)
    made_of = getattr(value, "func", None)  # a functools.partial stands where its function does
    for module in (getattr(made_of, "__module__", None), kind.__module__):
        name = _called(value, module)
        if name:
            return f"{module}:{name}"
    return f"{kind.__module__}:<{kind.__qualname__}>"


def _wrapped_name(function: FunctionType, name: str) -> str:
    """Of what a decorator made under another name: `timed = timing(load)` is not `load`."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None or hasattr(found, "__wrapped__"):  # itself, or as its file has it by now
        return name
    return f"{module}:{_called(function, module) or f'<{path}>'}"


def _called(value: Any, module: str | None) -> str:
    """The name that a loaded module has for a value, "" for none."""
    named = vars(sys.modules[module]) if module in sys.modules else {}
    return next((name for name, one in list(named.items()) if one is value), "")
