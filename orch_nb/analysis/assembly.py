"""Puts together what manifests declare: one part of a codebase, however many files speak of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orch_nb.analysis.declared import Declared, key_of
from orch_nb.analysis.deployments import deployed
from orch_nb.analysis.parts import BROKEN, DEPLOYED, PROJECTS, Part, define

__all__ = ["assembled"]

#: Manifests that only add to a part that another one has named in the same folder.
_SECONDARY = frozenset({"setup.cfg", "setup.py", "requirements.txt", "CMakeLists.txt"})


def assembled(
    told: list[tuple[Declared, str]],
    languages: Mapping[str, str],
    held: Mapping[str, Collection[str]],
) -> list[Part]:
    """The parts that `told` speaks of; `languages` are those of folders, by most of their files,
    `held` all that they have files in."""
    units = _units(told)
    running = deployed(told, units)
    _attach(units, running)
    parts = [part for part in running if not _dangles(part)] + units
    parts = _unnamed_twice(_modules(told, parts) + parts)
    for part in parts:
        define(part, languages, held)
    return parts


def _units(told: list[tuple[Declared, str]]) -> list[Part]:
    """A part a folder, by project manifests and Dockerfiles."""
    projects = [one for one in told if one[0].system in PROJECTS]
    projects.sort(key=lambda one: (_secondary(one[0]), PROJECTS.index(one[0].system)))
    units: list[Part] = []
    at: dict[str, list[Part]] = {}
    for declared, place in projects:
        beside = at.setdefault(declared.folder or "", [])
        if beside and not (declared.system == "dotnet" and "dotnet" in beside[0].systems):
            beside[0].add(declared, place)
            continue
        part = Part(declared.name)
        part.add(declared, place)
        beside.append(part)
        units.append(part)
    broken = [one for one in told if one[0].kind == BROKEN]
    for declared, place in broken:
        part = Part(declared.name)
        part.add(declared, place)
        units.append(part)
    images = [one for one in told if one[0].system == "dockerfile"]
    images.sort(
        key=lambda one: (bool(one[0].aliases), (one[0].folder or "").count("/"), one[0].path)
    )
    built = {folder for folder, parts in at.items() if parts}
    for declared, place in images:
        _image(declared, place, at, units, built)
    return units


def _secondary(declared: Declared) -> bool:
    return declared.path.rpartition("/")[2] in _SECONDARY


def _image(
    declared: Declared, place: str, at: dict[str, list[Part]], units: list[Part], built: set[str]
) -> None:
    """A Dockerfile makes the part of its folder a service, or is one by itself."""
    folder = declared.folder or ""
    beside = at.get(folder, [])
    if declared.kind == "tool" or (
        not beside and not folder and not declared.aliases and "/" in declared.path
    ):
        return  # also one for whatever it is told to build
    if beside and (not declared.aliases or len(beside) == 1):
        runs = [part for part in beside if any(d.kind != "library" for d, _ in part.told)] or beside
        if not declared.aliases or "dockerfile" not in runs[0].systems:
            runs[0].add(declared, place)
            return
    if declared.aliases and any(
        one.system == "dockerfile" and not one.aliases for part in beside for one, _ in part.told
    ):
        return  # another way to build what is built there
    above = folder
    while above and not declared.aliases:
        above = above.rpartition("/")[0]
        if any("dockerfile" in part.systems for part in at.get(above, [])) and above:
            return  # a stage of what is built above it
    part = Part(declared.name)
    part.add(declared, place)
    units.append(part)
    at.setdefault(folder, []).append(part)
    built.add(folder)


def _attach(units: list[Part], deployed: list[Part]) -> None:
    """Puts what is known of a folder to what is deployed from it; `units` keeps the rest."""
    for unit in list(units):
        if unit.told[0][0].kind == BROKEN:
            continue
        here = [part for part in deployed if part.folder is not None and part.folder == unit.folder]
        if not here and unit.folder:
            inside = [p for p in deployed if p.folder and unit.folder.startswith(f"{p.folder}/")]
            others = [u for u in units if inside and u.folder == inside[0].folder]
            here = inside[:1] if inside and not others and _main_of(unit, inside[0], units) else []
        for part in here:
            part.base = part.base or unit.base
            part.runtime = part.runtime or unit.runtime
            part.built = part.built or any(one.language == unit.runtime for one, _ in unit.told
                                           if one.system in PROJECTS)  # fmt: skip
        if len(here) > 1:
            keys = {key_of(alias) for alias in unit.aliases} | {key_of(unit.name)}
            same = [part for part in here if key_of(part.name) in keys]
            if not same and unit.systems != {"dockerfile"}:
                continue  # several run from one folder: what it holds is a part of its own
            here = same or here[:1]
        if here:
            here[0].take(unit)
            units.remove(unit)
    shared = {part.folder for part in deployed if part.folder is not None}
    for unit in units:
        if unit.folder in shared and unit.systems <= {*PROJECTS, "dockerfile"}:
            unit.kind = "library"


def _main_of(unit: Part, part: Part, units: list[Part]) -> bool:
    """Whether `unit` is the only program below the folder of `part`."""
    inside = [
        u
        for u in units
        if u.folder and u.folder.startswith(f"{part.folder}/") and not u.example
        and any(d.kind not in {"library", "tool"} for d, _ in u.told)
    ]  # fmt: skip
    return inside == [unit]


def _dangles(part: Part) -> bool:
    """Whether only overlays speak of a part: they patch what is declared elsewhere, or nothing."""
    return all("patched by an overlay" in one.text for one, _ in part.told)


def _modules(told: list[tuple[Declared, str]], parts: list[Part]) -> list[Part]:
    """Django's applications, where no other manifest speaks of their folder."""
    folders = {part.folder for part in parts}
    found: dict[str, Part] = {}
    for declared, place in told:
        if declared.system == "django" and declared.folder not in folders:
            found.setdefault(declared.name, Part(declared.name)).add(declared, place)
    return list(found.values())


def _unnamed_twice(parts: list[Part]) -> list[Part]:
    """Names are how parts are known: those that are taken are lengthened by their folder, and what
    has neither a folder nor a name of its own is the same thing again."""
    taken: dict[str, Part] = {}
    for part in sorted(parts, key=lambda one: (one.example, not one.systems & set(DEPLOYED))):
        name = part.name
        if name in taken and part.folder:
            name = f"{part.name} ({part.folder})"
        if name in taken:
            taken[name].take(part)
            continue
        part.name = name
        taken[name] = part
    return list(taken.values())
