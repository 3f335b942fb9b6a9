"""Walks a workspace within a time bound and says what was there and what was left out.

The walk goes level by level, folders by name, so that what stands near the top, manifests above
all, is seen first even where the bound cuts the rest off. What git ignores is left out
(`ignoring`); vendored, generated, binary and huge files are counted and not read (`leftout`); links
are never followed, wherever they lead; nothing is ever run.

What is skipped is counted by reason: ignored, vendored, generated, binary, huge, link, special,
unreadable, late.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from orch_nb.analysis.ignoring import Ignores, outside, read_text
from orch_nb.analysis.languages import BINARY_SUFFIXES, CODE, language_of
from orch_nb.analysis.leftout import folder_reason, generated_name, says_generated
from orch_nb.analysis.search import holding
from orch_nb.errors import UsageError

__all__ = ["HUGE_BYTES", "File", "Scan", "of_tests", "scan"]

#: Files above this many bytes are counted and not read.
HUGE_BYTES = 1_000_000
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj", "CVS"})
_BINARY = frozenset(suffix[1:] for suffix in BINARY_SUFFIXES)
_SNIFF_BYTES = 4096
_REPORT_EVERY = 256
#: So many bytes of files that were read are kept for the next reader.
_KEPT_BYTES = 96_000_000

_TESTS = frozenset(
    "test tests testdata test-data fixtures __tests__ __mocks__ testing e2e spec specs cypress "
    "integration-tests integration_tests functional-tests e2e-tests unittests".split()
)
_OF_TESTS = re.compile(r"[-_.](tests?|e2e|(unit|functional|integration|acceptance)tests)$")


def of_tests(path: str) -> bool:
    """Whether a file stands among tests or their fixtures, by the names of its folders."""
    folders = path.lower().split("/")[:-1]
    return not _TESTS.isdisjoint(folders) or any(map(_OF_TESTS.search, folders))


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
    """What a walk found. `late` is the deadline by which readers of files should stop too.

    A file is read once: `read` and `data` keep what was read for the next reader, `candidates`
    names the files that are worth reading at all.
    """

    def __init__(self, root: str, late: float) -> None:
        self.root, self.late = root, late
        self.files: list[File] = []
        self.languages: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.size_bytes = 0
        self.complete = True
        self._kept: OrderedDict[str, bytes | None] = OrderedDict()
        self._kept_bytes = 0
        self._texts: OrderedDict[str, str | None] = OrderedDict()
        self._counted: set[str] = set()
        self._by_path: dict[str, File] = {}
        self._holding: dict[str, frozenset[str]] = {}

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() > self.late

    @property
    def by_path(self) -> dict[str, File]:
        """The files by their paths."""
        if len(self._by_path) != len(self.files):
            self._by_path = {file.path: file for file in self.files}
        return self._by_path

    def read(self, file: File) -> str | None:
        """The text of `file`; None, counted by its reason, where it is binary, generated, or cannot
        be read."""
        if file.path in self._texts:
            self._texts.move_to_end(file.path)
            return self._texts[file.path]
        data = self.data(file)
        text = None if data is None else data.decode("utf-8-sig", errors="replace")
        self._texts[file.path] = text
        if len(self._texts) > 256:
            self._texts.popitem(last=False)
        return text

    def data(self, file: File) -> bytes | None:
        """The bytes of `file`, at most `HUGE_BYTES` of them; None as for `read`."""
        if file.path in self._kept:
            self._kept.move_to_end(file.path)
            return self._kept[file.path]
        reason, data = self._load(file)
        if reason and file.path not in self._counted:
            self._counted.add(file.path)
            self.skipped[reason] += 1
        self._kept[file.path] = data
        self._kept_bytes += len(data or b"")
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1] or b"")
        return data

    def _load(self, file: File) -> tuple[str, bytes | None]:
        """Reads a file: why it is left out ("" if it is not) and its bytes."""
        try:
            with open(os.path.join(self.root, file.path), "rb", buffering=0) as handle:
                data = handle.read(HUGE_BYTES)
        except OSError:
            return "unreadable", None
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            data = data.decode("utf-16", errors="replace").encode()
        if b"\0" in data[:_SNIFF_BYTES]:
            return "binary", None
        if file.language in CODE and says_generated(data[:1500]):
            return "generated", None
        return "", data

    def look_for(self, words: Iterable[str]) -> None:
        """Finds in one pass which files hold which of `words`, for `candidates` to tell.

        A file that was not reached in time may hold them all; `complete` is False then.
        """
        asked = sorted({word for word in words if word and word not in self._holding})
        if asked:
            self._holding.update(holding(self, asked))

    def candidates(self, *words: str, files: Iterable[File] | None = None) -> list[File]:
        """The files (of `files`: None is all) that hold one of `words`, as they are written, in
        the order of the walk. Only they need to be read."""
        self.look_for(words)
        paths: set[str] = set()
        for word in words:
            paths |= self._holding.get(word, frozenset())
        return [file for file in (self.files if files is None else files) if file.path in paths]


def scan(
    workspace: str | Path,
    budget_s: float = 2.0,
    progress: Callable[[int], None] | None = None,
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


def _walk(found: Scan) -> Iterator[File]:
    folders: deque[tuple[str, Ignores]] = deque([("", outside(found.root))])
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
        names = frozenset(entry.name for entry in listed)
        if ".gitignore" in names:
            text = read_text(os.path.join(found.root, folder, ".gitignore"))
            ignores = ignores.below(folder, text)
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink():
                found.skipped["link"] += 1
            elif entry.is_dir(follow_symlinks=False):
                if entry.name in _VERSION_CONTROL:
                    continue
                reason = folder_reason(entry.name, entry.path, names)
                if not reason and ignores.ignored(path, entry.name, folder=True):
                    reason = "ignored"
                if reason:
                    found.skipped[reason] += 1
                else:
                    folders.append((path, ignores))
            elif (file := _seen(found, entry, path, ignores)) is not None:
                yield file


def _seen(found: Scan, entry: os.DirEntry[str], path: str, ignores: Ignores) -> File | None:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        found.skipped["unreadable"] += 1
        return None
    reason = ""
    if not stat.S_ISREG(info.st_mode):
        reason = "special"
    elif ignores.ignored(path, entry.name, folder=False):
        reason = "ignored"
    elif entry.name.rpartition(".")[2].lower() in _BINARY:
        reason = "binary"
    elif generated_name(entry.name):
        reason = "generated"
    elif info.st_size > HUGE_BYTES:
        reason = "huge"
    if reason:
        found.skipped[reason] += 1
        return None
    return File(found.root, path, info.st_size, language_of(entry.name))
