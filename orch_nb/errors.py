"""The whole error tree, classified by who can act.

    OrchestrationError
    ├── PlanError             the plan's author: what is wrong, where, and the way out
    ├── UsageError            the caller: an option or an argument that cannot be
    │   ├── Interrupted       Stop was pressed: the run was cancelled cleanly
    │   ├── NestedLoopError   a synchronous call made from inside a running async task
    │   ├── RunExists         `execute` with a `run_id` that the journal already has
    │   ├── RunNotFound       no such run in this journal
    │   ├── RunHeld           a live process is working on that run
    │   └── RecordError       the data of a report: damaged, of a newer version, or none there
    ├── TaskFailed            the task's code: a run that did not succeed was asked to raise
    ├── JournalError          the journal's file: unreadable, newer than this version, full
    └── EnvironmentFault      the machine
        ├── MissingExtra      an optional package is not installed (names the pip line)
        └── BackendUnavailable   a server that should answer does not

A notebook shows the message of these and not our stack (see `notebook.display`).
The idea of naming errors by whose fault they are is trio's (`trio/_core/_exceptions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

__all__ = [
    "BackendUnavailable",
    "EnvironmentFault",
    "Interrupted",
    "JournalError",
    "MissingExtra",
    "NestedLoopError",
    "OrchestrationError",
    "PlanError",
    "Problem",
    "RecordError",
    "RunExists",
    "RunHeld",
    "RunNotFound",
    "TaskFailed",
    "UsageError",
]


class Problem(msgspec.Struct, frozen=True):
    """One fault of a plan: what is wrong, where it stands, and what to do.

    `line` and `column` count from 1, in the text that the plan came from (the cell's body, counted
    with the magic's own line as line 1); None where the plan was made from Python values.
    """

    message: str
    line: int | None = None
    column: int | None = None
    task: str | None = None
    hint: str = ""
    source: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class OrchestrationError(Exception):
    """The root: everything that orch_nb itself raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback: the message and nothing of our stack."""
        return [f"{type(self).__name__}: {self}"]


class PlanError(OrchestrationError):
    """A plan that cannot run. `problems` has every fault that was found, in the order of lines."""

    def __init__(self, problems: Iterable[Problem] | str, *, what: str = "plan") -> None:
        found = [Problem(problems)] if isinstance(problems, str) else list(problems)
        self.problems: tuple[Problem, ...] = tuple(
            sorted(found, key=lambda p: (p.line is None, p.line or 0, p.column or 0))
        )
        self.what = what
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.problems) == 1:
            return "\n".join([str(self.problems[0]), *_quoted(self.problems[0])])
        lines = [f"{len(self.problems)} problems in the {self.what}; nothing was run:"]
        for n, problem in enumerate(self.problems, 1):
            lines += [f"  {n}. {problem}", *_quoted(problem)]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[Problem, ...]]]:
        return (PlanError, (self.problems,))


def _quoted(problem: Problem) -> list[str]:
    """The line that a problem stands on, as an editor would show it."""
    text = "".join(c for c in problem.source.rstrip() if c.isprintable())
    return [f"     {problem.line} | {text[:120]}"] if text and problem.line is not None else []


class UsageError(OrchestrationError):
    """An option, an argument or a name that cannot be, with what can."""


class Interrupted(UsageError):
    """A person pressed Stop (or Ctrl-C) while a cell ran; its run was cancelled."""


class NestedLoopError(UsageError):
    """A synchronous function was called on the engine's own loop, and would wait for itself."""


class RunExists(UsageError):
    """The journal has a run of that id already."""


class RunNotFound(UsageError):
    """The journal has no run of that id."""


class RunHeld(UsageError):
    """A live process is working on that run; two must not."""


class RecordError(UsageError):
    """A report's data cannot be used: damaged, written by a newer orch_nb, or not there."""


class TaskFailed(OrchestrationError):
    """A run that did not succeed was asked to raise: names each task and its error."""

    def __init__(self, message: str, *, run_id: str = "", tasks: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.tasks = tuple(tasks)


class JournalError(OrchestrationError):
    """The journal cannot be opened, read or written; says which file and what to do."""


class EnvironmentFault(OrchestrationError):
    """Something that the machine lacks."""


class MissingExtra(EnvironmentFault, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f"Install it with: pip install 'orch_nb[{extra}]'"
        )
        self.package, self.extra = package, extra


class BackendUnavailable(EnvironmentFault):
    """A server that should answer does not; says how to start one."""
