"""What of a workspace a goal is about: components, files and workflows, ranked, each with why.

Three kinds of evidence, strongest first:

    what the goal names      a file by its name, a component or a store by its own
    words in paths           BM25's idf over every path that was seen: a word that few paths have says
                             much, one that many have says little; folders say less than names;
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

import msgspec

from orch_nb.analysis.constraints import without_them
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.analysis.terms import goal_terms, stem, words_of
from orch_nb.catalog.vocabulary import found
from orch_nb.model.analysis import Component, Evidence, Scope, Touched, Workflow

__all__ = ["touched"]

_MOST = {"component": 6, "file": 8, "workflow": 3}
#: Below this share of the best of its kind nothing is told.
_ENOUGH = {"component": 0.4, "file": 0.45, "workflow": 0.5}
_READ, _LONGEST = 150, 200_000
_NAME, _FOLDER, _ABOVE = 1.0, 0.8, 0.55
_START, _END, _INSIDE = 0.75, 0.5, 0.25
_LEAST_PART = 4
_RELIES, _USED = 0.55, 0.5
#: A word that stands often says no more than one that stands a few times.
_SATURATED = 3.0
_TEXT = 0.6
_PARTS_OF_CODE = frozenset({"service", "application", "worker", "library", "store", "queue", "job"})
_LESS = (
    (re.compile(r"(^|/)(docs?|documentation|website)/|\.(md|rst|adoc|txt)$", re.I), "docs", 0.5),
    (re.compile(r"(^|/)(locale|locales|i18n|translations)/|\.(po|pot|arb)$", re.I), "local", 0.3),
    (re.compile(r"\.(lock|snap|min\.js|map|csv|svg|sum|ipynb)$|(^|/)(package-lock|pnpm-lock)", re.I),
     "lock", 0.3),
    (re.compile(r"([._]pb2?[._]|_pb2|\.pb\.go|\.g\.(cs|dart)|generated|/genproto/)", re.I),
     "generat", 0.3),
    (re.compile(r"(^|/)(examples?|samples?)/", re.I), "exampl", 0.6),
    (re.compile(r"(^|/)\.[a-z]", re.I), "", 0.5),
    (re.compile(r"\.(css|scss|html|tmpl)$|(^|/)__init__\.py$", re.I), "styl", 0.6),
    (re.compile(r"\.(json|xml|toml|cfg|ini)$", re.I), "config", 0.75),
)  # fmt: skip
_TESTS = re.compile(r"(^|/)(test_[^/]+|[^/]+_test\.\w+|[^/]+\.(test|spec)\.\w+|conftest\.py)$"
                    r"|Tests?\.\w+$|(^|[./])\w*Tests?/")  # fmt: skip
_TEST_GOAL = re.compile(r"\b(tests?|testing|specs?|fixtures?|coverage|pytest)\b", re.IGNORECASE)
_NAMED_FILE = re.compile(r"[\w./-]*\w\.[a-zA-Z]\w{0,7}\b|\b(?:README|LICENSE|CHANGELOG|Makefile|"
                         r"Dockerfile|CONTRIBUTING)\b")  # fmt: skip
_SYMBOL = re.compile(r"^\s*(?:\w+ )*(?:class|def|func|fn|function|interface|struct|type|rpc|service|"
                     r"message|create table|model)\b", re.IGNORECASE)  # fmt: skip


class _Terms(msgspec.Struct, frozen=True):
    """Stems to look for: the word each stands for, how much it counts, and how rare it is."""

    words: Mapping[str, tuple[str, float]]
    rarity: Mapping[str, float] = {}

    def weight(self, hits: Mapping[str, float]) -> dict[str, float]:
        """By word of the goal what its best stem is worth."""
        best: dict[str, float] = {}
        for one, quality in hits.items():
            word, own = self.words[one]
            worth = quality * own * self.rarity.get(one, 1.0)
            best[word] = max(best.get(word, 0.0), worth)
        return best


class _Found(msgspec.Struct):
    """A candidate while it is weighed: `worth` by word of the goal, and why."""

    name: str
    kind: str
    worth: dict[str, float]
    why: list[str]
    evidence: Evidence
    factor: float = 1.0

    @property
    def score(self) -> float:
        return self.factor * sum(self.worth.values())


def touched(text: str, scope: Scope, seen: Scan | None = None) -> tuple[Touched, ...]:
    """What `text` is about, the most surely touched first; `seen` has the files, where there is a
    workspace. Files are read until `seen.late`."""
    about = without_them(text)
    words = goal_terms(about)
    files = seen.files if seen is not None else []
    terms = _Terms(words, _rarity(words, files))
    parts = _components(about, terms, scope)
    ranked = _files(about, terms, files, parts)
    if seen is not None:
        _read(terms, ranked, seen)
    ranked.sort(key=lambda one: (-one.score, one.name.count("/"), one.name))
    _by_files(parts, ranked, scope)
    _by_links(parts, scope)
    flows = _workflows(text, scope.workflows)
    every = [*_best(parts.values()), *_best(ranked), *_best(flows)]
    return tuple(sorted(every, key=lambda one: (-one.score, one.kind != "component", one.name)))


def _best(candidates: Iterable[_Found]) -> list[Touched]:
    """The best of one kind, scored by the very best of them."""
    ranked = sorted(candidates, key=lambda one: (-one.score, one.name))
    if not ranked or ranked[0].score <= 0:
        return []
    top, kind = ranked[0].score, ranked[0].kind
    kept = [one for one in ranked if one.score >= _ENOUGH[kind] * top][: _MOST[kind]]
    return [
        Touched(one.name, one.kind, round(one.score / top, 2), "; ".join(one.why), one.evidence)
        for one in kept
    ]


# -- words in names --------------------------------------------------------------------------------


def _hits(name: str, words: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """The stems that stand in `name`, each with how surely: a word, or a part of a joined one."""
    pieces = words_of(name)
    found = dict.fromkeys((s for s in map(stem, pieces) if s in words), 1.0)
    for one in words:
        if one in found or len(one) < _LEAST_PART:
            continue
        for piece in pieces:
            if len(piece) > len(one) and one in piece:
                sure = (_START if piece.startswith(one) else _END if piece.endswith(one)
                        else _INSIDE if len(one) > _LEAST_PART + 1 else 0.0)  # fmt: skip
                found[one] = max(found.get(one, 0.0), sure)
    return {one: sure for one, sure in found.items() if sure}


class _Paths:
    """Where stems stand in paths; each name of a folder is looked at once."""

    def __init__(self, words: Mapping[str, tuple[str, float]]) -> None:
        self._words = words
        self._names: dict[str, dict[str, float]] = {}
        self._folders: dict[str, dict[str, float]] = {}

    def of_name(self, name: str) -> dict[str, float]:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = _hits(name, self._words)
        return found

    def of_folder(self, folder: str) -> dict[str, float]:
        """The stems of a folder: its own name's, and less surely those above it."""
        found = self._folders.get(folder)
        if found is None:
            above, _, name = folder.rpartition("/")
            found = {one: sure * _FOLDER for one, sure in self.of_name(name).items()}
            if above:
                for one, sure in self.of_folder(above).items():
                    found[one] = max(found.get(one, 0.0), sure * _ABOVE / _FOLDER)
            self._folders[folder] = found
        return found

    def of(self, file: File) -> dict[str, float]:
        own, folder = self.of_name(file.name), self.of_folder(file.folder)
        if not own or not folder:
            return own or folder
        return {one: max(own.get(one, 0.0), folder.get(one, 0.0)) for one in {*own, *folder}}


