"""The catalogue of patterns in a notebook: a card, a table, a cell with an example that runs.

%orchestrate patterns saga        the card of a pattern
%orchestrate patterns undo steps  the card of the one that is meant, else a table
%orchestrate edit saga            the cell becomes the example; a plan of that name goes first
"""

from __future__ import annotations

from orch_nb import phases
from orch_nb.catalog.library import clear_match, pattern, patterns
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.notebook.session import SESSION
from orch_nb.render.bundle import Bundle
from orch_nb.render.listing import patterns_bundle
from orch_nb.render.pattern_card import card_bundle

__all__ = ["PREFIX", "example_cell", "pattern_names", "shown_patterns"]

#: Says that the pattern is meant, where a plan of this kernel has the same name.
PREFIX = "pattern:"


def shown_patterns(words: str) -> Bundle:
    """The card of the pattern that `words` mean, else the table of those that they find."""
    one = clear_match(words) if words else None
    if one is None:
        return patterns_bundle(words)
    return card_bundle(one, phases.decompose(one.example, namespace={}))


def example_cell(name: str) -> str | None:
    """The source of a cell that runs the example of the pattern `name`; None where a plan of this
    kernel has the name, or no pattern does. `pattern:NAME` always means the pattern."""
    wanted = name.removeprefix(PREFIX)
    if name == wanted and name not in pattern_names():
        _need_plan(name)
        return None
    if name == wanted and name in SESSION.operations:
        return None
    return f"%%orchestrate\n{pattern(wanted).example}"


def _need_plan(name: str) -> None:
    """What is no pattern has to be a plan of this kernel; else a pattern may be near."""
    try:
        SESSION.operation(name)
    except UsageError as error:
        near = did_you_mean(name, pattern_names()) if name else ""
        if near:
            raise UsageError(f"{error} Of the patterns: {near}") from None


def pattern_names() -> list[str]:
    return [entry.id for entry in patterns()]
