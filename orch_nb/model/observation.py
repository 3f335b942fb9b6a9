"""What a system was seen to do with a small plan and a failure in it."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.plan import Plan
from orch_nb.model.view import View

__all__ = ["Aftermath", "Fate", "Observation", "Outcome", "Question", "Recording"]


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One system in one scenario. `verdict` is it in a few words, `mood` whether that needs care
    (good, care, bad, none), `says` the sentences, in which `{task}` stands for the task of that
    role. `states` are the system's own words for each role; `fates` what was seen from outside:
    begun how often, ended, stopped. What is not `observed` is what the page at `url` says.
    """

    system: str
    scenario: str
    verdict: str
    mood: str
    says: str
    states: dict[str, str] = {}
    fates: dict[str, str] = {}
    observed: bool = True
    url: str = ""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A system that was observed: which versions, and on which day (ISO 8601)."""

    system: str
    title: str
    versions: str
    recorded: str


class Question(msgspec.Struct, frozen=True):
    """What a plan asks of every system. `scenario` answers it, `roles` are the plan's own tasks in
    the parts of that scenario, `words` ask it with their names, `short` is its name in a table."""

    scenario: str
    short: str
    words: str
    roles: dict[str, str]


class Fate(msgspec.Struct, frozen=True):
    """What a system would make of a task: `fate` is "ends", "fails", "in vain" (it works on, or is
    stopped, for nothing), "never runs" or "waits for ever". `part` is the task's part in the plan
    (`engine.aftermath`), `scenario` the observation that this is inferred from, "" where nothing
    need be: what had ended has ended everywhere."""

    task: str
    fate: str
    part: str
    scenario: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a system would leave of a plan: `tries` of the task that fails, the fate of every task
    (of none where the plan cannot be said there), what the whole would be, and what to know."""

    system: str
    title: str
    tries: str
    fates: tuple[Fate, ...]
    whole: str = ""
    remarks: tuple[str, ...] = ()


class Aftermath(msgspec.Struct, frozen=True, dict=True):
    """One failure in a plan, as each system would take it: inferred from the observations."""

    plan: Plan
    fault: str
    outcomes: tuple[Outcome, ...]

    #: A row a system and task: `system, task, fate, part, scenario, verdict`.
    df = View("aftermath.df")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("aftermath.show").__get__(self, Aftermath)
