"""Dockerfiles and docker-bake: what images are built here, and of which folder.

A Dockerfile of tests, of CI or of a development container builds no service; one with a word in its
name (`Dockerfile.debug`) is another way to build what stands there already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from orch_nb.analysis.declared import Declared, Surroundings, joined, line_of
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.python import table
from orch_nb.analysis.scan import File

__all__ = ["aside", "bake", "dockerfile", "home_of", "is_dockerfile", "runtime_of"]

#: Folders that say where an image is built and not of what.
_SAY_NOTHING = frozenset(
    "docker build src deploy deployment deployments .devcontainer container containers app image "
    "images dockerfiles .docker server-src production prod dev development compose local".split()
) | {""}
_TOOLS = frozenset(
    ".devcontainer ci .ci .github .gitlab .circleci hack tools tooling scripts genproto proto "
    "protos codegen benchmark benchmarks .buildkite build-image builder docs doc website".split()
)
#: Where people and their tools work on a program: what is built there is no part of it.
_ASIDE = frozenset(
    ".devcontainer .cursor .gitpod .codesandbox .codespaces .ci .github .gitlab .circleci .vscode "
    ".buildkite .idea .agents .claude .semaphore .azure-pipelines ci cypress e2e".split()
)
_VARIANT = re.compile(
    r"(?i)\b(gitpod|devcontainer|cursor|dev|devel|development|debug|test|tests|testing|ci|cypress|e2e|lint|build|builder|base|"
    r"playwright|bench|docs|local|arm64|amd64|windows|alpine|gpu|slim|multi|dist|release|prod|"
    r"production|native|jvm|legacy-jar|native-micro|cross|original|example|android|ios)\b"
)
_NAME = re.compile(r"(?i)^(?:Dockerfile|Containerfile)(?:[.-](?P<after>[\w.-]+))?$|"
                   r"^(?P<before>[\w.-]+)\.(?:Dockerfile|Containerfile)$")  # fmt: skip


def is_dockerfile(name: str) -> bool:
    """Whether a file of that name is a Dockerfile.

    >>> is_dockerfile("Dockerfile"), is_dockerfile("api.Dockerfile"), is_dockerfile("x.py")
    (True, True, False)
    """
    return _NAME.match(name) is not None and not name.endswith(
        (".dockerignore", ".md", ".j2", ".tmpl")
    )


def home_of(folder: str) -> str:
    """The folder whose image is built: folders like `docker` and `build` only say where."""
    parts = folder.split("/") if folder else []
    while parts and parts[-1].lower() in _SAY_NOTHING:
        parts.pop()
    return "/".join(parts)


def aside(folder: str) -> bool:
    """Whether a folder is for those who work on a program: CI, tests, development containers."""
    return not _ASIDE.isdisjoint(folder.lower().split("/"))


def dockerfile(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    line = line_of(text, r"(?i)^\s*FROM\s+\S")
    if line is None:
        raise ValueError("no FROM line")
    match = _NAME.match(file.name)
    word = ((match["after"] or match["before"]) if match else None) or ""
    home = home_of(file.folder)
    tool = (
        aside(file.folder)
        or not _TOOLS.isdisjoint(file.folder.lower().split("/"))
        or bool(_VARIANT.search(word))
    )
    name = home.rpartition("/")[2] or file.root.rpartition("/")[2]
    bases, stages = _stages(text)
    tool = tool or _repacks(text, stages)
    yield Declared(
        name=word if word and not tool else name, kind="tool" if tool else "service",
        path=file.path, line=line, text="an image is built here", system="dockerfile",
        folder=_code_folder(file, home), image=bases[-1] if bases else "",
        language=next(filter(None, map(runtime_of, reversed(bases))), ""),
        aliases=(word,) if word and not tool else (),
        confidence=0.3 if tool else 0.6 if word else 0.8,
    )  # fmt: skip


def _stages(text: str) -> tuple[list[str], dict[str, str]]:
    """The images that the stages start from, in order, those of other stages put in; and by name of
    the stage what each starts from."""
    bases: list[str] = []
    named: dict[str, str] = {}
    for base, name in re.findall(
        r"(?im)^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)(?:[ \t]+AS[ \t]+(\S+))?", text
    ):
        made = named.get(base.lower(), base)
        bases.append(made)
        if name:
            named[name.lower()] = made
    return bases, named


def _repacks(text: str, stages: dict[str, str]) -> bool:
    """Whether an image holds the programs of several others that one owner builds: all in one."""
    taken = {name.lower() for name in re.findall(r"(?im)^\s*COPY\s+.*--from=(\S+)", text)}
    owners = [
        image.partition("@")[0].partition(":")[0].rpartition("/")[0]
        for name, image in stages.items()
        if name in taken and "/" in image and not known_image(image)
    ]
    return any(owners.count(owner) > 2 for owner in owners)


#: The languages that base images run, by their names.
_RUNTIMES = (
    (r"python|pypy|uvicorn|miniconda|anaconda|mambaforge|astral-sh/uv|jupyter", "Python"),
    (r"node|bun|deno", "JavaScript"),
    (r"golang|go-toolset", "Go"),
    (r"openjdk|temurin|corretto|jdk|jre|maven|gradle|java|tomcat|jetty|graalvm|zulu", "Java"),
    (r"aspnet|dotnet", "C#"), (r"ruby|jruby|passenger", "Ruby"), (r"php|frankenphp", "PHP"),
    (r"elixir|erlang", "Elixir"), (r"rust|cargo-chef", "Rust"), (r"swift", "Swift"),
    (r"dart", "Dart"), (r"perl", "Perl"), (r"haskell", "Haskell"),
)  # fmt: skip


def runtime_of(image: str) -> str:
    """The language that a base image is for; "" where it is for any.

    >>> runtime_of("python:3.13-slim"), runtime_of("mcr.microsoft.com/dotnet/aspnet:8.0")
    ('Python', 'C#')
    """
    name = image.partition("@")[0].lower()
    last = name.rpartition("/")[2].partition(":")[0]
    for words, language in _RUNTIMES:
        if re.search(rf"(^|[-_/])({words})\d*([-_/]|$)", last) or re.search(
            rf"/(dotnet|distroless)/({words})", name
        ):
            return language
    return "C#" if "/dotnet/" in name else ""


def _code_folder(file: File, home: str) -> str:
    """`src/cart/src` holds the code of `src/cart`, `src/cart/docker` does not."""
    last = file.folder.rpartition("/")[2].lower()
    return file.folder if last in {"src", "app", "server-src"} else home


def bake(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """The targets of a docker-bake file, in HCL or JSON."""
    if file.name.endswith(".json"):
        targets = [
            (name, str(table(one).get("context") or "."), str(table(one).get("dockerfile") or ""),
             line_of(text, rf'"{re.escape(name)}"\s*:'))
            for name, one in table(table(json.loads(text)).get("target")).items()
        ]  # fmt: skip
    else:
        targets = [
            (
                match.group(1),
                _setting(match.group(2), "context") or ".",
                _setting(match.group(2), "dockerfile"),
                text.count("\n", 0, match.start(1)) + 1,
            )
            for match in re.finditer(r'(?m)^\s*target\s+"([\w.-]+)"\s*\{(.*?)^\}', text, re.DOTALL)
        ]
    for name, context, made, line in targets:
        if name.startswith("_") or name in {"default", "base", "common"} or "://" in context:
            continue
        folder = joined(file.folder, context)
        inner = joined(folder, made).rpartition("/")[0] if made else folder
        yield Declared(name=name, kind="", path=file.path, line=line, system="bake", image=name,
                       folder=home_of(inner) or folder, text=f"built from {folder or '.'}",
                       confidence=0.7)  # fmt: skip


def _setting(body: str, key: str) -> str:
    match = re.search(rf'(?m)^\s*{key}\s*=\s*"([^"$]*)"', body)
    return match.group(1) if match else ""