def _rarity(words: Mapping[str, tuple[str, float]], files: list[File]) -> dict[str, float]:
    """BM25's inverse document frequency of each stem over the paths."""
    paths = _Paths(words)
    counted = Counter(one for file in files for one in paths.of(file))
    total = len(files)
    return {
        one: math.log(1 + (total - counted[one] + 0.5) / (counted[one] + 0.5)) if total else 1.0
        for one in words
    }


def _said(hits: Mapping[str, float], terms: _Terms) -> str:
    """The words of the goal that a name says, as a reason."""
    words = list(dict.fromkeys(terms.words[one][0] for one in sorted(hits, key=lambda o: -hits[o])))
    told = ", ".join(f"“{word}”" for word in words[:3])
    through = [one for one in hits if terms.words[one][1] < 1]
    own = {terms.words[one][0] for one in hits if terms.words[one][1] == 1}
    if through and not own:
        return f"its name says “{through[0]}”, for {told}"
    return f"its name says {told}"


# -- components ------------------------------------------------------------------------------------


def _components(about: str, terms: _Terms, scope: Scope) -> dict[str, _Found]:
    stores = found("stores", about)
    parts: dict[str, _Found] = {}
    for part in scope.components:
        if part.kind not in _PARTS_OF_CODE:
            continue
        own = _hits(part.name, terms.words)
        folder = part.path.rpartition("/")[2] if part.path != "." else ""
        hits = {**{one: sure * _FOLDER for one, sure in _hits(folder, terms.words).items()}, **own}
        worth = terms.weight(hits)
        why = [_said(hits, terms)] if worth else []
        said = stores.get(part.language) if part.kind in {"store", "queue"} else None
        if said and not worth:
            worth = {said: max(terms.rarity.values(), default=1.0)}
            why = [f"it is a {part.language}: “{said}”"]
        one = _Found(part.name, "component", worth, why, _place(part), _weight(part, own))
        if part.name not in parts or parts[part.name].score < one.score:
            parts[part.name] = one
    return parts


