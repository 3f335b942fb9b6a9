"""The catalogue of patterns in a terminal: all, those that words find, one as a card."""

from __future__ import annotations

import argparse

from orch_nb import phases
from orch_nb.catalog.library import clear_match, patterns
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.render.listing import patterns_bundle
from orch_nb.render.pattern_card import card_bundle

__all__ = ["show"]


def show(arguments: argparse.Namespace) -> int:
    words = " ".join(arguments.words)
    one = clear_match(words) if words else None
    if arguments.example:
        if one is None:
            hint = did_you_mean(words, [entry.id for entry in patterns()])
            raise UsageError(
                f"--example takes the id of one pattern, not `{words}`. {hint}".rstrip()
            )
        print(one.example, end="")
    elif one is None:
        print(patterns_bundle(words, "orch-nb")["text/plain"])
    else:
        print(card_bundle(one, phases.decompose(one.example, namespace={}))["text/plain"])
    return 0
