"""What may stand on the line of `%%orchestrate`: words of the goal, and options in any order.

The words are not shell words: an apostrophe is a letter ("the week's sales"), only double quotes
group. Options are argparse's, with a clean error in place of an exit.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from orch_nb.errors import UsageError
from orch_nb.graph.nearest import nearest
from orch_nb.options import add_run_options

__all__ = ["CELL_PARSER", "OPTIONS", "option_names", "parse_cell_line", "split"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (\S+)", message)
        if found:
            near = nearest(found[1].split("=")[0], option_names())
            hint = f" Did you mean `{near}`?" if near else ""
            raise UsageError(
                f"`{found[1]}` is no option of %%orchestrate.{hint} See: %%orchestrate?"
            )
        raise UsageError(f"%%orchestrate: {message}. See: %%orchestrate?")


#: What `_parser` declares, for help and completion.
OPTIONS: list[argparse.Action] = []


def _parser() -> _Parser:
    parser = _Parser(prog="%%orchestrate", add_help=False, allow_abbrev=False)

    def add(*names: str, **settings: Any) -> None:
        option = parser.add_argument(*names, **settings)
        if option.option_strings:
            OPTIONS.append(option)

    add("goal", nargs="*", help="the goal in words; a plan document may say it instead")
    add("--name", help="name the plan: its runs are numbered, and a run that was cut off goes on")
    add("--out", metavar="NAME", help="the variable that holds the operation afterwards (_orch)")
    add("--as", dest="kind", choices=("python", "yaml", "goal"), help="how to read the body")
    add("--from", dest="origin", metavar="NAME", help="the draft that this plan was made from")
    add_run_options(add)
    add("--journal", metavar="PATH", help='the journal\'s file, or "memory"')
    add("--workspace", default=".", metavar="DIR", help="the folder to analyze and work in")
    add("--dry-run", action="store_true", help="plan and show, run nothing")
    add("--detach", action="store_true", help="return at once; the run goes on beside other cells")
    add("--headless", action="store_true", help="no widgets, wait for nobody")
    add("--no-analyze", action="store_true", help="leave ANALYZE and RESEARCH out")
    add("--mcp", metavar="NAMES", help="the MCP servers to ask: all, none, or names with commas")
    add("--raise", dest="raises", action="store_true", help="raise if the run does not succeed")
    return parser


def split(line: str) -> list[str]:
    """Words of a line: runs of non-space, with double quotes grouping.

    >>> split('the week\\'s sales --name "a b"')
    ['the', "week's", 'sales', '--name', 'a b']
    """
    parts = re.findall(r'(?:[^\s"]|"[^"]*"?)+', line)
    return [part.replace('"', "") for part in parts]


def valued(
    words: Sequence[str], known: Sequence[str], usage: str
) -> tuple[list[str], dict[str, str]]:
    """What is left of a line's words without the options of `known`, which take a value each, and
    these. Raises UsageError for an option that is not known, stands there twice or has no value.

    >>> valued(["release", "--fault=build"], ["--fault"], "usage: ...")
    (['release'], {'--fault': 'build'})
    """
    rest: list[str] = []
    found: dict[str, str] = {}
    given = iter(words)
    for word in given:
        if not word.startswith("-"):
            rest.append(word)
            continue
        name, equals, value = word.partition("=")
        value = value if equals else next(given, "")
        if name in found:
            raise UsageError(f"{name} stands there twice. {usage}")
        if name not in known or not value or value.startswith("--"):
            raise UsageError(usage)
        found[name] = value
    return rest, found


CELL_PARSER = _parser()


def option_names() -> list[str]:
    """Every option, as it is written."""
    return [name for option in OPTIONS for name in option.option_strings]


def parse_cell_line(line: str | Sequence[str]) -> Any:
    """The options of a cell. Raises UsageError with the way out."""
    words = split(line) if isinstance(line, str) else list(line)
    found = CELL_PARSER.parse_intermixed_args(words)
    found.goal = " ".join(found.goal)
    if found.workers is not None and found.workers < 1:
        raise UsageError("--workers takes a whole number of at least 1.")
    return found
