"""A file that is written whole or not at all: beside its place first, and then moved there."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orch_nb.errors import UsageError

__all__ = ["target_of", "written", "written_beside"]


def written(content: str | bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file; one that was there is replaced. Raises UsageError, saying what is in the way:
    a folder that is not there, a disk that is full."""
    target = target_of(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    except OSError as error:
        raise UsageError(f"`{target}` cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        part.chmod(0o644)  # mkstemp makes a file for its owner alone; a report is to be shared
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"`{target}` cannot be written: {error.strerror}") from error
    return target


def target_of(path: str | os.PathLike[str]) -> Path:
    """The file that a path means. Raises UsageError for a folder, and for one in no folder."""
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise UsageError(
            f"`{target}` cannot be written: the folder `{target.parent}` does not exist"
        )
    if target.is_dir():
        raise UsageError(f"`{target}` is a folder; name a file in it")
    return target


def written_beside(pictures: Mapping[str, str], parent: Path, folder: str) -> None:
    """Write pictures by their path below `parent`, all in `folder`; those that an earlier report
    left there, and this one has not, go. Raises UsageError."""
    home = parent / folder
    try:
        if pictures:
            home.mkdir(exist_ok=True)
        old = list(home.iterdir()) if home.is_dir() else []
    except OSError as error:
        raise UsageError(f"`{home}` cannot be written: {error.strerror}") from error
    for path, svg in pictures.items():
        written(svg, parent / path)
    for file in old:
        if _OURS.fullmatch(file.name) and f"{folder}/{file.name}" not in pictures:
            file.unlink(missing_ok=True)


_OURS = re.compile(r"\d+\.svg")
