"""What servers have answered, on disk, each with its date.

The key is the server's identity, the tool and the arguments: nothing secret is part of it, and what
is kept was masked before. An answer is used again for a week without asking, and for a quarter when
its server cannot be reached; what is damaged, too old or too much is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from orch_nb.sources.mcp.places import cache_folder

__all__ = ["FRESH_S", "AnswerCache", "Kept"]

_DAY = 86_400.0
FRESH_S = 7 * _DAY
_STALE_S = 90 * _DAY
_MOST_BYTES = 32 << 20
_MOST_FILES = 1_000
_MOST_ANSWER = 1 << 20


class Kept(msgspec.Struct, frozen=True):
    """An answer's text and when it was given, in seconds since the epoch."""

    text: str
    at: float

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()

    def fresh(self, now: float) -> bool:
        return now - self.at <= FRESH_S


class AnswerCache:
    """A folder with a file an answer."""

    def __init__(
        self, folder: Path | None = None, *, environ: Mapping[str, str] | None = None,
        now: Any = time.time, most_bytes: int = _MOST_BYTES, most_files: int = _MOST_FILES,
    ) -> None:  # fmt: skip
        self.folder = folder or cache_folder(environ) / "mcp"
        self.now, self.most_bytes, self.most_files = now, most_bytes, most_files

    def get(self, identity: str, tool: str, arguments: Mapping[str, Any]) -> Kept | None:
        """The answer to that very call, if there is one that is not too old."""
        path = self._path(identity, tool, arguments)
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            self._remove(path)
            return None
        # One from the future is of a clock that was wrong: its age is not known.
        if not -_DAY <= self.now() - kept.at <= _STALE_S:
            self._remove(path)
            return None
        return kept

    def put(self, identity: str, tool: str, arguments: Mapping[str, Any], text: str) -> Kept:
        """Keep an answer, if it is of a size to be kept. A disk that refuses is no failure."""
        kept = Kept(text, self.now())
        data = msgspec.json.encode(kept)
        if len(data) <= _MOST_ANSWER:
            with contextlib.suppress(OSError):
                self._write(self._path(identity, tool, arguments), data)
                self._trim()
        return kept

    def _path(self, identity: str, tool: str, arguments: Mapping[str, Any]) -> Path:
        key = json.dumps([identity, tool, dict(arguments)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("wb", dir=self.folder, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)  # noqa: PTH105  # the pair of NamedTemporaryFile

    def _trim(self) -> None:
        """Remove the oldest beyond the bounds."""
        files = []
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):  # another process may trim as well
                stat = path.stat()
                if path.is_file():
                    files.append((stat.st_mtime, stat.st_size, path))
        files.sort(reverse=True)
        size = 0
        for n, (_, one, path) in enumerate(files):
            size += one
            if n >= self.most_files or size > self.most_bytes:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
