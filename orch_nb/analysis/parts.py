"""Puts together what manifests declare: one part of a codebase, however many files speak of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from orch_nb.analysis.declared import Declared, Reference, key_of
from orch_nb.analysis.images import image_name, known_image
from orch_nb.model.analysis import Component, Evidence

__all__ = ["BROKEN", "DEPLOYED", "Part", "assembled"]

#: The kind of a component whose manifest could not be read.
BROKEN = "broken manifest"
#: Systems that deploy: they name a part as people speak of it. In the order of whose word counts.
DEPLOYED = ("aspire", "compose", "kubernetes", "helm", "serverless", "procfile", "terraform")
_ARTIFACTS = ("skaffold", "bake")
#: Project manifests, in the order of which of them names a folder that has several.
_PROJECTS = (
    "dotnet", "python", "cargo", "go", "mix", "ruby", "composer", "maven", "gradle", "npm", "pub",
    "swift", "cmake", "gem", "go-cmd",
)  # fmt: skip
_SECONDARY = frozenset({"setup.cfg", "setup.py", "requirements.txt", "CMakeLists.txt"})
_RUNS = frozenset({"service", "worker", "job", "store", "queue", "support"})
_WORKS = re.compile(
    r"(?i)(^|[-_.])(worker|celery|sidekiq|beat|cron|scheduler)s?([-_.]|$)"
    r"|[-_.](consumer|processor)s?$"
)
_ONCE = re.compile(
    r"(?i)(^|[-_.])(init|setup|migrat\w+|seed\w*|bootstrap|createbuckets|create-\w+)([-_.]|$)"
)
_WORKING = re.compile(
    r"\b(celery\b.*\b(worker|beat)|sidekiq|rq worker|dramatiq|resque|huey_consumer"
    r"|queue:work|horizon)\b"
)
#: What stands beside a store to set it up, and is no program.
_NO_PROGRAM = frozenset({"", "Shell", "SQL"})
_FAMILY = {
    "npm": {"JavaScript", "TypeScript"}, "maven": {"Java", "Kotlin", "Scala"},
    "gradle": {"Java", "Kotlin", "Scala"}, "cmake": {"C", "C++"},
}  # fmt: skip


class Part:
    """A part in the making: what is known of it so far, and from where."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = ""
        self.language = ""
        self.folder: str | None = None
        self.aliases: set[str] = set()
        self.references: list[Reference] = []
        self.told: list[tuple[Declared, str]] = []
        self.image = ""

    def add(self, declared: Declared, place: str) -> None:
        self.told.append((declared, place))
        self.aliases |= {declared.name, *declared.aliases}
        self.references += declared.references
        self.image = self.image or declared.image
        if self.folder is None:
            self.folder = declared.folder

    def take(self, other: Part) -> None:
        """Everything that was told of another one, which is this one."""
        for declared, place in other.told:
            self.add(declared, place)
        self.aliases |= other.aliases

    @property
    def systems(self) -> set[str]:
        return {declared.system for declared, _ in self.told}

    @property
    def paths(self) -> set[str]:
        return {declared.path for declared, _ in self.told}

    @property
    def example(self) -> bool:
        return all(place for _, place in self.told)

    def component(self) -> Component:
        """The part as a value, with the best of its evidence."""
        main = max(self.told, key=lambda told: (not told[1], told[0].confidence))[0]
        for system in (*DEPLOYED, *_ARTIFACTS):  # its deployment says best what it is
            of = [told for told in self.told if told[0].system == system and not told[0].optional]
            if of and self.kind in _RUNS:
                main = max(of, key=lambda told: (not told[1], told[0].confidence))[0]
                break
        optional = main.optional if all(one.optional for one, _ in self.told
                                        if one.system in DEPLOYED) else ""  # fmt: skip
        confidence = max(one.confidence for one, _ in self.told)
        if optional:
            confidence = min(confidence, 0.6)
        text = "; ".join(part for part in (main.text, optional) if part)
        example = self.example and self.kind != BROKEN
        return Component(
            name=self.name,
            kind="example" if example else self.kind,
            language=self.language,
            path=self.folder or ".",
            evidence=Evidence(text, main.path, main.line),
            confidence=round(confidence * (0.5 if example else 1.0), 2),
        )


def assembled(told: list[tuple[Declared, str]], languages: Mapping[str, str]) -> list[Part]:
    """The parts that `told` speaks of; `languages` are those of folders."""
    units = _units(told)
    deployed = _deployed(told, units)
    _attach(units, deployed)
    parts = [part for part in deployed if not _dangles(part)] + units
    parts = _unnamed_twice(_modules(told, parts) + parts)
    for part in parts:
        _kind(part, languages)
    return parts


