"""Which body a cell has: Python, YAML or a goal in words.

    1. `--as python|yaml|goal` decides.
    2. The first significant line is a key of a plan or a list marker: YAML, even if it then fails.
    3. It parses as Python and defines a function: Python.
    4. Else a goal. Nothing at all is an error.

A body in which a line begins with `def name(` or `@task` is Python too when it does not parse: its
author wants to hear of the missing bracket, not to see a draft of a plan made from code.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Literal

from orch_nb.errors import PlanError, Problem, UsageError
from orch_nb.planners.compose import sized

__all__ = ["TOP_KEYS", "BodyKind", "body_kind"]

BodyKind = Literal["python", "yaml", "goal"]

#: The keys that a plan document has at its top.
TOP_KEYS = (
    "goal", "params", "secrets", "criteria", "stories", "tasks", "pools", "on_failure", "defaults",
)  # fmt: skip
_YAML = re.compile(
    rf"""(?:\{{\s*)?(["']?)(?:{"|".join(TOP_KEYS)})\1\s*:(?:\s|$)|-(?:\s|$)|---|%YAML"""
)
_CODE = re.compile(r"^(?:(?:async\s+)?def\s+\w+\s*\(|@(?:\w+\.)?task\b)", re.MULTILINE)


def body_kind(text: str, asked: str | None = None) -> BodyKind:
    """What the body is; `asked` is the person's own word for it.

    Raises PlanError for an empty or enormous body, UsageError for a word that is none of the three.
    """
    text = text.removeprefix("\ufeff")
    sized(text, "cell")
    first = _first_significant(text)
    if not first:
        raise PlanError(
            [
                Problem(
                    "The cell is empty.",
                    hint="Write a goal in words, a YAML plan (`goal:`, `tasks:`), or functions "
                    "marked with `@task`.",
                )
            ]
        )
    if asked is not None:
        for kind in ("python", "yaml", "goal"):
            if asked == kind:
                return kind
        raise UsageError(f"`--as {asked}`: a body is read as python, yaml or goal.")
    if _YAML.match(first):
        return "yaml"
    if _CODE.search(text) or _defines_a_function(text):
        return "python"
    return "goal"


def _first_significant(text: str) -> str:
    rows = (row.strip() for row in text.splitlines())
    return next((row for row in rows if row and not row.startswith("#")), "")


def _defines_a_function(text: str) -> bool:
    if "def" not in text:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in ast.walk(tree))
