"""A goal, read: the fields it touches, and what it leaves open.

Everything said here is a quotation: a domain names the words it was seen by, a demand is the goal's
own (`constraints`), and a question says what was looked for and not found. Nothing is guessed, and
nothing is asked that the goal or the workspace answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orch_nb.analysis.constraints import stated
from orch_nb.catalog.clauses import parts
from orch_nb.catalog.vocabulary import found
from orch_nb.model.analysis import Constraint, Domain, Evidence, Question, Scope, Touched
from orch_nb.model.goal import Goal
from orch_nb.model.quantity import count, listed

__all__ = ["MOST_TEXT", "as_goal", "domains", "questions"]

_WHO = re.compile(r"\b(team|who|owner|by [A-Z]\w+|approv\w+|sign(s|ed)?[- ]off|on-?call)\b")
_SUCCESS = re.compile(
    r"\b(must|so that|until|stays?|remain|without|verif\w+|tests? pass|accept\w+|at least|"
    r"within|below|above|under \d|compare\w*|checksums?|reconcil\w+|done when|is green)\b|\d ?%",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\b(data ?set|data|csv|parquet|survey|logs?|tables?|measurements|readings)\b", re.IGNORECASE
)
_SCHEDULE = re.compile(
    r"\b(hourly|daily|nightly|weekly|monthly|every|once|as they arrive|continuous\w*|stream\w*|"
    r"real[- ]time)\b",
    re.IGNORECASE,
)
_ENVIRONMENT = re.compile(
    r"\b(production|prod|staging|dev(elopment)?|test (system|environment)|sandbox|laptop|locally|"
    r"region|cluster|data cent(er|re))\b",
    re.IGNORECASE,
)
_FAILS = re.compile(
    r"\b(fails?|failure|half[- ]?way|resum\w+|goes wrong|retr(y|ies)|undo|roll(ed)? ?back|"
    r"pick up|interrupted|crash\w*)\b",
    re.IGNORECASE,
)
#: Small words that English has not, and some that only English has.
_FOREIGN = frozenset(
    "der die das und ohne auf für bis mit eine einen einer nicht wird auch zum zur den dem von "
    "le les des une avec sans pour jusque dans sur et est du aux "
    "el los las una con sin para hasta por del y que il gli della senza per fino "
    "het een zonder voor tot niet".split()
)
_ENGLISH = frozenset("the of and to with without for from by is that we it this".split())
_FINAL = re.compile(
    r"\b(publish\w*|delet\w+|drop\w*|purg\w+|destroy\w*|truncat\w+|revok\w+|send\w*|freez\w+|"
    r"cut ?over|decommission\w*|retir\w+|production|release\w*|migrat\w+|pay|charg\w+)\b",
    re.IGNORECASE,
)
_OF_ENVIRONMENTS = re.compile(r"(?<![a-z])(prod|production|staging|stage|dev|qa|test|uat|preview)"
                              r"(?![a-z])", re.IGNORECASE)  # fmt: skip
#: Of a longer goal, in characters, the beginning is read: nobody wrote the rest.
MOST_TEXT = 6_000
_MOST = 5
_NO_SCOPE = Scope()
_AS_GOOD = 0.9


def as_goal(goal: Goal | str) -> Goal:
    """`goal` with the demands that its text makes, each quoted from it."""
    text, known = (goal, ()) if isinstance(goal, str) else (goal.text, goal.constraints)
    quotes = (*known, *(constraint.text for constraint in stated(text[:MOST_TEXT])))
    return Goal(text, tuple(dict.fromkeys(quotes)))


def domains(text: str) -> tuple[Domain, ...]:
    """The fields that `text` touches, in the order in which it names them."""
    return tuple(
        Domain(name, (Evidence(text=f"“{words}”"),))
        for name, words in found("domains", text).items()
    )


def questions(
    text: str,
    operation: str,
    *,
    constraints: Sequence[Constraint] | None = None,
    scope: Scope = _NO_SCOPE,
    touched: Sequence[Touched] = (),
    owners: str = "",
) -> tuple[Question, ...]:
    """What a person should answer before a plan for `text` is trusted, the weightiest first.

    `owners` is the path of a file that says who decides (CODEOWNERS), where there is one.
    """
    demands = stated(text) if constraints is None else constraints
    kinds = {demand.kind for demand in demands}
    asked = [
        *_of_language(text),
        *_which(touched),
        *_of_the_way(text, operation, kinds),
        *_of_the_kind(text, operation),
        *_of_the_place(text, operation, scope, kinds),
        *_of_people(text, operation, kinds, owners),
        *_of_time(kinds),
    ]
    return tuple(asked[:_MOST])


def _of_language(text: str) -> Iterator[Question]:
    """Only English is read: what nothing was seen in may say much."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = [word for word in dict.fromkeys(words) if word in _FOREIGN]
    if len(foreign) > 1 and not _ENGLISH.intersection(words):
        quoted = ", ".join(f"“{word}”" for word in foreign[:3])
        yield Question(
            "Can the goal be said in English?",
            f"{quoted} are of another language; only English is read, so demands, risks and "
            "what is touched may be missing here",
        )


