"""What pronouns and verbs without an object stand for.

A pronoun is what was named last and fits in number, the same verb's object first ("export them,
..., then delete them"). Where nothing fits it is left out: a wrong name is worse than none.
"""

from __future__ import annotations

import re

from orch_nb.catalog.clause import Clause
from orch_nb.catalog.words import phase, verb_of

__all__ = ["with_shared_objects", "without_pronoun"]

_PRONOUN = re.compile(r"\s+(?P<p>it|them|these|those|both|all of them|its|their)\b", re.IGNORECASE)
_PRONOUN_LAST = re.compile(r"\s(?P<p>it|them|these|those|both|all of them)$", re.IGNORECASE)
_IF_SO = re.compile(r",?\s+(?:if|when|once|so that|because|as)\s+(?:it|they)\b.*$", re.IGNORECASE)
_PLURAL = re.compile(r"(?:[^s]s|people|data|children|everybody|everyone)$", re.IGNORECASE)
_QUALIFIED = re.compile(
    r"\s(?:from|to|into|in|on|for|with|without|of|by|before|after|at|against|via|as|so|that|which|"
    r"who|older|newer|larger|if|when|per)\s",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:the|our|all|every|each|an?)\s", re.IGNORECASE)
_LONGEST_THING = 5


def with_shared_objects(clauses: list[Clause]) -> list[Clause]:
    """Gives "lint" and "type-check" the object of "test the package" that stands after them."""
    shared = ""
    for clause, later in zip(reversed(clauses[:-1]), reversed(clauses[1:]), strict=True):
        if not clause.text or not later.text:
            continue
        alone = clause.text == verb_of(clause.text)
        verb = verb_of(later.text)
        thing = shared if later.shares else later.text[len(verb) :].strip()
        fits = _NAMED.match(thing) is not None and len(thing.split()) <= _LONGEST_THING
        if alone and fits and phase(verb) == phase(clause.text):
            shared, clause.shares = thing, True
            clause.text = f"{clause.text} {thing}"
    return clauses


def without_pronoun(text: str, before: list[Clause]) -> tuple[str, str]:
    """`text` with its pronoun replaced by the thing of the nearest clause that can be meant, and
    with the pronoun left out (""  where it has none)."""
    verb = verb_of(text)
    text = _IF_SO.sub("", text)
    match = _PRONOUN.match(text, len(verb)) or _PRONOUN_LAST.search(text)
    if match is None:
        return text, ""
    said = match.group("p").lower()
    many = said in {"them", "these", "those", "both", "their", "all of them"}
    same = [c for c in before if c.text and verb_of(c.text) == verb]
    near = [
        c
        for c in reversed(before)
        if not (c.implied or phase(verb_of(c.text)) in {"tell", "wait", "decide"})
        and verb_of(c.text) not in {"make", "keep", "let", "have", "set"}
    ]
    thing = next((t for c in (*same, *near) if (t := _antecedent(c, many))), "")
    head, rest = text[: match.start()].rstrip(), text[match.end() :]
    if said in {"its", "their"}:
        bare = f"{head} the{rest}"
        return f"{bare} of {thing}" if thing and " of " not in rest else bare, bare
    bare = re.sub(r"\s+(?:to|for|of|with|on|at|from|by|about)$", "", head) + rest
    # What is told of is seldom what was named last: "update the notes, then announce it".
    return f"{head} {thing}{rest}" if thing and phase(verb) != "tell" else bare, bare


def _antecedent(clause: Clause, many: bool) -> str:
    """What a pronoun that points at `clause` stands for, "" if its number does not fit."""
    thing = clause.text[len(verb_of(clause.text)) :].strip()
    if owner := re.match(r"the \S+ of ((?:the|a|an) \S+)$", thing):
        thing = owner.group(1)
    thing = _QUALIFIED.split(f"{thing} ")[0].strip()
    if not thing or len(thing.split()) > _LONGEST_THING or _PRONOUN_LAST.search(thing):
        return ""
    plural = " and " in thing or _PLURAL.search(thing) is not None
    if plural != many and not thing.endswith("data"):
        return ""
    return re.sub(r"^an?\s", "the ", thing)
