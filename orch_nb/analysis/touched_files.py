"""The files that a goal is about: those whose paths speak of it, and what stands in the best.

Tests, documents, migrations and generated files count only where the goal speaks of them; source
below a component that the goal names counts as if its own name said so; of one folder a few are
enough. The best candidates are read, while there is time: words that stand there add to what the
path says, and give the line to look at.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Mapping

from orch_nb.analysis.matching import (
    FOLDER,
    NAME,
    Candidate,
    Paths,
    Terms,
    said_by,
)
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.model.analysis import Evidence
from orch_nb.model.quantity import times

__all__ = ["fewer_of_a_folder", "files_of", "read_candidates"]

_READ, _LONGEST = 150, 200_000
_IN_A_FOLDER = 3
#: So many paths are weighed in full.
_WEIGHED = 2000
_MEANT, _NAMED = "the goal names it", 40.0
#: A word that stands often says no more than one that stands a few times.
_SATURATED = 3.0
_TEXT = 0.6
_LESS = (
    (re.compile(r"(?i)(^|/)(docs?|documentation|website)/|\.(md|rst|adoc|txt)$"), "docs", 0.5),
    (re.compile(r"(^|/)migrations/", re.IGNORECASE), "migration", 0.35),
    (re.compile(r"(?i)(^|/)(locale|locales|i18n|translations)/|\.(po|pot|arb)$"), "local", 0.3),
    (re.compile(r"(?i)\.(lock|snap|min\.js|map|csv|svg|sum|ipynb)$|(^|/)(package-lock|pnpm-lock)"),
     "lock", 0.3),
    (re.compile(r"([._]pb2?[._]|_pb2|\.pb\.go|\.g\.(cs|dart)|generated|/genproto/)", re.IGNORECASE),
     "generat", 0.3),
    (re.compile(r"(^|/)(examples?|samples?)/", re.IGNORECASE), "exampl", 0.6),
    (re.compile(r"(^|/)\.[a-z]", re.IGNORECASE), "", 0.5),
    (re.compile(r"(?i)\.(css|scss|html|tmpl)$|\.styled\.|(^|/)__init__\.py$"), "styl", 0.6),
    (re.compile(r"\.(ya?ml|json|xml|toml|cfg|ini)$", re.IGNORECASE), "config", 0.7),
)  # fmt: skip
_TESTS = re.compile(r"(^|/)(test_[^/]+|[^/]+_test\.\w+|[^/]+\.(test|spec)\.\w+|conftest\.py)$"
                    r"|Tests?\.\w+$|(^|[./])\w*Tests?/")  # fmt: skip
_TEST_GOAL = re.compile(r"\b(tests?|testing|specs?|fixtures?|coverage|pytest)\b", re.IGNORECASE)
_NAMED_FILE = re.compile(r"[\w./-]*\w\.[a-zA-Z]\w{0,7}\b|\b(?:README|LICENSE|CHANGELOG|Makefile|"
                         r"Dockerfile|CONTRIBUTING)\b")  # fmt: skip
_SYMBOL = re.compile(r"^\s*(?:\w+ )*(?:class|def|func|fn|function|interface|struct|type|rpc|"
                     r"service|message|create table|model)\b", re.IGNORECASE)  # fmt: skip


def files_of(
    about: str, terms: Terms, paths: Paths, files: list[File], parts: Mapping[str, Candidate]
) -> list[Candidate]:
    """Files whose paths speak of the goal, the best first; those to be read."""
    named = {name.lower().removeprefix("./") for name in _NAMED_FILE.findall(about)}
    tests = _TEST_GOAL.search(about) is not None
    homes = _homes(parts)
    speaking = [(terms.weight(hits), file, hits) for file, hits in paths.speaking]
    speaking = heapq.nlargest(_WEIGHED, speaking, key=lambda row: sum(row[0].values()))
    ranked = []
    for worth, file, hits in speaking:
        if worth:
            factor = _less(file.path, terms, tests) * (1.0 if file.language else 0.6)
            why = said_by(file.path, hits, terms).replace("name", "path", 1)
            ranked.append(_candidate(file, _at_home(file, worth, homes), why, factor))
    ranked.sort(key=lambda one: (-one.score, one.name.count("/"), one.name))
    meant = [
        _candidate(file, {said: _NAMED / (1 + file.path.count("/"))}, _MEANT)
        for file in (files if named else ())
        if (said := _is_named(file, named))
    ]
    known = {one.name for one in meant}
    rest = [one for one in ranked if one.name not in known]
    return [*meant, *_manifests(about, files), *rest][:_READ]


def _candidate(file: File, worth: dict[str, float], why: str, factor: float = 1.0) -> Candidate:
    return Candidate(file.path, "file", worth, [why], Evidence(path=file.path), factor)


def _manifests(about: str, files: list[File]) -> list[Candidate]:
    """Where versions stand, for a goal that is about one; whether they do is seen in their text."""
    if not _ABOUT_VERSIONS.search(about):
        return []
    found = [file for file in files if _MANIFEST.search(file.name)]
    found.sort(key=lambda file: (file.path.count("/"), file.path))
    return [
        Candidate(file.path, "file", {}, [], Evidence(path=file.path), _NAMES_VERSION)
        for file in found[: _READ // 3]
    ]


_NAMES_VERSION = 4.0
_ABOUT_VERSIONS = re.compile(
    r"\b(upgrad|updat|bump|pin|downgrad|dependenc|version)\w*", re.IGNORECASE
)
_MANIFEST = re.compile(
    r"^(pyproject\.toml|requirements[\w-]*\.txt|package\.json|go\.mod|Cargo\.toml|pom\.xml|"
    r"build\.gradle(\.kts)?|Directory\.Packages\.props|Gemfile|composer\.json|mix\.exs|"
    r".*\.csproj|Dockerfile|\.tool-versions|\.python-version|\.nvmrc|global\.json|"
    r"(docker-)?compose\.ya?ml|Chart\.yaml|\.pre-commit-config\.yaml)$",
)


def _homes(parts: Mapping[str, Candidate]) -> dict[str, frozenset[str]]:
    """The folders of the components that the goal names, with the words that name them."""
    return {
        one.evidence.path.rpartition("/")[0]: frozenset(one.worth)
        for one in parts.values()
        if one.main and "/" in one.evidence.path
    }


def _at_home(file: File, worth: dict[str, float], homes: Mapping[str, frozenset[str]]
             ) -> dict[str, float]:  # fmt: skip
    """Source below a component that the goal names counts as if its own name said so."""
    for folder, words in homes.items():
        if file.path.startswith(folder + "/"):
            more = 1.5 if _MAIN.search(file.name) and file.folder == folder else NAME / FOLDER
            return {word: w * more if word in words else w for word, w in worth.items()}
    return worth


_MAIN = re.compile(r"^(main|app|server|index|service|\w*_?server|program)\.\w+$", re.IGNORECASE)


def _is_named(file: File, named: set[str]) -> str:
    path = file.path.lower()
    base = path.rpartition("/")[2]
    return next((name for name in (path, base, base.partition(".")[0]) if name in named), "")


def _less(path: str, terms: Terms, tests: bool) -> float:
    factor = 1.0
    if not tests and (of_tests(path) or _TESTS.search(path)):
        factor *= 0.3
    for pattern, spoken, less in _LESS:
        if pattern.search(path) and not (spoken and spoken in terms.words):
            factor *= less
    return factor


def fewer_of_a_folder(ranked: list[Candidate], terms: Terms) -> list[Candidate]:
    """What speaks of more of the goal's words is worth more; of a folder a few are enough."""
    words = {row[0] for row in terms.words.values()}
    spoken = {word for word in words if any(word in one.worth for one in ranked)}
    for one in ranked:
        if _MEANT not in one.why:
            one.factor *= 0.4 + 0.6 * len(spoken & one.worth.keys()) / max(1, len(spoken))
    kept, counted = [], Counter[str]()
    for one in sorted(ranked, key=lambda one: -one.score):
        folder = one.name.rpartition("/")[0]
        counted[folder] += 1
        if counted[folder] <= _IN_A_FOLDER:
            kept.append(one)
    return kept


