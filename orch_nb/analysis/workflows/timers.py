"""What runs by the clock or by a state language: crontabs, systemd timers, Step Functions, BPMN."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from orch_nb.analysis.workflows.documents import child, documents, entries, items, text
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["bpmn", "crontab", "serverless", "state_machine", "systemd"]

_FIELD = r"[\d*/,LW#?A-Za-z-]+"
_WHEN = (
    r"(?:@(?:reboot|yearly|annually|monthly|weekly|daily|hourly|midnight)|"
    rf"(?:{_FIELD}[ \t]+){{4}}{_FIELD})"
)
_CRON = re.compile(rf"^[ \t]*(?P<when>{_WHEN})[ \t]+(?P<command>\S[^\n]*)", re.MULTILINE)


def crontab(page: Page) -> Iterator[Workflow]:
    """The commands of a crontab, each with its times; comments and settings left out."""
    draft: Draft | None = None
    for match in _CRON.finditer(page.text):
        when = match.group("when")
        if when[0] not in "@*0123456789":
            continue
        number = page.line(match.start("when"))
        draft = draft or Draft(page.name, "cron", "crontab", Evidence("crontab", page.path, number))
        draft.task(match.group("command").strip()[:80], "schedule", number, when)
    if draft is not None:
        yield draft.done()


def systemd(page: Page) -> Iterator[Workflow]:
    when = re.search(r"^(On\w+)\s*=\s*(.+)$", page.text, re.MULTILINE)
    if "[Timer]" not in page.text or when is None:
        return
    unit = re.search(r"^Unit\s*=\s*(\S+)", page.text, re.MULTILINE)
    name = unit.group(1) if unit else f"{page.name.removesuffix('.timer')}.service"
    draft = Draft(
        page.name, "systemd", "timer", Evidence("[Timer]", page.path, page.line(when.start()))
    )
    draft.task(name, "schedule", page.line(when.start()), when.group(2).strip())
    yield draft.done()


def state_machine(page: Page) -> Iterator[Workflow]:
    """States of the Amazon States Language, in JSON."""
    data = json.loads(page.text)
    if not isinstance(data, dict):
        return
    if "StartAt" not in data and isinstance(data.get("definition"), dict):
        data = data["definition"]
    if not isinstance(data.get("States"), dict) or not isinstance(data.get("StartAt"), str):
        return
    where = Evidence("States", page.path, page.line(page.text.find('"States"')))
    draft = Draft(page.stem, "step_functions", "machine", where)
    _states(data, draft, page)
    yield draft.done()


def _states(machine: dict[str, Any], draft: Draft, page: Page) -> None:
    states = machine.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        if not isinstance(state, dict):
            continue
        at = page.text.find(f"{json.dumps(name)}:")
        at = at if at >= 0 else page.text.find(json.dumps(name))
        draft.task(name, "state", page.line(max(at, 0)), str(state.get("Type", "")))
        following = [state.get("Next"), state.get("Default")]
        for key in ("Choices", "Catch"):
            following += [c.get("Next") for c in state.get(key) or () if isinstance(c, dict)]
        for after in following:
            if isinstance(after, str):
                draft.edge(name, after)
        inner = [*(state.get("Branches") or ()), state.get("Iterator"), state.get("ItemProcessor")]
        for branch in inner:
            if isinstance(branch, dict):
                _states(branch, draft, page)
                draft.edge(name, str(branch.get("StartAt", "")))


def serverless(page: Page) -> Iterator[Workflow]:
    """Functions of a serverless.yml that a schedule starts."""
    root = next(iter(documents(page.text)), None)
    draft: Draft | None = None
    for name, body, number in entries(child(root, "functions")):
        for event in items(child(body, "events")):
            value = child(event, "schedule")
            if value is not None:
                rate = text(value) or text(child(value, "rate"))
                where = Evidence("schedule", page.path, number)
                draft = draft or Draft("serverless", "serverless", "schedule", where)
                draft.task(name, "schedule", number, rate)
    if draft is not None:
        yield draft.done()


_ELEMENT = re.compile(
    r"<(?:\w+:)?(?P<what>\w*[tT]ask|callActivity|subProcess|userTask|process|sequenceFlow)\b(?P<given>[^>]*)>"
)
_GIVEN = re.compile(r"(\w+)\s*=\s*\"([^\"]*)\"")


def bpmn(page: Page) -> Iterator[Workflow]:
    draft: Draft | None = None
    names: dict[str, str] = {}
    flows: list[tuple[str, str]] = []
    for match in _ELEMENT.finditer(re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL)):
        given: dict[str, str] = dict(_GIVEN.findall(match.group("given")))
        name = given.get("name") or given.get("id", "")
        number = page.line(max(page.text.find(match.group()), 0))
        if match.group("what") == "process":
            draft = draft or Draft(
                name, "bpmn", "process", Evidence("process", page.path, number), LIKELY
            )
        elif match.group("what") == "sequenceFlow":
            flows.append((given.get("sourceRef", ""), given.get("targetRef", "")))
        elif draft is not None:
            names[given.get("id") or name] = name
            draft.task(name, "task", number, match.group("what"))
    if draft is not None:
        for before, after in flows:
            draft.edge(names.get(before, ""), names.get(after, ""))
        yield draft.done()
