"""Which part relies on which: what manifests refer to, resolved to the parts of that name.

An address is read out of variables and command lines (`http://cart:7070`, `cart:7070`,
`postgres://u:p@db/x`, `Host=db;`), a bare name only where the variable says that it is a host. What
names nothing of this codebase is no link; neither is what a part says of itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from orch_nb.analysis.declared import Reference, key_of
from orch_nb.analysis.parts import DEPLOYED, PROJECTS, Part
from orch_nb.model.analysis import Evidence, Link

__all__ = ["Book", "addresses", "links"]

_URL = re.compile(
    r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^@/\s,;\"']*@)?(?![^@/\s,;\"']*@)([A-Za-z0-9_][\w.-]*)"
)
_HOST_PORT = re.compile(r"(?:^|[,;\s=@(\"'/])([A-Za-z][\w.-]*):(?:\d{2,5}|\$\{?\w+)")
_KEYED = re.compile(r"(?i)(?:^|[;,\s])(?:host|server|data source|addr|address|hostname|endpoint)="
                    r"(?:tcp:)?([A-Za-z][\w.-]*)")  # fmt: skip
_CHECK = re.compile(r"\bnc\s+(?:-\w+\s+)*([A-Za-z][\w.-]*)\s+\d{2,5}")
_BARE = re.compile(r"[A-Za-z][\w.-]*(?:,[A-Za-z][\w.-]*)*")
_HOST_KEY = re.compile(
    r"(?i)(addr|address|host|hostname|hosts|url|uri|endpoint|server|servers|broker|brokers|service"
    r"|upstream|backend|dsn|node|nodes|seeds|contact_?points)(_?(name|s))?$"
)
#: Variables that say where a part itself is reached, or who may come, and not whom it calls.
_NOT_A_CALL = re.compile(
    r"(?i)(advertised|listen|listeners|bind|cors|origins?$|allowed|no_?proxy|callback|redirect"
    r"|v(irtual_?)?host$|server_?name|external|public_|cookie|service_?name$|quorum|trusted"
    r"|whitelist|allow_?list|_user(name)?$|password|_name$|healthcheck)"
)
#: Parts that call others; a store, a queue or a proxy is given what it does not ask for.
_ACTS = frozenset({"service", "worker", "job", "application", "ui", "library", "function"})
_WEIGHT = {"uses": 4, "calls": 4, "publishes": 5, "consumes": 5, "imports": 2, "depends_on": 1}


def addresses(key: str, value: str) -> list[str]:
    """The hosts that a variable's value names, each once.

    >>> addresses("DB", "postgres://u:p@db:5432/x"), addresses("CART_HOST", "cart")
    (['db'], ['cart'])
    """
    if not value or len(value) > 4000:
        return []
    found = [
        match.group(1)
        for regex in (_URL, _HOST_PORT, _KEYED, _CHECK)
        for match in regex.finditer(value)
    ]
    if key and _BARE.fullmatch(value) and _HOST_KEY.search(key):
        found += value.split(",")
    return list(dict.fromkeys(found))


class Book:
    """Who is called what."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = list(parts)
        self._hosts: dict[str, list[Part]] = {}
        self._names: dict[str, list[Part]] = {}
        self._folders: dict[str, list[Part]] = {}
        self._packages: dict[str, list[Part]] = {}
        for part in self.parts:
            packages = {
                name
                for one, _ in part.told
                if one.system in PROJECTS or not one.system
                for name in (one.name, *one.aliases)
            }
            for name in packages:
                self._packages.setdefault(name, []).append(part)
            own = part.name.partition(" (")[0]
            for name in {own, *part.aliases}:
                self._names.setdefault(name, []).append(part)
                if part.systems & {*DEPLOYED, "skaffold", "bake"}:
                    self._hosts.setdefault(name.lower(), []).append(part)
            if part.folder is not None:
                self._folders.setdefault(part.folder, []).append(part)

    def host(self, name: str, near: Part | None = None) -> Part | None:
        """The part that answers under a host name, those of the same files first."""
        found = self._hosts.get(name.lower()) or self._hosts.get(name.lower().partition(".")[0], [])
        if near is not None and len(found) > 1:
            found = [part for part in found if part.paths & near.paths] or found
        return found[0] if found else None

    @property
    def hosts(self) -> list[str]:
        return sorted(self._hosts)

    def package(self, name: str) -> Part | None:
        """The part of that package name, as it is written; a Go package by its module."""
        found = self._packages.get(name, [])
        return found[0] if len(found) == 1 else None

    def resource(self, name: str, source: Part) -> Part | None:
        found = [part for part in self._names.get(name, []) if part.paths & source.paths]
        return found[0] if found else None

    def folder(self, folder: str) -> Part | None:
        """The part whose project file or folder that is."""
        inner, _, name = folder.rpartition("/")
        if re.search(r"\.(cs|fs|vb)proj$", name):
            stem = key_of(name.rpartition(".")[0])
            beside = self._folders.get(inner, [])
            return next((p for p in beside if stem in {key_of(a) for a in p.aliases}), None)
        found = self._folders.get(folder, [])
        return found[0] if found else None


