"""C#, F#: project files, and the application host of .NET Aspire, read as text.

An Aspire host is a program that names resources and wires them: `builder.AddProject<...>("name")`,
`.WithReference(other)`. Its statements are taken apart here, never compiled or run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from orch_nb.analysis.declared import Declared, Reference, Surroundings, joined, line_of
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.compiled import parsed_xml
from orch_nb.analysis.scan import File

__all__ = ["aspire_host", "csproj"]

_TESTS = re.compile(
    r"(^|[._-])(unit|functional|integration|e2e)?-?(tests?|specs|benchmarks?)$", re.IGNORECASE
)


def csproj(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    parsed_xml(text)
    name = file.name.rpartition(".")[0]
    if _TESTS.search(name) or "Microsoft.NET.Test.Sdk" in text:
        return
    uses = [
        Reference("path", joined(file.folder, m.group(1)), file.path,
                  text.count("\n", 0, m.start()) + 1, text="project reference")
        for m in re.finditer(r"<ProjectReference\s+Include=\"([^\"]+)\"", text)
    ]  # fmt: skip
    host = "IsAspireHost" in text or "Aspire.AppHost" in text or "Aspire.Hosting.AppHost" in text
    yield Declared(
        name=name, kind="tool" if host else _kind(text, name), path=file.path,
        line=line_of(text, r"<Project\b"), system="dotnet", folder=file.folder,
        language={"fsproj": "F#", "vbproj": "Visual Basic"}.get(file.name.rpartition(".")[2], "C#"),
        text="wires the others together for development" if host else "",
        references=() if host else tuple(uses),
    )  # fmt: skip


def _kind(text: str, name: str) -> str:
    if re.search(r'Sdk="Microsoft\.NET\.Sdk\.Worker"', text):
        return "worker"
    if re.search(r'Sdk="Microsoft\.NET\.Sdk\.(Web|BlazorWebAssembly)"', text):
        return "application"
    if re.search(r"<UseMaui>\s*true|<UseWPF>\s*true|<UseWindowsForms>\s*true", text):
        return "ui" if re.search(r"<OutputType", text) else "library"
    if re.search(r"<OutputType[^>]*>\s*(Win)?Exe", text):
        return (
            "tool" if re.search(r"(?i)(codegen|generator|build|tool)s?$", name) else "application"
        )
    return "library"


_MAKES = re.compile(
    r"(?:(?:var|[\w<>]+)\s+(?P<to>\w+)\s*=\s*)?(?:await\s+)?(?P<on>\w+)\s*\.\s*Add(?P<what>\w+)\s*"
    r"(?:<\s*(?P<type>[\w.:]+)\s*>)?\s*\(\s*\"(?P<name>[\w.-]+)\"(?P<rest>[^;]*)",
)
_ALIAS = re.compile(r"(?:var|[\w<>]+)\s+(?P<to>\w+)\s*=\s*(?P<of>\w+)\s*\.\s*(?P<by>\w+)\s*\(")
_WIRES = re.compile(r"\.\s*(With\w*|WaitFor\w*|Configure\w*)\s*(?:<[^>]*>)?\s*\(")
_NO_CALL = re.compile(r"(?i)callback|redirect|origin|cors|client$|allowed")
_HARMLESS = frozenset({
    "WithParentRelationship", "WithRelationship", "WithLifetime", "WithExplicitStart", "WithUrls",
    "WithChildRelationship",
})  # fmt: skip


def aspire_host(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """The resources of an Aspire host, with what each refers to."""
    if "DistributedApplication" not in text or ".Add" not in text:
        return
    clean = re.sub(r"//[^\n]*", lambda m: " " * len(m.group(0)), text)
    made: dict[str, Declared] = {}  # by variable, or by name where there is none
    means: dict[str, str] = {}  # variables that stand for another's resource
    wired: dict[str, list[Reference]] = {}
    for start, statement in _statements(clean):
        line = clean.count("\n", 0, start) + 1
        if (match := _MAKES.search(statement)) is not None:
            line += statement.count("\n", 0, match.start())
            key = match["to"] or match["name"]
            if match["on"] in made:  # a database of a server
                means[key] = match["on"]
                continue
            part = _resource(match, file, line)
            if part is None:
                means[key] = ""
                continue
            made[key] = part
            wired[key] = _wires(statement[match.end("name") :], file, line, means)
        elif (match := _ALIAS.search(statement)) is not None and (
            match["of"] in made or match["of"] in means
        ):
            means[match["to"]] = match["of"]
        elif (match := re.match(r"\s*(\w+)\s*\.", statement)) is not None and match[1] in made:
            line += len(statement[: match.start(1)].splitlines()) - 1
            wired[match[1]] += _wires(statement[match.end() - 1 :], file, line, means)
    for key, part in made.items():
        uses = [
            Reference("resource", made[end].name, one.path, one.line, text=one.text,
                      confidence=one.confidence)
            for one in wired[key]
            if (end := _end(one.value, means)) in made and end != key
        ]  # fmt: skip
        yield Declared(
            name=part.name, kind=part.kind, path=part.path, line=part.line, text=part.text,
            system="aspire", image=part.image, aliases=part.aliases, language=part.language,
            references=tuple(uses),
        )  # fmt: skip


def _end(variable: str, means: dict[str, str]) -> str:
    for _ in range(8):
        if variable not in means:
            break
        variable = means[variable]
    return variable


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The statements of a program, roughly: cut at semicolons that stand in no bracket."""
    depth, start = 0, 0
    for match in re.finditer(r"[;()]|\"(?:[^\"\\\n]|\\.)*\"", text):
        sign = match.group(0)
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth = max(0, depth - 1)
        elif sign == ";" and depth == 0:
            yield start, text[start : match.start()]
            start = match.end()
    yield start, text[start:]


