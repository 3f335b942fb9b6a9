"""A goal of no known kind: its own clauses, in its order, and a gate before what cannot be undone.

    Export the accounts, write a list, then delete them and close the ticket
    export ── write ── verify ── approve ── delete ── close ── verify the outcome

What cannot be undone is told by its verb (delete, publish, send, ...), by where it is done ("in
production"), or by the goal ("printing cannot be taken back"). What the goal names after the first
such clause is meant to happen after it, and stands behind the gate too. Where the goal asks for
somebody's approval, that is the gate, at the place that the goal gives it.
"""

from __future__ import annotations

import math
import re

from msgspec.structs import replace

from orch_nb.catalog.clauses import Part
from orch_nb.catalog.vocabulary import acts
from orch_nb.catalog.words import base_verb, phase, verb_of
from orch_nb.model.goal import Goal
from orch_nb.planners.facts import Facts
from orch_nb.planners.notes import Item

__all__ = ["generic_facts", "irreversible"]

_FINAL = frozenset(
    "delete destroy drop erase purge wipe truncate revoke remove retire decommission "
    "terminate shut close cancel publish release announce send email mail tweet submit sign "
    "pay wire sell deploy launch print tell notify inform overwrite merge evict fire hand "
    "transfer file switch expose demolish burn format unpublish ship go cut".split()
)
#: Words of a clause that tells how things are, and is more than a heading.
_A_STATE = 3
_OFF = re.compile(r"(?:turn|switch) off\b|roll (?!back\b)", re.IGNORECASE)
#: Where people are at work, a change is seen at once.
_LIVE = re.compile(r"\b(?:production|prod|live (?:system|site|service))\b", re.IGNORECASE)
_TAKING = frozenset(
    "delete destroy drop erase purge wipe truncate revoke remove retire decommission "
    "terminate shut close cancel deploy overwrite merge switch cut format unpublish restore".split()
)
#: What is told, ordered or sent within a small circle can be told again: it needs no gate.
_MILD = re.compile(
    r"\b(?:the team|support|each other|the caterer|food|drinks?|invitations?|a friend)\b",
    re.IGNORECASE,
)
_LATE = re.compile(
    r"(?P<verb>[a-z-]+ing|it|this|that|[a-z]+)\s+(?:cannot|can['’]?t|can not|never)\s+be\s+",
    re.IGNORECASE,
)


def irreversible(part: Part, gates: tuple[str, ...] = ()) -> bool:
    """Whether what `part` asks for cannot be undone, by its verb or by what the goal says of it."""
    told = {base_verb(match.group("verb")) for text in gates for match in _LATE.finditer(text)}
    verb = verb_of(part.text)
    if verb in told or (phase(verb) not in {"look", "check"} and _LIVE.search(part.text)):
        return True
    final = verb in _FINAL or _OFF.match(part.text) is not None
    return final and _MILD.search(part.text) is None


def generic_facts(goal: Goal, facts: Facts) -> Facts:
    """`facts` with the parts before the gate (`parts`) and those behind it (`finals`)."""
    parts = list(facts.parts) or [Part(goal.title, said=goal.title)]
    asked = [part for part in parts if "approve" in acts(part.asks)]
    rest = [part for part in parts if part not in asked]
    final = [part for part in rest if irreversible(part, facts.gates)]
    # What stands beside the first of these, and can be undone, need not wait for the gate.
    first = min((part.stage for part in asked or final), default=math.inf)
    late = [part for part in rest if part.stage > first or (part.stage == first and part in final)]
    if any(part.verb in _TAKING or _LIVE.search(part.text) for part in late):
        facts.flags["taking"] = "something that is there now is changed or taken away"
    if any(_says(part, facts.flags.get("way_back", "")) for part in rest):
        del facts.flags["way_back"]  # taking it is what the goal asks for, not keeping one
    if quote := facts.flags.get("no_downtime", ""):
        demand = Item(quote.partition("“")[2].rstrip("”"))
        facts.items["demands"] = (*facts.items["demands"], demand)
    facts.items["parts"] = tuple(_item(part) for part in rest if part not in late)
    facts.items["finals"] = tuple(_item(part) for part in late)
    if any(len(said.split()) >= _A_STATE and not verb_of(said) for said in facts.context):
        facts.flags["context"] = "the goal tells how things are now"
    if late or asked:
        facts.flags["gated"] = ""
    _describe_gate(facts, asked, late)
    return replace(facts, gates=(*facts.gates, *(part.said for part in asked)))


def _describe_gate(facts: Facts, asked: list[Part], late: list[Part]) -> None:
    """The texts of the gate: what it is called, and what it asks about."""
    names = ", ".join(part.text for part in late)
    question = f"Go on: {names}? It cannot be undone, or others depend on it."
    facts.text["gate_question"] = question if late else "Is the goal reached, and may it be used?"
    title = asked[0].text[:1].upper() + asked[0].text[1:] if asked else ""
    facts.text["gate_title"] = title or "Approve what comes next"
    facts.text["final_names"] = names or "the use of the result"


def _says(part: Part, reason: str) -> bool:
    """Whether `part` holds the words that `reason` quotes."""
    quote = reason.partition("“")[2].rstrip("”").lower()
    return bool(quote) and quote in part.said.lower()


def _item(part: Part) -> Item:
    return Item(part.text[:1].upper() + part.text[1:], words=part.said, stage=part.stage)
