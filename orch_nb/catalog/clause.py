"""A clause of a goal, on the way from its words to a part, and what it says of the order of others.

>>> reference("before switching the reads").text
'switch the reads'
>>> reference("once staging is verified").text
'verify staging'
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.catalog.words import VERB, base_verb, verb_of

__all__ = ["LEADING_REFERENCE", "Clause", "Part", "reference"]

REFERENCE = re.compile(
    r"(?P<w>before|after|once|when|as soon as)\s+(?:(?P<check>[^,]+?\s+(?:pass(?:es)?|succeeds?|"
    r"(?:is|are) (?:green|fine|ok|healthy)|agrees?|match(?:es)?))\b.*|"
    r"(?:the\s+)?(?P<thing>[^,]+?)\s+(?:is|are|has been|have been|was|were)\s+"
    r"(?P<done>[a-z]+(?:ed|en|ut|nt|lt))\b.*|"
    r"(?:we|you|they|i)\s+(?P<plain>[a-z-]+\s.*)|(?P<verb>[a-z-]+ing)\b\s*(?P<rest>.*))$",
    re.IGNORECASE,
)
LEADING_REFERENCE = re.compile(
    r"(?P<ref>(?:before|after|once|when|as soon as)\s[^,]+)(?:,\s+(?P<rest>.+))?$", re.IGNORECASE
)


class Part(msgspec.Struct, frozen=True):
    """A thing to do that the goal names: `text` in the imperative, `said` in its own words.

    Parts of one `stage` may go side by side; `turn` counts the "then"s before it. `leading` is true
    of what the goal opens with, which often is the whole; `implied` if its verb is another's;
    `bare` is the text with its pronoun left out, where it had one.
    """

    text: str
    stage: int = 0
    said: str = ""
    turn: int = 0
    leading: bool = False
    implied: bool = False
    bare: str = ""

    @property
    def asks(self) -> str:
        """The text by which the act is known: what a pronoun stands for is not part of it."""
        return self.bare or self.text

    @property
    def verb(self) -> str:
        return verb_of(self.text)

    @property
    def thing(self) -> str:
        """The text without its verb."""
        return VERB.sub("", self.text, count=1).strip() or self.text


class Clause(msgspec.Struct):
    """A clause on the way to a part. `run` numbers the stretch between two "then"s, `refers` is set
    of what only orders others, `apart` of what must not stand beside the one before it."""

    text: str
    said: str
    bare: str = ""
    turn: int = 0
    run: int = 0
    stage: float = 0.0
    refers: str = ""
    apart: bool = False
    leading: bool = False
    implied: bool = False
    shares: bool = False
    first: bool = False
    last: bool = False


def reference(text: str) -> Clause | None:
    """The clause that "before switching the reads" or "once staging is verified" speaks of."""
    match = REFERENCE.match(text)
    if match is None:
        return None
    kind = "before" if match.group("w").lower() == "before" else "after"
    if match.group("verb"):
        verb = base_verb(match.group("verb"))
        named = f"{verb} {match.group('rest')}".strip() if verb_of(verb) else ""
    elif match.group("plain"):
        named = match.group("plain")
    elif match.group("thing"):
        named = f"{base_verb(match.group('done'))} {match.group('thing')}"
    else:
        named = f"check that {match.group('check')}"
    return Clause(named, text, refers=kind) if verb_of(named) else None
