"""What of a workspace a goal is about: components, files and workflows, ranked, each with why.

Three kinds of evidence, strongest first:

    what the goal names      a file by its name, a component or a store by its own
    words in paths           BM25's idf over every path that was seen: a word that few paths have
                             says much, one that many have says little; folders say less than names;
                             synonyms and parts of joined names ("cartservice") say less than words
    words in the best files  the paths' best candidates are read, while there is time

and closeness: what relies on a touched component, and the stores that it uses, are touched too,
less. What is asked is `terms.goal_terms` of the goal without its demands ("by Friday" is about no
file). Tests, documents and generated files count only where the goal speaks of them.
Ranking after Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"
(2009).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from orch_nb.analysis.constraints import without_them
from orch_nb.analysis.matching import FOLDER, Candidate, Paths, Terms, hits_of, said_by, terms_of
from orch_nb.analysis.scan import Scan
from orch_nb.analysis.terms import goal_terms, stem, words_of
from orch_nb.analysis.touched_files import fewer_of_a_folder, files_of, read_candidates
from orch_nb.catalog.vocabulary import found
from orch_nb.model.analysis import Component, Evidence, Scope, Touched, Workflow

__all__ = ["touched"]

_MOST = {"component": 6, "file": 8, "workflow": 3}
#: Below this share of the best of its kind nothing is told.
_ENOUGH = {"component": 0.4, "file": 0.45, "workflow": 0.6}
_RELIES, _USED = 0.55, 0.5
_MAIN_SCORE = 0.75
#: Their single words say something else: a goal about SQL Server is about no server.
_NAMES_OF_PRODUCTS = re.compile(r"\b(?:sql server|pub sub|event hubs?)\b", re.IGNORECASE)
_PARTS_OF_CODE = frozenset(
    "service ui application worker library module store queue bucket job support".split()
)


def touched(text: str, scope: Scope, seen: Scan | None = None) -> tuple[Touched, ...]:
    """What `text` is about, the most surely touched first; `seen` has the files, where there is a
    workspace. Files are read until `seen.late`."""
    about = without_them(text)
    words = goal_terms(_NAMES_OF_PRODUCTS.sub(lambda said: said.group(0).replace(" ", ""), about))
    files = seen.files if seen is not None else []
    paths = Paths(words, files)
    terms = terms_of(words, paths)
    parts = _components(about, terms, scope)
    ranked = files_of(about, terms, paths, files, parts)
    if seen is not None:
        read_candidates(terms, ranked, seen)
    ranked = fewer_of_a_folder(ranked, terms)
    ranked.sort(key=lambda one: (-one.score, one.name.count("/"), one.name))
    _by_files(parts, ranked, scope)
    _by_links(parts, scope)
    flows = _workflows(text, scope.workflows)
    every = [*_best(parts.values()), *_best(ranked), *_best(flows)]
    return tuple(sorted(every, key=lambda one: (-one.score, one.kind != "component", one.name)))


def _best(candidates: Iterable[Candidate]) -> list[Touched]:
    """The best of one kind, scored by the very best of them."""
    ranked = sorted(candidates, key=lambda one: (-one.score, one.name))
    if not ranked or ranked[0].score <= 0:
        return []
    top, kind = ranked[0].score, ranked[0].kind
    kept = [one for one in ranked if one.score >= _ENOUGH[kind] * top or one.main][: _MOST[kind]]
    return [
        Touched(
            one.name,
            one.kind,
            round(max(one.score / top, _MAIN_SCORE if one.main else 0.0), 2),
            "; ".join(one.why),
            one.evidence,
        )
        for one in kept
    ]


# -- components ------------------------------------------------------------------------------------


def _components(about: str, terms: Terms, scope: Scope) -> dict[str, Candidate]:
    stores = found("stores", about)
    parts: dict[str, Candidate] = {}
    for part in scope.components:
        if part.kind not in _PARTS_OF_CODE or _is_the_whole(part, scope):
            continue
        own = hits_of(part.name, terms.words)
        folder = part.path.rpartition("/")[2] if part.path != "." else ""
        hits = {**{one: sure * FOLDER for one, sure in hits_of(folder, terms.words).items()}, **own}
        worth = terms.weight(hits)
        why = [said_by(f"{folder} {part.name}", hits, terms)] if worth else []
        if why and not own:  # "api" of `apps/api`, where the worker lies too
            why = [why[0].replace("its name says", "its folder says", 1)]
        said = stores.get(part.language) if part.kind in {"store", "queue"} else None
        if said and not worth:
            worth = {said: max(terms.rarity.values(), default=1.0)}
            why = [f"it is a {part.language}: “{said}”"]
        one = Candidate(part.name, "component", worth, why, _place(part), _weight(part, own))
        if part.name.lower() not in parts or parts[part.name.lower()].score < one.score:
            parts[part.name.lower()] = one
    _mark_the_named(parts, terms)
    return parts


def _mark_the_named(parts: Mapping[str, Candidate], terms: Terms) -> None:
    """What a word of the goal is the very name of is told, however common that word is."""
    for one in parts.values():
        pieces = {stem(piece) for piece in words_of(one.name)} - _OF_A_KIND
        if pieces and all(p in terms.words and p == stem(terms.words[p][0]) for p in pieces):
            one.main = True
            one.factor = 1.3


def _is_the_whole(part: Component, scope: Scope) -> bool:
    """A repository that is one component is no answer to what of it is touched."""
    return part.path == "." and part.name == scope.root.rstrip("/").rpartition("/")[2]


def _place(part: Component) -> Evidence:
    return Evidence(path=part.evidence.path, line=part.evidence.line)


def _weight(part: Component, hits: Mapping[str, float]) -> float:
    """A name that says little else than the word is the thing itself."""
    pieces = [stem(piece) for piece in words_of(part.name)]
    rest = [piece for piece in pieces if piece not in hits and piece not in _OF_A_KIND]
    return (1.0 if part.kind != "library" else 0.8) / (1 + 0.15 * len(rest))


_OF_A_KIND = frozenset(map(stem, "service api server app worker db svc src".split()))


def _by_files(parts: dict[str, Candidate], ranked: list[Candidate], scope: Scope) -> None:
    """A component whose files are among the best is touched, if its name does not say so."""
    if not ranked or ranked[0].score <= 0:
        return
    folders = {c.path: c.name.lower() for c in scope.components if c.path != "."}
    folders = {path: name for path, name in folders.items() if name in parts}
    top = ranked[0].score
    best = max((one.score for one in parts.values()), default=0.0) or top
    for place, one in enumerate(ranked[: _MOST["file"]]):
        name = _owner(one.name, folders)
        if name and not parts[name].worth and one.score >= 0.7 * top:
            less = 0.8 - 0.05 * place
            parts[name].worth = {"": less * best / max(parts[name].factor, 0.1)}
            parts[name].why = [f"holds `{one.name.rpartition('/')[2]}`"]


def _owner(path: str, folders: Mapping[str, str]) -> str:
    folder = path.rpartition("/")[0]
    while folder:
        if folder in folders:
            return folders[folder]
        folder = folder.rpartition("/")[0]
    return ""


_RELYING = {
    "calls": "calls",
    "depends_on": "starts after",
    "uses": "uses",
    "imports": "imports",
    "consumes": "consumes from",
    "publishes": "publishes to",
}


def _by_links(parts: dict[str, Candidate], scope: Scope) -> None:
    """What relies on the surest components, and the stores that they use."""
    top = max((one.score for one in parts.values()), default=0.0)
    sure = {name: one.score for name, one in parts.items() if top and one.score >= 0.75 * top}
    for link in scope.links:
        source, target = link.source.lower(), link.target.lower()
        for near, far, share, why in (
            (target, source, _RELIES, _RELYING.get(link.kind, "relies on")),
            (source, target, _USED, "is used by" if link.kind == "uses" else ""),
        ):
            if why and near in sure and far in parts and far not in sure:
                worth = share * link.confidence * sure[near]
                _add_near(parts[far], worth, f"{why} {parts[near].name}")


def _add_near(other: Candidate, worth: float, why: str) -> None:
    if worth > other.score:
        other.worth, other.factor = {"": worth}, 1.0
    if why not in other.why:
        other.why.append(why)


# -- workflows -------------------------------------------------------------------------------------

_DOING = (
    "release deploy build test tests lint publish migrate migration backup restore update upgrade "
    "check verify rollback schedule nightly cleanup clean"
)


def _workflows(text: str, flows: tuple[Workflow, ...]) -> list[Candidate]:
    """Workflows that do what the goal speaks of, by their own names and those of their tasks."""
    words = goal_terms(without_them(text))
    doing = {stem(word): word for word in words_of(text) if word in _DOING.split()}
    words |= {one: (word, 0.7) for one, word in doing.items()}
    names = [(flow, [flow.name, *flow.tasks[:60]]) for flow in flows]
    counted = Counter(one for _, told in names for one in hits_of(" ".join(told), words))
    rarity = {one: math.log(1 + len(flows) / (1 + counted[one])) for one in words}
    terms = Terms(words, rarity)
    own = {one for one, row in words.items() if one == stem(row[0])}
    enough = min(2, len(own))
    best: list[Candidate] = []
    for flow, told in names:
        title = own & hits_of(flow.name, words).keys()
        by_task = {name: own & hits_of(name, words).keys() for name in told[1:]}
        task = max(by_task, key=lambda name: len(by_task[name]), default="")
        spoken = title | by_task.get(task, set())
        if len(spoken) < enough and not title & doing.keys():
            continue
        worth = terms.weight(dict.fromkeys(spoken, 0.6) | dict.fromkeys(title, 1.0))
        said = dict.fromkeys(title, 1.0)
        why = said_by(flow.name, said, terms) if title else f"its task `{task}` does such a thing"
        best.append(Candidate(flow.name, "workflow", worth, [why], flow.evidence))
    return best
