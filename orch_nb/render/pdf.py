"""A page as PDF, printed by a browser that the machine has: Chromium, Chrome or Edge, headless.

Nothing is downloaded. The page needs no network and runs no script; the browser gets a profile of
its own that is thrown away, and is bounded in time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from orch_nb.errors import BackendUnavailable

__all__ = ["VARIABLE", "browser", "printed"]

#: Names a browser that is not found by itself.
VARIABLE = "ORCH_NB_BROWSER"
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "microsoft-edge-stable", "msedge", "chrome-headless-shell",
)  # fmt: skip
_APPS = (
    "Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium",
    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)  # fmt: skip
_TIMEOUT_S = 120.0


def browser() -> str | None:
    """The path of a browser that prints; None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None and sys.platform == "darwin":
        homes = (Path("/Applications"), Path.home() / "Applications")
        places = (home / app for home in homes for app in _APPS)
        found = next((str(place) for place in places if place.is_file()), None)
    return found


def printed(page: str) -> bytes:
    """An HTML page as PDF. Raises BackendUnavailable, saying what to install or do instead."""
    program = browser()
    if program is None:
        raise BackendUnavailable(
            "a PDF is printed by a browser, and no Chromium, Chrome or Edge is on the PATH. "
            f"Install one (apt-get install chromium), name one in {VARIABLE}, or write the report "
            "as .html and print that."
        )
    with tempfile.TemporaryDirectory(prefix="orch_nb-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        command = [
            program, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--no-pdf-header-footer",
            f"--user-data-dir={Path(folder) / 'profile'}", f"--print-to-pdf={target}",
            *_as_root(), source.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 (a browser that the person has, with our own page)
                command, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendUnavailable(
                f"{program} did not print: {error}. Write the report as .html and print that."
            ) from error
        if not target.is_file():
            told = done.stderr.decode(errors="replace").strip().splitlines()
            raise BackendUnavailable(
                f"{program} did not print (exit code {done.returncode}: "
                f"{told[-1] if told else 'it said nothing'}). Write the report as .html and print "
                "that."
            )
        return target.read_bytes()


def _as_root() -> list[str]:
    """A container's root has no sandbox to give; what is printed there has no script to run."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ["--no-sandbox"] if root else []
