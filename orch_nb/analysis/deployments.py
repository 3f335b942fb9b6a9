"""What is deployed, under the names that deployments give: compose, Kubernetes, charts, Aspire and
the rest, put together where they speak of the same thing."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from orch_nb.analysis.declared import Declared, Reference, key_of
from orch_nb.analysis.images import image_name, known_image
from orch_nb.analysis.manifests.compose import is_compose
from orch_nb.analysis.parts import ARTIFACTS, DEPLOYED, Part

__all__ = ["deployed"]


def deployed(told: list[tuple[Declared, str]], units: list[Part]) -> list[Part]:
    """What is deployed, under the names that deployments give."""
    artifacts = _artifact_folders(told)
    configs = {
        declared.name: declared.references for declared, _ in told if declared.kind == "config"
    }
    parts: list[Part] = []
    named: dict[str, list[Part]] = {}
    ordered = sorted(
        (one for one in told if one[0].system in DEPLOYED),
        key=lambda one: (DEPLOYED.index(one[0].system), "patched" in one[0].text),
    )
    bases = {  # what others extend, in a file that nobody runs
        reference.value
        for declared, _ in ordered
        for reference in declared.references
        if reference.kind == "extends"
        and not is_compose(reference.value.partition("#")[0].rpartition("/")[2])
    }
    short = _short_names([declared for declared, _ in ordered])
    for one, place in ordered:
        if one.kind in {"alias", "config"} or f"{one.path}#{one.name}" in bases:
            continue
        declared = _shortened(one, short)
        folder = declared.folder
        if folder is None and declared.system != "terraform":
            folder = _source_of(declared, artifacts, units)
        part = _same(declared, folder, named.get(key_of(declared.name), []))
        if part is None:
            part = Part(declared.name)
            parts.append(part)
            named.setdefault(key_of(declared.name), []).append(part)
        part.add(declared, place)
        if part.folder is None:
            part.folder = folder
    spoken = {alias: part for part in parts for alias in part.aliases}
    for declared, _ in ordered:
        if declared.kind == "alias" and declared.name in spoken:
            spoken[declared.name].aliases |= set(declared.aliases)
    for part in parts:
        part.references = [
            one
            for reference in part.references
            for one in (
                _configured(reference, configs) if reference.kind == "config" else [reference]
            )
        ]
    _artifacts(told, parts, named)
    return _one_folder(_one_store(_one_cluster(parts)))


def _short_names(told: list[Declared]) -> dict[tuple[str, str], str]:
    """Names without what a system puts before those of all that it deploys (`shop-cart`,
    `shop-web`), where another system has the same names without it."""
    names: dict[str, set[str]] = {}
    for declared in told:
        if declared.kind not in {"alias", "config"}:
            names.setdefault(declared.system, set()).add(declared.name)
    found: dict[tuple[str, str], str] = {}
    known = {name for those in names.values() for name in those}
    for system, own in names.items():  # `cart-v1` and `cart-v2` are two states of `cart`
        versions = [(name, re.sub(r"-v\d+$", "", name)) for name in own]
        found.update({(system, name): base for name, base in versions
                      if base != name and base in known})  # fmt: skip
    for system, own in names.items():
        others = {
            key_of(name) for other, those in names.items() if other != system for name in those
        }
        before: dict[str, set[str]] = {}
        for name in own:
            if key_of(name) not in others:
                for match in re.finditer("-", name):
                    before.setdefault(name[: match.end()], set()).add(name)
        for prefix, full in sorted(before.items()):
            same = sum(key_of(name[len(prefix) :]) in others for name in full)
            if same >= 2 and same * 2 >= len(full):
                for name in full:
                    found.setdefault((system, name), name[len(prefix) :])
    return found


def _shortened(declared: Declared, short: Mapping[tuple[str, str], str]) -> Declared:
    name = short.get((declared.system, declared.name))
    if name is None:
        return declared
    aliases = (*declared.aliases, declared.name)
    return msgspec.structs.replace(declared, name=name, aliases=aliases)


def _configured(
    reference: Reference, configs: Mapping[str, tuple[Reference, ...]]
) -> list[Reference]:
    """What a reference to a config map stands for: one of its variables, or all of them."""
    found = configs.get(reference.value, ())
    return [one for one in found if not reference.key or one.key == reference.key]


def _artifact_folders(told: list[tuple[Declared, str]]) -> dict[str, str]:
    """The folder that the image of a name is built from, where that is said."""
    found: dict[str, set[str]] = {}
    for declared, _ in told:
        if declared.system in {*ARTIFACTS, "compose"} and declared.folder is not None:
            for name in {declared.name, image_name(declared.image)} - {""}:
                found.setdefault(key_of(name), set()).add(declared.folder)
    return {name: next(iter(folders)) for name, folders in found.items() if len(folders) == 1}


def _source_of(declared: Declared, artifacts: Mapping[str, str], units: list[Part]) -> str | None:
    """The folder whose code a deployment runs, by the names of its image and of itself."""
    if declared.kind in {"store", "queue", "support"}:
        return None  # a library may well be called like the queue that it speaks to
    known = declared.image and known_image(declared.image)
    names = [*declared.aliases] if declared.system == "aspire" else []
    names += [image_name(declared.image), declared.name]
    for key in dict.fromkeys(key_of(name) for name in names if name):
        if key in artifacts:
            return artifacts[key]
        fits = [
            unit
            for unit in units
            if unit.folder is not None
            and any(one.kind != "workspace" for one, _ in unit.told)
            and (not known or "dockerfile" in unit.systems)
            and key in {key_of(unit.name), key_of(unit.folder.rpartition("/")[2])}
        ]
        runs = [unit for unit in fits if any(d.kind != "library" for d, _ in unit.told)] or fits
        folders = {unit.folder for unit in runs if not unit.example} or {u.folder for u in runs}
        if len(folders) == 1:
            return folders.pop()
    return None


def _same(declared: Declared, folder: str | None, candidates: list[Part]) -> Part | None:
    """The part among those of the same name that a deployment speaks of."""
    for part in candidates:
        if folder is None or part.folder is None or part.folder == folder:
            mine, other = known_image(declared.image), known_image(part.image)
            if mine and other and mine[0] != other[0] and declared.system == "compose":
                continue  # `db` of another project
            return part
    return None


def _artifacts(
    told: list[tuple[Declared, str]], parts: list[Part], named: dict[str, list[Part]]
) -> None:
    """Images that are built, by skaffold or bake: of a part that is deployed, or one more."""
    folders: dict[str | None, list[Part]] = {}
    for part in parts:
        folders.setdefault(part.folder, []).append(part)
    for declared, place in told:
        if declared.system not in ARTIFACTS:
            continue
        known = named.get(key_of(declared.name)) or folders.get(declared.folder) or []
        if known:
            known[0].add(declared, place)
            continue
        part = Part(declared.name)
        part.add(declared, place)
        parts.append(part)
        named.setdefault(key_of(declared.name), []).append(part)
        folders.setdefault(declared.folder, []).append(part)


def _one_cluster(parts: list[Part]) -> list[Part]:
    """Members of a cluster, the same image under a name with a number, are one store or queue."""
    by: dict[tuple[str, str, str], list[Part]] = {}
    for part in parts:
        match = re.fullmatch(r"(.*?[a-zA-Z])[-_]?\d+", part.name)
        if match and part.folder is None and part.image and known_image(part.image):
            by.setdefault((match.group(1), part.image, part.told[0][0].path), []).append(part)
    names = {part.name for part in parts}
    gone: set[int] = set()
    for (name, _, _), members in by.items():
        if len(members) > 1 and name not in names:
            for other in members[1:]:
                members[0].take(other)
                gone.add(id(other))
            members[0].name = name
    return [part for part in parts if id(part) not in gone]


def _one_store(parts: list[Part]) -> list[Part]:
    """A store that two systems deploy by two names is one, where each has but one of its kind."""
    by: dict[str, dict[str, list[Part]]] = {}
    for part in parts:
        technology = _technology(part)
        for system in part.systems:
            if technology and system in {"compose", "kubernetes", "helm"}:
                by.setdefault(technology, {}).setdefault(system, []).append(part)
    gone: set[int] = set()
    for systems in by.values():
        singles = [found[0] for found in systems.values() if len(found) == 1]
        for other in singles[1:]:
            first = singles[0]
            if other is not first and id(other) not in gone and not first.systems & other.systems:
                first.take(other)
                gone.add(id(other))
    return [part for part in parts if id(part) not in gone]


def _one_folder(parts: list[Part]) -> list[Part]:
    """What two systems deploy of one folder under two names is one, where each deploys but one."""
    by: dict[str, list[Part]] = {}
    for part in parts:
        if part.folder:
            by.setdefault(part.folder, []).append(part)
    gone: set[int] = set()
    for found in by.values():
        systems = [part.systems & set(DEPLOYED) for part in found]
        apart = all(not one & other for n, one in enumerate(systems) for other in systems[:n])
        if len(found) > 1 and apart:
            found.sort(key=lambda part: min(map(DEPLOYED.index, part.systems & set(DEPLOYED)),
                                            default=len(DEPLOYED)))  # fmt: skip
            for other in found[1:]:
                found[0].take(other)
                gone.add(id(other))
    return [part for part in parts if id(part) not in gone]


def _technology(part: Part) -> str:
    """What a store or queue is; "" for what is none."""
    known = known_image(part.image)
    if known is not None and part.folder is None:
        return known[0] if known[1] in {"store", "queue"} else ""
    for declared, _ in part.told:
        if declared.kind in {"store", "queue"}:
            return declared.language
    return ""
