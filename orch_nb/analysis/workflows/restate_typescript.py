"""Restate in TypeScript: services, objects and workflows with their handlers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.page import Draft, Pages
from orch_nb.analysis.workflows.scripts import Script, Scripts
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "restate_typescript"]

NEEDLES = ("@restatedev/restate-sdk", "npm:@restatedev", "restate-sdk")
_MAKERS = ("service", "object", "workflow")


def restate_typescript(pages: Pages, scripts: Scripts) -> Iterator[Workflow]:
    for page in pages:
        script = scripts.read(page)
        code = script.code
        names = _makers(script)
        for name, kind in names.items():
            for call in code.calls(re.escape(name)):
                if not call.arguments or code.blanked[call.arguments[0][0]] != "{":
                    continue
                entries = code.entries(call.arguments[0][0])
                if "handlers" not in entries and "name" not in entries:
                    continue
                own = code.value(entries["name"]) if "name" in entries else ""
                where = Evidence(name, page.path, code.line(call.start))
                draft = Draft(own or page.stem, "restate", kind, where, code.confidence)
                span = entries.get("handlers")
                if span is not None and code.blanked[span[0]] == "{":
                    for handler, at in code.entries(span[0]).items():
                        draft.task(handler, "handler", code.line(at[0]))
                    for step in code.calls(r"\w+\.run", span[0], span[1]):
                        said = code.value(step.arguments[0]) if step.arguments else ""
                        if said:
                            draft.part(said, "step", code.line(step.start))
                yield draft.done()


def _makers(script: Script) -> dict[str, str]:
    """The names by which a file makes services: name -> service, object or workflow."""
    names: dict[str, str] = {}
    for local, (module, name) in script.imports.items():
        if "@restatedev/" not in module:
            continue
        if name in {"*", "default"} or local == "restate":
            names |= {f"{local}.{maker}": maker for maker in _MAKERS}
        elif name in _MAKERS:
            names[local] = name
    return names
