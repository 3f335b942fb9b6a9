"""What a system was seen to do with a small plan and a failure in it."""

from __future__ import annotations

import msgspec

__all__ = ["Observation", "Question", "Recording"]


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
