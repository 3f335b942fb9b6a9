"""Expressions of a plan as Python in a task's function, and back.

    fetch.rows > params.least          fetch["rows"] > params["least"]
    gzip {{ export.path }}             f"gzip {words(export['path'])}"

A plan's expressions are Jinja's. Those that mean the same in Python are turned into it; filters,
tests and the like are not, and the caller says so.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from orch_nb.formats.airflow.layout import quoted, styled
from orch_nb.graph.expressions import RESERVED

__all__ = [
    "BRACES", "PLACE", "Python", "command", "filed", "has_places", "of_command", "of_python",
    "python", "result_name", "shielded", "unfiled", "unshielded",
]  # fmt: skip

PLACE = re.compile(
    r"\{%-?\s*raw\s*-?%\}(?P<raw>.*?)\{%-?\s*endraw\s*-?%\}|\{\{(?P<expression>.*?)\}\}", re.DOTALL
)
_RAW, _END = "{% raw %}", "{% endraw %}"
#: What a plan's command would take for something to fill in.
BRACES = re.compile(r"\{\{|\{%[-+]?\s*\w")
_JINJA = re.compile(r"\{\{|\{%|\{#")
_WORDS = {"true": True, "false": False, "none": None}
#: Filters of Jinja's that a function of Python's is.
_FILTERS = {"length": "len", "count": "len", "list": "list", "sum": "sum", "abs": "abs"}
_CALLED = frozenset(
    "abs all any bool float int len list max min round sorted str sum tuple".split()
)
#: Words that mean something else in an expression.
_TAKEN = frozenset((*RESERVED, *_WORDS, *_CALLED, "loop", "self", "super", "import"))
_PLAIN = (
    ast.Expression, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Constant, ast.List,
    ast.Tuple, ast.Dict, ast.IfExp, ast.Load, ast.And, ast.Or, ast.Not, ast.USub, ast.Eq, ast.NotEq,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.FloorDiv, ast.Mod, ast.Is, ast.IsNot,
)  # fmt: skip


@dataclass
class Python:
    """A piece of code, and the results and words (`params`, `item`, `index`) that it needs."""

    code: str
    names: dict[str, None] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)


def result_name(task: str) -> str:
    """How an expression of a plan names the result of a task."""
    plain = task.isidentifier() and not keyword.iskeyword(task) and task not in _TAKEN
    return task if plain else f"results[{task!r}]"


class _ToPython(ast.NodeTransformer):
    """Raises LookupError for whatever Python would not mean in the same way."""

    def __init__(
        self, variables: Mapping[str, str], params: Mapping[str, object], item: str
    ) -> None:
        self._variables, self._params, self._item = variables, params, item
        self.names: dict[str, None] = {}
        self.words: dict[str, None] = {}

    def visit(self, node: ast.AST) -> ast.AST:
        act: Callable[[ast.AST], ast.AST] | None = getattr(
            self, f"_on_{type(node).__name__.lower()}", None
        )
        if act is not None:
            return act(node)
        if not isinstance(node, _PLAIN):
            raise LookupError(type(node).__name__)
        return self.generic_visit(node)

    def _result(self, task: str) -> ast.AST:
        self.names[task] = None
        return ast.Name(self._variables[task], ast.Load())

    def _on_name(self, node: ast.Name) -> ast.AST:
        """As `graph.expressions.scope` has it: the item, words of our own, results, parameters."""
        if self._item and node.id in ("item", self._item):
            self.words["item"] = None
            return ast.Name(self._item, ast.Load())
        if node.id == "run_id" or (node.id == "index" and self._item):
            self.words[node.id] = None
            return ast.Name(node.id, ast.Load())
        if node.id == "params":
            self.words["params"] = None
            return ast.Name("params", ast.Load())
        if node.id in RESERVED:
            raise LookupError(node.id)
        if node.id in self._variables:
            return self._result(node.id)
        if node.id in self._params:
            return self._param(node.id)
        if node.id in _WORDS:
            return ast.Constant(_WORDS[node.id])
        raise LookupError(node.id)

    def _param(self, name: str) -> ast.AST:
        self.words["params"] = None
        return ast.Subscript(ast.Name("params", ast.Load()), ast.Constant(name), ast.Load())

    def _key(self, value: ast.expr, key: str) -> ast.AST:
        if isinstance(value, ast.Name) and value.id != self._item:
            if value.id == "params":
                return self._param(key)
            if value.id == "results":
                return self._result(key)
        whole = self.visit(value)
        assert isinstance(whole, ast.expr)
        return ast.Subscript(whole, ast.Constant(key), ast.Load())

    def _on_attribute(self, node: ast.Attribute) -> ast.AST:
        return self._key(node.value, node.attr)

    def _on_subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.slice, ast.Constant):
            raise LookupError("[]")
        if isinstance(node.slice.value, str):
            return self._key(node.value, node.slice.value)
        whole = self.visit(node.value)
        assert isinstance(whole, ast.expr)
        return ast.Subscript(whole, node.slice, ast.Load())

    def _on_compare(self, node: ast.Compare) -> ast.AST:
        """`x is none` is Python's too; what else may stand behind `is` (a test) is not."""
        for n, (test, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if isinstance(test, (ast.Is, ast.IsNot)):
                if ast.unparse(right) not in ("none", "None"):
                    raise LookupError("is")
                node.comparators[n] = ast.Constant(None)
            elif ast.unparse(right) in ("none", "None") and isinstance(test, (ast.Eq, ast.NotEq)):
                node.ops[n] = ast.Is() if isinstance(test, ast.Eq) else ast.IsNot()
        return self.generic_visit(node)

    def _on_binop(self, node: ast.BinOp) -> ast.AST:
        """`rows | length`: a filter, which Jinja binds more tightly than Python does its `|`."""
        if not isinstance(node.op, ast.BitOr):
            return self.generic_visit(node)
        plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Constant)
        named = node.right.id if isinstance(node.right, ast.Name) else ""
        if named not in _FILTERS or not isinstance(node.left, plain):
            raise LookupError("|")
        value = self.visit(node.left)
        assert isinstance(value, ast.expr)
        return ast.Call(ast.Name(_FILTERS[named], ast.Load()), [value], [])

    def _on_call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
            node.func, made = ast.Name("len", ast.Load()), self._on_call
            inner = made(node)
            assert isinstance(inner, ast.Call)
            inner.func = ast.Name("range", ast.Load())
            return ast.Call(ast.Name("list", ast.Load()), [inner], [])
        known = isinstance(node.func, ast.Name) and node.func.id in _CALLED
        if not known or node.keywords or (isinstance(node.func, ast.Name)
                                          and node.func.id in self._variables):  # fmt: skip
            raise LookupError("call")
        args = [self.visit(argument) for argument in node.args]
        return ast.Call(node.func, args, [])  # type: ignore[arg-type]


