"""How surely names speak of a goal: its words in paths, in names, and how rare each is.

    >>> words = {"cart": ("carts", 1.0)}
    >>> terms = terms_of(words, Paths(words, []))
    >>> hits_of("cartservice", terms.words), hits_of("CartStore.cs", terms.words)
    ({'cart': 0.75}, {'cart': 1.0})

A whole word of a name counts most; one that begins a joined name ("cartservice") less, one that
ends it less still. A folder says less than a file's own name, and those above it less again.
Rarity is BM25's inverse document frequency over the paths (Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from orch_nb.analysis.scan import File
from orch_nb.analysis.terms import stem, words_of
from orch_nb.model.analysis import Evidence

__all__ = ["FOLDER", "LEAST_PART", "NAME", "Candidate", "Paths", "Terms", "hits_of", "said_by",
           "terms_of"]  # fmt: skip

NAME, FOLDER, _ABOVE = 1.0, 0.8, 0.55
_START, _END, _INSIDE = 0.75, 0.5, 0.25
#: Shorter words are looked for whole, and not within others.
LEAST_PART = 4
#: A word that so many paths have needs no other to stand for it.
_KNOWN = 3


class Terms(msgspec.Struct, frozen=True):
    """Stems to look for: the word each stands for, how much it counts, and how rare it is."""

    words: Mapping[str, tuple[str, float]]
    rarity: Mapping[str, float] = {}

    def weight(self, hits: Mapping[str, float]) -> dict[str, float]:
        """By word of the goal what its best stem is worth."""
        best: dict[str, float] = {}
        for one, quality in hits.items():
            if one not in self.words:
                continue
            word, own = self.words[one]
            worth = quality * own * self.rarity.get(one, 1.0)
            best[word] = max(best.get(word, 0.0), worth)
        return best


class Candidate(msgspec.Struct):
    """A candidate while it is weighed: `worth` by word of the goal, and why."""

    name: str
    kind: str
    worth: dict[str, float]
    why: list[str]
    evidence: Evidence
    factor: float = 1.0
    main: bool = False

    @property
    def score(self) -> float:
        return self.factor * sum(self.worth.values())


def hits_of(name: str, words: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """The stems that stand in `name`, each with how surely: a word, or a part of a joined one."""
    pieces = words_of(name)
    found = dict.fromkeys((s for s in map(stem, pieces) if s in words), 1.0)
    for one in words:
        if one in found or len(one) < LEAST_PART:
            continue
        for piece in pieces:
            if len(piece) > len(one) and one in piece:
                sure = (_START if piece.startswith(one) else _END if piece.endswith(one)
                        else _INSIDE if len(one) > LEAST_PART + 1 else 0.0)  # fmt: skip
                found[one] = max(found.get(one, 0.0), sure)
    return {one: sure for one, sure in found.items() if sure}


_NONE: dict[str, float] = {}


class Paths:
    """Where stems stand in the paths of `files`; each folder is looked at once. `speaking` has the
    files whose paths have any of them, with how surely."""

    def __init__(self, words: Mapping[str, tuple[str, float]], files: Sequence[File]) -> None:
        self._words = words
        self._starts = tuple(one.removesuffix("y") for one in words)
        self._folders: dict[str, dict[str, float]] = {}
        self.total = len(files)
        found = ((file, self._of(file)) for file in files)
        self.speaking = [(file, hits) for file, hits in found if hits]

    def _of_name(self, name: str) -> dict[str, float]:
        low = name.lower()
        for start in self._starts:  # most names have none of them
            if start in low:
                return hits_of(name, self._words)
        return _NONE

    def _of_folder(self, folder: str) -> dict[str, float]:
        """The stems of a folder: its own name's, and less surely those above it."""
        found = self._folders.get(folder)
        if found is None:
            above, _, name = folder.rpartition("/")
            found = {one: sure * FOLDER for one, sure in self._of_name(name).items()}
            if above:
                for one, sure in self._of_folder(above).items():
                    found[one] = max(found.get(one, 0.0), sure * _ABOVE / FOLDER)
            self._folders[folder] = found
        return found

    def _of(self, file: File) -> dict[str, float]:
        own, folder = self._of_name(file.name), self._of_folder(file.folder)
        if not own or not folder:
            return own or folder
        return {one: max(own.get(one, 0.0), folder.get(one, 0.0)) for one in {*own, *folder}}


def terms_of(words: Mapping[str, tuple[str, float]], paths: Paths) -> Terms:
    """`words` with BM25's inverse document frequency of each over the paths; what stands for a word
    that the paths have themselves is left out."""
    counted = Counter(one for _, hits in paths.speaking for one in hits)
    total = paths.total
    kept = {
        one: row
        for one, row in words.items()
        if one == stem(row[0]) or counted[stem(row[0])] < _KNOWN
    }
    rarity = {
        one: math.log(1 + (total - counted[one] + 0.5) / (counted[one] + 0.5)) if total else 1.0
        for one in kept
    }
    return Terms(kept, rarity)


def said_by(name: str, hits: Mapping[str, float], terms: Terms) -> str:
    """The words of the goal that a name says, as a reason."""
    hits = {one: sure for one, sure in hits.items() if one in terms.words}
    words = list(dict.fromkeys(terms.words[one][0] for one in sorted(hits, key=lambda o: -hits[o])))
    told = ", ".join(f"“{word}”" for word in words[:3])
    through = [one for one in hits if one != stem(terms.words[one][0])]
    own = {terms.words[one][0] for one in hits if one not in through}
    if through and not own:
        said = next((p for p in words_of(name) if stem(p) == through[0] or through[0] in p), "")
        return f"its name says “{said or through[0]}”, for {told}"
    return f"its name says {told}"
