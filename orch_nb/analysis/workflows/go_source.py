"""Go: functions and methods with their receivers and parameters, imports, constants, by package."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.page import Page

__all__ = ["GoFile", "GoFunction"]

_FUNC = re.compile(
    r"^func\s+(?:\(\s*(?P<var>\w+\s+)?\*?(?P<receiver>\w+)(?:\[[^\]]*\])?\s*\)\s*)?(?P<name>\w+)\s*(?:\[[^\]]*\])?(?P<open>\()",
    re.MULTILINE,
)
_IMPORT = re.compile(
    r"^\s*(?:import\s+)?(?P<alias>[\w.]+\s+)?\"(?P<path>[^\"]+)\"\s*$", re.MULTILINE
)
_IMPORTS = re.compile(
    r"^import\s*(?:\((?P<many>.*?)^\)|(?P<one>[^\n(]+))", re.MULTILINE | re.DOTALL
)
_CONST = re.compile(
    r"^\s*(?:const\s+|var\s+)?(\w+)(?:\s+[\w.]+)?\s*:?=\s*\"([^\"\n]*)\"", re.MULTILINE
)


#: Packages whose name is another than their path's end.
_NAMED = {"github.com/restatedev/sdk-go": "restate"}


@dataclass(frozen=True, slots=True)
class GoFunction:
    """A function, or the method of `receiver`: its parameters as text, and its body's span."""

    name: str
    receiver: str
    variable: str
    parameters: str
    start: int
    body: tuple[int, int]

    @property
    def first(self) -> str:
        """The type of the first parameter, without its name."""
        words = self.parameters.split(",")[0].split()
        if len(words) == 1 and "," in self.parameters:
            later = [p.split() for p in self.parameters.split(",")]
            typed = next((p for p in later if len(p) > 1), words)
            return typed[-1] if "." not in words[0] else words[0]
        return words[-1] if words else ""


class GoFile:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.code = Code(page, "go")
        self.imports: dict[str, str] = {}
        for block in _IMPORTS.finditer(page.text):
            for match in _IMPORT.finditer(block.group("many") or block.group("one")):
                path = match.group("path")
                alias = (match.group("alias") or "").strip()
                last = re.sub(r"/v\d+$", "", path).rpartition("/")[2]
                # Without an alias it has the name of its clause, which its path only hints at.
                guesses = (
                    last,
                    last.replace("-", "_"),
                    last.replace("-", ""),
                    _NAMED.get(path, ""),
                )
                for name in (alias,) if alias else guesses:
                    if name:
                        self.imports.setdefault(name, path)
        package = re.search(r"^package\s+(\w+)", self.code.blanked, re.MULTILINE)
        self.package = package.group(1) if package else ""
        self.functions = [
            GoFunction(
                m.group("name"), m.group("receiver") or "", (m.group("var") or "").strip(),
                page.text[m.start("open") + 1 : self.code.close(m.start("open"))].strip(),
                m.start(), self._body(self.code.close(m.start("open"))),
            )
            for m in _FUNC.finditer(self.code.blanked)
        ]  # fmt: skip
        self.constants = {
            m.group(1): m.group(2) for m in _CONST.finditer(page.text)
            if self.code.blanked[m.start(1)] != " "
        }  # fmt: skip

    def _body(self, closing: int) -> tuple[int, int]:
        """The braces of a function behind its parameters; results may have braces of their own."""
        code = self.code
        at = closing + 1
        while at < len(code.blanked) and code.blanked[at] not in "{\n":
            if code.blanked[at] in "([":
                at = code.close(at)
            elif code.blanked.startswith(("interface{", "struct{"), at):
                at = code.close(code.blanked.index("{", at))
            at += 1
        if at < len(code.blanked) and code.blanked[at] == "{":
            return at, code.close(at)
        return closing, closing

    def local(self, *suffixes: str) -> set[str]:
        """The names under which packages with these paths are imported."""
        return {name for name, path in self.imports.items() if path.endswith(suffixes)}