def _place(part: Component) -> Evidence:
    return Evidence(path=part.evidence.path, line=part.evidence.line)


def _weight(part: Component, hits: Mapping[str, float]) -> float:
    """A name that says little else than the word is the thing itself."""
    pieces = [stem(piece) for piece in words_of(part.name)]
    rest = [piece for piece in pieces if piece not in hits and piece not in _OF_A_KIND]
    return (1.0 if part.kind != "library" else 0.8) / (1 + 0.15 * len(rest))


_OF_A_KIND = frozenset(map(stem, "service api server app worker db svc src".split()))


def _by_files(parts: dict[str, _Found], ranked: list[_Found], scope: Scope) -> None:
    """A component whose files are among the best is touched, if its name does not say so."""
    if not ranked or ranked[0].score <= 0:
        return
    folders = {c.path: c.name for c in scope.components if c.path != "." and c.name in parts}
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


_RELYING = {"calls": "calls it", "depends_on": "starts after it", "uses": "uses it",
            "imports": "imports it", "consumes": "consumes from it",
            "publishes": "publishes to it"}  # fmt: skip


def _by_links(parts: dict[str, _Found], scope: Scope) -> None:
    """What relies on the surest components, and the stores that they use."""
    top = max((one.score for one in parts.values()), default=0.0)
    sure = {name: one.score for name, one in parts.items() if top and one.score >= 0.75 * top}
    for link in scope.links:
        for near, far, share, why in (
            (link.target, link.source, _RELIES, f"{_RELYING.get(link.kind, 'relies on it')}"),
            (link.source, link.target, _USED, "is used by it" if link.kind == "uses" else ""),
        ):
            if not why or near not in sure or far not in parts or far in sure:
                continue
            why = why.replace(" it", f" {near}", 1) if " it" in why else f"{why} {near}"
            other, worth = parts[far], share * link.confidence * sure[near]
            if worth > other.score:
                other.worth, other.factor = {"": worth}, 1.0
            if why not in other.why:
                other.why.append(why)


# -- files -----------------------------------------------------------------------------------------


def _files(
    about: str, terms: _Terms, files: list[File], parts: Mapping[str, _Found]
) -> list[_Found]:
    """Files whose paths speak of the goal, the best first; those to be read."""
    paths = _Paths(terms.words)
    named = {name.lower().removeprefix("./") for name in _NAMED_FILE.findall(about)}
    tests = _TEST_GOAL.search(about) is not None
    ranked = []
    for file in files:
        worth = terms.weight(paths.of(file))
        why = [_said(paths.of(file), terms)] if worth else []
        if named and (said := _is_named(file, named)):
            worth = {**worth, said: 40.0 / (1 + file.path.count("/"))}
            why = ["the goal names it"]
        if worth:
            factor = 1.0 if "the goal names it" in why else _less(file.path, terms, tests)
            if not file.language:
                factor *= 0.6
            ranked.append(_Found(file.path, "file", worth, why, Evidence(path=file.path), factor))
    ranked.sort(key=lambda one: (-one.score, one.name.count("/"), one.name))
    return ranked[:_READ]


