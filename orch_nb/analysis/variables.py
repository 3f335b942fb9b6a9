"""Does the source of a part name a variable of its environment?

An environment that many parts are given says of none of them what it needs: its source does. A name
counts as it is written, in lower case, and in the form of dots (`db_url`, `db.url` for `DB_URL`),
with and without a first word that settings libraries take for a prefix. What a framework reads by
itself (`SPRING_DATASOURCE_URL`, `ConnectionStrings__db`) needs no name.
"""

from __future__ import annotations

import re

from orch_nb.analysis.calls import source_files
from orch_nb.analysis.languages import CODE
from orch_nb.analysis.owners import owner_of
from orch_nb.analysis.parts import Part
from orch_nb.analysis.scan import File, Scan

__all__ = ["Variables"]

#: What frameworks and drivers read without a word in the source.
_BY_ITSELF = re.compile(r"^(SPRING|QUARKUS|MICRONAUT|HELIDON|NUXT)_|__|^PG(HOST|SERVICE)")
_OF_RAILS = re.compile(r"^(DATABASE|REDIS)_URL$")
#: Where variables are read, first.
_LIKELY = re.compile(r"(?i)env|config|setting|constant|main|application")


class Variables:
    """Looks for variables in the sources of `parts`, and in those of the packages they import."""

    def __init__(self, scan: Scan, parts: list[Part]) -> None:
        self._scan, self._parts = scan, parts
        self._files: dict[str, list[File]] | None = None
        self._likely: dict[str | None, list[File]] = {}
        self._known: dict[tuple[str | None, str], bool | None] = {}

    def named(self, part: Part, variable: str) -> bool | None:
        """Whether the source of `part` names `variable`; None if it has no source here."""
        if part.folder is None:
            return None
        key = part.folder, variable
        if key not in self._known:
            self._known[key] = self._look(part, variable)
        return self._known[key]

    def _look(self, part: Part, variable: str) -> bool | None:
        files = self._of(part)
        if not any(file.language in CODE for file in files):
            return None
        if _BY_ITSELF.search(variable) or (part.language == "Ruby" and _OF_RAILS.match(variable)):
            return True
        words = [word.encode() for word in _forms(variable)]
        for file in files:
            if self._scan.out_of_time:
                self._scan.complete = False
                return None
            data = self._scan.data(file)
            if data and any(word in data for word in words):
                return True
        return False

    def _of(self, part: Part) -> list[File]:
        """The files of a part and of the packages it imports, likely ones first."""
        if part.folder in self._likely:
            return self._likely[part.folder]
        if self._files is None:
            self._files = {}
            folders = {one.folder for one in self._parts if one.folder is not None}
            for file in source_files(self._scan):
                if (home := owner_of(file.path, folders)) is not None:
                    self._files.setdefault(home, []).append(file)
        packages = {
            name: one
            for one in self._parts
            if one.folder is not None and one.kind == "library"
            for name in one.aliases
        }
        reached, waiting = {part.folder: part}, [part]
        while waiting:
            for reference in waiting.pop().references:
                other = packages.get(reference.value) if reference.kind == "imports" else None
                if other is not None and other.folder not in reached:
                    reached[other.folder] = other
                    waiting.append(other)
        found = [file for folder in reached for file in self._files.get(folder or "", [])]
        found.sort(key=lambda file: not _LIKELY.search(file.name))
        self._likely[part.folder] = found
        return found


def _forms(variable: str) -> list[str]:
    """How source may write the name of a variable."""
    low = variable.lower()
    forms = [variable, low, low.replace("_", ".")]
    rest = low.partition("_")[2]
    if "_" in rest:  # `APP_REDIS_URL` is `redis_url` to what knows of the prefix
        forms.append(rest)
    return [form for form in dict.fromkeys(forms) if len(form) > 3]
