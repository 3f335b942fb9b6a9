"""Expressions over results and parameters, in `when`, `foreach` and the `{{ }}` of commands.

    when: fetch.rows > 0                       evaluate("fetch.rows > 0", {"fetch": ...}) -> True
    foreach: params.regions                    a list: one instance an item
    sh: gzip {{ export.path }}                 render_command(...) -> "gzip 'my file.csv'"

They are Jinja's, in a sandbox (`graph.sandbox`), and give Python values. What they can name is in
`scope`: the results of what the task needs, parameters, and a few words of our own.

In a command what is inserted is quoted for the shell, so it must not stand in quotes of the
command's own (`graph.shell_text` finds out); `| unquoted` opts out where everybody can see it. Only
`{{ }}` and `{% raw %}` mean something there: Jinja's comments would be the shell's `${#name}`. A
command without them is passed on untouched, and Jinja is not even imported.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from orch_nb.graph.shell_text import GAP, misplaced
from orch_nb.graph.shell_words import words

__all__ = [
    "FUNCTIONS", "MEANS_BRACES", "RESERVED", "ExpressionError", "Mentions", "Misplaced",
    "command_mentions", "command_names", "evaluate", "is_template", "mentions", "names_in",
    "quoted_places", "render_command", "scope",
]  # fmt: skip

#: What expressions know besides results and parameters; the last two only where items are.
RESERVED = ("results", "params", "run_id", "item", "index")
#: What they may call. A result or a parameter of the same name comes first.
FUNCTIONS = frozenset(
    "abs all any bool dict enumerate float int len list max min range round sorted str sum tuple "
    "zip".split()
)
LONGEST = 2000
_WORDS = frozenset(
    "true false none True False None and or not in is if else for import self super caller "
    "varargs kwargs loop".split()
)
_DOTTED = re.compile(r"[^\W\d_]\w*(?:\.[^\W\d_]\w*)*")
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%[-+]?\s*(\w+)\b[^\n]*?%\}")
#: What to do where braces were meant for the command (docker's --format '{{.Names}}').
MEANS_BRACES = "If the command itself wants these braces, write {%% raw %%}%s{%% endraw %%}."


_WAYS_OUT = {
    "in backticks": "Write $(...) in place of the backticks.",
    "in a comment": "Take it out of the comment.",
    "behind a backslash": "Leave the backslash out.",
    "behind `$`": "Leave the `$` out.",
}


class ExpressionError(ValueError):
    """An expression that cannot be read, or that came to nothing: what and where.

    `hint` says what to write in its place.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}" if hint else message)
        self.message, self.hint = message, hint


class Mentions(msgspec.Struct, frozen=True):
    """What an expression names: variables, and the keys that `results` and `params` must have
    (not those that only may be there: `params.x is defined`, `params.x | default(1)`)."""

    names: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    params: frozenset[str] = frozenset()


class Misplaced(msgspec.Struct, frozen=True):
    """A `{{ }}` of a command, as it is written, that stands where a quoted value is not safe."""

    written: str
    where: str
    hint: str


class _Placeholder(msgspec.Struct, frozen=True):
    expression: str
    written: str

    @property
    def unquoted(self) -> bool:
        """Whether the person has taken the quotes off, and with them the care for them."""
        return re.search(r"\|\s*unquoted\s*$", self.expression) is not None


