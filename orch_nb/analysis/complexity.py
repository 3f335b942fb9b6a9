"""How much an operation asks for: a score from 0 to 100 whose every factor can be argued with.

Each factor has a most, and says what its points rest on and how they are counted. The weights are a
judgement and no measurement; they are here, in one table's worth of lines, to be read and disagreed
with: `analysis.complexity.without("languages")` is the score of whoever holds that languages do not
count.

    kind of operation             12, a migration most
    parts of the goal             15, 1.5 for each thing to do
    demands                       15, 5 each, times and budgets 3
    components touched            15, 3 each, 1 for each that relies on them
    stores and outside systems    15, 4 each that is named, 2 that touched components use
    what cannot be taken back      8, 4 with a way back
    fields 5, size 5, languages 5, missing safety net 5
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orch_nb.catalog.clauses import parts
from orch_nb.catalog.vocabulary import artefacts, found
from orch_nb.model.analysis import Complexity, Constraint, Domain, Factor, Scope, Touched
from orch_nb.model.quantity import count, listed

__all__ = ["complexity"]

_BY_KIND = {"migration": 12, "release": 8, "data pipeline": 8, "data analysis": 5}
#: What is not known is not therefore easy.
_UNKNOWN = 2
_LIGHT = {"deadline", "budget", "environment", "limit", "must", "condition"}
_FINAL = re.compile(
    r"(?<!\bfor )(?<!\bof )(?<!\bby )"
    r"\b(publish\w*|delet\w+|drop\w*|purg\w+|wip\w+|overwrit\w+|migrat\w+|decommission\w*|retir\w+|"
    r"destroy\w*|truncat\w+|revok\w+|send\w*|freez\w+|cut ?over|production)\b",
    re.IGNORECASE,
)
_SAFE = {"github_actions", "gitlab_ci", "circleci", "jenkins", "azure_pipelines"}
_NOT_CODE = frozenset(
    {"YAML", "JSON", "TOML", "XML", "Markdown", "reStructuredText", "HTML", "CSS", "Dockerfile",
     "Makefile", "SCSS", "Text", "CSV", "INI"}
)  # fmt: skip


def complexity(
    text: str,
    operation: str,
    domains: tuple[Domain, ...],
    scope: Scope,
    *,
    constraints: Sequence[Constraint] = (),
    touched: Sequence[Touched] = (),
    tests: str = "",
) -> Complexity:
    """The factors of the goal and its workspace; their sum is `Complexity.score`."""
    named = [one for one in touched if one.kind == "component"]
    return Complexity(
        (
            _operation(operation),
            _parts(text),
            _demands(constraints),
            _components(named, scope),
            _systems(text, named, scope),
            _final(text, constraints),
            _fields(domains),
            _size(scope),
            _languages(named, scope),
            _net(scope, tests),
        )
    )


def _bounded(name: str, points: float, most: int, evidence: str) -> Factor:
    return Factor(name, max(0, min(most, round(points))), most, evidence)


def _operation(operation: str) -> Factor:
    points = _BY_KIND.get(operation, _UNKNOWN)
    said = f"a {operation}" if operation else "no known kind, so nothing says how it is done"
    return Factor("kind of operation", points, 12, said)


def _parts(text: str) -> Factor:
    named = parts(text)
    stages = len({part.stage for part in named})
    if len(named) < 2:
        return Factor("parts of the goal", 1, 15, "it names one thing to do")
    said = f"it names {len(named)} things to do, in {stages} steps"
    if stages == 1:
        said = f"it names {len(named)} things to do, side by side"
    return _bounded("parts of the goal", 1.5 * len(named), 15, said)


def _demands(constraints: Sequence[Constraint]) -> Factor:
    points = sum(3 if demand.kind in _LIGHT else 5 for demand in constraints)
    quotes = "; ".join(f"“{demand.text}”" for demand in constraints)
    return _bounded("demands", points, 15, quotes or "the goal makes none")


def _components(named: Sequence[Touched], scope: Scope) -> Factor:
    if not scope.root:
        return Factor("components touched", 0, 15, "no workspace was given")
    names = {one.name for one in named}
    relying = {link.source for link in scope.links if link.target in names} - names
    said = listed([one.name for one in named], 4) or "none was recognised in the goal"
    if relying:
        rely = "relies" if len(relying) == 1 else "rely"
        said += f"; {count(len(relying), 'other')} {rely} on them"
    return _bounded("components touched", 3 * len(named) + len(relying), 15, said)


def _systems(text: str, named: Sequence[Touched], scope: Scope) -> Factor:
    spoken = dict.fromkeys([*found("stores", text), *(row[0].id for row in artefacts(text))])
    kinds = {c.name: c.kind for c in scope.components}
    names = {one.name for one in named}
    used = dict.fromkeys(
        link.target
        for link in scope.links
        if link.source in names and kinds.get(link.target) in {"store", "queue"}
        and not any(word.lower() in link.target.lower() for word in spoken)
    )  # fmt: skip
    said = [f"named: {listed(list(spoken), 5)}"] if spoken else []
    said += [f"used: {listed(list(used), 5)}"] if used else []
    points = 4 * len(spoken) + 2 * len(used)
    return _bounded("stores and outside systems", points, 15, "; ".join(said) or "none is named")


def _final(text: str, constraints: Sequence[Constraint]) -> Factor:
    name = "what cannot be taken back"
    final = _FINAL.search(text)
    if final is None:
        return Factor(name, 0, 8, "nothing of the kind is named")
    back = next((demand for demand in constraints if demand.kind == "reversible"), None)
    if back is not None:
        return Factor(name, 4, 8, f"“{final.group(0)}”, with a way back: “{back.text}”")
    return Factor(name, 8, 8, f"“{final.group(0)}”, and no way back is named")


def _fields(domains: tuple[Domain, ...]) -> Factor:
    names = ", ".join(domain.name for domain in domains)
    return _bounded("fields", 1.5 * len(domains), 5, names or "none was recognised")


def _size(scope: Scope) -> Factor:
    steps = sum(scope.files > bound for bound in (50, 200, 1_000, 5_000, 20_000))
    said = count(scope.files, "file") if scope.root else "no workspace was given"
    return _bounded("size of the workspace", steps, 5, said)


def _languages(named: Sequence[Touched], scope: Scope) -> Factor:
    names = {one.name for one in named}
    of_touched = [c.language for c in scope.components if c.name in names and c.language]
    told = list(dict.fromkeys(name for name in of_touched if name not in _NOT_CODE))
    where = "of what is touched: "
    if not told:
        told, where = [name for name in scope.languages if name not in _NOT_CODE], ""
    none = "none recognised" if scope.root else "no workspace was given"
    said = where + listed(told, 5) if told else none
    return _bounded("languages", len(told) - 1 if told else 0, 5, said)


def _net(scope: Scope, tests: str) -> Factor:
    name = "missing safety net"
    if not scope.root:
        return Factor(name, 0, 5, "no workspace was given")
    if not scope.complete or not scope.languages:
        return Factor(name, 0, 5, "the scan was cut off, so nothing is said to be missing")
    ci = bool({flow.system for flow in scope.workflows} & _SAFE)
    missing = [word for word, there in (("tests", bool(tests)), ("CI", ci)) if not there]
    if not missing:
        return Factor(name, 0, 5, "tests and CI were found")
    return Factor(name, 3 * ("tests" in missing) + 2 * ("CI" in missing), 5,
                  f"no {' and no '.join(missing)} found")  # fmt: skip
