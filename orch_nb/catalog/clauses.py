"""A goal taken apart: the things to do that it names, in the order in which it wants them.

A part is a clause that says what to do. An item without a verb takes the one before it ("update the
docs and the images" after a colon is two updates), verbs that share an object each get it ("lint
and test the package"), and a pronoun is replaced by what it stands for, or left out. Everything
else that the goal says is kept as `context`, and what asks for a person's decision as `gates`.

Order is what the goal says by "then", "finally", "before", "after", "once", "first" and numbers;
and, between clauses that only commas part, what the words say: a clause that points back ("check
its size") or belongs to another phase of work (a check after a making) comes later, others side by
side. `stage` counts that, `turn` counts only the words that say "then".

    >>> told = parts("Release 2.0: lint and test the package, then publish it")
    >>> [(part.text, part.stage) for part in told]
    [('lint the package', 0), ('test the package', 0), ('publish the package', 1)]
"""

from __future__ import annotations

import functools
import re

import msgspec
from msgspec.structs import replace

from orch_nb.catalog.clause import LEADING_REFERENCE, Clause, Part, reference
from orch_nb.catalog.held import Held
from orch_nb.catalog.pronouns import with_shared_objects
from orch_nb.catalog.sequence import ordered
from orch_nb.catalog.words import VERB, verb_of

__all__ = ["Part", "Reading", "parts", "read", "split_list"]

_JOINT = re.compile(r"\s*(?:,\s*(?:and|or|but)\s+|[,;]\s+|\s(?:and|&)\s)\s*", re.IGNORECASE)
_THEN = re.compile(
    r"\s*[,;]?\s*(?:\x01|\b(?:and\s+)?(?:then|afterwards?|after (?:that|this|which)|finally|"
    r"lastly|next,|secondly|thirdly|thereafter|subsequently|followed by|in the end|at the end,)"
    r"(?=[\s,]))\s*,?\s*",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[\w)\"'”\x02%])[.!?](?:\s+|$)")
_COLON = re.compile(r":\s+(?!//)")
_LEADING = re.compile(
    rf"^(?:please|we|you|i|they|should|also|to(?=\s+{VERB.pattern})|just|now|first(?:ly)?,?|"
    r"first of all,?|let'?s|let us|"
    r"(?:need|want|have|has|would like|are going|plan|must)\s+to|must|in parallel,?|"
    r"meanwhile,?|next,?|finally,?|and)\s+",
    re.IGNORECASE,
)
#: A clause that begins so is a condition of the goal and not a thing to do.
_CONDITION = re.compile(
    r"(?:without|with|keep(?:ing)? (?=\w+ (?:way back|compat))|while|so that|so|because|unless|"
    r"only|no|by|before|until|but|which|that|who|as|if|when|do not|don['’]t|never|not|nobody|"
    r"nothing|since|after|once|whenever|it|this|there|even)\b",
    re.IGNORECASE,
)
GATE = re.compile(
    r"\b(approv(?:es?|ed|al|ing)|sign(?:s|ed)?[- ]?off|go[- ]ahead|green light|four[- ]eyes|"
    r"(?:cannot|can['’]?t|can not|never) be (?:taken back|undone|reversed|reverted|unsent)|"
    r"irreversibl\w+|"
    r"(?:gives?|get|wait for) (?:the |an? )?(?:ok|okay|go)\b)",
    re.IGNORECASE,
)
_TRAILING = re.compile(r",?\s+(?:but\s+)?(?=(?:before|after|once|as soon as)\s)", re.IGNORECASE)
_FIRST = re.compile(r"\s+(?:first|beforehand|up front)$", re.IGNORECASE)
_ENSURE = re.compile(
    r"(?!based|including|according|depending|starting|beginning|using|during)"
    r"[a-z-]{3,}(?:able|ible|ed|ing|ready)\s+(?:with|by|in|to|from|on|for|via|through|as|at|under)\s+\S",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    rf"\s*(?:,\s*(?:and|or|but)\s+|[,;]\s+|\s(?:and|&)\s)\s*(?={VERB.pattern})|;\s+|,\s+(?={_ENSURE.pattern})|"
    r",\s+(?=(?:before|after|once|when|as soon as)\s[^,]+,)",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"^(?P<stem>.*\b(?:on|in|for|to|from|with|into|at|by|as|under))\s+\S+(?:\s\S+)?$", re.IGNORECASE
)
_LED = re.compile(r"(on|in|for|to|from|into|at)\s", re.IGNORECASE)
_NUMBERED = re.compile(
    r"^[ \t]*(?:\d{1,2}[.)]|\(\d{1,2}\)|step \d+[:.])[ \t]+", re.IGNORECASE | re.MULTILINE
)
_INLINE = re.compile(r"(?<!\S)\(?[1-9]\)\s+")
_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+", re.MULTILINE)
_MOST_CLAUSES = 150
_MOST_TEXT = 20_000


class Reading(msgspec.Struct, frozen=True):
    """What a goal says: `parts` in their order, `context` that is nothing to do, and the clauses
    that ask for a person's decision (`gates`)."""

    parts: tuple[Part, ...]
    context: tuple[str, ...]
    gates: tuple[str, ...]


def parts(text: str) -> list[Part]:
    """The parts of `text` in their order."""
    return list(read(text).parts)


def split_list(text: str) -> list[str]:
    """The items of "a, b and c"; brackets are left whole.

    >>> split_list("orders, refunds and the (old, slow) feed")
    ['orders', 'refunds', 'the (old, slow) feed']
    """
    held = Held()
    items = (item.strip(" .") for item in _JOINT.split(f" {held.take(text)} "))
    return [held.give(item) for item in items if item]


