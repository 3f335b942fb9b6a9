"""Walks a workspace within a time bound and says what was there and what was left out.

The walk goes level by level, folders by name, so that what stands near the top, manifests above
all, is seen first even where the bound cuts the rest off. `.gitignore` files hold for their folder
and below (the `pathspec` library, git's own pattern language); vendored, generated, binary and huge
files are counted and not read; links are never followed, wherever they lead; nothing is ever run.

What is skipped is counted by reason: ignored, vendored, binary, huge, link, special, unreadable,
late.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pathspec

from orch_nb.analysis.languages import BINARY_SUFFIXES, language_of
from orch_nb.errors import UsageError

__all__ = ["HUGE_BYTES", "File", "Scan", "of_tests", "scan"]

#: Files above this many bytes are counted and not read.
HUGE_BYTES = 1_000_000
_VENDORED = frozenset(
    "node_modules bower_components vendor third_party site-packages .venv venv env "
    "__pycache__ .tox .nox .eggs .mypy_cache .ruff_cache .pytest_cache .ipynb_checkpoints "
    ".gradle .terraform Pods DerivedData .next .nuxt .cache .orch_nb".split()
)
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj", "CVS"})
_SNIFF_BYTES = 4096
_REPORT_EVERY = 256


_TESTS = frozenset("test tests testdata fixtures __tests__ testing e2e".split())


def of_tests(path: str) -> bool:
    """Whether a file stands among tests or their fixtures, by the names of its folders."""
    return not _TESTS.isdisjoint(path.lower().split("/")[:-1])


class File:
    """A file that was seen: its path (relative, `/`-separated), size in bytes, language or ""."""

    __slots__ = ("language", "path", "root", "size")

    def __init__(self, root: str, path: str, size: int, language: str) -> None:
        self.root, self.path, self.size, self.language = root, path, size, language

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


class Scan:
    """What a walk found. `late` is the deadline by which readers of files should stop too."""

    def __init__(self, root: str, late: float) -> None:
        self.root, self.late = root, late
        self.files: list[File] = []
        self.languages: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.size_bytes = 0
        self.complete = True

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() > self.late

    def read(self, file: File) -> str | None:
        """The text of `file`; None, counted by its reason, where it is binary or cannot be read."""
        try:
            with open(os.path.join(self.root, file.path), "rb") as handle:
                data = handle.read(HUGE_BYTES)
        except OSError:
            self.skipped["unreadable"] += 1
            return None
        if b"\0" in data[:_SNIFF_BYTES]:
            self.skipped["binary"] += 1
            return None
        return data.decode("utf-8-sig", errors="replace")


def scan(
    workspace: str | Path, budget_s: float = 2.0, progress: Callable[[int], None] | None = None
) -> Scan:
    """Walk `workspace` for at most `budget_s` seconds; `progress` is told the number of files seen.

    Raises UsageError if it is not a folder that can be read.
    """
    root = os.path.abspath(os.path.expanduser(str(workspace)))
    if not os.path.isdir(root):
        what = "is a file, not a folder" if os.path.exists(root) else "does not exist"
        raise UsageError(f"The workspace `{workspace}` {what}; name a folder, or leave it out.")
    try:
        with os.scandir(root):
            pass
    except OSError as error:
        raise UsageError(
            f"The workspace `{workspace}` cannot be read: {error.strerror or error}."
        ) from None
    found = Scan(root, time.monotonic() + budget_s)
    for count, file in enumerate(_walk(found), 1):
        found.files.append(file)
        found.size_bytes += file.size
        if file.language:
            found.languages[file.language] += 1
        if progress is not None and count % _REPORT_EVERY == 0:
            progress(count)
    if progress is not None:
        progress(len(found.files))
    return found


_Ignores = tuple[tuple[str, pathspec.GitIgnoreSpec], ...]


def _walk(found: Scan) -> Iterator[File]:
    folders: deque[tuple[str, _Ignores]] = deque([("", ())])
    while folders:
        folder, ignores = folders.popleft()
        if found.out_of_time:
            found.complete = False
            found.skipped["late"] += 1 + len(folders)
            return
        try:
            with os.scandir(os.path.join(found.root, folder)) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            found.skipped["unreadable"] += 1
            continue
        ignores = _with_ignores(found.root, folder, listed, ignores)
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink():
                found.skipped["link"] += 1
            elif entry.is_dir(follow_symlinks=False):
                if entry.name in _VERSION_CONTROL:
                    continue
                if reason := _folder_reason(entry, path, ignores):
                    found.skipped[reason] += 1
                else:
                    folders.append((path, ignores))
            elif (file := _seen(found, entry, path, ignores)) is not None:
                yield file


def _folder_reason(entry: os.DirEntry[str], path: str, ignores: _Ignores) -> str:
    if entry.name in _VENDORED or entry.name.endswith(".egg-info"):
        return "vendored"
    return "ignored" if _ignored(f"{path}/", ignores) else ""


def _seen(found: Scan, entry: os.DirEntry[str], path: str, ignores: _Ignores) -> File | None:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        found.skipped["unreadable"] += 1
        return None
    reason = ""
    if not stat.S_ISREG(info.st_mode):
        reason = "special"
    elif ignores and _ignored(path, ignores):
        reason = "ignored"
    elif os.path.splitext(entry.name)[1].lower() in BINARY_SUFFIXES:
        reason = "binary"
    elif info.st_size > HUGE_BYTES:
        reason = "huge"
    if reason:
        found.skipped[reason] += 1
        return None
    return File(found.root, path, info.st_size, language_of(entry.name))


def _with_ignores(
    root: str, folder: str, listed: list[os.DirEntry[str]], ignores: _Ignores
) -> _Ignores:
    if not any(entry.name == ".gitignore" for entry in listed):
        return ignores
    try:
        with open(
            os.path.join(root, folder, ".gitignore"), encoding="utf-8", errors="replace"
        ) as f:
            spec = pathspec.GitIgnoreSpec.from_lines(f)
    except (OSError, ValueError):
        return ignores  # an unreadable .gitignore ignores nothing, as in git
    return (*ignores, (folder, spec))


def _ignored(path: str, ignores: _Ignores) -> bool:
    """git's rule: the last pattern that speaks of a path decides, deeper files over upper ones."""
    for folder, spec in reversed(ignores):
        verdict = spec.check_file(path[len(folder) + 1 :] if folder else path).include
        if verdict is not None:
            return verdict
    return False