def scope(
    results: Mapping[str, Any], params: Mapping[str, Any], *, run_id: str = "",
    item: str | None = None, index: int = 0, value: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """The names that an expression of a task can use, and what they stand for.

    Parameters, then results by task id, then the words of `RESERVED`; the later win. Of an
    instance, `item` is what the plan calls its item ("" for just `item`), `value` what it is.
    """
    found = {**params, **results, "results": results, "params": params, "run_id": run_id}
    if item is not None:
        found |= {"item": value, "index": index}
        if item:
            found[item] = value
    return found


# -- one expression


def names_in(expression: str) -> frozenset[str]:
    """The names of an expression that a task, a parameter or one of `RESERVED` must supply.

    Raises ExpressionError for what is no expression: what is wrong, where, the way out.
    """
    return mentions(expression).names


@functools.lru_cache(maxsize=8192)
def mentions(expression: str) -> Mentions:
    """What an expression names. Raises ExpressionError for what is none."""
    text = _checked(expression)
    if _DOTTED.fullmatch(text):
        first, *rest = text.split(".")
        if first not in _WORDS:
            key = frozenset(rest[:1])
            return Mentions(
                frozenset((first,)),
                key if first == "results" else frozenset(),
                key if first == "params" else frozenset(),
            )
    from orch_nb.graph.dialect import read

    names, keys = read(text)
    return Mentions(
        names,
        frozenset(key for of, key in keys if of == "results"),
        frozenset(key for of, key in keys if of == "params"),
    )


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """What an expression comes to, as a Python value; a generator becomes a list.

    `values` are the names it can use (see `scope`). Raises ExpressionError, quoting the expression,
    for what is missing, not allowed, or goes wrong while it is evaluated.
    """
    text = _checked(expression)
    if text in values and text.isidentifier() and text not in _WORDS:
        return values[text]
    from orch_nb.graph.dialect import run

    return run(text, values)


def _checked(expression: str) -> str:
    text = expression.strip()
    if not text:
        raise ExpressionError("The expression is empty.")
    if len(text) > LONGEST:
        raise ExpressionError(
            f"The expression has {len(text):,} characters; {LONGEST:,} are allowed.",
            "Write a function.",
        )
    return text


# -- commands


def is_template(text: str) -> bool:
    """Whether a command may have something to fill in."""
    return "{{" in text or "{%" in text


def command_names(text: str) -> frozenset[str]:
    """The names that the `{{ }}` of a command use. Raises ExpressionError."""
    return command_mentions(text).names


def command_mentions(text: str) -> Mentions:
    """What the `{{ }}` of a command name. Raises ExpressionError for the first that is none."""
    found = [_mentions_of(part) for part in _parts(text) if isinstance(part, _Placeholder)]
    return Mentions(
        frozenset().union(*(one.names for one in found)),
        frozenset().union(*(one.results for one in found)),
        frozenset().union(*(one.params for one in found)),
    )


def render_command(text: str, values: Mapping[str, Any]) -> str:
    """A command with its `{{ }}` filled in, each value quoted for the shell.

    A text is one word; numbers are themselves, True and False `true` and `false`, None is `''`; a
    list is a word an item; anything else is JSON, as one word. `{{ x | unquoted }}` is as it is.
    Raises ExpressionError.
    """
    if not is_template(text):
        return text
    return "".join(
        part if isinstance(part, str) else _word(part, evaluate(part.expression, values))
        for part in _parts(text)
    )


def quoted_places(text: str) -> list[Misplaced]:
    """The `{{ }}` of a command that stand where a quoted value would not be safe."""
    parts = _parts(text)
    gaps = [part for part in parts if isinstance(part, _Placeholder)]
    if not gaps:
        return []
    places = misplaced("".join(part if isinstance(part, str) else GAP for part in parts))
    return [
        Misplaced(gap.written, where, _way_out(where, gap.written))
        for gap, where in zip(gaps, places, strict=True)
        if where and not gap.unquoted
    ]


def _way_out(where: str, braces: str) -> str:
    if where in ("in single quotes", "in double quotes", "in $'...'"):
        return f'It brings its own quotes: leave these out, or write x={braces} and then "$x".'
    if where in ("in arithmetic", "in a here-document"):
        return f"Write x={braces} on a line above, and $x in it."
    return _WAYS_OUT.get(where) or (
        "Put a space between them."
        if where.startswith("right before")
        else f'Write x={braces} on a line above, and "$x" there.'
    )


def _mentions_of(part: _Placeholder) -> Mentions:
    try:
        return mentions(part.expression)
    except ExpressionError as error:
        message = error.message.replace(f"`{part.expression}`", f"`{part.written}`")
        hint = " ".join(filter(None, [error.hint, MEANS_BRACES % part.written]))
        raise ExpressionError(message, hint) from None


@functools.lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[str | _Placeholder, ...]:
    """A command as its own text and what is to be filled in. Raises ExpressionError."""
    found: list[str | _Placeholder] = []
    at = 0
    while True:
        begin = min((n for n in (text.find("{{", at), text.find("{%", at)) if n >= 0), default=-1)
        if begin < 0:
            found.append(text[at:])
            return tuple(found)
        found.append(text[at:begin])
        if text[begin + 1] == "%":
            literal, at = _statement(text, begin)
            found.append(literal)
        else:
            end = _closing(text, begin)
            at = end + 2
            if text[begin + 2] == "-":
                rest = text[begin + 3 : end].strip()
                raise ExpressionError(
                    "`{{-` trims nothing here.",
                    f"Write {{{{ {rest} }}}}, or {{{{ -{rest} }}}} for a minus.",
                )
            found.append(_Placeholder(text[begin + 2 : end].strip(), text[begin:at]))


def _statement(text: str, begin: int) -> tuple[str, int]:
    """The text that a `{%` stands for, and where what follows begins."""
    raw = _RAW.match(text, begin)
    if raw is not None:
        return raw[1], raw.end()
    statement = _STATEMENT.match(text, begin)
    if statement is None:
        return "{%", begin + 2  # printf '{%s}'
    if statement[1] == "raw":
        raise ExpressionError(f"`{statement[0]}` is never closed.", "Close it: {% endraw %}.")
    raise ExpressionError(
        f"`{statement[0]}` means nothing in a command: only {{{{ }}}} is filled in.",
        "Use the shell's own `if` and `for`, or `when` and `foreach` of the task.",
    )


def _closing(text: str, begin: int) -> int:
    """Where the `}}` of a `{{` stands: not one in quotes or of a bracket within."""
    depth, quote, at = 0, "", begin + 2
    while at < len(text):
        character = text[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "{[(":
            depth += 1
        elif character == "}" and depth == 0 and text.startswith("}}", at):
            return at
        elif character in "}])":
            depth = max(0, depth - 1)
        at += 1
    # A quote that is the shell's own may have hidden the end: docker's '{{.Name}}' has none.
    end = text.find("}}", begin)
    if end >= 0:
        return end
    row = text[begin:].splitlines()[0][:40]
    raise ExpressionError(f"`{row}` is never closed.", MEANS_BRACES % "{{")


def _word(part: _Placeholder, value: Any) -> str:
    try:
        text = words(value)
    except TypeError as error:
        raise ExpressionError(
            f"`{part.expression}` is {error}, which has no form in a command.",
            "Let the task before it write a file, and give its path.",
        ) from error
    if GAP in text:
        raise ExpressionError(f"`{part.expression}` has a null byte in it, which no command takes.")
    return text
