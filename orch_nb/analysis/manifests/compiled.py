"""Go, Rust, Maven, Gradle, CMake: modules, workspaces and the programs in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from orch_nb.analysis.declared import Declared, Reference, Surroundings, joined, line_of
from orch_nb.analysis.manifests.python import table
from orch_nb.analysis.scan import File

__all__ = ["cargo", "cmake", "go_mod", "gradle", "parsed_xml", "pom"]

_MAIN = re.compile(r"(Application|Main)\.(java|kt)$")


def go_mod(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    match = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    if match is None:
        raise ValueError("no module line")
    module = match.group(1).strip('"')
    parts = module.split("/")
    if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]):
        parts.pop()
    inside = f"{file.folder}/" if file.folder else ""
    runs = around.has(f"{inside}main.go") or any(
        re.search(r"(?m)^package main\b", around.text(one.path))
        for one in around.under(file.folder)[:200]
        if one.folder == file.folder and one.name.endswith(".go")
    )
    uses = [
        Reference("path", joined(file.folder, m.group(1)), file.path,
                  text.count("\n", 0, m.start(1)) + 1, text=f"replaced by {m.group(1)}")
        for m in re.finditer(r"=>\s*(\.\.?/\S*)", text)
    ]  # fmt: skip
    uses += [
        Reference("imports", m.group(1), file.path, text.count("\n", 0, m.start(1)) + 1,
                  text=f"requires {m.group(1)}")
        for m in re.finditer(r"(?m)^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+)\s+v", text)
    ]  # fmt: skip
    yield Declared(
        name=parts[-1], kind="application" if runs else "library", path=file.path,
        line=line_of(text, r"^module\s"), system="go", language="Go", folder=file.folder,
        aliases=(module,), references=tuple(uses),
    )  # fmt: skip
    yield from _go_programs(file, around, inside)


def _go_programs(file: File, around: Surroundings, inside: str) -> Iterator[Declared]:
    """What `cmd/*/main.go` builds."""
    for main in around.named("main.go", file.folder):
        match = re.fullmatch(rf"{re.escape(inside)}(?:[\w-]+/)?cmd/([\w.-]+)/main\.go", main.path)
        if match:
            yield Declared(
                name=match.group(1), kind="application", path=main.path, line=1, system="go-cmd",
                text="a program of its own", language="Go", folder=main.folder, confidence=0.8,
            )  # fmt: skip


def cargo(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    data = tomllib.loads(text)
    name = table(data.get("package")).get("name")
    if not isinstance(name, str):
        return  # a virtual workspace: its members have manifests of their own
    inside = f"{file.folder}/" if file.folder else ""
    runs = data.get("bin") or around.has(f"{inside}src/main.rs")
    uses = []
    for section in ("dependencies", "dev-dependencies", "build-dependencies"):
        for needed, spec in table(data.get(section)).items():
            line = line_of(text, rf"^{re.escape(needed)}\s*=")
            if isinstance(spec, dict) and isinstance(spec.get("path"), str):
                uses.append(Reference("path", joined(file.folder, spec["path"]), file.path, line,
                                      text=f"depends on {needed}"))  # fmt: skip
            else:
                uses.append(Reference("imports", str(needed), file.path, line,
                                      text=f"depends on {needed}"))  # fmt: skip
    yield Declared(
        name=name, kind="application" if runs else "library", path=file.path,
        line=line_of(text, r"^\s*name\s*="), system="cargo", language="Rust", folder=file.folder,
        references=tuple(uses),
    )  # fmt: skip


def parsed_xml(text: str) -> ElementTree.Element:
    """XML without a document type, which is how entities blow up. Raises ValueError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("XML with a document type is not read")
    try:
        return ElementTree.fromstring(text.lstrip("\ufeff"))  # noqa: S314  # no entities: see above
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


def pom(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    root = parsed_xml(text)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    name = root.findtext(f"{space}artifactId") or file.folder.rpartition("/")[2]
    if root.findtext(f"{space}packaging") == "pom":
        return  # an aggregator or a parent: its modules have manifests of their own
    inside = f"{file.folder}/" if file.folder else ""
    runs = re.search(
        r"spring-boot-maven-plugin|<packaging>war|quarkus-maven-plugin|<mainClass>|jib-maven-plugin",
        text,
    ) or any(_MAIN.search(one.name) for one in around.under(f"{inside}src/main"))
    uses = [
        Reference("imports", needed, file.path, line_of(text, rf"<artifactId>{re.escape(needed)}<"),
                  text=f"depends on {needed}")
        for one in root.iter(f"{space}dependency")
        if (needed := one.findtext(f"{space}artifactId"))
    ]  # fmt: skip
    yield Declared(
        name=name, kind="application" if runs else "library", path=file.path,
        line=line_of(text, rf"<artifactId>{re.escape(name)}<"), system="maven",
        language="Java", folder=file.folder, references=tuple(uses),
    )  # fmt: skip


def gradle(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    if not re.search(r"\bplugins\b|apply\s+plugin|\bdependencies\b", text):
        return
    inside = f"{file.folder}/" if file.folder else ""
    settings = around.text(f"{inside}settings.gradle.kts") or around.text(
        f"{inside}settings.gradle"
    )
    includes = re.search(r"(?m)^\s*include\b", settings)
    has_source = any(around.under(f"{inside}src/main"))
    if includes and not has_source:
        return  # the root of a build: its projects have files of their own
    named = re.search(r"rootProject\.name\s*=\s*['\"]([\w.-]+)", settings)
    name = (named.group(1) if named else "") or file.folder.rpartition("/")[2]
    applied = re.search(
        r"(?<![\w.])application(?![\w.])|org\.springframework\.boot['\"]|com\.android\.application"
        r"|io\.quarkus['\"]|io\.micronaut\.application|mainClass|shadowJar|com\.google\.cloud\.tools"
        r"\.jib|bootJar\b",
        text,
    ) or any(_MAIN.search(one.name) for one in around.under(f"{inside}src/main"))
    kind = "application" if applied else "tool" if name == "buildSrc" else "library"
    uses = [
        Reference("imports", m.group(1).rpartition(":")[2], file.path,
                  text.count("\n", 0, m.start()) + 1, text=f"depends on {m.group(1)}")
        for m in re.finditer(r"project\(\s*(?:path\s*[:=]\s*)?['\"]:?([\w:.-]+)", text)
    ]  # fmt: skip
    yield Declared(
        name=name or file.root.rpartition("/")[2], kind=kind,
        path=file.path, line=1, system="gradle", folder=file.folder,
        language="Kotlin" if "kotlin" in text else "Java", references=tuple(uses),
        aliases=(file.folder.rpartition("/")[2],) if file.folder else (),
    )  # fmt: skip


def cmake(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    match = re.search(r"(?i)^\s*project\s*\(\s*([\w.-]+)", text, re.MULTILINE)
    if match:
        runs = re.search(r"(?i)add_executable\s*\(", text)
        yield Declared(
            name=match.group(1), kind="application" if runs else "library", path=file.path,
            line=line_of(text, r"(?i)^\s*project\s*\("), system="cmake", language="C++",
            folder=file.folder, confidence=0.8,
        )  # fmt: skip
