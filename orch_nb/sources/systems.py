"""The six systems compared for one goal, by the patterns that are recommended for it.

Each recommended pattern asks something of a system: a capability of `catalog/systems.yaml` (retry,
fan-in, approval, ...), or, where there is none for it, that its documentation says how it is
spelled. What all patterns together get is the verdict: good from four fifths on, possible from a
half on, else poor. What the workspace already uses, and the language it is written in, count too,
and are said. Where fewer than two patterns ask for anything, nothing is compared.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from orch_nb.catalog.library import document
from orch_nb.model.analysis import Analysis
from orch_nb.model.quantity import listed
from orch_nb.model.research import Citation, Pattern, SystemFit

__all__ = ["Capability", "Profile", "capabilities", "profiles", "system_fits"]

_WORTH = {"yes": 1.0, "partly": 0.5, "no": 0.0}
_GOOD, _POSSIBLE = 0.8, 0.5
_USED, _STRANGE = 0.1, -0.25
#: One pattern alone asks so little that nearly every system would do.
_LEAST = 2
#: A language that has fewer of the workspace's files of code says nothing.
_SHARE = 0.2
_ORDER = {"good": 0, "possible": 1, "poor": 2}


class Ability(msgspec.Struct, frozen=True):
    """How far a system has a capability, how it is spelled, and the page that says so."""

    level: str
    how: str
    url: str


class Capability(msgspec.Struct, frozen=True):
    """What patterns ask of a system, by a name for people."""

    title: str
    patterns: tuple[str, ...]


class Profile(msgspec.Struct, frozen=True):
    """What is known of one system. `kinds` are kinds of operation that it is made for."""

    title: str
    url: str
    languages: tuple[str, ...]
    kinds: dict[str, str]
    can: dict[str, Ability]


@functools.cache
def profiles() -> dict[str, Profile]:
    """The six systems, by id."""
    return msgspec.convert(document("systems.yaml")["systems"], dict[str, Profile])


@functools.cache
def capabilities() -> dict[str, Capability]:
    """What patterns ask of systems, by id."""
    return msgspec.convert(document("systems.yaml")["capabilities"], dict[str, Capability])


class _Judged(msgspec.Struct):
    """A verdict in the making: what each pattern got, and what is said for and against."""

    worth: list[float] = []
    strengths: list[str] = []
    gaps: list[str] = []
    extra: float = 0.0
    url: str = ""

    @property
    def score(self) -> float:
        return sum(self.worth) / len(self.worth) + self.extra


def system_fits(analysis: Analysis, patterns: Sequence[Pattern]) -> tuple[SystemFit, ...]:
    """How each system would do for the goal of `analysis` with `patterns`, the best first."""
    asked = [pattern for pattern in patterns if _capability(pattern.id) or pattern.systems]
    if len(asked) < _LEAST:
        return ()
    judged = {name: _judged(name, analysis, asked) for name in profiles()}
    found = [(one.score, _fit(name, one)) for name, one in judged.items()]
    return tuple(fit for _, fit in sorted(found, key=lambda f: (_ORDER[f[1].verdict], -f[0])))


def _fit(name: str, judged: _Judged) -> SystemFit:
    profile = profiles()[name]
    score = judged.score
    verdict = "good" if score >= _GOOD else "possible" if score >= _POSSIBLE else "poor"
    url = judged.url or profile.url
    title = f"{profile.title} documentation"
    return SystemFit(
        name, verdict, tuple(judged.strengths), tuple(judged.gaps), Citation(title, url)
    )


def _judged(name: str, analysis: Analysis, asked: Sequence[Pattern]) -> _Judged:
    judged = _Judged()
    profile = profiles()[name]
    by_ability: dict[str, list[str]] = {}
    for pattern in asked:
        capability = _capability(pattern.id)
        if capability:
            by_ability.setdefault(capability, []).append(pattern.title)
        else:
            _by_spelling(judged, name, pattern)
    for capability, titles in by_ability.items():
        _by_ability(judged, profile, capability, titles)
    _by_workspace(judged, name, analysis)
    if said := profile.kinds.get(analysis.operation):
        judged.strengths.append(said)
        judged.extra += _USED
    return judged


def _by_ability(judged: _Judged, profile: Profile, capability: str, titles: list[str]) -> None:
    can = profile.can[capability]
    judged.worth += [_WORTH[can.level]] * len(titles)
    said = f"{capabilities()[capability].title}: {can.how} (for {listed(titles)})"
    (judged.strengths if can.level == "yes" else judged.gaps).append(said)
    if can.level == "yes":
        judged.url = judged.url or can.url


def _by_spelling(judged: _Judged, name: str, pattern: Pattern) -> None:
    spelling = pattern.systems.get(name)
    judged.worth.append(1.0 if spelling else 0.0)
    if spelling is None:
        judged.gaps.append(f"{pattern.title}: no page of its documentation is known that says how")
    elif spelling.how.startswith("none of its own"):
        judged.worth[-1] = 0.5
        judged.gaps.append(f"{pattern.title}: {spelling.how}")
    else:
        judged.strengths.append(f"{pattern.title}: {spelling.how}")
        judged.url = judged.url or spelling.url


def _by_workspace(judged: _Judged, name: str, analysis: Analysis) -> None:
    used = next((flow for flow in analysis.scope.workflows if flow.system == name), None)
    if used is not None:
        judged.strengths.insert(0, f"the workspace uses it already ({used.evidence})")
        judged.extra += _USED
        return
    known = {language for profile in profiles().values() for language in profile.languages}
    code = {name: n for name, n in analysis.scope.languages.items() if name in known}
    total = sum(code.values())
    common = [language for language, n in code.items() if n >= _SHARE * total]
    if common and not set(common) & set(profiles()[name].languages):
        judged.gaps.append(f"its code is not written in {listed(common)}, as this workspace is")
        judged.extra += _STRANGE


@functools.cache
def _capability(pattern: str) -> str:
    return next((name for name, one in capabilities().items() if pattern in one.patterns), "")