def python(
    expression: str, variables: Mapping[str, str], params: Mapping[str, object], item: str = ""
) -> Python | None:
    """The expression in Python, where `variables` has the results by task; None: it has none."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        made = _ToPython(variables, params, item)
        code = styled(ast.unparse(ast.fix_missing_locations(made.visit(tree))))
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    return Python(code, made.names, made.words)


def command(
    text: str, variables: Mapping[str, str], params: Mapping[str, object], item: str = ""
) -> Python | None:
    """A command with `{{ }}` as an f-string; None if one of them has no form in Python.

    What the function gives is a template once more to Airflow, so braces are told to be none.
    """
    parts: list[ast.expr] = []
    found = Python("")
    at = 0
    literal = ""
    for place in PLACE.finditer(text):
        literal += text[at : place.start()]
        at = place.end()
        if place["raw"] is not None:
            literal += place["raw"]
            continue
        inner, quotes = place["expression"].strip(), True
        if bare := re.fullmatch(r"(.*?)\|\s*unquoted", inner, re.DOTALL):
            inner, quotes = bare[1].strip(), False
        made = python(inner, variables, params, item)
        if made is None:
            return None
        found.names |= made.names
        found.words |= made.words
        value = ast.parse(f"words({made.code})" if quotes else made.code, mode="eval").body
        parts += [ast.Constant(literal), ast.FormattedValue(value, -1)]
        literal = ""
    literal += text[at:]
    parts.append(ast.Constant(literal))
    if any(isinstance(part, ast.Constant) and _JINJA.search(str(part.value)) for part in parts):
        parts = [ast.Constant(_RAW), *parts, ast.Constant(_END)]
    if all(isinstance(part, ast.Constant) for part in parts):
        text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        found.code = quoted(unfiled(text))
        return found
    tail = parts[-1]
    assert isinstance(tail, ast.Constant)
    tail.value = unfiled(str(tail.value))
    try:
        found.code = styled(ast.unparse(ast.JoinedStr(parts)))
    except ValueError:  # quotes in quotes, which a format string of this Python cannot hold
        return None
    return found


def has_places(text: str) -> bool:
    """Whether a command has a `{{ }}` that something is put into."""
    return any(place["raw"] is None for place in PLACE.finditer(text))


def unfiled(text: str) -> str:
    """A command that Airflow does not take for the name of a file with a template in it."""
    return f"{text} " if text.endswith((".sh", ".bash")) else text


def filed(text: str) -> str:
    """The command without the space that `unfiled` has put behind it."""
    return text[:-1] if text.endswith((".sh ", ".bash ")) else text


def shielded(text: str, *, ours: bool = False) -> str:
    """A text that Airflow's templates leave as it is; `ours`: it may have such shields already."""
    open_ = PLACE.sub("", text) if ours else text
    if not _JINJA.search(open_):
        return text
    plain = PLACE.sub(lambda place: place["raw"] or place[0], text) if ours else text
    return f"{_RAW}{plain}{_END}"