@functools.lru_cache(maxsize=64)
def read(text: str) -> Reading:
    """`text` taken apart. Nothing is added to what is said, and nothing is lost of a goal of at
    most `_MOST_CLAUSES` clauses; what is beyond is no goal that a person wrote, and left out."""
    held = Held()
    clauses: list[Clause] = []
    loose: list[str] = []
    opening = ""
    turn = run = 0
    for number, sentence in enumerate(
        filter(str.strip, _SENTENCE.split(held.take(_flat(text[:_MOST_TEXT]))))
    ):
        head, tail = _opened(sentence)
        verb = verb_of(_bare(head))
        if head:
            loose.append(head)
            opening = opening or (_bare(head) if verb else "")
        steps = [step for step in _THEN.split(tail) if step.strip(" ,;")]
        listed = bool(head) and bool(verb or len(steps) > 1 or verb_of(_bare(tail)))
        for place, step in enumerate(steps):
            if len(clauses) >= _MOST_CLAUSES:
                break
            turn += 1 if place or (number and _THEN.match(sentence)) else 0
            run += 1
            found = _of_run(step, verb, listed, clauses)
            for clause in found:
                clause.turn, clause.run = turn, run
            if not opening and not clauses:
                for clause in [c for c in found if c.text and not c.refers][:1]:
                    clause.leading = True
            clauses += [clause for clause in found if clause.text]
            loose += [clause.said for clause in found if not clause.text]
    loose = [held.give(said).strip() for said in loose]
    return Reading(
        tuple(
            replace(
                part,
                text=held.give(part.text),
                said=held.give(part.said),
                bare=held.give(part.bare),
            )
            for part in ordered(clauses, opening)
        ),
        tuple(said for said in loose if not GATE.search(said)),
        tuple(said for said in loose if GATE.search(said)),
    )


def _flat(text: str) -> str:
    """One line, with the numbers and bullets of lists as marks of their own."""
    text = re.sub(r"[\x00-\x08]", "", text)
    if len(_NUMBERED.findall(text)) > 1:
        text = _NUMBERED.sub("\x01 ", text)
    elif len(_INLINE.findall(text)) > 1:
        text = _INLINE.sub("\x01 ", text)
    text = _BULLET.sub("; ", text)
    text = re.sub(r"[.;,]?\s*\x01", " \x01", text)
    return " ".join(text.split())


def _opened(sentence: str) -> tuple[str, str]:
    """What stands before a colon, and the rest; ("", sentence) where there is none."""
    if colon := _COLON.search(sentence):
        return sentence[: colon.start()].strip(), sentence[colon.end() :].strip()
    if "\x01" in sentence:
        head, mark, tail = sentence.partition("\x01")
        if head.strip():
            return head.strip(), mark + tail
    return "", sentence


def _bare(clause: str) -> str:
    clause = clause.strip(" ,;.")
    while (shorter := _LEADING.sub("", clause)) != clause:
        clause = shorter
    return clause


def _of_run(run: str, opening: str, listed: bool, earlier: list[Clause]) -> list[Clause]:
    """The clauses between two "then"s; `listed` if they are items after a colon."""
    found: list[Clause] = []
    late: list[Clause] = []
    for item in (_JOINT if listed else _CLAUSE).split(f" {run} "):
        words = item.strip(" ,;.")
        if lead := LEADING_REFERENCE.match(words):
            named = reference(lead.group("ref"))
            words = lead.group("rest") or ""
            if named:
                (late if named.refers == "before" else found).append(named)
            elif not words:
                found.append(Clause("", lead.group("ref")))
        if words.strip():
            found += _of_item(words, earlier + found, opening, listed)
        if len(found) + len(earlier) >= _MOST_CLAUSES:
            break
    return with_shared_objects(found + late)


def _of_item(item: str, before: list[Clause], opening: str, listed: bool) -> list[Clause]:
    clause, named = _bare(item), None
    for tail in _TRAILING.finditer(clause):
        if named := reference(clause[tail.end() :]):
            clause = clause[: tail.start()]
            break
    bare = _FIRST.sub("", clause)
    made = [Clause(text, item) for text in _texts(bare, before, opening, listed)]
    for one in made:
        one.first, one.last = bare != clause, one.text.startswith("ensure ")
        one.implied = not verb_of(bare) and not any(c.text and not c.implied for c in before)
    if named is None or not made[0].text:
        return made
    return [*made, named] if named.refers == "before" else [named, *made]


def _texts(bare: str, before: list[Clause], opening: str, listed: bool) -> list[str]:
    """What `bare` says to do, each with a verb; [""] if it says nothing to do."""
    if _CONDITION.match(bare):
        return [""]
    if verb := VERB.match(bare):
        return [verb.group(0).lower() + bare[verb.end() :]]
    last = next((c.text for c in reversed(before) if c.text), "")
    if not listed:
        return (
            [f"ensure {thing}" for thing in _ensured(bare)]
            if last and _ENSURE.match(bare)
            else [""]
        )
    if not last:
        return [f"{opening} {bare}" if opening else ""]
    if led := _LED.match(bare):
        before_it = re.match(rf"(.+?)\s{led.group(1)}\s", last, re.IGNORECASE)
        return [f"{before_it.group(1) if before_it else last} {bare}"]
    stem = _PREPOSITION.match(last) if not re.match(r"(?:the|an?|our)\s", bare) else None
    return [f"{stem.group('stem') if stem else verb_of(last)} {bare}"]


def _ensured(text: str) -> list[str]:
    """ "deployable with a, b and c" as three things."""
    items = [item.strip() for item in _JOINT.split(f" {text} ") if item.strip()]
    stem = re.match(r"(\S+\s+\S+)\s", items[0])
    whole = [
        item if _ENSURE.match(item) or not stem else f"{stem.group(1)} {item}" for item in items
    ]
    return [items[0], *whole[1:]]
