"""Says which files hold which words, or match which patterns, reading each file once.

Where `python-ripgrep` is installed (`orch_nb[search]`), ripgrep's own engine, in this process,
tells which files hold any of them at all, and only those are read and asked which; without it
every file is read, and asked word by word, which costs some five times as much. Its binding does
not tell of a line that is no UTF-8: a file whose first hit stands in one is missed.

    search(scan, {"temporal": Pattern(r"@workflow\\.defn", ("workflow.defn",))})
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from orch_nb.analysis.scan import File, Scan

__all__ = ["Pattern", "engine", "holding", "search"]

#: Files a turn: ripgrep prepares its patterns anew for each, and the clock is looked at between.
_BATCH = 4000
_BATCH_READ = 100

#: The numbers of the words or patterns that some bytes hold.
Which = Callable[[bytes], list[int]]


class Pattern(msgspec.Struct, frozen=True):
    """A regular expression (what `re` and ripgrep both read: no look-around, no back-references)
    and words of which every match holds at least one."""

    regex: str
    words: tuple[str, ...] = ()


def engine() -> str:
    """What searches here: `ripgrep` or `re`."""
    return "re" if _ripgrep() is None else "ripgrep"


def _ripgrep() -> Any:
    try:
        return importlib.import_module("python_ripgrep")
    except ImportError:
        return None


def holding(scan: Scan, words: Sequence[str]) -> dict[str, frozenset[str]]:
    """Each word with the paths of the files that hold it."""
    needles = [(n, word.encode()) for n, word in enumerate(words)]
    found: list[set[str]] = [set() for _ in words]

    def which(data: bytes) -> list[int]:
        return [n for n, needle in needles if needle in data]

    for file, hits in _hits(scan, scan.files, which, [re.escape(word) for word in words]):
        for n in hits:
            found[n].add(file.path)
    return {word: frozenset(paths) for word, paths in zip(words, found, strict=True)}


def search(
    scan: Scan, patterns: Mapping[str, Pattern], files: Iterable[File] | None = None
) -> dict[str, list[File]]:
    """Each name with the files (of `files`: None is all that were scanned) that its pattern
    matches, in the order of the walk. `.` stops at line ends, `^` and `$` hold at every line."""
    names = list(patterns)
    asked = [
        (
            n,
            re.compile(patterns[name].regex.encode(), re.MULTILINE),
            tuple(word.encode() for word in patterns[name].words),
        )
        for n, name in enumerate(names)
    ]

    def which(data: bytes) -> list[int]:
        return [
            n
            for n, pattern, words in asked
            if (not words or any(word in data for word in words)) and pattern.search(data)
        ]

    found: dict[str, list[File]] = {name: [] for name in names}
    regexes = [one.regex for one in patterns.values()]
    for file, hits in _hits(scan, scan.files if files is None else files, which, regexes):
        for n in hits:
            found[names[n]].append(file)
    return found


def _hits(
    scan: Scan, files: Iterable[File], which: Which, regexes: Sequence[str]
) -> Iterator[tuple[File, list[int]]]:
    """Each file with the numbers of what it holds; stops, and says so, when time is out."""
    rg = _ripgrep()
    pending = [file for file in files if file.size]
    size = _BATCH if rg is not None else _BATCH_READ
    for at in range(0, len(pending), size):
        if scan.out_of_time:
            scan.complete = False
            scan.skipped["late"] += len(pending) - at
            return
        for file in _worth_reading(scan.root, pending[at : at + size], rg, regexes):
            data = scan.data(file)
            if data and (hits := which(data)):
                yield file, hits


def _worth_reading(root: str, batch: list[File], rg: Any, regexes: Sequence[str]) -> list[File]:
    """Those of `batch` in which ripgrep found anything; all of them where it cannot tell."""
    if rg is None or not regexes:
        return batch
    paths = {os.path.join(root, file.path): file for file in batch}
    try:
        lines = rg.search(list(regexes), paths=list(paths), max_count=1)
    except (ValueError, UnicodeEncodeError):  # a pattern or a name that it does not take
        return batch
    seen: set[str] = set()
    for line in lines:
        end = line.find(":")
        while end >= 0 and line[:end] not in paths:  # a name may hold colons itself
            end = line.find(":", end + 1)
        if end < 0:
            return batch
        seen.add(line[:end])
    return [file for path, file in paths.items() if path in seen]