def unshielded(text: str) -> str:
    """A literal part of a command, with a shield around what a plan would take for braces."""
    if not BRACES.search(text):
        return text
    begin = min(n for n in (text.find("{{"), text.find("{%")) if n >= 0)
    end = max(text.rfind("}}"), text.rfind("%}")) + 2
    end = end if end > begin + 2 else len(text)
    return f"{text[:begin]}{_RAW}{text[begin:end]}{_END}{text[end:]}"


class _ToJinja(ast.NodeTransformer):
    def __init__(self, results: Mapping[str, str]) -> None:
        self._results = results

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._results:
            return ast.parse(result_name(self._results[node.id]), mode="eval").body
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if node.value is None or isinstance(node.value, bool):
            return ast.Name(str(node.value).lower(), ast.Load())
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        value = self.visit(node.value)
        key = node.slice
        if (
            isinstance(key, ast.Constant)
            and isinstance(key.value, str)
            and key.value.isidentifier()
        ):
            return ast.Attribute(value, key.value, ast.Load())
        return ast.Subscript(value, key, ast.Load())


def of_python(
    node: ast.expr, results: Mapping[str, str], words: Collection[str] = ()
) -> str | None:
    """The expression that `python` would have been given; None for what no expression can say.

    `results` has the tasks by the names of their results, `words` what else there may be.
    """
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id not in {*results, *words, *_CALLED}:
            return None
        called = isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
        plain = (*_PLAIN, ast.Name, ast.Subscript)
        if not isinstance(inner, plain) and not (
            called and inner.func.id in _CALLED  # type: ignore[attr-defined]
        ):
            return None
    copy = ast.parse(ast.unparse(node), mode="eval").body
    return ast.unparse(ast.fix_missing_locations(_ToJinja(results).visit(copy)))


def of_command(
    node: ast.expr, results: Mapping[str, str], words: Collection[str] = ()
) -> str | None:
    """The command of a function that returns a text or an f-string; None for anything else."""
    if isinstance(node, ast.Constant):
        return filed(node.value) if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    found: list[str] = []
    parts = list(node.values)
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    whole = str(texts[0]).startswith(_RAW) and str(texts[-1]).endswith(_END) if texts else False
    if not whole and any(_JINJA.search(str(text)) for text in texts):
        return None
    for n, part in enumerate(parts):
        if isinstance(part, ast.Constant):
            text = str(part.value)
            text = text.removeprefix(_RAW) if whole and n == 0 else text
            text = text.removesuffix(_END) if whole and n == len(parts) - 1 else text
            text = filed(text) if n == len(parts) - 1 else text
            found.append(unshielded(text))
            continue
        assert isinstance(part, ast.FormattedValue)
        if part.conversion != -1 or part.format_spec is not None:
            return None
        value, suffix = part.value, " | unquoted"
        called = isinstance(value, ast.Call) and ast.unparse(value.func) in ("quote", "words")
        if called and isinstance(value, ast.Call) and len(value.args) == 1:
            value, suffix = value.args[0], ""
        inner = of_python(value, results, words)
        if inner is None:
            return None
        found.append(f"{{{{ {inner}{suffix} }}}}")
    return "".join(found)
