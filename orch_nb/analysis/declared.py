"""What one manifest says of one part of a codebase, before the manifests are put together."""

from __future__ import annotations

import bisect
import posixpath
import re
from typing import Any

import msgspec

from orch_nb.analysis.scan import File, Scan

__all__ = ["Declared", "Reference", "Surroundings", "joined", "key_of", "line_of"]


class Reference(msgspec.Struct, frozen=True):
    """That a part names something else. `kind`: env (`key` and a value that may hold addresses),
    depends_on, imports (`value` is a package's name), path (`value` is a folder that is imported),
    resource (`value` is a resource's name), and what a manifest says outright: calls, uses."""

    kind: str
    value: str
    path: str
    line: int | None = None
    key: str = ""
    text: str = ""
    confidence: float = 0.9


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A part as its manifest declares it.

    `system` is the kind of manifest; `folder` where its source stands (None: it has none here);
    `image` what is pulled or built for it; `aliases` other names by which it is spoken of;
    `optional` says, where it is not part of every deployment, why.
    """

    name: str
    kind: str
    path: str
    line: int | None = None
    text: str = ""
    system: str = ""
    language: str = ""
    folder: str | None = None
    image: str = ""
    aliases: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    confidence: float = 1.0
    optional: str = ""


class Surroundings:
    """What stands beside a manifest, for readers of manifests that speak of other files."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._paths: list[str] | None = None
        self.memo: dict[str, Any] = {}  # what readers made of files that several of them need

    @property
    def files(self) -> list[File]:
        return self._scan.files

    def text(self, path: str) -> str:
        """The text of the file of that path; "" where it was not scanned or cannot be read."""
        file = self._scan.by_path.get(path)
        return (self._scan.read(file) or "") if file is not None else ""

    def has(self, path: str) -> bool:
        return path in self._scan.by_path

    def under(self, folder: str) -> list[File]:
        """The files in `folder` and below, by path."""
        if not folder:
            return self._scan.files
        if self._paths is None:
            self._paths = sorted(self._scan.by_path)
        first = bisect.bisect_left(self._paths, f"{folder}/")
        last = bisect.bisect_left(self._paths, f"{folder}0")  # "0" comes after "/"
        return [self._scan.by_path[path] for path in self._paths[first:last]]

    def at(self, path: str) -> list[File]:
        """The file of that path, or the files in the folder of that path."""
        file = self._scan.by_path.get(path)
        return [file] if file is not None else self.under(path)

    def named(self, name: str, folder: str) -> list[File]:
        """The files of that name in `folder` and below."""
        return [file for file in self.under(folder) if file.name == name]


def joined(folder: str, relative: str) -> str:
    """A path that is written in a file of `folder`, from the root of the workspace; what lies
    outside of it is the root.

    >>> joined("deploy/dev", "../../src/web/"), joined("", "./")
    ('src/web', '')
    """
    path = posixpath.normpath(posixpath.join(folder or ".", relative.replace("\\", "/") or "."))
    return "" if path in (".", "..") or path.startswith(("../", "/")) else path


def key_of(name: str) -> str:
    """A name as it is compared: `Basket.API`, `basket-api` and `basket_api` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def line_of(text: str, pattern: str) -> int | None:
    """The line (from 1) on which `pattern` first matches; None if it does not."""
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None
