"""XState machines: states as tasks, transitions as edges, invoked actors as parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.page import Draft, Pages
from orch_nb.analysis.workflows.scripts import Script, Scripts
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["NEEDLES", "xstate"]

NEEDLES = ("xstate",)
_MAKERS = ("createMachine", "Machine", "setup")


def xstate(pages: Pages, scripts: Scripts) -> Iterator[Workflow]:
    """One workflow for each machine that a file makes."""
    for page in pages:
        script = scripts.read(page)
        modules = {module for module, _ in script.imports.values()}
        if not any(m == "xstate" or m.startswith(("xstate/", "@xstate/")) for m in modules):
            continue
        made = script.local("xstate", *_MAKERS) | script.local("@xstate/fsm", *_MAKERS)
        names = [re.escape(name) for name in sorted(made) if not name.endswith("setup")]
        names.append(r"(?:[\w$]+\.)?createMachine")  # setup({...}).createMachine, this.setup.…
        seen: set[int] = set()
        if made or "createMachine" in page.text:
            for call in script.code.calls("|".join(names)):
                if call.start not in seen:
                    seen.add(call.start)
                    yield from _machine(script, call.start, call.arguments)
            yield from _after_setup(script, seen)


def _after_setup(script: Script, seen: set[int]) -> Iterator[Workflow]:
    """`setup({...}).createMachine({...})`: the call stands behind a bracket, not a name."""
    code = script.code
    for match in re.finditer(
        r"\)\s*\.\s*(?:extend\([^)]*\)\s*\.\s*)?createMachine\s*(\()", code.blanked
    ):
        opening = match.start(1)
        if match.start() in seen or any(abs(at - match.start()) < 3 for at in seen):
            continue
        yield from _machine(script, match.start(), code.split(opening + 1, code.close(opening)))


def _machine(script: Script, at: int, arguments: list[tuple[int, int]]) -> Iterator[Workflow]:
    code, path = script.code, script.page.path
    if not arguments or code.blanked[arguments[0][0]] != "{":
        return
    opening = arguments[0][0]
    entries = code.entries(opening)
    name = code.value(entries["id"]) if "id" in entries else ""
    if not name:
        heads = re.findall(r"\b(?:const|let|var)\s+([\w$]+)\s*(?::[^=]*)?=", code.blanked[:at])
        name = heads[-1] if heads else script.page.stem
    draft = Draft(
        name, "xstate", "machine", Evidence("machine", path, code.line(at)), code.confidence
    )
    _states(code, opening, draft, "", {})
    yield draft.done()


def _states(code: Code, opening: int, draft: Draft, prefix: str, above: dict[str, str]) -> None:
    """The states of a node by their dotted names; targets are its siblings', or by `.child`."""
    entries = code.entries(opening)
    _invoked(code, entries, draft)
    states = entries.get("states")
    if states is None or code.blanked[states[0]] != "{":
        return
    inner = code.entries(states[0])
    names = {key: f"{prefix}.{key}" if prefix else key for key in inner}
    parallel = code.value(entries["type"]) == "parallel" if "type" in entries else False
    for key, span in inner.items():
        draft.task(names[key], "state", code.line(span[0]), "region" if parallel else "")
    known = {**above, **names}
    for key, span in inner.items():
        if code.blanked[span[0]] == "{":
            _transitions(code, span[0], draft, names[key], known)
            if len(names[key].split(".")) < 12:
                _states(code, span[0], draft, names[key], known)


def _transitions(code: Code, opening: int, draft: Draft, state: str, known: dict[str, str]) -> None:
    entries = code.entries(opening)
    for key in ("on", "after", "always", "onDone", "onError", "invoke"):
        span = entries.get(key)
        if span is None:
            continue
        if key in {"onDone", "onError"} and code.value(span):
            draft.edge(state, _target(code.value(span), state, known))
        for target in _targets(code, span, plain=key in {"on", "after"}):
            draft.edge(state, _target(target, state, known))


def _targets(code: Code, span: tuple[int, int], *, plain: bool) -> Iterator[str]:
    """Texts that stand where a target does, actions and guards left out."""
    text = code.blanked[span[0] : span[1]]
    for match in re.finditer(r"\btarget\s*:\s*", text):
        start = span[0] + match.end()
        end = start
        while end < span[1] and code.blanked[end] not in ",}\n":
            end = code.close(end) + 1 if code.blanked[end] in "[(" else end + 1
        yield from re.findall(r"['\"`]([^'\"`]+)['\"`]", code.page.text[start:end])
    if plain and code.blanked[span[0]] == "{":
        for value in code.entries(span[0]).values():
            said = code.value(value)
            if said:
                yield said
            elif code.blanked[value[0]] == "[":
                for item in code.split(value[0] + 1, code.close(value[0])):
                    if code.value(item):
                        yield code.value(item)
    for match in re.finditer(r"\bon(?:Done|Error)\s*:\s*(['\"`])", text):
        start = span[0] + match.start(1)
        quoted = re.match(r"['\"`]([^'\"`\n]+)", code.page.text[start:])
        if quoted:
            yield quoted.group(1)


def _target(said: str, state: str, known: dict[str, str]) -> str:
    said = said.strip()
    if said.startswith("."):
        return f"{state}{said}"
    if said.startswith("#"):
        last = said.rpartition(".")[2].lstrip("#")
        return known.get(last, last)
    head, _, rest = said.partition(".")
    owner = known.get(head, head)
    return f"{owner}.{rest}" if rest else owner


def _invoked(code: Code, entries: dict[str, tuple[int, int]], draft: Draft) -> None:
    span = entries.get("invoke")
    if span is None:
        return
    for match in re.finditer(r"\bsrc\s*:\s*", code.blanked[span[0] : span[1]]):
        start = span[0] + match.end()
        said = re.match(r"['\"`]([^'\"`\n]+)|([\w$.]+)", code.page.text[start:])
        if said:
            draft.part(said.group(1) or said.group(2), "actor", code.line(start), "invoke")
