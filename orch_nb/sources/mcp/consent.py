"""Which servers a person has agreed to start or contact.

Consent is bound to what would be started, by its fingerprint: whoever edits a server's entry, in a
repository that one has just pulled too, asks again (CVE-2025-54136). The file holds hashes, names
and dates, nothing of what stands in an entry.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.errors import UsageError
from orch_nb.sources.mcp.config import Server
from orch_nb.sources.mcp.places import state_folder

__all__ = ["Consent"]


class Consent:
    """The approvals of this person on this machine."""

    def __init__(self, path: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.path = path or state_folder(environ) / "mcp-approved.json"

    def state(self, server: Server) -> str:
        """approved, changed (since it was approved) or pending."""
        known = self._read()
        if server.fingerprint in known:
            return "approved"
        before = {(one.get("name"), one.get("file")) for one in known.values()}
        return "changed" if (server.name, server.file) in before else "pending"

    def approve(self, server: Server) -> None:
        """Agree to `server` as it is now; what it was before is agreed to no longer."""
        known = {
            key: one
            for key, one in self._read().items()
            if (one.get("name"), one.get("file")) != (server.name, server.file)
        }
        at = datetime.now(UTC).isoformat(timespec="seconds")
        known[server.fingerprint] = {"name": server.name, "file": server.file, "at": at}
        self._write(known)

    def revoke(self, name: str) -> int:
        """Take back every consent to a server of that name; returns how many there were."""
        known = self._read()
        kept = {key: one for key, one in known.items() if one.get("name") != name}
        if len(kept) < len(known):
            self._write(kept)
        return len(known) - len(kept)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            whole = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):  # not there, or damaged: then nothing has been agreed to
            return {}
        known = whole.get("approved") if isinstance(whole, dict) else None
        if not isinstance(known, dict):
            return {}
        return {key: one for key, one in known.items() if isinstance(one, dict)}

    def _write(self, known: dict[str, dict[str, Any]]) -> None:
        """All of it or nothing, readable by the person only."""
        text = json.dumps({"version": 1, "approved": known}, indent=2)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, delete=False, encoding="utf-8"
            ) as file:
                file.write(text)
            os.replace(file.name, self.path)  # noqa: PTH105  # the pair of NamedTemporaryFile
        except OSError as error:
            raise UsageError(f"consent cannot be kept in {self.path}: {error}") from None
