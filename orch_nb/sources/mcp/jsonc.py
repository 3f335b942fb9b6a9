"""JSON as people write it in settings: with comments and trailing commas, as VS Code reads it."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["read_jsonc"]

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])")


def read_jsonc(text: str) -> Any:
    """The value of a text. Raises ValueError with the line and what is wrong there."""
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(text)
    except json.JSONDecodeError as strict:
        # A comment becomes its line ends, so that an error is told at the line where it stands.
        bare = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n") or " ", text)
        bare = _COMMA.sub(lambda found: found[1] or "", bare)
        if bare == text:
            raise ValueError(f"line {strict.lineno}: {strict.msg}") from None
        try:
            return json.loads(bare)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
