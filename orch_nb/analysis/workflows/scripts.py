"""TypeScript and JavaScript: what a file imports, exports and defines, and where modules stand."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from orch_nb.analysis.scan import File, Scan
from orch_nb.analysis.workflows.code import Code, FunctionAt
from orch_nb.analysis.workflows.page import Page, a_test_file

__all__ = ["Script", "Scripts"]

_IMPORT = re.compile(
    r"^[ \t]*import\s+(?P<type>type\s+)?(?P<what>[\w$*{}\s,]+?)\s+from\s*"
    r"(['\"])(?P<module>[^'\"\n]+)\3",
    re.MULTILINE,
)
_REQUIRE = re.compile(
    r"\b(?:const|let|var)\s+(?P<what>\{[^}=]*\}|[\w$]+)\s*(?::[^=\n]+)?=\s*(?:await\s+import|require)\(\s*(['\"])"
    r"(?P<module>[^'\"\n]+)\2\s*\)"
)
_AGAIN = re.compile(
    r"^[ \t]*export\s+(?P<what>\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s*"
    r"(['\"])(?P<module>[^'\"\n]+)\2",
    re.MULTILINE,
)
_LISTED = re.compile(r"^[ \t]*export\s+\{([^}]*)\}\s*(?!\s*from)", re.MULTILINE)
_FUNCTION = re.compile(
    r"(?P<export>\bexport\s+)?(?P<default>default\s+)?(?P<async>\basync\s+)?\bfunction\s*(?P<star>\*)?\s*"
    r"(?P<name>[\w$]*)\s*(?:<[^(){}]*>)?\s*(?P<open>\()"
)
_ARROW = re.compile(
    r"(?P<export>\bexport\s+)?\b(?:const|let|var)\s+(?P<name>[\w$]+)\s*(?::[^=;]*(?:=>[^=;]*)?)?=\s*"
    r"(?P<async>async\s*)?(?:function\s*\*?\s*[\w$]*\s*)?(?:<[^(){}]*>)?(?P<open>\()"
)
_SUFFIXES = (
    "",
    ".ts",
    ".tsx",
    ".mts",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    "/index.ts",
    "/index.tsx",
    "/index.js",
    "/index.mjs",
)


class Script:
    """A file's code, with its names: local -> (module, the name there, "*" or "default")."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.code = Code(page, "js")
        self.imports: dict[str, tuple[str, str]] = {}
        self.modules: set[str] = set()
        self.again: list[tuple[str, dict[str, str] | None]] = []
        for match in _IMPORT.finditer(page.text):
            if self._is_code(match):
                types = bool(match.group("type"))
                if not types:
                    self.modules.add(match.group("module"))
                self._names(match.group("what"), match.group("module"))
        for match in _REQUIRE.finditer(page.text):
            if self._is_code(match):
                self.modules.add(match.group("module"))
                what = match.group("what").replace(":", " as ")
                self._names(what if "{" in what else f"* as {what}", match.group("module"))
        for match in _AGAIN.finditer(page.text):
            if self._is_code(match):
                what = match.group("what")
                names = None if what.startswith("*") else _listed(what.strip("{}"))
                self.again.append((match.group("module"), names))
        self.listed: dict[str, str] = {}
        for match in _LISTED.finditer(self.code.blanked):
            self.listed |= _listed(match.group(1))
        self._functions: dict[str, FunctionAt] | None = None

    def _is_code(self, match: re.Match[str]) -> bool:
        start = match.start() + len(match.group()) - len(match.group().lstrip())
        return self.code.blanked[start] != " "

    def _names(self, what: str, module: str) -> None:
        inner = re.search(r"\{([^}]*)\}", what)
        for local, name in (
            (local, name) for name, local in _pairs(inner.group(1) if inner else "")
        ):
            self.imports[local] = module, name
        rest = re.sub(r"\{[^}]*\}", "", what)
        for part in (p.strip() for p in rest.split(",")):
            star = re.fullmatch(r"\*\s+as\s+([\w$]+)", part)
            if star:
                self.imports[star.group(1)] = module, "*"
            elif re.fullmatch(r"[\w$]+", part):
                self.imports[part] = module, "default"

    def local(self, module: str, *names: str) -> set[str]:
        """Local names (dotted through a namespace) of things of a module, a prefix with `*`."""
        found: set[str] = set()
        for own, (source, name) in self.imports.items():
            if source == module or (module.endswith("*") and source.startswith(module[:-1])):
                if name in names or (name == "default" and "default" in names):
                    found.add(own)
                elif name in {"*", "default"}:
                    found |= {f"{own}.{wanted}" for wanted in names if wanted != "default"}
        return found

    @property
    def functions(self) -> dict[str, FunctionAt]:
        """The functions of the file by name, at whatever depth; the first of a name."""
        if self._functions is None:
            self._functions = {}
            for match in self._defined():
                opening = match.start("open")
                closing = self.code.close(opening)
                name = match.group("name") or ("default" if "default" in match.group() else "")
                if not name:
                    continue
                is_arrow = match.re is _ARROW
                body = self._body(closing, arrow=is_arrow and "function" not in match.group())
                if body is None:
                    continue
                exported = bool(match.group("export")) or name in self.listed
                self._functions.setdefault(
                    name,
                    FunctionAt(name, match.start(), (opening + 1, closing), body, exported),
                )
        return self._functions

    def _defined(self) -> Iterator[re.Match[str]]:
        yield from _FUNCTION.finditer(self.code.blanked)
        yield from _ARROW.finditer(self.code.blanked)

    def _body(self, closing: int, *, arrow: bool) -> tuple[int, int] | None:
        """The span of the body of a function whose parameters close at `closing`."""
        text = self.code.blanked
        at = closing + 1
        depth = 0
        limit = min(len(text), closing + 2000)
        while at < limit:
            here = text[at]
            if here == "<":
                depth += 1
            elif here == ">" and text[at - 1] != "=":
                depth -= 1
            elif here == ">" and arrow and depth <= 0:
                after = re.compile(r"\s*").match(text, at + 1)
                start = after.end() if after else at + 1
                if start < len(text) and text[start] in "{(":
                    return start, self.code.close(start)
                end = text.find("\n", start)
                return start, end if end >= 0 else len(text)
            elif here in "([" or (here == "{" and (arrow or depth > 0)):
                at = self.code.close(at)
            elif here == "{":
                return at, self.code.close(at)
            elif here == ";" and depth <= 0:
                return None  # only declared
            at += 1
        return None

    def is_async(self, function: FunctionAt) -> bool:
        """Declared `async`, or said to return a Promise."""
        head = self.code.blanked[function.start : function.body[0]]
        return bool(re.search(r"\basync\b|Promise\s*<", head)) and "function*" not in head


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        words = part.replace("type ", " ").split()
        if len(words) == 3 and words[1] == "as":
            yield words[0], words[2]
        elif len(words) == 1:
            yield words[0], words[0]


