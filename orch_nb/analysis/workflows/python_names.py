"""What names mean in Python source: imports resolved, definitions found, nothing imported.

    from celery import shared_task as job      # `job` comes from "celery.shared_task"
    from ..worker import app                   # in shop/mail/tasks.py: from "shop.worker.app"

`Module.origin` gives such dotted text for any expression that names something, and
`Packages.definition` follows it through the repository to the assignment, class or function.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orch_nb.analysis.scan import File, Scan
from orch_nb.analysis.workflows.page import Page

__all__ = ["Definition", "FunctionNode", "Module", "Packages", "dotted", "keyword", "module_of"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.expr | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_DEEP = 4


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression that is a name and attributes, called or not; else ""."""
    attributes: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            break
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(attributes)])


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The value of the first of these keywords that a call is given."""
    return next((k.value for name in names for k in call.keywords if k.arg == name), None)


class Module:
    """A Python file: its tree, what its names come from, its functions, classes and calls."""

    def __init__(self, page: Page, tree: ast.Module) -> None:
        self.page, self.tree = page, tree
        self.path = page.path
        self.imports: dict[str, str] = {}
        self.assigned: dict[str, ast.expr] = {}
        self.functions: list[tuple[FunctionNode, ast.ClassDef | None]] = []
        self.classes: list[ast.ClassDef] = []
        self.calls: list[ast.Call] = []
        self.defined: dict[str, Definition] = {}
        self.within: dict[ast.AST, str] = {}
        self._gather(tree, None, "")

    def _gather(self, node: ast.AST, inside: ast.ClassDef | None, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FunctionNode):
                self.functions.append((child, inside))
                self.defined.setdefault(child.name, child)
                self._gather(child, None, child.name)
                continue
            if isinstance(child, ast.ClassDef):
                self.classes.append(child)
                self.defined.setdefault(child.name, child)
                self._gather(child, child, child.name)
                continue
            if isinstance(child, ast.Call):
                self.calls.append(child)
                self.within[child] = function
            elif isinstance(child, ast.Import | ast.ImportFrom):
                self._import(child)
            elif isinstance(child, ast.Assign):
                for target in child.targets:
                    self._assign(target, child.value)
            elif isinstance(child, ast.AnnAssign) and child.value is not None:
                self._assign(child.target, child.value)
            elif isinstance(child, ast.With | ast.AsyncWith):
                for item in child.items:
                    if item.optional_vars is not None:
                        self._assign(item.optional_vars, item.context_expr)
            self._gather(child, inside, function)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        name = dotted(target) if isinstance(target, ast.Name | ast.Attribute) else ""
        if name:
            self.assigned.setdefault(name, value)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    self.imports[alias.asname] = alias.name
                else:
                    top = alias.name.split(".")[0]
                    self.imports.setdefault(top, top)
            return
        module = node.module or ""
        if node.level:
            parts = self.path.split("/")[: -node.level]
            module = ".".join([*parts, *([module] if module else [])])
        for alias in node.names:
            self.imports[alias.asname or alias.name] = f"{module}.{alias.name}"

    def origin(self, node: ast.expr) -> str:
        """Where what `node` names comes from, as dotted text; "" if not from an import.

        A name that was assigned something imported (`task = app.task`) is followed one step.
        """
        name = dotted(node)
        base, _, rest = name.partition(".")
        if base not in self.imports and base in self.assigned:
            base_value = dotted(self.assigned[base])
            known = base_value.partition(".")[0]
            if known in self.imports and not isinstance(self.assigned[base], ast.Call):
                name = f"{base_value}.{rest}" if rest else base_value
                base, _, rest = name.partition(".")
        if base not in self.imports:
            return ""
        return f"{self.imports[base]}.{rest}" if rest else self.imports[base]

    def uses(self, *packages: str) -> bool:
        """Whether anything of these packages is imported."""
        return any(o == p or o.startswith(p + ".") for o in self.imports.values() for p in packages)

    def text(self, node: ast.expr | None) -> str:
        """The text that an expression certainly is: a string, a constant's, or a joined one.

        What an f-string only knows at run time stands in braces.
        """
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.Name):
            value = self.assigned.get(node.id)
            return _text_of(value)
        if isinstance(node, ast.JoinedStr):
            return "".join(
                str(part.value)
                if isinstance(part, ast.Constant)
                else f"{{{ast.unparse(part.value)}}}"
                for part in node.values
                if isinstance(part, ast.Constant | ast.FormattedValue)
            )
        if isinstance(node, ast.Attribute):
            name = dotted(node).partition(".")[2]
            return self._of_class(dotted(node.value), name)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text(node.left), self.text(node.right)
            return left + right if left and right else ""
        return ""

    def _of_class(self, owner: str, attribute: str) -> str:
        """The string that a class of this file gives to an attribute of its own."""
        definition = self.defined.get(owner)
        if not isinstance(definition, ast.ClassDef):
            return ""
        for statement in definition.body:
            if isinstance(statement, ast.Assign) and attribute in map(dotted, statement.targets):
                return _text_of(statement.value)
        return ""

    def decorators(self, node: FunctionNode | ast.ClassDef) -> Iterator[tuple[ast.expr, str]]:
        for decorator in node.decorator_list:
            yield decorator, self.origin(decorator)


def _text_of(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


_NEWER = (
    (re.compile(r"(?m)^(\s*except\*?[ \t]+)([^(\n:]+,[^:\n]+?)([ \t]*:)"), r"\1(\2)\3"),  # 3.14
    (re.compile(r"(?m)^(\s*(?:async[ \t]+def|def|class)[ \t]+\w+)\[[^\]\n]*\]"), r"\1"),  # 3.12
    (re.compile(r"(?m)^(\s*)type[ \t]+(\w+)(?:\[[^\]\n]*\])?[ \t]*="), r"\1\2 ="),
)
_BEGINS = re.compile(r"(?m)^(?=[^\s#)\]}])")


def module_of(page: Page) -> Module | None:
    """The module of a page; None where it is not Python for this or any version.

    What only a newer Python understands is put in older words, line by line; a statement that still
    does not parse is left out, and the rest of the file is read.
    """
    try:
        return Module(page, ast.parse(page.text))
    except (ValueError, RecursionError, MemoryError):
        return None
    except SyntaxError:
        text = page.text
    for pattern, older in _NEWER:
        text = pattern.sub(older, text)
    try:
        return Module(page, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _in_pieces(page, text)


def _in_pieces(page: Page, text: str) -> Module | None:
    """The statements of a file that parse, each in its place and with its decorators."""
    starts = [match.start() for match in _BEGINS.finditer(text)]
    if not starts or len(starts) > 5_000:
        return None
    kept: list[str] = [text[: starts[0]]]
    held = ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = held + text[start:end]
        held = ""
        try:
            ast.parse(piece)
            kept.append(piece)
        except SyntaxError:
            if piece.lstrip().startswith("@") and piece.count("\n") < 200 and "\ndef " not in piece:
                held = piece
            else:
                kept.append(re.sub(r"[^\n]", "", piece))
        except (ValueError, RecursionError, MemoryError):
            kept.append(re.sub(r"[^\n]", "", piece))
    try:
        return Module(page, ast.parse("".join([*kept, held and re.sub(r"[^\n]", "", held)])))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Packages:
    """The Python files of a workspace by dotted name, read only when a name leads to them."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._files: dict[str, list[File]] = {}
        self._modules: dict[str, Module | None] = {}
        for file in scan.files:
            if file.path.endswith(".py"):
                name = file.path[:-3].removesuffix("/__init__").replace("/", ".")
                self._files.setdefault(name.rpartition(".")[2], []).append(file)

    def read(self, page: Page) -> Module | None:
        """The module of a page, parsed once."""
        if page.path not in self._modules:
            self._modules[page.path] = module_of(page)
        return self._modules[page.path]

    def _module(self, name: str, near: str) -> Module | None:
        """The module of that dotted name, in whatever folder the sources stand."""
        wanted = name.replace(".", "/")
        found: list[File] = []
        for file in self._files.get(name.rpartition(".")[2], ()):
            path = file.path[:-3].removesuffix("/__init__")
            if path == wanted or path.endswith("/" + wanted):
                found.append(file)
        if not found or self._scan.out_of_time:
            return None
        file = max(found, key=lambda f: (_shared(f.path, near), -len(f.path)))
        if file.path not in self._modules:
            text = self._scan.read(file)
            self._modules[file.path] = None if text is None else module_of(Page(file.path, text))
        return self._modules[file.path]

    def definition(
        self, origin: str, near: str, depth: int = _DEEP
    ) -> tuple[Module, Definition] | None:
        """What a dotted name of this repository stands for, through re-exports; None if unknown."""
        owner, _, name = origin.rpartition(".")
        if not owner or depth == 0:
            return None
        module = self._module(owner, near)
        if module is None:
            return None
        if name in module.defined:
            return module, module.defined[name]
        if name in module.assigned:
            return module, module.assigned[name]
        if name in module.imports and module.imports[name] != origin:
            return self.definition(module.imports[name], module.path, depth - 1)
        return None

    def resolve(self, module: Module, node: ast.expr) -> tuple[Module, Definition] | None:
        """The definition that an expression of a module names, there or elsewhere."""
        name = dotted(node)
        if name.partition(".")[0] not in module.imports:
            if name in module.defined:
                return module, module.defined[name]
            if name in module.assigned:
                return module, module.assigned[name]
        origin = module.origin(node)
        return self.definition(origin, module.path) if origin else None


def _shared(path: str, near: str) -> int:
    """How many leading folders two paths share."""
    count = 0
    for one, other in zip(path.split("/"), near.split("/"), strict=False):
        if one != other:
            break
        count += 1
    return count