def _resource(match: re.Match[str], file: File, line: int) -> Declared | None:
    what = match["what"]
    if what in {"Parameter", "ConnectionString", "ExternalService"}:
        return None
    text = f"Add{what}"
    if what in {"Project", "CSharpApp"}:
        project = (match["type"] or "").rpartition(".")[2] or _quoted(match["rest"])
        alias = (project.replace("_", "."),) if project else ()
        return Declared(name=match["name"], kind="service", path=file.path, line=line, text=text,
                        aliases=alias)  # fmt: skip
    if what in {"Container", "Dockerfile"}:
        image = _quoted(match["rest"]) if what == "Container" else ""
        known = known_image(image)
        return Declared(
            name=match["name"], kind=known[1] if known else "service", path=file.path, line=line,
            text=text, image=image, language=known[0] if known else "",
        )  # fmt: skip
    known = known_image(re.sub(r"^Azure|Server$|Container$", "", what)) or known_image(what)
    if known is None:
        known = _AZURE.get(what)
    return Declared(name=match["name"], kind=known[1] if known else "service", path=file.path,
                    line=line, text=text, language=known[0] if known else "")  # fmt: skip


_AZURE = {
    "AzureServiceBus": ("Azure Service Bus", "queue"), "AzureEventHubs": ("Event Hubs", "queue"),
    "AzureStorage": ("Azure Storage", "store"), "AzureCosmosDB": ("Cosmos DB", "store"),
    "AzureSqlServer": ("SQL Server", "store"), "SqlServer": ("SQL Server", "store"),
    "AzurePostgresFlexibleServer": ("PostgreSQL", "store"), "Yarp": ("YARP", "service"),
    "AzureManagedRedis": ("Redis", "store"), "AzureSignalR": ("SignalR", "support"),
}  # fmt: skip


def _quoted(text: str) -> str:
    match = re.search(r"\"([^\"]+)\"", text)
    return (
        match.group(1).replace("\\", "/").rpartition("/")[2].removesuffix(".csproj")
        if match
        else ""
    )


def _wires(chain: str, file: File, line: int, means: dict[str, str]) -> list[Reference]:
    """The variables that a chain of calls refers to."""
    found = []
    for match in _WIRES.finditer(chain):
        call, inside = match.group(1), _arguments(chain, match.end())
        if call in _HARMLESS:
            continue
        key = re.match(r"\s*\"([^\"]*)\"\s*,", inside)
        if key and _NO_CALL.search(key.group(1)):
            continue
        at = line + chain.count("\n", 0, match.start())
        bare = re.sub(r"\"[^\"]*\"|\w+\s*=>", "", inside)
        for name in dict.fromkeys(re.findall(r"(?<![\w.])([a-z_]\w*)\b(?!\s*\()", bare)):
            words = f"{call} {(means.get(name) and name) or ''}".strip()
            sure = 0.95 if call.startswith(("WithReference", "WithEnvironment")) else 0.8
            found.append(Reference("resource", name, file.path, at, text=words, confidence=sure))
    return found


def _arguments(text: str, start: int) -> str:
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return text[start:]
