"""What a developer runs by name: Makefiles, Taskfiles, justfiles, scripts, tox and nox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError

from orch_nb.analysis.workflows.documents import child, documents, entries, items, text
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["just", "make", "npm", "nx", "rake", "taskfile", "tox", "turbo"]

_RULE = re.compile(
    r"^(?P<names>[A-Za-z0-9$_(.][\w.$(){}/ +-]*?)[ \t]*::?(?![=:])(?P<needs>[^#\n]*)", re.MULTILINE
)
_DEFINE = re.compile(r"^define\b.*?^endef\b", re.MULTILINE | re.DOTALL)
_RUNS = re.compile(
    r"(?:^|&&|\|\||;|\s)(?:npm|pnpm|yarn|bun)(?:\s+(?:-\S+|--\S+))*\s+(?:run(?:-script)?\s+)?"
    r"(?:-\S+\s+)*(?P<name>[\w:.@/-]+)|(?:^|\s)(?:run-[sp]|npm-run-all2?)\s+(?P<many>[^&|;]+)"
)


def make(page: Page) -> Iterator[Workflow]:
    """Targets and their prerequisites; pattern rules, variables and files of `/` left out."""
    source = _DEFINE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), page.text)
    phony: set[str] = set()
    rules: list[tuple[list[str], list[str], int]] = []
    # A continued line is one line; as many characters, so that places stay.
    joined = source.replace("\\\n", " \x00")
    for match in _RULE.finditer(joined):
        needs = match.group("needs").replace("\x00", " ").split(";")[0].split("|")
        names = match.group("names").replace("\x00", " ").split()
        wanted = [n for part in needs for n in part.split()]
        if any(n.endswith("=") or "=" in n for n in wanted):
            continue  # a variable of one target
        number = page.line(match.start())
        if names == [".PHONY"]:
            phony |= set(wanted)
            continue
        rules.append((names, wanted, number))
    draft: Draft | None = None
    for names, _, number in rules:
        for name in names:
            if not _a_target(name, phony):
                continue
            if draft is None:
                where = Evidence("targets", page.path, number)
                draft = Draft(page.name, "make", "makefile", where)
            draft.task(name, "target", number, "phony" if name in phony else "")
    if draft is None:
        return
    for names, wanted, _ in rules:
        for name in names:
            for need in wanted:
                draft.edge(need, name)
    yield draft.done()


def _a_target(name: str, phony: set[str]) -> bool:
    if name in phony:
        return "$" not in name and "%" not in name
    return not any(sign in name for sign in "%$./()")


def npm(page: Page) -> Iterator[Workflow]:
    """Scripts, with edges from those that a script runs to the script."""
    data = json.loads(page.text)
    scripts = data.get("scripts") if isinstance(data, dict) else None
    if not isinstance(scripts, dict) or not scripts:
        return
    number = page.line(max(0, page.text.find('"scripts"')))
    name = "npm scripts"
    draft = Draft(name, "npm", "scripts", Evidence("scripts", page.path, number))
    begun = page.text.find('"scripts"')
    for key, value in scripts.items():
        at = page.text.find(json.dumps(str(key)), begun)
        draft.task(str(key), "script", page.line(at) if at >= 0 else None, str(value)[:100])
    for key, value in scripts.items():
        for need in _run_by(str(value), scripts):
            draft.edge(need, str(key))
        for hook in (f"pre{key}",):
            if hook in scripts:
                draft.edge(hook, str(key))
        if f"post{key}" in scripts:
            draft.edge(str(key), f"post{key}")
    yield draft.done()


def _run_by(command: str, scripts: dict[str, object]) -> Iterator[str]:
    for match in _RUNS.finditer(command):
        if match.group("many"):
            for word in match.group("many").split():
                if word in scripts:
                    yield word
                elif word.endswith("*"):
                    yield from (s for s in scripts if s.startswith(word.rstrip("*")) and s != word)
        elif match.group("name") in scripts:
            yield match.group("name")


def turbo(page: Page) -> Iterator[Workflow]:
    data = json.loads(re.sub(r"(?m)^\s*//.*$", "", page.text))
    tasks = data.get("tasks", data.get("pipeline")) if isinstance(data, dict) else None
    if not isinstance(tasks, dict) or not tasks:
        return
    at = max(page.text.find('"tasks"'), page.text.find('"pipeline"'), 0)
    draft = Draft("turbo", "turbo", "pipeline", Evidence("tasks", page.path, page.line(at)))
    _json_tasks(draft, page, tasks, at)
    yield draft.done()


def nx(page: Page) -> Iterator[Workflow]:
    data = json.loads(page.text)
    targets = data.get("targets", data.get("targetDefaults")) if isinstance(data, dict) else None
    if not isinstance(targets, dict) or not targets:
        return
    at = max(page.text.find('"targets"'), page.text.find('"targetDefaults"'), 0)
    name = str(data.get("name") or "nx")
    draft = Draft(name, "nx", "targets", Evidence("targets", page.path, page.line(at)))
    _json_tasks(draft, page, targets, at)
    yield draft.done()


def _json_tasks(draft: Draft, page: Page, tasks: dict[str, object], begun: int) -> None:
    for key, body in tasks.items():
        at = page.text.find(json.dumps(key), begun)
        draft.task(key, "task", page.line(at) if at >= 0 else None)
        needs = body.get("dependsOn", ()) if isinstance(body, dict) else ()
        for need in needs if isinstance(needs, list) else ():
            draft.edge(str(need).lstrip("^"), key)


def taskfile(page: Page) -> Iterator[Workflow]:
    root = next(iter(documents(page.text)), None)
    tasks = list(entries(child(root, "tasks")))
    if not tasks:
        return
    draft = Draft(page.name, "taskfile", "taskfile", Evidence("tasks", page.path, tasks[0][2]))
    for name, _, number in tasks:
        draft.task(name, "target", number)
    for name, body, _ in tasks:
        for need in items(child(body, "deps")):
            draft.edge(text(need) or text(child(need, "task")), name)
        for command in items(child(body, "cmds")):
            draft.edge(text(child(command, "task")), name)
    yield draft.done()


_RECIPE = re.compile(
    r"^@?(?P<name>[A-Za-z_][\w-]*)(?P<given>(?:[ \t]+[^:\n]*)?)\s*:(?!=)(?P<needs>[^\n#]*)",
    re.MULTILINE,
)


def just(page: Page) -> Iterator[Workflow]:
    draft: Draft | None = None
    found = [
        m for m in _RECIPE.finditer(page.text) if m.group("name") not in {"set", "alias", "export"}
    ]
    for match in found:
        number = page.line(match.start())
        draft = draft or Draft(
            page.name, "just", "justfile", Evidence("recipes", page.path, number)
        )
        draft.task(match.group("name"), "target", number)
    for match in found:
        for need in re.findall(r"\(?([A-Za-z_][\w-]*)", match.group("needs")):
            if draft is not None:
                draft.edge(need, match.group("name"))
    if draft is not None:
        yield draft.done()


_RAKE = re.compile(
    r"^\s*(?:multi)?task\s+(?::(?P<name>\w+)|['\"](?P<quoted>[\w:]+)['\"]|(?P<key>\w+):)[^\n]*",
    re.MULTILINE,
)


def rake(page: Page) -> Iterator[Workflow]:
    draft: Draft | None = None
    for match in _RAKE.finditer(page.text):
        name = match.group("name") or match.group("quoted") or match.group("key")
        number = page.line(match.start())
        draft = draft or Draft(
            page.name, "rake", "rakefile", Evidence("tasks", page.path, number), LIKELY
        )
        draft.task(name, "target", number)
        needs = re.search(r"(?:=>|:\s)\s*(\[[^\]]*\]|:\w+)", match.group())
        for need in re.findall(r":?([A-Za-z_]\w*)", needs.group(1)) if needs else ():
            draft.edge(need, name)
    if draft is not None:
        yield draft.done()


def tox(page: Page) -> Iterator[Workflow]:
    """The environments of a tox.ini, or the sessions of a noxfile."""
    if page.name == "noxfile.py":
        yield from _nox(page)
        return
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(page.text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if not parser.has_section("tox"):
        return
    listed = parser.get("tox", "envlist", fallback=parser.get("tox", "env_list", fallback=""))
    names = [s.removeprefix("testenv:") for s in parser.sections() if s.startswith("testenv:")]
    plain = [n.strip() for n in re.split(r"[\n,]", re.sub(r"\{[^}]*\}", "{}", listed)) if n.strip()]
    plain = [n for n in plain if "{" not in n and "#" not in n]
    draft = Draft(
        "tox",
        "tox",
        "environments",
        Evidence("[tox]", page.path, page.line(page.text.find("[tox]"))),
    )
    for name in dict.fromkeys([*plain, *names]):
        at = page.text.find(f"[testenv:{name}]")
        draft.task(name, "environment", page.line(at) if at >= 0 else None)
    if draft.tasks:
        yield draft.done()


_SESSION = re.compile(
    r"^@(?:nox\.)?session\b[^\n]*(?:\n(?!def )[^\n]*){0,8}\ndef\s+(\w+)", re.MULTILINE
)


def _nox(page: Page) -> Iterator[Workflow]:
    found = list(_SESSION.finditer(page.text))
    if found:
        draft = Draft(
            "nox",
            "nox",
            "sessions",
            Evidence("sessions", page.path, page.line(found[0].start())),
            LIKELY,
        )
        for match in found:
            draft.task(match.group(1), "session", page.line(match.start()))
        yield draft.done()
