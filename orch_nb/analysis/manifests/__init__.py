"""Reads one manifest: what components it declares, by a real parser where there is one, and on
which line.

A reader takes a manifest's text, its `File` and what stands around it, and gives `Declared` values;
ValueError (the parsers' own errors are kin of it) means that the manifest is broken. Nothing is
imported or run: a `setup.py` is read as a syntax tree, XML with a document type is refused before
it is parsed, templates of Helm are rendered by rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from orch_nb.analysis.declared import Declared, Surroundings, line_of
from orch_nb.analysis.manifests import cloud, compiled, dotnet, helm, javascript, scripting
from orch_nb.analysis.manifests.compose import compose, is_compose
from orch_nb.analysis.manifests.docker import bake, dockerfile, is_dockerfile
from orch_nb.analysis.manifests.kubernetes import kubernetes, skaffold
from orch_nb.analysis.manifests.python import (
    django_settings,
    pyproject,
    requirements,
    setup_cfg,
    setup_py,
)
from orch_nb.analysis.manifests.yaml_nodes import compose_nodes
from orch_nb.analysis.scan import File

__all__ = ["Reader", "compose_nodes", "either", "is_compose", "line_of", "reader_for"]

Reader = Callable[[str, File, Surroundings], Iterable[Declared]]

_BY_NAME: dict[str, Reader] = {
    "pyproject.toml": pyproject, "setup.cfg": setup_cfg, "setup.py": setup_py,
    "requirements.txt": requirements, "package.json": javascript.package_json,
    "go.mod": compiled.go_mod, "Cargo.toml": compiled.cargo, "pom.xml": compiled.pom,
    "build.gradle": compiled.gradle, "build.gradle.kts": compiled.gradle,
    "CMakeLists.txt": compiled.cmake, "Gemfile": scripting.gemfile,
    "composer.json": scripting.composer, "mix.exs": scripting.mix,
    "pubspec.yaml": scripting.pubspec, "Package.swift": scripting.swift,
    "skaffold.yaml": skaffold, "skaffold.yml": skaffold, "Procfile": cloud.procfile,
    "serverless.yml": cloud.serverless, "serverless.yaml": cloud.serverless,
    "Chart.yaml": helm.chart, "docker-bake.hcl": bake, "docker-bake.json": bake,
}  # fmt: skip
_BY_SUFFIX: dict[str, Reader] = {
    "csproj": dotnet.csproj, "fsproj": dotnet.csproj, "vbproj": dotnet.csproj,
    "gemspec": scripting.gemspec, "tf": cloud.terraform,
}  # fmt: skip
_SETTINGS = re.compile(r"(^|/)settings(/(base|common|__init__|defaults|production))?\.py$")
_APP_HOST = re.compile(r"(?i)(^|/)(Program|AppHost|apphost)\.cs$")
_OF_CI = (".github/", ".circleci/", ".gitlab/", ".buildkite/", ".azure-pipelines/")
_NO_MANIFESTS = re.compile(r"(^|/)(\.github|\.circleci|docs?|\.vscode|\.tekton|locales?|i18n)/")


def either(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    """A YAML file whose name says nothing: Kubernetes, or compose under a name of its own."""
    if re.search(r"(?m)^services:\s*$", text) and re.search(r"(?m)^ +(image|build):", text):
        return compose(text, file, around)
    return kubernetes(text, file, around)


def reader_for(path: str) -> Reader | None:  # noqa: PLR0911  # a table of cases
    """The reader of a file of that path; None if a file of that name is no manifest."""
    if path.startswith(_OF_CI):
        return None
    name = path.rpartition("/")[2]
    if name in _BY_NAME:
        return _BY_NAME[name]
    if is_dockerfile(name):
        return dockerfile
    if is_compose(name):
        return compose
    suffix = name.rpartition(".")[2]
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix in {"yaml", "yml"}:
        if "templates/" in path:
            return helm.template
        return None if _NO_MANIFESTS.search(path) else either
    if suffix == "py" and _SETTINGS.search(path):
        return django_settings
    if suffix == "cs" and _APP_HOST.search(path):
        return dotnet.aspire_host
    return None
