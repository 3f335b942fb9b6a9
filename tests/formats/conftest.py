"""Translations are checked in the real systems."""

from __future__ import annotations

from ..servers import node_folder, redis_port, script  # noqa: TID252 (tests are no package)

__all__ = ["node_folder", "redis_port", "script"]
