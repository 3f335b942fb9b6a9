"""Links that only source code tells: addresses of other parts in it, and gRPC.

An address counts where its host is the name of a part (`http://catalog-api`, `lb://orders`). A gRPC
service is known by its `.proto`; who registers it serves it, who makes a client of it calls it.
Tests, documents and generated files say nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.declared import Reference
from orch_nb.analysis.languages import CODE
from orch_nb.analysis.links import Book
from orch_nb.analysis.manifests import is_compose, reader_for
from orch_nb.analysis.owners import owner_of
from orch_nb.analysis.parts import Part
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.analysis.search import Pattern, search

__all__ = ["WORDS", "calls"]

_SERVES = re.compile(
    r"\bRegister(\w+)Server\(|\badd_(\w+)Servicer_to_server\(|\b(\w+)Grpc(?:Kt)?\.\w*ImplBase\b"
    r"|:\s*(?:[\w.]+\.)?(\w+)\.\w+Base\b|\baddService\(\s*(?:[\w.]+\.)?(\w+)\.service\b"
    r"|\baddService\(\s*(?:[\w.]+\.)?(\w+?)(?:Service)?\s*,"
    r"|public\s+(?:[\w:]+::)?(\w+)::(?:Async|Callback)?Service\b"
    r"|\b(\w+)Server::(?:new|with_interceptor)\(|<\s*(?:[\w:]+::)?(\w+)::Service\b"
    r"|use\s+GRPC\.Server,\s*service:\s*(?:[\w.]+\.)?(\w+)\.Service|\b(\w+)CoroutineImplBase\b"
)
_CALLS = re.compile(
    r"\bNew(\w+)Client\(|\b(\w+)Stub\(|\b(\w+)Grpc\.new\w*Stub\(|\b(\w+)CoroutineStub\("
    r"|\bAddGrpcClient<(?:[\w.]+\.)?(\w+)\.\w+>|\bnew\s+(?:[\w.]+\.)?(\w+)\.\w+Client\("
    r"|\b(\w+)::NewStub\(|\b(\w+)Client::(?:connect|new|with_interceptor)\("
    r"|\bnew\s+(?:[\w.]+\.)?(\w+?)(?:Client)?\(\s*[^()]*(?:credentials|createInsecure)"
    r"|\b(?:[\w:]+::)?(\w+)::Stub\.new\(|\b(\w+)\.Stub\.\w+\("
)
#: What is looked for with the words of the manifests, in one pass.
WORDS = ('syntax = "proto', 'syntax="proto')
_NOT_CALLED = frozenset("localhost example www api app web test http https host domain com".split())
_QUIET = re.compile(
    r"(^|/)(docs?|documentation|scripts|\.github|migrations|locales?|i18n)/|(^|/)(README|CHANGELOG)"
    r"|(_test\.go|\.(test|spec)\.[jt]sx?|_spec\.rb|Tests?\.(java|kt|cs))$"
)
_TEXTUAL = frozenset({"YAML", "JSON", "TOML", "Properties", "XML", "Razor", ""})

Seen = tuple[Part, Part, Reference]


def calls(scan: Scan, parts: list[Part]) -> list[Seen]:
    """Links that the code of `parts` shows: who calls, whom, and where that stands."""
    book = Book(parts)
    homes = {
        part.folder: part
        for part in reversed(parts)
        if part.folder is not None and part.kind not in {"library", "module", "workspace", "tool"}
    }
    every = {part.folder for part in parts if part.folder is not None}
    if len(homes) < 1 or len(parts) < 2:
        return []
    return [*_addresses(scan, book, homes, every), *_grpc(scan, homes, every)]


def _source_files(scan: Scan) -> list[File]:
    beside: dict[str, list[str]] = {}
    for file in scan.files:
        if file.language == "YAML":
            beside.setdefault(file.folder, []).append(file.name)
    return [
        file
        for file in scan.files
        if (file.language in CODE or file.language in _TEXTUAL)
        and not of_tests(file.path)
        and not _QUIET.search(file.path)
        and not (file.name.startswith(".env") and any(
            is_compose(name) for name in beside.get(file.folder, ())
        ))
        and not (file.language in {"YAML", "JSON", "TOML", "XML", ""} and reader_for(file.path) and
                 _is_manifest(file))
    ]  # fmt: skip


def _is_manifest(file: File) -> bool:
    """Whether a file is read as a manifest, and not as the settings of a program."""
    return not re.search(r"(?i)application[\w-]*\.ya?ml$|bootstrap[\w-]*\.ya?ml$", file.name)


def _home(file: File, homes: dict[str, Part], every: set[str]) -> Part | None:
    folder = owner_of(file.path, every)
    return homes.get(folder) if folder is not None else None


def _addresses(scan: Scan, book: Book, homes: dict[str, Part], every: set[str]) -> Iterator[Seen]:
    names = [name for name in book.hosts if len(name) > 3 and name not in _NOT_CALLED][:400]
    if not names:
        return
    one = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    regex = rf"(?i)[a-z]://(?:{one})(?:[:/\"'`\s]|$)"
    shown = re.compile(rf"(?i)\b([a-z][a-z0-9+.-]*)://({one})(?=[:/\"'`\s]|$)")
    files = [file for file in _source_files(scan) if _home(file, homes, every) is not None]
    for file in search(scan, {"address": Pattern(regex, ("://",))}, files)["address"]:
        source = _home(file, homes, every)
        text = scan.read(file)
        for match in shown.finditer(text or ""):
            target = book.host(match.group(2), source)
            start = (text or "").rfind("\n", 0, match.start()) + 1
            comment = re.match(r"\s*(//|#|\*|--|<!--)", (text or "")[start : match.start()])
            if source is None or target is None or target is source or comment:
                continue
            line = (text or "").count("\n", 0, match.start()) + 1
            yield source, target, Reference("calls", match.group(2), file.path, line,
                                            text=match.group(0), confidence=0.7)  # fmt: skip


def _grpc(scan: Scan, homes: dict[str, Part], every: set[str]) -> Iterator[Seen]:
    known: set[str] = set()
    for file in scan.candidates(*WORDS):
        if file.name.endswith(".proto"):
            known |= set(re.findall(r"(?m)^\s*service\s+(\w+)", scan.read(file) or ""))
    known -= {"Health", "ServerReflection"}
    if not known:
        return
    serving: dict[str, list[tuple[Part, File]]] = {}
    calling: list[tuple[str, Part, File, int]] = []
    one = "|".join(map(re.escape, sorted(known)))
    sources = [f for f in _source_files(scan) if f.language in CODE]
    for file in search(scan, {"grpc": Pattern(rf"(?:{one})", tuple(known))}, sources)["grpc"]:
        part = _home(file, homes, every)
        text = scan.read(file)
        if part is None or text is None:
            continue
        for match in _SERVES.finditer(text):
            name = next((group for group in match.groups() if group), "")
            if name in known:
                serving.setdefault(name, []).append((part, file))
        for match in _CALLS.finditer(text):
            name = next((group for group in match.groups() if group), "")
            if name in known:
                calling.append((name, part, file, text.count("\n", 0, match.start()) + 1))
    for name, part, file, line in calling:
        servers = {id(server): server for server, _ in serving.get(name, [])}
        if len(servers) == 1 and id(part) not in servers:
            target = next(iter(servers.values()))
            words = f"gRPC client of {name}"
            told = Reference("calls", name, file.path, line, text=words, confidence=0.8)
            yield part, target, told
