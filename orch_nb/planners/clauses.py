"""A goal taken apart: the parts it names, in its own words.

A part is a clause that says what to do: an item of the list after a colon, or a clause that starts
with a verb. An item without a verb takes the one before it, so that "update the docs, Docker images
and the PyPI package" has three parts that are all updates. Nothing is added to what is said.

    >>> [part.text for part in parts("Release 2.0: freeze main, then update docs and images")]
    ['freeze main', 'update docs', 'update images']
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["Part", "parts", "slug", "split_list"]

_VERBS = (
    "add adapt agree analyse analyze announce apply approve archive ask assign back backfill "
    "book backport block build bump buy calculate call change check clean close collect "
    "combine communicate compare compute configure connect convert copy create cut "
    "deduplicate define delete deliver deploy describe design disable document download draft "
    "drain drop edit email enable encrypt enrich export extract fetch find finish fix format "
    "freeze generate get give hand host import improve inform ingest install introduce invite "
    "join keep label launch link list load lock make map measure merge migrate monitor move "
    "notify onboard open order organise organize pack paint pick plan point port post prepare "
    "print produce promote provide prune publish pull push put rebuild record redirect reduce "
    "refactor refresh register release remove rename reopen repair replace report request "
    "reset restart restore rent retire retrain reverse review rewrite roll rotate run "
    "schedule scan select sell send serve set share ship show shut sign split start stop "
    "store submit summarise summarize support switch sync tag teach tell test tidy train "
    "transfer transform translate try turn uninstall unlock update upgrade upload use "
    "validate verify visit warn watch write"
).split()
_VERB = re.compile(rf"(?:{'|'.join(_VERBS)})\b(?!-)", re.IGNORECASE)
_THEN = re.compile(
    r",?\s*(?:\band\s+)?\b(?:then|afterwards?|after that|finally)\b,?\s*", re.IGNORECASE
)
_JOINT = re.compile(r"\s*(?:,\s*(?:and|or)\s+|,\s+|\band\s+|;\s+)", re.IGNORECASE)
_CLAUSE = re.compile(
    rf"\s*(?:,\s*(?:and|or)\s+|,\s+|\band\s+|;\s+)(?={_VERB.pattern})|;\s+", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[\w)\"'”])[.!?](?:\s+|$)")
_COLON = re.compile(r":\s+(?!//)")
#: A clause that begins so is a condition of the goal and not a thing to do.
_CONDITION = re.compile(
    r"(?:without|with|keep(?:ing)?|while|so that|because|unless|only|must|no|by|before|until|but|"
    r"which|that|who|as|if|when)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^(?:please|we|you|need to|want to|should|also|to)\s+", re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """A thing to do that the goal names. `stage` counts the "then"s before it."""

    text: str
    stage: int = 0

    @property
    def thing(self) -> str:
        """The text without its verb."""
        return _VERB.sub("", self.text, count=1).strip() or self.text


def slug(text: str, words: int = 5) -> str:
    """A short snake_case name of `text`.

    >>> slug("Update the PyPI package!")
    'update_pypi_package'
    """
    bare = re.sub(r"\([^()]*\)", " ", text) if not text.startswith("(") else text
    found = re.findall(r"[a-z0-9]+", bare.lower().replace("'s ", " "))
    kept = [w for w in found if w not in {"the", "a", "an", "of", "and", "to", "for", "in", "on"}]
    name = "_".join((kept or found)[:words])[:40].strip("_")
    return name if name[:1].isalpha() else f"t_{name}" if name else "task"


def split_list(text: str) -> list[str]:
    """The items of "a, b and c"; brackets are left whole.

    >>> split_list("orders, refunds and the (old, slow) feed")
    ['orders', 'refunds', 'the (old, slow) feed']
    """
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match.group(0))
        return f"\x00{len(held) - 1}\x00"

    closed = re.sub(r"\([^()]*\)|\"[^\"]*\"|“[^”]*”", hold, text)
    items = (item.strip(" .") for item in _JOINT.split(closed))
    return [re.sub(r"\x00(\d+)\x00", lambda m: held[int(m[1])], item) for item in items if item]


def parts(text: str) -> list[Part]:
    """The parts that `text` names, in its order; one, the whole, if it names no others."""
    text = " ".join(text.split())
    colon = _COLON.search(text)
    listed = colon is not None and _VERB.match(_LEADING.sub("", text)) is not None
    found: list[Part] = []
    sentences = _SENTENCE.split(text[colon.end() :] if colon else text)
    for number, sentence in enumerate(sentences):
        stage = found[-1].stage if found else 0
        take = _of_list if listed and number == 0 else _of_clauses
        for step, run in enumerate(_THEN.split(sentence)):
            found += [Part(clause, stage + step) for clause in take(run)]
    seen: dict[str, Part] = {}
    for part in found:
        seen.setdefault(part.text.lower(), part)
    return list(seen.values())


def _of_list(run: str) -> list[str]:
    """The items of a list, each with a verb: its own, or the one before it."""
    found, verb = [], ""
    for item in split_list(run):
        clause = _LEADING.sub("", item)
        if _CONDITION.match(clause):
            continue
        if own := _VERB.match(clause):
            verb = own.group(0).lower()
            clause = verb + clause[own.end() :]
        elif verb:
            clause = f"{verb} {clause}"
        found.append(clause)
    return found


def _of_clauses(run: str) -> list[str]:
    """The clauses of a sentence that begin with a verb; what follows one belongs to it."""
    found = []
    for item in _CLAUSE.split(run):
        clause = _LEADING.sub("", item).strip(" ,;.")
        own = _VERB.match(clause)
        if own and not _CONDITION.match(clause):
            found.append(own.group(0).lower() + clause[own.end() :])
    return found
