"""A plan on its way to another system and back: text, and what the other side cannot say.

Nothing is dropped in silence: what an export leaves out, or says in another way, is a `Loss`. Where
the result would be wrong there is none: the translator raises PlanError, which names what is in the
way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.plan import Plan
from orch_nb.model.view import Method, View

__all__ = ["Export", "Import", "Loss"]


class Loss(msgspec.Struct, frozen=True):
    """Something of the one side that the other has not. `what` names the feature (priority, retry,
    trigger), `why` what becomes of it; `task` is where, `line` the place in a file that was read;
    `severity` is dropped (it is gone), changed (said in another way) or note."""

    what: str
    why: str
    task: str = ""
    line: int | None = None
    severity: str = "dropped"

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        of = f"`{self.task}`: " if self.task else ""
        return f"{where}{of}{self.what}: {self.why}"


class Export(msgspec.Struct, frozen=True, dict=True):
    """A plan in the words of another system. `files` are more than one file needs, by their names;
    `usage` says in a line or two how the other system takes it."""

    system: str
    text: str
    suffix: str
    losses: tuple[Loss, ...] = ()
    files: dict[str, str] = {}
    usage: str = ""

    df = View("translation.df")

    #: `save(path)` writes it to `path`, and further files beside it.
    save = Method("translation.save")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("translation.show").__get__(self, Export)


class Import(msgspec.Struct, frozen=True, dict=True):
    """A plan read from another system's file, never by running it, and what was lost on the way.

    Its functions are names (`module:function`) that resolve where the file's code is installed.
    `chart` is the `Statechart` of a state machine; where that goes round, which no plan does, the
    plan has no tasks, and the losses say what goes round.
    """

    system: str
    plan: Plan
    losses: tuple[Loss, ...] = ()
    source: str = ""
    chart: Any = None

    df = View("translation.df")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("translation.show").__get__(self, Import)
