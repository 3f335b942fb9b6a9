"""The Go packages of a workspace: import paths to folders by `go.mod`, files read when wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.scan import File, Scan
from orch_nb.analysis.workflows.go_source import GoFile, GoFunction
from orch_nb.analysis.workflows.page import Page, a_test_file

__all__ = ["GoPackages"]


class GoPackages:
    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._folders: dict[str, list[File]] = {}
        self._files: dict[str, GoFile] = {}
        self.modules: dict[str, str] = {}
        for file in scan.files:
            if file.language == "Go" and not file.path.endswith("_test.go"):
                self._folders.setdefault(file.folder, []).append(file)
            elif file.name == "go.mod":
                said = re.search(r"^module\s+(\S+)", scan.read(file) or "", re.MULTILINE)
                if said:
                    self.modules[said.group(1)] = file.folder

    def read(self, page: Page) -> GoFile:
        if page.path not in self._files:
            self._files[page.path] = GoFile(page)
        return self._files[page.path]

    def folder(self, import_path: str) -> str | None:
        """The folder of an imported package; None where it is not of this workspace."""
        for module in sorted(self.modules, key=len, reverse=True):
            if import_path == module or import_path.startswith(module + "/"):
                rest = import_path[len(module) + 1 :]
                base = self.modules[module]
                folder = "/".join(part for part in (base, rest) if part)
                return folder if folder in self._folders else None
        return None

    def files(self, folder: str) -> Iterator[GoFile]:
        for file in self._folders.get(folder, ()):
            if a_test_file(file.path) or self._scan.out_of_time:
                continue
            if file.path not in self._files:
                text = self._scan.read(file)
                if text is None:
                    continue
                self._files[file.path] = GoFile(Page(file.path, text))
            yield self._files[file.path]

    def function(
        self, folder: str, name: str, receiver: str = ""
    ) -> tuple[GoFile, GoFunction] | None:
        for file in self.files(folder):
            for function in file.functions:
                if function.name == name and (not receiver or function.receiver == receiver):
                    return file, function
        return None

    def methods(self, folder: str, receiver: str) -> Iterator[tuple[GoFile, GoFunction]]:
        for file in self.files(folder):
            for function in file.functions:
                if function.receiver == receiver and function.name[0].isupper():
                    yield file, function

    def constant(self, file: GoFile, said: str) -> str:
        """The text of a Go expression that is a string literal or a constant; else ""."""
        said = said.strip()
        literal = re.fullmatch(r"[\"`]([^\"`]*)[\"`]", said)
        if literal:
            return literal.group(1)
        owner, _, name = said.rpartition(".")
        if owner:
            folder = self.folder(file.imports.get(owner, ""))
        else:
            folder = file.page.folder
            if name in file.constants:
                return file.constants[name]
        if folder is None or not re.fullmatch(r"\w+", name):
            return ""
        return next((f.constants[name] for f in self.files(folder) if name in f.constants), "")
