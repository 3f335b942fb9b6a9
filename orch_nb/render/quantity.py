"""The spelling of numbers, where `render` is at hand; see `model.quantity`."""

from __future__ import annotations

from orch_nb.model.quantity import count, duration, listed, number, percent, size, times, when

__all__ = ["count", "duration", "listed", "number", "percent", "size", "times", "when"]