def _is_named(file: File, named: set[str]) -> str:
    path = file.path.lower()
    base = path.rpartition("/")[2]
    return next((name for name in (path, base, base.partition(".")[0]) if name in named), "")


def _less(path: str, terms: _Terms, tests: bool) -> float:
    factor = 1.0
    if not tests and (of_tests(path) or _TESTS.search(path)):
        factor *= 0.45
    for pattern, spoken, less in _LESS:
        if pattern.search(path) and not (spoken and spoken in terms.words):
            factor *= less
    return factor


def _read(terms: _Terms, ranked: list[_Found], seen: Scan) -> None:
    """Looks into the candidates: words in their text, and the line where they stand."""
    by_path = {file.path: file for file in seen.files}
    own = {one: row for one, row in terms.words.items() if len(one) >= 3}
    patterns = {
        one: re.compile(rf"(?<![A-Za-z]){re.escape(one)}|{re.escape(one.capitalize())}",
                        re.IGNORECASE if len(one) > _LEAST_PART else 0)
        for one in own
    }  # fmt: skip
    for one in ranked:
        if seen.out_of_time:
            return
        text = seen.read(by_path[one.name])
        if text is None:
            continue
        _weigh_text(one, text[:_LONGEST], terms, patterns)


def _weigh_text(
    one: _Found, text: str, terms: _Terms, patterns: Mapping[str, re.Pattern[str]]
) -> None:
    counted: Counter[str] = Counter()
    firsts: list[tuple[float, int]] = []
    for word, pattern in patterns.items():
        places = [match.start() for match in pattern.finditer(text)]
        if not places:
            continue
        said, own = terms.words[word]
        rare = own * terms.rarity.get(word, 1.0)
        counted[said] += len(places)
        worth = _TEXT * rare * len(places) / (len(places) + _SATURATED)
        before = one.worth.get(said, 0.0)
        one.worth[said] = before + worth * (0.5 if before else 1.0)
        firsts.append((-rare, _telling(text, places)))
    if not firsts:
        return
    line = text.count("\n", 0, min(firsts)[1]) + 1
    one.evidence = Evidence(path=one.name, line=line)
    told = ", ".join(f"“{word}” {n}×" for word, n in counted.most_common(3))
    if told:
        one.why.append(f"says {told}")


def _telling(text: str, places: list[int]) -> int:
    """Of the places the first in a line that names a thing, else the first."""
    for place in places[:40]:
        start = text.rfind("\n", 0, place) + 1
        if _SYMBOL.match(text, start, place + 1):
            return place
    return places[0]


# -- workflows -------------------------------------------------------------------------------------

_DOING = (
    "release deploy build test tests lint publish migrate migration backup restore update upgrade "
    "check verify rollback schedule nightly cleanup clean"
)


def _workflows(text: str, flows: tuple[Workflow, ...]) -> list[_Found]:
    """Workflows that do what the goal speaks of, by their own names and those of their tasks."""
    words = goal_terms(without_them(text))
    for word in words_of(text):
        if word in _DOING.split():
            words.setdefault(stem(word), (word, 0.7))
    names = [(flow, [flow.name, *flow.tasks[:60]]) for flow in flows]
    counted = Counter(one for _, told in names for one in _hits(" ".join(told), words))
    rarity = {one: math.log(1 + len(flows) / (1 + counted[one])) for one in words}
    terms = _Terms(words, rarity)
    best: list[_Found] = []
    for flow, told in names:
        title = _hits(flow.name, words)
        tasks = {name: _hits(name, words) for name in told[1:]}
        hits = {one: 0.6 * sure for own in tasks.values() for one, sure in own.items()} | title
        worth = terms.weight({one: sure for one, sure in hits.items() if sure >= 0.5})
        if not worth:
            continue
        speaking = next((name for name, own in tasks.items() if own), "")
        why = _said(title, terms) if title else f"its task `{speaking}` does what the goal says"
        best.append(_Found(flow.name, "workflow", worth, [why], flow.evidence))
    return best