def links(
    parts: list[Part],
    seen: Iterable[tuple[Part, Part, Reference]] = (),
    named: Callable[[Part, str], bool | None] = lambda *_: True,
) -> tuple[Link, ...]:
    """The links between `parts`, one a pair, with the best of their evidence. `seen` are those that
    were seen in source code. `named` says whether the source of a part names a variable (None: it
    has none here), which is asked of variables that several parts are given alike."""
    book = Book(parts)
    best: dict[tuple[str, str], Link] = {}
    shared = _shared(parts)
    for source in parts:
        if source.kind == "store":
            continue  # it is asked, and asks nobody: what it names are its own databases
        unsure: list[tuple[Part, Reference]] = []
        for reference in source.references:
            for target in _targets(reference, source, book):
                if reference.kind == "env" and _place(reference) in shared:
                    used = named(source, reference.key) if source.kind in _ACTS else False
                    if used is None:
                        unsure.append((target, reference))
                    if not used:
                        continue
                _keep(best, source, target, reference, _kind_of(reference, target))
        if unsure and not any(pair[0] == source.name for pair in best):
            for target, reference in unsure:
                guess = msgspec.structs.replace(reference, confidence=0.4)
                _keep(best, source, target, guess, _kind_of(reference, target))
    for source, target, reference in seen:
        _keep(best, source, target, reference, _kind_of(reference, target))
    return tuple(best[pair] for pair in sorted(best))


def _place(reference: Reference) -> tuple[str, int | None, str]:
    return reference.path, reference.line, reference.key


def _shared(parts: list[Part]) -> set[tuple[str, int | None, str]]:
    """The variables that several parts are given in one place: a file or a map of all of them. They
    are there for whoever needs them."""
    given = Counter(
        place
        for part in parts
        for place in {_place(one) for one in part.references if one.kind == "env"}
    )
    return {place for place, count in given.items() if count > 1}


def _keep(
    best: dict[tuple[str, str], Link], source: Part, target: Part, reference: Reference, kind: str
) -> None:
    if source is target:
        return
    example = source.example or target.example
    link = Link(
        source.name, target.name, kind,
        Evidence(reference.text, reference.path, reference.line),
        round(reference.confidence * (0.5 if example else 1.0), 2),
    )  # fmt: skip
    pair = link.source, link.target
    old = best.get(pair)
    if old is None or (_WEIGHT.get(kind, 3), link.confidence) > (
        _WEIGHT.get(old.kind, 3), old.confidence,
    ):  # fmt: skip
        best[pair] = link


def _targets(reference: Reference, source: Part, book: Book) -> list[Part]:
    found: list[Part | None] = []
    if reference.kind == "depends_on":
        found = [book.host(reference.value, source)]
    elif reference.kind == "resource":
        found = [book.resource(reference.value, source)]
    elif reference.kind == "imports":
        target = book.package(reference.value)
        found = [target if target is not None and target.kind != "workspace" else None]
    elif reference.kind == "path":
        found = [book.folder(reference.value)]
    elif reference.kind in {"env", "command"} and not _NOT_A_CALL.search(reference.key):
        hosts = addresses(reference.key, reference.value)
        found = [book.host(host, source) for host in hosts]
    return [part for part in found if part is not None and part is not source]


def _kind_of(reference: Reference, target: Part) -> str:
    if reference.kind in {"imports", "path"}:
        return "imports"
    if reference.kind in {"publishes", "consumes"}:
        return reference.kind
    if target.kind in {"store", "queue"}:
        return "uses"
    waits = reference.kind == "depends_on" or reference.text.startswith("WaitFor")
    return "depends_on" if waits else "calls"