# -- folders ---------------------------------------------------------------------------------------


def _units(told: list[tuple[Declared, str]]) -> list[Part]:
    """A part a folder, by project manifests and Dockerfiles."""
    projects = [one for one in told if one[0].system in _PROJECTS]
    projects.sort(key=lambda one: (_secondary(one[0]), _PROJECTS.index(one[0].system)))
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


# -- deployments -----------------------------------------------------------------------------------


def _deployed(told: list[tuple[Declared, str]], units: list[Part]) -> list[Part]:
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
    short = _short_names([declared for declared, _ in ordered])
    for one, place in ordered:
        if one.kind in {"alias", "config"}:
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
    return _one_folder(_one_store(parts))


def _short_names(told: list[Declared]) -> dict[tuple[str, str], str]:
    """Names without what a system puts before those of all that it deploys (`shop-cart`,
    `shop-web`), where another system has the same names without it."""
    names: dict[str, set[str]] = {}
    for declared in told:
        if declared.kind not in {"alias", "config"}:
            names.setdefault(declared.system, set()).add(declared.name)
    found: dict[tuple[str, str], str] = {}
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
        if declared.system in {*_ARTIFACTS, "compose"} and declared.folder is not None:
            for name in {declared.name, image_name(declared.image)} - {""}:
                found.setdefault(key_of(name), set()).add(declared.folder)
    return {name: next(iter(folders)) for name, folders in found.items() if len(folders) == 1}


def _source_of(declared: Declared, artifacts: Mapping[str, str], units: list[Part]) -> str | None:
    """The folder whose code a deployment runs, by the names of its image and of itself."""
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
        if declared.system not in _ARTIFACTS:
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
        deployed = [part.systems & set(DEPLOYED) for part in found]
        apart = all(not one & other for n, one in enumerate(deployed) for other in deployed[:n])
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
        if unit.folder in shared and unit.systems <= {*_PROJECTS, "dockerfile"}:
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


# -- the rest --------------------------------------------------------------------------------------


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


def _kind(part: Part, languages: Mapping[str, str]) -> None:
    """What the part is, and in which language."""
    main = part.told[0][0]
    if main.kind == BROKEN:
        part.kind = BROKEN
        return
    runs = [one for one, _ in part.told if one.system in (*DEPLOYED, *_ARTIFACTS, "dockerfile")]
    said = [one.kind for one in runs if one.kind not in {"", "service"}]
    known = _image_of(part, languages)
    if runs and _ONCE.search(part.name):
        said = ["job"]
    elif known is not None and "job" not in said:
        said = [known[1]]
    if said:
        part.kind = said[0]
    elif part.kind == "library" or not runs:
        part.kind = part.kind or main.kind
    else:
        part.kind = "worker" if _works(part, runs) else "service"
    part.language = _language(part, languages, known)


def _image_of(part: Part, languages: Mapping[str, str]) -> tuple[str, str] | None:
    """What the part's image is known to be: the one that is pulled, or, for a store or a queue with
    no program of its own beside it, the one that its Dockerfile starts from."""
    if part.folder is None:
        return known_image(part.image)  # what it is called says nothing: it may be a client of it
    if part.systems & set(_PROJECTS):
        return None
    images = [one.image for one, _ in part.told if one.system == "dockerfile" and one.image]
    known = known_image(images[0]) if images else None
    if known is None and languages.get(part.folder, "") in _NO_PROGRAM:
        known = known_image(part.image) or known_image(part.name)
    return known if known is not None and known[1] in {"store", "queue"} else None


def _works(part: Part, runs: list[Declared]) -> bool:
    """Whether a part takes work from a queue or a clock, and serves no requests."""
    said = " ".join(ref.value for ref in part.references if ref.kind == "command")
    return bool(
        _WORKS.search(part.name)
        or _WORKING.search(said)
        or any(_WORKING.search(one.text) for one in runs)
        or any(one.kind == "worker" for one, _ in part.told)
    )


def _language(part: Part, languages: Mapping[str, str], known: tuple[str, str] | None) -> str:
    if part.kind in {"store", "queue"}:
        of = next((one.language for one, _ in part.told if one.language), "")
        return of or (known[0] if known else "")
    if part.folder is None:
        return ""
    here = languages.get(part.folder, "")
    for declared, _ in sorted(part.told, key=lambda one: one[0].system not in _PROJECTS):
        if declared.system in _PROJECTS and declared.language:
            family = _FAMILY.get(declared.system, {declared.language})
            return here if here in family else declared.language
    return here
