"""Reads one manifest: what component it declares, by a real parser, and on which line.

A reader takes a manifest's text and its `File` and gives `Found` values; ValueError (the parsers'
own errors are kin of it) means that the manifest is broken. Nothing is imported or run: a
`setup.py` is read as a syntax tree, XML with a document type is refused before it is parsed.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import msgspec
import yaml

from orch_nb.analysis.scan import File
from orch_nb.catalog.vocabulary import found

__all__ = ["Found", "compose_nodes", "is_compose", "line_of", "reader_for"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Folders that say where an image is built and not of what.
_SAY_NOTHING = frozenset({"", "docker", "build", "src", "deploy", ".devcontainer", "container"})
_QUEUES = frozenset({"Kafka", "RabbitMQ"})
_WEB_SDK = re.compile(r'Sdk="Microsoft\.NET\.Sdk\.(Web|Worker)"')


class Found(msgspec.Struct, frozen=True):
    """A component as its manifest declares it. `folder` is where its code stands, from the root."""

    name: str
    kind: str
    language: str
    folder: str
    line: int | None = None
    text: str = ""


Reader = Callable[[str, File], Iterable[Found]]


def line_of(text: str, pattern: str) -> int | None:
    """The line (from 1) on which `pattern` first matches; None if it does not."""
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pyproject(text: str, file: File) -> Iterable[Found]:
    data = tomllib.loads(text)
    project = _table(data.get("project"))
    poetry = _table(_table(data.get("tool")).get("poetry"))
    name = project.get("name") or poetry.get("name")
    if not isinstance(name, str):
        return  # a file of tool settings, not of a project
    scripts = project.get("scripts") or project.get("gui-scripts") or poetry.get("scripts")
    line = line_of(text, r"^\s*name\s*=")
    yield Found(name, "application" if scripts else "library", "Python", file.folder, line)


def _setup_cfg(text: str, file: File) -> Iterable[Found]:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if name := config.get("metadata", "name", fallback=""):
        kind = (
            "application"
            if config.has_option("options.entry_points", "console_scripts")
            else "library"
        )
        yield Found(name, kind, "Python", file.folder, line_of(text, r"^\s*name\s*="))


def _setup_py(text: str, file: File) -> Iterable[Found]:
    tree = ast.parse(text)
    named = {  # NAME = "x" at the top, and setup(name=NAME) below
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        called = getattr(node, "func", None)
        if "setup" not in (getattr(called, "id", ""), getattr(called, "attr", "")):
            continue
        for keyword in getattr(node, "keywords", []):
            value = keyword.value
            known = getattr(value, "value", None) or named.get(getattr(value, "id", ""))
            if keyword.arg == "name" and isinstance(known, str):
                yield Found(known, "library", "Python", file.folder, value.lineno)


def _requirements(text: str, file: File) -> Iterable[Found]:
    if file.folder and text.strip():
        yield Found(file.folder.rpartition("/")[2], "application", "Python", file.folder, 1)


def _package_json(text: str, file: File) -> Iterable[Found]:
    data = _table(json.loads(text))
    name = data.get("name") or file.folder.rpartition("/")[2]
    if not isinstance(name, str) or not name:
        return
    if data.get("workspaces"):
        kind = "workspace"
    elif data.get("bin") or data.get("private") or _table(data.get("scripts")).get("start"):
        kind = "application"
    else:
        kind = "library"
    packages = {**_table(data.get("dependencies")), **_table(data.get("devDependencies"))}
    language = "TypeScript" if "typescript" in packages else "JavaScript"
    yield Found(name, kind, language, file.folder, line_of(text, r'"name"\s*:'))


def _go_mod(text: str, file: File) -> Iterable[Found]:
    match = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    if match is None:
        raise ValueError("no module line")
    name = match.group(1).strip('"').rpartition("/")[2]
    yield Found(name, "library", "Go", file.folder, line_of(text, r"^module\s"))


def _cargo(text: str, file: File) -> Iterable[Found]:
    data = tomllib.loads(text)
    name = _table(data.get("package")).get("name")
    if isinstance(name, str):
        kind = "application" if data.get("bin") else "library"
        yield Found(name, kind, "Rust", file.folder, line_of(text, r"^\s*name\s*="))


def _xml(text: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("XML with a document type is not read")
    try:
        return ElementTree.fromstring(text)  # noqa: S314  # no entities: refused above
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


def _pom(text: str, file: File) -> Iterable[Found]:
    root = _xml(text)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    name = root.findtext(f"{space}artifactId") or file.folder.rpartition("/")[2]
    if root.findtext(f"{space}packaging") == "pom" and root.find(f"{space}modules") is not None:
        return  # an aggregator: its modules have manifests of their own
    kind = (
        "application"
        if "spring-boot-maven-plugin" in text or "<packaging>war" in text
        else "library"
    )
    line = line_of(text, rf"<artifactId>{re.escape(name)}<")
    yield Found(name, kind, "Java", file.folder, line)


def _gradle(text: str, file: File) -> Iterable[Found]:
    applied = re.search(r"(application|org\.springframework\.boot|com\.android\.application)", text)
    name = file.folder.rpartition("/")[2] or file.root.rpartition("/")[2]
    if "plugins" in text or "apply plugin" in text or "dependencies" in text:
        language = "Kotlin" if "kotlin" in text else "Java"
        yield Found(name, "application" if applied else "library", language, file.folder, 1)


def _csproj(text: str, file: File) -> Iterable[Found]:
    _xml(text.lstrip("\ufeff"))
    runs = _WEB_SDK.search(text) or re.search(r"<OutputType>\s*(Win)?Exe", text)
    name = file.name.rpartition(".")[0]
    if not re.search(r"(^|\.)(tests?|unittests?)$", name, re.IGNORECASE):
        yield Found(name, "application" if runs else "library", "C#", file.folder, 1)


def _dockerfile(text: str, file: File) -> Iterable[Found]:
    line = line_of(text, r"(?i)^\s*FROM\s+\S")
    if line is None:
        raise ValueError("no FROM line")
    named = [part for part in file.folder.split("/") if part not in _SAY_NOTHING]
    name = named[-1] if named else file.root.rpartition("/")[2]
    yield Found(name, "service", "", file.folder, line, "an image is built here")


def _cmake(text: str, file: File) -> Iterable[Found]:
    match = re.search(r"(?i)^\s*project\s*\(\s*([\w.-]+)", text, re.MULTILINE)
    if match:
        yield Found(
            match.group(1),
            "application",
            "C++",
            file.folder,
            line_of(text, r"(?i)^\s*project\s*\("),
        )


def compose_nodes(text: str) -> yaml.MappingNode | None:
    """The root mapping of a YAML document, with lines; None if it is something else.

    Tags are not resolved, so `!reset` and the like do no harm. Raises ValueError if it does not
    parse, or refers to more than a few anchors, which is how a small file becomes a huge one.
    """
    if len(re.findall(r"(?m)[\s\[,-]\*[\w.-]+", text)) > 200:
        raise ValueError("too many aliases")
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")[:120]) from None
    return node if isinstance(node, yaml.MappingNode) else None


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def is_compose(name: str) -> bool:
    """Whether a file of that name is a compose file."""
    return re.fullmatch(r"(docker-)?compose([.-][\w.-]+)?\.ya?ml", name) is not None


def _compose(text: str, file: File) -> Iterable[Found]:
    services = _child(compose_nodes(text), "services")
    if not isinstance(services, yaml.MappingNode):
        return
    for key, value in services.value:
        image = getattr(_child(value, "image"), "value", "")
        build = _child(value, "build")
        context = (
            getattr(_child(build, "context") or build, "value", "") if build is not None else ""
        )
        folder = (
            _folder(file.folder, context) if isinstance(context, str) and build is not None else ""
        )
        stores = (
            found("stores", image.replace("/", " ").replace(":", " "))
            if isinstance(image, str) and not build
            else {}
        )
        name = next(iter(stores), "")
        kind = "queue" if name in _QUEUES else "store" if name else "service"
        text_ = f"image {image}" if image else f"built from {folder or '.'}"
        yield Found(str(key.value), kind, name, folder, key.start_mark.line + 1, text_)


def _folder(base: str, context: str) -> str:
    path = "/".join(part for part in (base, context) if part)
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


_BY_NAME: dict[str, Reader] = {
    "pyproject.toml": _pyproject, "setup.cfg": _setup_cfg, "setup.py": _setup_py,
    "requirements.txt": _requirements, "package.json": _package_json, "go.mod": _go_mod,
    "Cargo.toml": _cargo, "pom.xml": _pom, "build.gradle": _gradle, "build.gradle.kts": _gradle,
    "Dockerfile": _dockerfile, "Containerfile": _dockerfile, "CMakeLists.txt": _cmake,
}  # fmt: skip


def reader_for(name: str) -> Reader | None:
    """The reader of manifests of that name; None if a file of that name is none."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.endswith(".csproj"):
        return _csproj
    return _compose if is_compose(name) else None
