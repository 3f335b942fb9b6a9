"""JavaScript and TypeScript: package.json, with workspaces of npm, yarn, pnpm, lerna, nx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from orch_nb.analysis.declared import Declared, Reference, Surroundings, line_of
from orch_nb.analysis.manifests.python import table
from orch_nb.analysis.scan import File

__all__ = ["package_json"]

_UI = frozenset(
    "react-dom next vue nuxt svelte @sveltejs/kit @angular/core solid-js preact gatsby astro "
    "@remix-run/react react-native expo electron ember-source lit".split()
)
_SERVER = frozenset(
    "express fastify koa @nestjs/core @hapi/hapi hono restify @grpc/grpc-js apollo-server "
    "@apollo/server moleculer @feathersjs/feathers @restatedev/restate-sdk "
    "@temporalio/worker".split()
)


def package_json(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    data = table(json.loads(text.lstrip("\ufeff")))
    name = data.get("name") or file.folder.rpartition("/")[2] or (
        file.root.rpartition("/")[2] if data.get("workspaces") else ""
    )  # fmt: skip
    if not isinstance(name, str) or not name:
        return
    runs = {**table(data.get("dependencies")), **table(data.get("peerDependencies"))}
    every = {**runs, **table(data.get("devDependencies"))}
    beside = "typescript" in every or around.has(_beside(file, "tsconfig.json"))
    yield Declared(
        name=name, kind=_kind(data, file, around, every, runs), path=file.path,
        line=line_of(text, r'"name"\s*:'), system="npm",
        language="TypeScript" if beside else "JavaScript", folder=file.folder,
        confidence=0.9 if runs or not file.folder else 0.7,
        references=tuple(
            Reference("imports", str(needed), file.path,
                      line_of(text, rf'"{re.escape(str(needed))}"\s*:'),
                      text=f"depends on {needed}")
            for needed in list(every)[:300]
        ),
    )  # fmt: skip


def _kind(
    data: dict[str, Any],
    file: File,
    around: Surroundings,
    every: dict[str, Any],
    runs: dict[str, Any],
) -> str:
    scripts = table(data.get("scripts"))
    if data.get("workspaces") or any(
        around.has(_beside(file, one)) for one in ("pnpm-workspace.yaml", "lerna.json", "nx.json")
    ):
        return "workspace"
    if (
        not runs
        and every
        and not scripts.keys() & {"start", "serve", "dev"}
        and not data.get("bin")
    ):
        return "tool" if data.get("private") else "library"  # for those who work on it
    started = scripts.keys() & {"start", "serve", "dev"}
    if any(data.get(key) for key in ("exports", "module", "types", "typings", "publishConfig")) or (
        data.get("main") and not started
    ):
        return "application" if data.get("bin") and not data.get("exports") else "library"
    if not _UI.isdisjoint(every) and (scripts.keys() & {"start", "dev", "build", "serve"}):
        return "ui" if _SERVER.isdisjoint(every) or "next" in every else "application"
    if data.get("bin") or scripts.get("start") or not _SERVER.isdisjoint(every):
        return "application"
    if data.get("private"):
        return (
            "application" if scripts.keys() & {"dev", "serve"} or file.folder == "" else "library"
        )
    return "library"


def _beside(file: File, name: str) -> str:
    return f"{file.folder}/{name}" if file.folder else name
