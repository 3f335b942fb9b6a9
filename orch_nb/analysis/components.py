"""The parts of a codebase, by their manifests, and what they rely on.

Several manifests may speak of one part: a folder with `pyproject.toml`, `requirements.txt` and a
`Dockerfile` is one service in Python; the compose service that is built from that folder, the
Deployment that runs its image and the chart that templates it are the same one again. So what the
manifests declare is put together (`assembly`), under the name that its deployment gives it, and
what they refer to becomes links (`links`).

Manifests of tests and fixtures are counted and left out; those of examples are marked so. A
manifest that does not parse is noted and stops nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from orch_nb.analysis.assembly import assembled
from orch_nb.analysis.calls import WORDS as CALL_WORDS
from orch_nb.analysis.calls import calls
from orch_nb.analysis.declared import Declared, Surroundings
from orch_nb.analysis.links import links
from orch_nb.analysis.manifests import Reader, dotnet, either, python, reader_for
from orch_nb.analysis.owners import folder_counts, languages_of
from orch_nb.analysis.parts import BROKEN
from orch_nb.analysis.queues import directed
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.analysis.variables import Variables
from orch_nb.model.analysis import Component, Evidence, Link

__all__ = ["BROKEN", "WORDS", "Inventory", "components", "inventory"]

_EXAMPLES = frozenset(
    "example examples sample samples demo demos docs doc tutorial tutorials quickstart quickstarts "
    "playground playgrounds extras cookbook starter starters".split()
)
#: Readers whose files are told by what is in them: by a word, since their names say little.
_BY_WORD: dict[Reader, tuple[str, ...]] = {
    either: ("apiVersion", "services:"), dotnet.aspire_host: ("DistributedApplication",),
    python.django_settings: ("INSTALLED_APPS",),
}  # fmt: skip
#: What is looked for in all files at once, for the readers here.
WORDS = (*(word for words in _BY_WORD.values() for word in words), *CALL_WORDS)


class Inventory(msgspec.Struct, frozen=True):
    """What a codebase is made of: its components, and which relies on which."""

    components: tuple[Component, ...] = ()
    links: tuple[Link, ...] = ()


def components(scan: Scan) -> tuple[Component, ...]:
    """Every part that a manifest of the scanned workspace declares, by path and name."""
    return inventory(scan).components


def inventory(scan: Scan) -> Inventory:
    """Every part that a manifest of the scanned workspace declares, by path and name, and the links
    between them, by names."""
    around = Surroundings(scan)
    counts = folder_counts(scan)
    languages = languages_of(counts)
    parts = assembled(list(_declared(scan, around)), languages, counts)
    told = {part.name: part.component() for part in parts}
    if not told and (made := scan.by_path.get("Makefile")):
        name = os.path.basename(scan.root)
        language = languages.get("", "")
        evidence = Evidence("no other manifest was found", made.path, 1)
        told[name] = Component(name, "application", language, ".", evidence)
    found = sorted(told.values(), key=lambda c: (c.evidence.path.count("/"), c.path, c.name))
    read = [part for part in parts if part.kind != BROKEN]
    named = Variables(scan, read).named
    return Inventory(tuple(found), directed(scan, read, links(read, calls(scan, read), named)))


def _declared(scan: Scan, around: Surroundings) -> Iterator[tuple[Declared, str]]:
    """Everything that the manifests declare, each with the place it stands in ("" or example).

    Those that are known by their names come first: they are few, and say most.
    """
    readers = [(file, reader) for file in scan.files if (reader := reader_for(file.path))]
    yield from _of(scan, around, [one for one in readers if one[1] not in _BY_WORD])
    scan.look_for(WORDS)
    worth = {
        reader: {file.path for file in scan.candidates(*words)}
        for reader, words in _BY_WORD.items()
    }
    told = [(file, reader) for file, reader in readers if file.path in worth.get(reader, ())]
    yield from _of(scan, around, told)


def _of(
    scan: Scan, around: Surroundings, readers: list[tuple[File, Reader]]
) -> Iterator[tuple[Declared, str]]:
    for file, reader in readers:
        if scan.out_of_time:
            scan.complete = False
            break
        if of_tests(file.path):
            scan.skipped["manifest of a test"] += 1
            continue
        place = "" if _EXAMPLES.isdisjoint(file.folder.lower().split("/")) else "example"
        for declared in _read(reader, scan, file, around):
            if declared.kind == "test":
                scan.skipped["manifest of a test"] += 1
            else:
                yield declared, place


def _read(reader: Reader, scan: Scan, file: File, around: Surroundings) -> list[Declared]:
    text = scan.read(file)
    if text is None:
        return []
    try:
        return list(reader(text, file, around))
    except (ValueError, SyntaxError, RecursionError) as error:
        if reader in _BY_WORD:
            return []  # no manifest by its name: only one that could have been
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        scan.skipped[BROKEN] += 1
        return [
            Declared(name=file.path, kind=BROKEN, path=file.path, folder=file.folder,
                     text=f"does not parse: {reason}")
        ]  # fmt: skip
