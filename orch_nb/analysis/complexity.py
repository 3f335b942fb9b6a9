"""How much an operation asks for: a score from 0 to 100 whose every factor can be argued with.

Each factor has a most, and says what its points rest on. The weights are a judgement and no
measurement; they are here, in one table's worth of lines, to be read and disagreed with.
"""

from __future__ import annotations

from orch_nb.catalog.clauses import parts
from orch_nb.catalog.vocabulary import artefacts, constraints, found
from orch_nb.model.analysis import Complexity, Domain, Factor, Scope

__all__ = ["complexity"]

_BY_KIND = {"migration": 15, "release": 10, "data pipeline": 10, "data analysis": 6}
#: What is not known is not therefore easy.
_UNKNOWN = 3


def complexity(text: str, operation: str, domains: tuple[Domain, ...], scope: Scope) -> Complexity:
    """The factors of the goal and its workspace; their sum is `Complexity.score`."""
    return Complexity(
        (
            _operation(operation),
            _parts(text),
            _demands(text),
            _fields(domains),
            _systems(text, scope),
            _components(scope),
            _size(scope),
            _languages(scope),
        )
    )


def _bounded(name: str, points: float, most: int, evidence: str) -> Factor:
    return Factor(name, max(0, min(most, round(points))), most, evidence)


def _operation(operation: str) -> Factor:
    points = _BY_KIND.get(operation, _UNKNOWN)
    said = f"a {operation}" if operation else "no known kind, so nothing says how it is done"
    return Factor("kind of operation", points, 15, said)


def _parts(text: str) -> Factor:
    named = parts(text)
    stages = len({part.stage for part in named})
    if len(named) < 2:
        return Factor("parts of the goal", 1, 15, "it names one thing to do")
    said = f"it names {len(named)} things to do, in {stages} steps"
    if stages == 1:
        said = f"it names {len(named)} things to do, side by side"
    return _bounded("parts of the goal", 1.5 * len(named), 15, said)


def _demands(text: str) -> Factor:
    stated = constraints(text)
    quotes = "; ".join(f"“{quote}”" for quote in stated.values())
    return _bounded("constraints", 5 * len(stated), 15, quotes or "the goal states none")


def _fields(domains: tuple[Domain, ...]) -> Factor:
    names = ", ".join(domain.name for domain in domains)
    return _bounded("fields touched", 2 * len(domains), 10, names or "none was recognised")


def _systems(text: str, scope: Scope) -> Factor:
    named = [*found("stores", text), *(row[0].id for row in artefacts(text))]
    stores = [c.name for c in scope.components if c.kind in {"store", "queue"}]
    every = list(dict.fromkeys([*named, *stores]))
    return _bounded(
        "stores and outside systems", 3 * len(every), 15, ", ".join(every) or "none named or found"
    )


def _components(scope: Scope) -> Factor:
    own = [
        c
        for c in scope.components
        if c.kind not in {"store", "queue", "example", "broken manifest"}
    ]
    said = f"{len(own)} found by their manifests" if scope.root else "no workspace was given"
    return _bounded("components", 2 * (len(own) - 1) if own else 0, 15, said)


def _size(scope: Scope) -> Factor:
    steps = sum(scope.files > bound for bound in (50, 200, 1_000, 5_000, 20_000))
    said = f"{scope.files:,} files" if scope.root else "no workspace was given"
    return _bounded("size of the workspace", 2 * steps, 10, said)


def _languages(scope: Scope) -> Factor:
    told = [name for name in scope.languages if name not in _NOT_CODE]
    said = ", ".join(told[:6]) or ("none recognised" if scope.root else "no workspace was given")
    return _bounded("languages", len(told) - 1 if told else 0, 5, said)


_NOT_CODE = frozenset(
    {"YAML", "JSON", "TOML", "XML", "Markdown", "reStructuredText", "HTML", "CSS"}
)
