"""Whose file is it, and what language is a folder in: by the folders that parts stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from orch_nb.analysis.languages import CODE
from orch_nb.analysis.scan import Scan, of_tests

__all__ = ["folder_counts", "languages_of", "owner_of"]

#: Languages that accompany others: named only where nothing else is there.
_MINOR = frozenset({"Shell", "SQL", "PowerShell", "Razor", "ERB", "Groovy", "Perl"})
_SAME = {"Vue": "JavaScript", "Svelte": "JavaScript", "Cython": "Python", "Razor": "C#"}


def folder_counts(scan: Scan) -> dict[str, Counter[str]]:
    """How much of each language the source files of each folder, with those below, are in."""
    counted: dict[str, Counter[str]] = {}
    for file in scan.files:
        if file.language not in CODE or file.name.endswith((".gradle", ".gradle.kts")):
            continue
        weight = 1 if of_tests(file.path) or file.language in _MINOR else 1000
        language = _SAME.get(file.language, file.language)
        folder = file.folder
        while True:
            counted.setdefault(folder, Counter())[language] += weight
            if not folder:
                break
            folder = folder.rpartition("/")[0]
    return counted


def languages_of(counts: Mapping[str, Counter[str]]) -> dict[str, str]:
    """The language that most of each folder is in."""
    return {folder: _most(counter) for folder, counter in counts.items()}


def _most(counter: Counter[str]) -> str:
    counter = counter.copy()
    if counter["TypeScript"] and counter["JavaScript"]:  # the one is a dialect of the other
        more = "TypeScript" if counter["TypeScript"] * 2 >= counter["JavaScript"] else "JavaScript"
        counter[more] += counter["TypeScript"] + counter["JavaScript"]
    if counter["C++"] and counter["C"]:  # `.h` is a header of both
        counter["C++"] += counter["C"]
    return counter.most_common(1)[0][0]


def owner_of(path: str, folders: Iterable[str]) -> str | None:
    """The deepest of `folders` that holds the file; None if none does."""
    known = folders if isinstance(folders, (set, frozenset, dict)) else set(folders)
    folder = path.rpartition("/")[0]
    while folder not in known:
        if not folder:
            return None
        folder = folder.rpartition("/")[0]
    return folder