def _listed(text: str) -> dict[str, str]:
    """The names of an export list: as they are here -> as they are seen."""
    return dict(_pairs(text))


class Scripts:
    """The scripts of a workspace, each read once, and found by what an import says."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._files = {f.path: f for f in scan.files if f.language in {"TypeScript", "JavaScript"}}
        self._read: dict[str, Script] = {}
        self._packages: dict[str, str] = {}
        #: Where a name is defined, by the path that it is seen from; kept for who looks for it.
        self.homes: dict[tuple[str, str], Script | None] = {}
        for file in scan.files:
            if file.name == "package.json" and file.folder:
                said = re.search(r"\"name\"\s*:\s*\"([^\"]+)\"", scan.read(file) or "")
                if said:
                    self._packages.setdefault(said.group(1), file.folder)

    def read(self, page: Page) -> Script:
        if page.path not in self._read:
            self._read[page.path] = Script(page)
        return self._read[page.path]

    def at(self, path: str) -> Script | None:
        if path not in self._read:
            file: File | None = self._files.get(path)
            text = self._scan.read(file) if file is not None else None
            if file is None or text is None:
                return None
            self._read[path] = Script(Page(path, text))
        return self._read[path]

    def holding(self, word: str) -> list[Script]:
        """The scripts that hold a word, tests aside."""
        files = [file for file in self._scan.candidates(word) if file.path in self._files]
        found = (self.at(file.path) for file in files if not a_test_file(file.path))
        return [script for script in found if script is not None]

    def may_have(self, path: str, name: str) -> bool:
        """Whether a module may define or pass on a name, before it is parsed."""
        file = self._files.get(path)
        text = (self._scan.read(file) or "") if file is not None else ""
        return name in text or "export *" in text

    def resolve(self, module: str, near: str) -> str:
        """The path of a module as seen from a file; "" where it is not of this workspace."""
        if module.startswith("."):
            bases = [posixpath.normpath(posixpath.join(posixpath.dirname(near), module))]
        else:
            bases = self._of_workspace(module)
        stems = [stem for base in bases for stem in (base, re.sub(r"\.[cm]?js$", "", base))]
        for stem in stems:
            for suffix in _SUFFIXES:
                if stem + suffix in self._files:
                    return stem + suffix
        return ""

    def _of_workspace(self, module: str) -> list[str]:
        """Where a module of one of the workspace's own packages may stand."""
        parts = module.split("/")
        for count in (2, 1):
            folder = self._packages.get("/".join(parts[:count]))
            if folder is not None:
                rest = "/".join(parts[count:])
                return [posixpath.normpath(f"{folder}/{at}/{rest}") for at in (".", "src", "lib")]
        return []

    def exported(self, path: str, depth: int = 5) -> dict[str, tuple[Script, FunctionAt]]:
        """The functions that a module exports, its own and those that it passes on."""
        script = self.at(path)
        if script is None or depth == 0:
            return {}
        found = {
            script.listed.get(name, name): (script, function)
            for name, function in script.functions.items()
            if function.exported
        }
        for module, names in script.again:
            other = self.resolve(module, path)
            if other:
                passed = self.exported(other, depth - 1)
                for name, value in passed.items():
                    if names is None:
                        found.setdefault(name, value)
                    elif name in names:
                        found.setdefault(names[name], value)
        for local, seen in script.listed.items():
            if local in script.imports:
                module, name = script.imports[local]
                other = self.resolve(module, path)
                passed = self.exported(other, depth - 1) if other else {}
                if name in passed:
                    found.setdefault(seen, passed[name])
        return found
