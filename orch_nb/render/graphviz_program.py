"""The Graphviz program: where it is, and one call of it, bounded in time.

The `graphviz` package makes the command, `graphviz-pure` brings the program that it runs. That is
found by where its distribution says it lies, so that nothing has to be on the PATH and no global of
the package is changed for others; the system's `dot` is used only where it is missing.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sysconfig
from importlib import metadata
from pathlib import Path

__all__ = ["TIMEOUT_S", "LayoutFailed", "program", "run_program"]

TIMEOUT_S = 5.0


class LayoutFailed(Exception):
    """Graphviz is not there, does not understand, or did not answer in time."""


@functools.cache
def program() -> str | None:
    """The path of `graphviz-pure`; else of the system's `dot`; else None."""
    name = "graphviz-pure.exe" if os.name == "nt" else "graphviz-pure"
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        files = []
    places = [Path(str(file.locate())) for file in files if file.name == name]
    places.append(Path(sysconfig.get_path("scripts")) / name)
    found = next((place.resolve() for place in places if place.is_file()), None)
    return str(found) if found else shutil.which("dot")


def run_program(text: str, format_: str, *options: str) -> bytes:
    """What Graphviz makes of the source `text`. Raises LayoutFailed."""
    from graphviz.backend import dot_command

    binary = program()
    if binary is None:
        raise LayoutFailed("no Graphviz program")
    command = [binary, *map(str, dot_command.command("dot", format_)[1:]), *options]
    try:
        done = subprocess.run(  # noqa: S603 (our own program, with our own text on its input)
            command, input=text.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LayoutFailed(str(error)) from error
    if done.returncode or not done.stdout:
        raise LayoutFailed(done.stderr.decode(errors="replace")[:500])
    return done.stdout
