"""Ruby, PHP, Elixir, Dart, Swift: what each ecosystem's manifest names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from orch_nb.analysis.declared import Declared, Surroundings, line_of
from orch_nb.analysis.manifests.python import table
from orch_nb.analysis.scan import File

__all__ = ["composer", "gemfile", "gemspec", "mix", "pubspec", "swift"]


def _folder_name(file: File) -> str:
    return file.folder.rpartition("/")[2] or file.root.rpartition("/")[2]


def gemfile(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    """An application where Rails, Sinatra or a rack file is; else only a list of tools."""
    rack = around.has(f"{file.folder}/config.ru" if file.folder else "config.ru")
    runs = re.search(
        r"^\s*gem\s+['\"](rails|sinatra|hanami|grape|sidekiq|roda)['\"]", text, re.MULTILINE
    )
    if runs or rack:
        yield Declared(
            name=_folder_name(file), kind="application", path=file.path, system="ruby",
            line=line_of(text, r"gem\s+['\"](rails|sinatra|hanami|grape|sidekiq|roda)"),
            language="Ruby", folder=file.folder, confidence=0.9,
            text=f"on {runs.group(1)}" if runs else "a rack application",
        )  # fmt: skip


def gemspec(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    named = re.search(r"\.name\s*=\s*['\"]([\w.-]+)", text)
    name = named.group(1) if named else file.name.removesuffix(".gemspec")
    line = line_of(text, r"\.name\s*=") or 1
    yield Declared(name=name, kind="library", path=file.path, line=line, system="gem",
                   language="Ruby", folder=file.folder)  # fmt: skip


def composer(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    data = table(json.loads(text))
    name = str(data.get("name") or "").rpartition("/")[2] or _folder_name(file)
    needs = set(table(data.get("require")))
    frames = {"laravel/framework", "symfony/framework-bundle", "slim/slim", "symfony/runtime",
              "cakephp/cakephp", "yiisoft/yii2", "codeigniter4/framework"}  # fmt: skip
    inside = f"{file.folder}/" if file.folder else ""
    runs = (
        data.get("type") == "project"
        or not frames.isdisjoint(needs)
        or around.has(f"{inside}artisan")
        or around.has(f"{inside}public/index.php")
    )
    yield Declared(
        name=name, kind="application" if runs else "library", path=file.path, system="composer",
        line=line_of(text, r'"name"\s*:') or 1, language="PHP", folder=file.folder,
    )  # fmt: skip


def mix(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    named = re.search(r"\bapp:\s*:(\w+)", text)
    if named is None:
        return  # an umbrella: its applications have files of their own
    runs = re.search(r"\bmod:\s*\{|:phoenix\b|\bescript:", text)
    yield Declared(
        name=named.group(1), kind="application" if runs else "library", path=file.path,
        line=line_of(text, r"\bapp:\s*:"), system="mix", language="Elixir", folder=file.folder,
    )  # fmt: skip


def pubspec(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    named = re.search(r"(?m)^name:\s*([\w-]+)", text)
    if named:
        inside = f"{file.folder}/" if file.folder else ""
        ui = re.search(r"(?m)^\s+flutter:\s*$", text) and around.has(f"{inside}lib/main.dart")
        kind = (
            "ui" if ui else "application" if around.has(f"{inside}bin/server.dart") else "library"
        )
        yield Declared(
            name=named.group(1), kind=kind, path=file.path, system="pub",
            line=line_of(text, r"^name:"), language="Dart", folder=file.folder,
        )  # fmt: skip


def swift(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    named = re.search(r"Package\(\s*name:\s*\"([^\"]+)\"", text)
    if named:
        runs = re.search(r"\.executable(Target)?\(", text)
        yield Declared(
            name=named.group(1), kind="application" if runs else "library", path=file.path,
            line=line_of(text, r"name:\s*\""), system="swift", language="Swift",
            folder=file.folder,
        )  # fmt: skip