def read_candidates(terms: Terms, ranked: list[Candidate], seen: Scan) -> None:
    """Looks into the candidates: words in their text, and the line where they stand."""
    by_path = {file.path: file for file in seen.files}
    own = {one: row for one, row in terms.words.items() if len(one) >= 3}
    patterns = {
        one: re.compile(rf"(?:(?<![A-Za-z]){re.escape(one)}|{re.escape(one.capitalize())})[a-z]*")
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
    one: Candidate, text: str, terms: Terms, patterns: Mapping[str, re.Pattern[str]]
) -> None:
    counted: Counter[str] = Counter()
    firsts: list[tuple[float, int]] = []
    for word, pattern in patterns.items():
        matches = list(pattern.finditer(text))
        if not matches:
            continue
        places = [match.start() for match in matches]
        said, own = terms.words[word]
        rare = own * terms.rarity.get(word, 1.0)
        surface = matches[0].group(0).lower()
        counted[surface] = max(counted[surface], len(places))
        worth = _TEXT * rare * len(places) / (len(places) + _SATURATED)
        before = one.worth.get(said, 0.0)
        one.worth[said] = before + worth * (0.5 if before else 1.0)
        firsts.append((-rare, _telling(text, places)))
    if not firsts:
        return
    line = text.count("\n", 0, min(firsts)[1]) + 1
    one.evidence = Evidence(path=one.name, line=line)
    told = ", ".join(f"“{word}” {times(n)}" for word, n in counted.most_common(2))
    one.why.append(f"says {told}")


def _telling(text: str, places: list[int]) -> int:
    """Of the places the first in a line that names a thing, else the first."""
    for place in places[:40]:
        start = text.rfind("\n", 0, place) + 1
        if _SYMBOL.match(text, start, place + 1):
            return place
    return places[0]
