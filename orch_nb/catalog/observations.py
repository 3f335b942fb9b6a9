"""What six systems, and orch_nb itself, were seen to do: recorded from the real ones.

`observations.yaml` is written by `python tests/systems/record.py`, never by hand; a test records
it anew and compares. The scenarios are small programs in each system's own words, in
tests/systems/.

    >>> observed("celery", "chain").states["after"]
    'FAILURE'
"""

from __future__ import annotations

import functools
import re

import msgspec

from orch_nb.catalog.library import document
from orch_nb.model.observation import Observation, Recording

__all__ = ["observations", "observed", "recordings", "told"]


class _Book(msgspec.Struct, frozen=True):
    systems: tuple[Recording, ...]
    observations: tuple[Observation, ...]


@functools.cache
def _book() -> _Book:
    return msgspec.convert(document("observations.yaml"), _Book)


def recordings() -> tuple[Recording, ...]:
    """The systems, in the order in which they are shown."""
    return _book().systems


def observations() -> tuple[Observation, ...]:
    return _book().observations


@functools.cache
def _by_place() -> dict[tuple[str, str], Observation]:
    return {(one.system, one.scenario): one for one in observations()}


def observed(system: str, scenario: str) -> Observation:
    """Raises KeyError for what was never looked at."""
    return _by_place()[system, scenario]


def told(one: Observation, roles: dict[str, str]) -> str:
    """Its sentences, with a plan's own tasks in the roles.

    >>> one = Observation(system="s", scenario="chain", verdict="v", mood="bad",
    ...                   says="`{after}` waits for ever.")
    >>> told(one, {"after": "publish"})
    '`publish` waits for ever.'
    """
    text = one.says
    for role in ("before", "task", "sibling", "follower", "after", "join", "cleanup", "undo",
                 "gate", "top", "left", "right", "bottom"):  # fmt: skip
        name = f"`{roles[role]}`" if role in roles else _NAMELESS.get(role, role)
        text = text.replace(f"`{{{role}}}`", name)
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda first: first[0].upper(), text)


#: What stands for a part that this plan does not have.
_NAMELESS = {
    "before": "what had ended before", "after": "what waits for it", "undo": "the undoing task",
    "sibling": "what runs beside it",
}  # fmt: skip