def _which(touched: Sequence[Touched]) -> Iterator[Question]:
    """Two components that match equally well by one word."""
    parts_of = [one for one in touched if one.kind == "component" and one.score >= _AS_GOOD]
    by_why: dict[str, list[str]] = {}
    for one in parts_of:
        by_why.setdefault(one.why, []).append(one.name)
    for why, names in by_why.items():
        if len(names) > 1 and "name says" in why:
            word = re.search(r"“[^”]*”", why)
            several = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) < 4 else listed(names)
            yield Question(
                f"Which of them is meant: {several}?",
                f"{count(len(names), 'component')} match {word.group(0) if word else 'as well'}",
            )
            return


def _of_the_way(text: str, operation: str, kinds: set[str]) -> Iterator[Question]:
    if not _SUCCESS.search(text):
        yield Question(
            "By what does one see that the goal is reached?", "the goal names no condition for it"
        )
    if operation in {"migration", "release"} and "reversible" not in kinds:
        yield Question(
            "What is the way back if it goes wrong?", "the goal says nothing of a way back"
        )
    if operation == "migration" and "no_downtime" not in kinds and "downtime" not in text.lower():
        yield Question("How long may it be out of service?", "the goal says nothing of downtime")
    if "reversible" not in kinds and not _FAILS.search(text) and operation != "release":
        steps = len(parts(text))
        if operation == "data pipeline" or steps > 2 or "at_once" in kinds:
            why = f"it has {steps} steps" if steps > 2 else "parts of it can fail by themselves"
            yield Question("If it fails half-way, is it taken up again, or taken back?",
                           f"{why}, and the goal does not say")  # fmt: skip


def _of_the_kind(text: str, operation: str) -> Iterator[Question]:
    if operation == "release" and not re.search(r"\bv?\d+\.(\d+|x)", text):
        yield Question("Which version is it?", "the goal names no version")
    if operation == "data pipeline" and not _SCHEDULE.search(text):
        yield Question("How often does it run?", "the goal names no schedule")
    if operation == "data analysis" and not found("stores", text) and not _DATA.search(text):
        yield Question(
            "Which data are they, and where do they lie?", "the goal names no data set or file"
        )


def _of_the_place(text: str, operation: str, scope: Scope, kinds: set[str]) -> Iterator[Question]:
    if operation not in {"migration", "release"} or "environment" in kinds:
        return
    if _ENVIRONMENT.search(text):
        return
    named = [
        match.group(1).lower()
        for flow in scope.workflows
        for name in (flow.name, flow.evidence.path, *flow.tasks)
        if (match := _OF_ENVIRONMENTS.search(name))
        and match.group(1).lower() != "test"
        and "deploy" in f"{flow.name} {name}".lower()
    ]
    environments = list(dict.fromkeys(named))
    if operation == "migration" or len(environments) > 1:
        seen = f"; the workspace deploys to {listed(environments)}" if environments else ""
        yield Question("Where is it done first, and where in the end?",
                       f"the goal names no environment{seen}")  # fmt: skip


def _of_people(text: str, operation: str, kinds: set[str], owners: str) -> Iterator[Question]:
    if "approval" in kinds or _WHO.search(text):
        return
    final = _FINAL.search(text)
    if owners or not (final or operation in {"migration", "release"}):
        return
    why = f"“{final.group(0)}” is hard to take back, and" if final else "there is a switch, and"
    yield Question("Who decides at the gates, and who is told?", f"{why} the goal names nobody")


def _of_time(kinds: set[str]) -> Iterator[Question]:
    if "deadline" not in kinds:
        yield Question("By when is it needed?", "the goal names no date")
