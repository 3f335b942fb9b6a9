"""The kinds of operation: how a goal of each is recognised, and the methods to plan it by.

Both ANALYZE (to say what kind a goal is) and the pattern planner (to pick a method) read this, so
that they agree. A kind has cues, regular expressions with weights; a cue counts once, and the
kind's leading verbs count more at the start of the goal, where people put what they want. The best
kind wins if it reaches `ENOUGH`; the confidence is its share of the evidence, less where the
runner-up is close.

    >>> classify("Release Deno 2.4: bump versions, publish crates")[0]
    'release'
    >>> classify("Tidy my desk")
    ('', 0.0)

The methods are trees as in hierarchical task networks (Erol, Hendler, Nau 1994): a compound task is
refined by the first method whose condition holds. `operations.yaml` describes their form.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from orch_nb.catalog.library import document
from orch_nb.catalog.words import verb_of

__all__ = ["Kind", "Method", "Step", "StoryTemplate", "classify", "kind", "opens", "operations"]

#: Evidence below this is no evidence: the weight of one strong cue.
ENOUGH = 3.0
#: What it takes for a goal that opens with another verb than the kind's.
_ENOUGH_OTHERWISE = 4.0
#: What a leading verb adds to cues of at least `_SOME`; by itself it says too little.
_LEAD, _WEAK_LEAD, _SOME = 3.0, 1.0, 2.0


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task of a method before it is filled in; `operations.yaml` explains each field."""

    id: str
    title: str
    done: str
    about: str = ""
    when: str = ""
    unless: str = ""
    does: tuple[str, ...] = ()
    says: str = ""
    each: str = ""
    pairs: str = ""
    chain: bool | str = False
    needs: tuple[str, ...] = ()
    sh: str = ""
    gate: str = ""
    undo: bool = False
    required: bool = True
    seen: str = ""
    est: tuple[str, str, str] | None = None


class StoryTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A story of a method: its title and steps."""

    title: str
    tasks: tuple[Step, ...]


class CriterionTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the goal must show, and the steps that show it."""

    text: str
    tasks: tuple[str, ...]
    when: str = ""


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to carry out a kind of operation; `when` names the facts it is for ("" is any)."""

    id: str
    title: str
    stories: tuple[StoryTemplate, ...]
    criteria: tuple[CriterionTemplate, ...] = ()
    when: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for story in self.stories for step in story.tasks)


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of operation. `id` is what `Analysis.operation` holds; "" is no known kind.

    `patterns` are ids of the catalogue's patterns that it is usually done with, each with why.
    """

    id: str
    title: str
    summary: str
    lead: str
    cues: tuple[tuple[str, float], ...]
    patterns: dict[str, str]
    methods: tuple[Method, ...]


@functools.cache
def _kinds() -> tuple[Kind, ...]:
    kinds = tuple(msgspec.convert(document("operations.yaml"), list[Kind]))
    for entry in kinds:
        for method in entry.methods:
            _check(entry, method)
    return kinds


def _check(entry: Kind, method: Method) -> None:
    ids = [step.id for step in method.steps]
    where = f"operations.yaml: {entry.id or 'generic'}/{method.id}"
    if len(ids) != len(set(ids)):
        raise ValueError(f"{where} has a task twice")
    named: list[Any] = [name for step in method.steps for name in (*step.needs, step.pairs) if name]
    named += [name for criterion in method.criteria for name in criterion.tasks]
    if unknown := sorted(set(named) - set(ids)):
        raise ValueError(f"{where} names tasks that it has not: {unknown}")
    known = set(document("acts.yaml"))
    if unknown := sorted({act for step in method.steps for act in step.does} - known):
        raise ValueError(f"{where} has acts that acts.yaml has not: {unknown}")


def operations() -> tuple[Kind, ...]:
    """The kinds that the catalogue knows how to plan, without the generic one."""
    return tuple(entry for entry in _kinds() if entry.id)


def kind(name: str) -> Kind:
    """The kind of that id; the generic one for any other."""
    return next((entry for entry in _kinds() if entry.id == name), _kinds()[-1])


@functools.cache
def _cue_table() -> tuple[
    tuple[str, re.Pattern[str], tuple[tuple[re.Pattern[str], float], ...]], ...
]:
    return tuple(
        (
            entry.id,
            re.compile(rf"\W*(please |we (want|need) to |let'?s )?{entry.lead}\b", re.IGNORECASE),
            tuple((re.compile(cue, re.IGNORECASE), weight) for cue, weight in entry.cues),
        )
        for entry in operations()
    )


def classify(text: str) -> tuple[str, float]:
    """The kind of operation that `text` asks for and how sure that is (0 to 1); ("", 0.0) if none.

    >>> classify("Move the carts from Redis to Postgres without downtime")[0]
    'migration'
    """
    scores = {name: _score(text, lead, cues) for name, lead, cues in _cue_table()}
    ranked = sorted(scores.items(), key=lambda row: -row[1])
    (best, score), (_, second) = ranked[0], ranked[1]
    other = bool(verb_of(text.strip())) and not opens(best, text)
    if score < (_ENOUGH_OTHERWISE if other else ENOUGH):
        return "", 0.0
    return best, round(score / (score + second + 1.0), 2)


def opens(name: str, text: str) -> bool:
    """Whether `text` opens with a verb by which people ask for that kind of operation."""
    return any(lead.match(text) is not None for kind_, lead, _ in _cue_table() if kind_ == name)


def _score(
    text: str, lead: re.Pattern[str], cues: tuple[tuple[re.Pattern[str], float], ...]
) -> float:
    told = sum(weight for cue, weight in cues if cue.search(text))
    if not told or not lead.match(text):
        return told
    return told + (_LEAD if told >= _SOME else _WEAK_LEAD)
