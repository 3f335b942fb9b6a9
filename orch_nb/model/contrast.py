"""Two runs side by side: what `compare` gives."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.run import Run
from orch_nb.model.view import View

__all__ = ["Contrast", "Difference", "TaskContrast"]


class Difference(msgspec.Struct, frozen=True):
    """Something that is set in both and not the same: an option, a parameter, a version."""

    kind: str
    name: str
    before: str
    after: str


class TaskContrast(msgspec.Struct, frozen=True, kw_only=True):
    """One task in both runs; what is None or "" on a side was not there, or had not begun.

    `change` says what became of it in the plan: "" (the same), "added", "removed" or "changed";
    `changed` names the fields that differ, as a plan document spells them ("code" is a function's
    own). `same_result` is None where nobody can tell. Durations and waits are seconds.
    """

    task: str
    title: str = ""
    story: str = ""
    change: str = ""
    changed: tuple[str, ...] = ()
    status_before: str = ""
    status_after: str = ""
    duration_before_s: float | None = None
    duration_after_s: float | None = None
    attempts_before: int | None = None
    attempts_after: int | None = None
    wait_before_s: float | None = None
    wait_after_s: float | None = None
    result_before: str = ""
    result_after: str = ""
    same_result: bool | None = None

    @property
    def apart_s(self) -> float | None:
        """Seconds that it took longer after than before; negative where it was quicker."""
        if self.duration_before_s is None or self.duration_after_s is None:
            return None
        return self.duration_after_s - self.duration_before_s

    @property
    def differs(self) -> bool:
        """Whether anything but times differs."""
        return bool(
            self.change
            or self.status_before != self.status_after
            or self.attempts_before != self.attempts_after
            or self.same_result is False
        )


class Contrast(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Two runs side by side. `before` is the first, `after` the second; `sentence` says in one what
    is different; `tasks` has each task of either plan, those of `after` first, in their order.

    `contrast.df` is a DataFrame with a row a task.
    """

    before: Run
    after: Run
    sentence: str
    tasks: tuple[TaskContrast, ...] = ()
    differences: tuple[Difference, ...] = ()

    df = View("contrast.df")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("contrast.show").__get__(self, Contrast)
