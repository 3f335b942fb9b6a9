"""The order in which a goal wants its clauses: stages, each after the one before it.

What parts two stages: a word such as "then", a clause that points back or works on what another
leaves, a verb of another phase of work. "Before", "after" and "first" move a clause to its place.
"""

from __future__ import annotations

import re

from orch_nb.catalog.clause import Clause, Part
from orch_nb.catalog.pronouns import without_pronoun
from orch_nb.catalog.words import follows, verb_of

__all__ = ["ordered"]

_ONES = re.compile(r"\bones?$", re.IGNORECASE)


def ordered(clauses: list[Clause], opening: str) -> list[Part]:
    """Clauses as parts with stages; the order of the goal is kept within a stage."""
    moves = _resolve(clauses)
    known = [Clause(opening, opening)] if opening else []
    stage, last = 0.0, None
    for clause in clauses:
        said = clause.text
        clause.text, clause.bare = without_pronoun(said, known)
        alone = clause.text == verb_of(clause.text) and not clause.shares
        if last is not None and (
            clause.turn != last.turn
            or clause.apart
            or alone
            or clause.text != said
            or follows(verb_of(clause.text), verb_of(last.text))
            or _ONES.search(said)
        ):
            stage += 1
        clause.stage, last = stage, clause
        known.append(clause)
    for clause, other, shift in moves:
        clause.stage = other.stage + shift
    return _parts(clauses)


def _parts(clauses: list[Clause]) -> list[Part]:
    for clause in clauses:
        if (clause.first and not clause.turn) or clause.last:
            clause.stage = -1.0 if clause.first else len(clauses) + 1.0
    ranks = {stage: rank for rank, stage in enumerate(sorted({c.stage for c in clauses}))}
    found: dict[str, Part] = {}
    for c in sorted(clauses, key=lambda clause: clause.stage):
        part = Part(c.text, ranks[c.stage], c.said, c.turn, c.leading, c.implied, c.bare)
        found.setdefault(c.text.lower(), part)
    return list(found.values())


def _resolve(clauses: list[Clause]) -> list[tuple[Clause, Clause, float]]:
    """Settles what "before" and "after" speak of. A clause that the goal names elsewhere is that
    one, and what stands out of its order is to be moved beside it; else it is a part of its own."""
    moves = []
    for named in [clause for clause in clauses if clause.refers]:
        late = named.refers == "after"
        same = next((c for c in clauses if not c.refers and _same_act(c.text, named.text)), None)
        ruled = [c for c in _ruled(named, clauses) if c is not same]
        place = clauses.index(same if same is not None else named)
        for clause in ruled:
            if not late and clauses.index(clause) > place:
                moves.append((clause, same or named, -0.5))
            elif late and clauses.index(clause) < place:
                moves.append((clause, same or named, 0.5))
        for clause in ruled if late else [same or named]:
            clause.apart = True
        if same is not None:
            clauses.remove(named)
    return moves


def _ruled(named: Clause, clauses: list[Clause]) -> list[Clause]:
    """The clauses that `named` orders: the next one after "after", those of its stretch before it
    after "before"."""
    place = clauses.index(named)
    if named.refers == "after":
        return [c for c in clauses[place + 1 : place + 2] if c.run == named.run]
    return [c for c in clauses[:place] if c.run == named.run and not c.refers]


def _same_act(text: str, named: str) -> bool:
    if verb_of(text) != verb_of(named) or not verb_of(named):
        return False
    things = [set(re.findall(r"[a-z0-9]{3,}", t.lower()[len(verb_of(t)) :])) for t in (text, named)]
    return not all(things) or bool(things[0] & things[1])
