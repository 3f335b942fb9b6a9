"""The parts of a codebase, by their manifests.

Several manifests may speak of one part: a folder with `pyproject.toml`, `requirements.txt` and a
`Dockerfile` is one service in Python, and a compose service that is built from that folder is the
same one again. So manifests are read in the order of what they say (a project file names a part, a
Dockerfile makes it a service, a compose file names stores beside it) and merged by folder.

Manifests of tests and fixtures are counted and left out; those of examples are marked so. A
manifest that does not parse is noted and stops nothing.
"""

from __future__ import annotations

import os
from collections import Counter

from msgspec.structs import replace

from orch_nb.analysis.manifests import Found, reader_for
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.model.analysis import Component, Evidence

__all__ = ["BROKEN", "components"]

#: The kind of a component whose manifest could not be read.
BROKEN = "broken manifest"
_EXAMPLES = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "docs", "doc"})
_ORDER = (
    "pyproject.toml", "Cargo.toml", "go.mod", "package.json", "pom.xml", "build.gradle.kts",
    "build.gradle", "setup.cfg", "setup.py", "CMakeLists.txt", "requirements.txt", "Dockerfile",
    "Containerfile",
)  # fmt: skip
#: Manifests that only add to a part that another one has named in the same folder.
_SECONDARY = frozenset({"setup.cfg", "setup.py", "requirements.txt", "CMakeLists.txt"})


def components(scan: Scan) -> tuple[Component, ...]:
    """Every part that a manifest of the scanned workspace declares, by path and name."""
    manifests = [file for file in scan.files if reader_for(file.name) is not None]
    manifests.sort(key=lambda file: (_rank(file), file.path))
    found: dict[tuple[str, str], Component] = {}
    by_folder: dict[str, list[tuple[str, str]]] = {}
    languages = _languages(scan)
    for file in manifests:
        if scan.out_of_time:
            scan.complete = False
            break
        place = _place(file)
        if place == "fixture":
            scan.skipped["manifest of a test"] += 1
            continue
        for declared in _declared(scan, file):
            component = _component(declared, file, place, languages)
            _merge(component, declared, file, found, by_folder)
    if not found and (made := next((f for f in scan.files if f.path == "Makefile"), None)):
        name = os.path.basename(scan.root)
        evidence = Evidence("no other manifest was found", made.path, 1)
        found["", name] = Component(name, "application", languages.get("", ""), ".", evidence)
    return tuple(sorted(found.values(), key=lambda c: (c.evidence.path.count("/"), c.path, c.name)))


def _rank(file: File) -> int:
    if file.name.endswith(".csproj"):
        return 0
    return _ORDER.index(file.name) if file.name in _ORDER else len(_ORDER)


def _place(file: File) -> str:
    if of_tests(file.path):
        return "fixture"
    return "" if _EXAMPLES.isdisjoint(file.folder.lower().split("/")) else "example"


def _declared(scan: Scan, file: File) -> list[Found]:
    reader = reader_for(file.name)
    text = scan.read(file)
    if reader is None or text is None:
        return []
    try:
        return list(reader(text, file))
    except (ValueError, SyntaxError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        scan.skipped[BROKEN] += 1
        return [Found(file.path, BROKEN, "", file.folder, None, f"does not parse: {reason}")]


def _component(declared: Found, file: File, place: str, languages: dict[str, str]) -> Component:
    pulled = declared.text.startswith("image ")
    return Component(
        name=declared.name,
        kind="example" if place and declared.kind != BROKEN else declared.kind,
        language=declared.language or ("" if pulled else languages.get(declared.folder, "")),
        path=declared.folder or ".",
        evidence=Evidence(declared.text, file.path, declared.line),
    )


def _merge(
    component: Component,
    declared: Found,
    file: File,
    found: dict[tuple[str, str], Component],
    by_folder: dict[str, list[tuple[str, str]]],
) -> None:
    own = (declared.folder, component.name)
    beside = by_folder.get(declared.folder, [])
    built = component.kind == "service" and (
        declared.folder or "built from" in declared.text or file.name in _ORDER
    )
    if beside and file.name in _SECONDARY:
        return
    if beside and built:
        first = found[beside[0]]
        if first.kind in {"application", "library"} and len(beside) == 1:
            found[beside[0]] = replace(first, kind="service")
        return
    if component.kind in {"store", "queue", "service"} and any(
        other.name == component.name and other.kind == component.kind for other in found.values()
    ):
        return  # the same service in an overlay of the compose file
    found.setdefault(own, component)
    if component.kind not in {"store", "queue", BROKEN}:
        by_folder.setdefault(declared.folder, []).append(own)


def _languages(scan: Scan) -> dict[str, str]:
    """The language that most source files of each folder, with those below, are in."""
    counted: dict[str, Counter[str]] = {}
    for file in scan.files:
        if file.language in _NOT_SOURCE or not file.language:
            continue
        folder = file.folder
        while True:
            counted.setdefault(folder, Counter())[file.language] += 1
            if not folder:
                break
            folder = folder.rpartition("/")[0]
    return {folder: counter.most_common(1)[0][0] for folder, counter in counted.items()}


_NOT_SOURCE = frozenset(
    {
        "YAML",
        "JSON",
        "TOML",
        "XML",
        "Markdown",
        "reStructuredText",
        "Dockerfile",
        "Makefile",
        "HTML",
        "CSS",
    }
)
