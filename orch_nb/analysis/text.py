"""A goal, read: what it touches, what it demands, what it leaves open.

Everything said here is a quotation: a domain names the words it was seen by, a constraint is the
goal's own, and a question says what was looked for and not found. Nothing is guessed.
"""

from __future__ import annotations

import re

from orch_nb.catalog.vocabulary import constraints, found
from orch_nb.model.analysis import Domain, Evidence, Question
from orch_nb.model.goal import Goal

__all__ = ["as_goal", "domains", "questions", "single_step"]

_WAY_BACK = re.compile(r"\b(roll ?back|way back|revers\w+|undo|revert|restore)\b", re.IGNORECASE)
_WHO = re.compile(r"\b(team|who|owner|by [A-Z]\w+|approv\w+|on-?call)\b")
_SUCCESS = re.compile(
    r"\b(must|so that|until|stays?|remain|without|verif\w+|tests? pass|accept\w+|at least|"
    r"within)\b",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\b(data ?set|data|csv|parquet|survey|logs?|tables?|measurements)\b", re.IGNORECASE
)
_SEVERAL = re.compile(
    r"[:;]|,\s|\b(and|then|before|after|each|every|all|from)\b|\.\s+\S", re.IGNORECASE
)
_SMALL = re.compile(
    r"^\W*(please |let'?s |can you )?(fix|correct|change|rename|update|add|remove|"
    r"delete|run|open|read|show|print|format|restart|install|check|look at|find|explain|write|bump|"
    r"count|list|sort)\b",
    re.IGNORECASE,
)


def as_goal(goal: Goal | str) -> Goal:
    """`goal` with the constraints that its text states, each quoted from it."""
    text, known = (goal, ()) if isinstance(goal, str) else (goal.text, goal.constraints)
    quotes = (*known, *constraints(text).values())
    return Goal(text, tuple(dict.fromkeys(quotes)))


def domains(text: str) -> tuple[Domain, ...]:
    """The fields that `text` touches, in the order in which it names them."""
    return tuple(
        Domain(name, (Evidence(text=f"“{words}”"),))
        for name, words in found("domains", text).items()
    )


def questions(text: str, operation: str) -> tuple[Question, ...]:
    """What a person should answer before a plan for `text` is trusted."""
    stated = constraints(text)
    asked: list[Question] = []

    def ask(question: str, why: str) -> None:
        asked.append(Question(question, why))

    if operation == "":
        ask(
            "What kind of operation is this?",
            "no cue of a release, a data pipeline, a migration or a data analysis",
        )
    if not _SUCCESS.search(text):
        ask("By what does one see that the goal is reached?", "the goal names no condition for it")
    if operation in {"migration", "release"} and not _WAY_BACK.search(text):
        ask("What is the way back if it goes wrong?", "the goal says nothing of a way back")
    if operation == "migration" and "no_downtime" not in stated:
        ask("How long may it be out of service?", "the goal says nothing of downtime")
    if operation == "release" and not re.search(r"\bv?\d+\.(\d+|x)", text):
        ask("Which version is it?", "the goal names no version")
    if operation == "data pipeline" and not re.search(
        r"\b(hourly|daily|nightly|weekly|monthly|every|once)\b", text, re.IGNORECASE
    ):
        ask("How often does it run?", "the goal names no schedule")
    if operation == "data analysis" and not found("stores", text) and not _DATA.search(text):
        ask("Which data are they, and where do they lie?", "the goal names no data set or file")
    if "deadline" not in stated:
        ask("By when is it needed?", "the goal names no date")
    if not _WHO.search(text):
        ask("Who decides at the gates, and who is told?", "the goal names nobody")
    return tuple(asked)


def single_step(text: str, operation: str, named_stores: int) -> str:
    """Why one step in one place would do, or "" where it would not.

    >>> bool(single_step("Fix the typo in README", "", 0))
    True
    """
    words = text.split()
    if operation or named_stores > 1 or not words:
        return ""
    if len(words) <= 12 and _SMALL.match(text) and not _SEVERAL.search(text.rstrip(". ")):
        return f"it is one step in one place (“{' '.join(words)}”)"
    return ""
