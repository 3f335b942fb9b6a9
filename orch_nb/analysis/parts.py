"""A part of a codebase in the making: all that its manifests say, and what it is by them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from orch_nb.analysis.declared import Declared, Reference
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.docker import runtime_of
from orch_nb.model.analysis import Component, Evidence

__all__ = ["ARTIFACTS", "BROKEN", "DEPLOYED", "PROJECTS", "Part", "define"]

#: The kind of a component whose manifest could not be read.
BROKEN = "broken manifest"
#: Systems that deploy: they name a part as people speak of it. In the order of whose word counts.
DEPLOYED = ("aspire", "compose", "kubernetes", "helm", "serverless", "procfile", "terraform")
ARTIFACTS = ("skaffold", "bake")
#: Project manifests, in the order of which of them names a folder that has several.
PROJECTS = (
    "dotnet", "python", "cargo", "go", "mix", "ruby", "composer", "maven", "gradle", "npm", "pub",
    "swift", "cmake", "gem", "go-cmd",
)  # fmt: skip
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
#: Languages that run where another one does.
_RUNS_AS = {
    "JavaScript": {"JavaScript", "TypeScript"}, "C#": {"C#", "F#", "Visual Basic"},
    "Java": {"Java", "Kotlin", "Scala", "Clojure", "Groovy"}, "Elixir": {"Elixir", "Erlang"},
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
        self.image = ""  # what is pulled or built for it
        self.base = ""  # what its Dockerfile starts from
        self.runtime = ""  # the language that its image runs, as far as its bases tell
        self.built = False  # whether a manifest beside it says that language too

    def add(self, declared: Declared, place: str) -> None:
        self.told.append((declared, place))
        self.aliases |= {declared.name, *declared.aliases}
        self.references += declared.references
        if declared.system == "dockerfile":
            if declared.kind != "tool" or not self.base:
                self.base = self.base or declared.image
                self.runtime = self.runtime or declared.language
        else:
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
        main = max(self.told, key=_weight)[0]
        for system in (*DEPLOYED, *ARTIFACTS):  # its deployment says best what it is
            of = [told for told in self.told if told[0].system == system and not told[0].optional]
            if of and self.kind in _RUNS:
                main = max(of, key=_weight)[0]
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


def _weight(told: tuple[Declared, str]) -> tuple[bool, float, int]:
    """Of two that say as much, the file with the shorter name is the main one."""
    declared, place = told
    return not place, declared.confidence, -len(declared.path)


def define(part: Part, languages: Mapping[str, str], held: Mapping[str, Collection[str]]) -> None:
    """What the part is, and in which language."""
    main = part.told[0][0]
    if main.kind == BROKEN:
        part.kind = BROKEN
        return
    runs = [one for one, _ in part.told if one.system in (*DEPLOYED, *ARTIFACTS, "dockerfile")]
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
    part.language = _language(part, languages, held, known)


def _image_of(part: Part, languages: Mapping[str, str]) -> tuple[str, str] | None:
    """What the part's image is known to be: the one that is pulled, or, for a store or a queue with
    no program of its own beside it, the one that its Dockerfile starts from."""
    if part.folder is None:
        return known_image(part.image)  # what it is called says nothing: it may be a client of it
    if part.systems & set(PROJECTS):
        return None
    known = known_image(part.base)
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


def _language(
    part: Part, languages: Mapping[str, str], held: Mapping[str, Collection[str]],
    known: tuple[str, str] | None,
) -> str:  # fmt: skip
    if part.kind in {"store", "queue"}:
        of = next((one.language for one, _ in part.told if one.language), "")
        return of or (known[0] if known else "")
    if part.folder is None:
        return ""
    here = languages.get(part.folder, "")
    runs = _RUNS_AS.get(part.runtime, {part.runtime})
    told: list[str] = []
    for declared, _ in sorted(part.told, key=lambda one: one[0].system not in PROJECTS):
        if declared.system in PROJECTS and declared.language:
            family = _FAMILY.get(declared.system, {declared.language})
            told.append(here if here in family else declared.language)
    first = told[0] if told else here
    if part.runtime not in held.get(part.folder, ()) and runs.isdisjoint({*told, here}):
        return part.runtime if part.runtime and here in _NO_PROGRAM and not told else first
    sure = runtime_of(part.base) or part.built  # and not only a stage that it is made in
    if part.kind in {"service", "worker", "job"} and sure:
        return next((one for one in [*told, here] if one in runs), part.runtime)
    return first
