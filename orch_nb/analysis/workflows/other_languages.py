"""Ruby, PHP, Elixir and Rust: job classes, schedules and services, told by rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Code
from orch_nb.analysis.workflows.page import LIKELY, Draft, Page, Pages
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["ELIXIR", "PHP", "RUBY", "RUST", "elixir", "php", "ruby", "rust"]

RUBY = ("Sidekiq", "ApplicationJob", "ActiveJob", "sidekiq", "Resque", "every ")
PHP = ("ShouldQueue", "Schedule", "Workflow")
ELIXIR = ("Oban.Worker", "Oban.Pro", "Quantum")
RUST = ("restate_sdk", "temporal", "apalis")
_JOB_BASES = frozenset({"ApplicationJob", "ActiveJob::Base", "::ApplicationJob"})


def _one(page: Page, system: str, name: str, at: int, said: str, sure: float = LIKELY) -> Workflow:
    draft = Draft(name, system, "job", Evidence(said, page.path, page.line(at)), sure)
    draft.task(name, "job", page.line(at))
    return draft.done()


def ruby(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "ruby")
        classes = list(
            re.finditer(r"^\s*class\s+([\w:]+)(?:\s*<\s*([\w:]+))?", code.blanked, re.MULTILINE)
        )
        for index, match in enumerate(classes):
            end = classes[index + 1].start() if index + 1 < len(classes) else len(code.blanked)
            body = code.blanked[match.end() : end]
            if re.search(r"^\s*include\s+Sidekiq::(?:Worker|Job)\b", body, re.MULTILINE):
                yield _one(page, "sidekiq", match.group(1), match.start(1), "Sidekiq")
            elif (match.group(2) or "") in _JOB_BASES and re.search(r"\bdef\s+perform\b", body):
                yield _one(page, "active_job", match.group(1), match.start(1), "ActiveJob")
        if page.path.endswith("config/schedule.rb"):
            found = list(re.finditer(r"^\s*every\s+([^\n]*?)\s+do\b", code.blanked, re.MULTILINE))
            if found:
                draft = Draft(
                    "schedule",
                    "whenever",
                    "schedule",
                    Evidence("every", page.path, page.line(found[0].start(1))),
                    LIKELY,
                )
                for match in found:
                    said = re.compile(r"\s*(?:rake|runner|command)\s+['\"]([^'\"\n]+)").search(
                        page.text, match.end()
                    )
                    if said:
                        draft.task(
                            said.group(1)[:80],
                            "schedule",
                            page.line(match.start(1)),
                            match.group(1),
                        )
                yield draft.done()


def php(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "php")
        for match in re.finditer(
            r"\bclass\s+(\w+)[^{]*\bimplements\b[^{]*\bShouldQueue\b", code.blanked
        ):
            if "function handle" in code.blanked and "Illuminate" in page.text:
                yield _one(page, "laravel", match.group(1), match.start(1), "ShouldQueue")
        draft: Draft | None = None
        for match in re.finditer(
            r"(?:\$schedule\s*->|\bSchedule::)\s*(command|job|call|exec)\s*(\()", code.blanked
        ):
            given = page.text[match.end() : code.close(match.start(2))]
            said = re.search(r"new\s+([\w\\]+)|['\"]([^'\"]+)|([\w\\]+)::class", given)
            name = next((g for g in said.groups() if g), "") if said else match.group(1)
            where = Evidence("schedule", page.path, page.line(match.start()))
            draft = draft or Draft("schedule", "laravel", "schedule", where, LIKELY)
            draft.task(name.rpartition("\\")[2], "schedule", page.line(match.start()))
        if draft is not None and "Illuminate" in page.text:
            yield draft.done()


def elixir(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "elixir")
        modules = list(re.finditer(r"\bdefmodule\s+([\w.]+)\s+do", code.blanked))
        for match in re.finditer(r"^\s*use\s+Oban(?:\.Pro)?\.Worker\b", code.blanked, re.MULTILINE):
            owner = [m for m in modules if m.start() < match.start()]
            if owner:
                yield _one(page, "oban", owner[-1].group(1), owner[-1].start(1), "use Oban.Worker")


def rust(pages: Pages) -> Iterator[Workflow]:
    for page in pages:
        code = Code(page, "rust")
        if "restate_sdk" not in page.text:
            continue
        for match in re.finditer(
            r"#\[(?:restate_sdk::)?(service|object|workflow)(?P<given>\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?(?:trait|impl)\s+(?P<name>\w+)[^{]*(?P<open>\{)",
            code.blanked,
        ):
            start, end = match.start("open"), code.close(match.start("open"))
            said = re.search(r"name\s*=\s*\"([^\"]+)", page.text[match.start() : start])
            name = said.group(1) if said else match.group("name")
            where = Evidence("restate_sdk", page.path, page.line(match.start("name")))
            draft = Draft(name, "restate", match.group(1), where, LIKELY)
            for handler in re.finditer(r"\basync\s+fn\s+(\w+)", code.blanked[:end]):
                if handler.start() > start:
                    draft.task(handler.group(1), "handler", page.line(handler.start(1)))
            yield draft.done()
