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
from orch_nb.analysis.manifests import either, is_compose, reader_for
from orch_nb.analysis.owners import owner_of
from orch_nb.analysis.parts import Part
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.analysis.search import Pattern, search

__all__ = ["WORDS", "calls", "source_files"]

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
_SETTINGS = frozenset({"YAML", "JSON", "TOML", "Properties"})
#: What stands before a host in settings that hold no address: `host: db`, `Server=db;`.
_SAYS_HOST = (
    r"(?:host|hostname|host[_-]?name|server|addresses|bootstrap[.-]?servers|data source)"
    r"[\"']?\s*[:=]\s*[\"']?(?:tcp:)?"
)
#: Settings of proxies, and what stands there before the host that requests are passed on to.
_PROXY_FILE = re.compile(r"(?i)^Caddyfile|nginx|haproxy|\.(conf|cfg|vcl)(\.|$)")
_PASSES_ON = (
    r"\b(?:reverse_proxy(?:\s+/\S*)?|server(?:\s+\w+)?|(?:proxy|fastcgi|grpc|uwsgi)_pass)\s+"
    r"(?:[a-z0-9]+://)?"
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


def source_files(scan: Scan) -> list[File]:
    """Programs and their settings: no tests, no documents, no manifests, which are read as such."""
    manifests = {file.path for file in scan.candidates("apiVersion", "services:")}
    with_compose = {file.folder for file in scan.files if is_compose(file.name)}
    return [
        file
        for file in scan.files
        if (file.language in CODE or file.language in _TEXTUAL)
        and not of_tests(file.path)
        and not _QUIET.search(file.path)
        and not (file.name.startswith(".env") and file.folder in with_compose)
        and not (file.language not in CODE and _is_manifest(file, manifests))
    ]


def _is_manifest(file: File, manifests: set[str]) -> bool:
    """Whether a file is read as a manifest, and not as the settings of a program."""
    reader = reader_for(file.path)
    if reader is None or re.match(r"(?i)(application|bootstrap)[\w-]*\.ya?ml$", file.name):
        return False
    return reader is not either or file.path in manifests


def _home(file: File, homes: dict[str, Part], every: set[str]) -> Part | None:
    folder = owner_of(file.path, every)
    return homes.get(folder) if folder is not None else None


def _spoken_of(file: File, book: Book, home: Part | None) -> Part | None:
    """Whose settings a file holds: a configuration server keeps those of others, by their names."""
    if file.language in _SETTINGS:
        return book.host(file.name.rpartition(".")[0]) or home
    return home


def _addresses(scan: Scan, book: Book, homes: dict[str, Part], every: set[str]) -> Iterator[Seen]:
    names = [name for name in book.hosts if len(name) > 3 and name not in _NOT_CALLED][:400]
    if not names:
        return
    one = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    url, setting = rf"\b[a-z][a-z0-9+.-]*://({one})", rf"{_SAYS_HOST}({one})"
    end = r"(?:[:/;,\"'`\s]|$)"
    files = [file for file in source_files(scan) if _home(file, homes, every) is not None]
    settings = [file for file in files if file.language in _SETTINGS]
    asked = {"url": Pattern(f"(?i){url}{end}", ("://",))}
    proxies = [
        file for file in files if file.language not in CODE and _PROXY_FILE.search(file.name)
    ]
    for regex, found in (
        (url, search(scan, asked, files)["url"]),
        (setting, search(scan, {"host": Pattern(f"(?i){setting}{end}")}, settings)["host"]),
        (rf"{_PASSES_ON}({one})", proxies),
    ):
        shown = re.compile(f"(?i){regex}(?={end})")
        for file in found:
            source = _spoken_of(file, book, _home(file, homes, every))
            if source is not None:
                yield from _shown(file, scan.read(file) or "", shown, source, book)


def _shown(
    file: File, text: str, shown: re.Pattern[str], source: Part, book: Book
) -> Iterator[Seen]:
    for match in shown.finditer(text):
        target = book.host(match.group(1), source)
        start = text.rfind("\n", 0, match.start()) + 1
        comment = re.match(r"\s*(//|#|\*|--|<!--)", text[start : match.start()])
        if target is None or target is source or comment:
            continue
        line = text.count("\n", 0, match.start(1)) + 1
        words = " ".join(match.group(0).split())
        yield source, target, Reference("calls", match.group(1), file.path, line,
                                        text=words, confidence=0.7)  # fmt: skip


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
    sources = [f for f in source_files(scan) if f.language in CODE]
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
