"""A machine of XState as a statechart, and as a plan where nothing in it goes round.

A machine that an export wrote, and nobody changed, is the plan that was exported.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import PurePath
from typing import Any

import msgspec

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.script_literals import Code, ScriptError, arguments
from orch_nb.formats.xstate.machine import machine
from orch_nb.formats.xstate.older import older, renewed
from orch_nb.formats.xstate.planning import planned
from orch_nb.formats.xstate.several import chosen
from orch_nb.model.plan import Plan
from orch_nb.model.statechart_config import ChartError, read_chart
from orch_nb.model.translation import Import, Loss

__all__ = ["read", "recognises"]

_SCRIPTS = (".js", ".ts", ".mjs", ".mts", ".cjs", ".cts", ".jsx", ".tsx")
_CALLS = "createMachine|createStateMachine|Machine"


def recognises(text: str, path: str | os.PathLike[str] = "") -> bool:
    """Whether a file has a machine: a configuration in JSON, or a script that creates one."""
    if text.lstrip().startswith("{"):
        return '"states"' in text and ('"initial"' in text or '"parallel"' in text)
    suffix = PurePath(path).suffix
    return (not suffix or suffix in _SCRIPTS) and "createMachine" in text


def read(text: str, path: str | os.PathLike[str] = "") -> Import:
    """The statechart of a machine, and its plan, never by running anything. Where the machine goes
    round the plan has no tasks, and `chart` has everything. Raises PlanError where there is no
    machine."""
    source = os.fspath(path)
    config, line, told = _config(text)
    old = older(config)
    if old:
        config = renewed(config)
        words = ", ".join(old)
        why = f"it is written for XState 4 ({words}), and read as XState 5 would say the same"
        told.append(Loss("version", why, severity="note"))
    try:
        chart = read_chart(config)
    except ChartError as error:
        raise PlanError([Problem(f"This is no machine that can be read: {error}.", line)]) from None
    plan = _exported(config)
    if plan is not None and _unchanged(plan, config):
        return Import("xstate", plan, (), source, chart)
    if plan is not None:
        told.append(Loss("meta", "the machine was changed since its export: what its states say "
                         "now holds", severity="note"))  # fmt: skip
    plan, losses = planned(chart)
    placed = tuple(
        loss if loss.line is not None else msgspec.structs.replace(loss, line=line)
        for loss in (*told, *losses)
    )
    return Import("xstate", plan, placed, source, chart)


def _config(text: str) -> tuple[dict[str, Any], int | None, list[Loss]]:
    """The configuration, its line, and what of it is no literal."""
    if text.lstrip().startswith(("{", "[")):
        try:
            found = json.loads(text, object_pairs_hook=_once)
        except RecursionError:
            raise PlanError("This is no JSON that can be read: it is nested too deep.") from None
        except ValueError as error:
            raise PlanError(f"This is no JSON: {error}") from None
        if not isinstance(found, dict) or not isinstance(found.get("states"), dict):
            raise PlanError("This JSON is no machine: it has no `states`.")
        return found, None, []
    try:
        calls = arguments(text, _CALLS)
    except ScriptError as error:
        raise PlanError(f"The script cannot be read: {error}") from None
    machines = [
        (given[0], line) for given, line in calls if given and isinstance(given[0], dict)
        and "states" in given[0]
    ]  # fmt: skip
    if not machines:
        raise PlanError("No `createMachine` with an object literal that has `states` is in it.")
    (config, line), others = chosen(text, machines)
    if isinstance(config["states"], Code):
        raise PlanError([Problem("The machine's `states` are worked out.", line)])
    told = [Loss("machine", f"`{name}` (line {at}) is not read: this one uses it", line=at)
            for name, at in others]  # fmt: skip
    if isinstance(config.get("context"), dict | Code):
        why = "a plan's values are its parameters and results"
        told.append(Loss("context", why, severity="note"))
    return config, line, told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError where a key stands twice, one of which would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"`{twice}` stands twice in one object")
    return found


def _exported(config: dict[str, Any]) -> Plan | None:
    """The plan that an export wrote into its machine."""
    meta = config.get("meta")
    document = meta.get("orch_nb") if isinstance(meta, dict) else None
    if not isinstance(document, dict):
        return None
    try:
        return msgspec.convert(document, Plan)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None


def _unchanged(plan: Plan, config: dict[str, Any]) -> bool:
    """Whether an export of the plan would be this machine."""
    try:
        return machine(plan) == config
    except PlanError:
        return False
