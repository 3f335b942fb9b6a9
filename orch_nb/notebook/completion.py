"""Tab in `%%orchestrate` cells and `%orchestrate` lines.

%%orchestrate --w<Tab>                 --workers, --workspace
%%orchestrate --as <Tab>               python, yaml, goal
%orchestrate ret<Tab>                  retry;  then the tasks that can be retried
    needs: [or<Tab>                    the tasks of this cell, and trigger rules after trigger:
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from orch_nb.errors import PlanError
from orch_nb.formats.translators import SUFFIXES, exporters, importers
from orch_nb.model.account import left_undone
from orch_nb.model.run import Run
from orch_nb.model.status import Status
from orch_nb.model.task import TriggerRule
from orch_nb.notebook.catalogue import pattern_names
from orch_nb.notebook.lines import VERBS
from orch_nb.notebook.options import OPTIONS, option_names
from orch_nb.notebook.session import SESSION
from orch_nb.planners.body import TOP_KEYS, body_kind

__all__ = ["KEYS", "complete"]

#: The keys of a task in a plan document, for the start of a line in a YAML body.
KEYS = (
    "approval", "cache", "check", "compensate", "description", "estimate", "foreach", "max_active",
    "needs", "notebook", "outputs", "owner", "pool", "priority", "required", "retry", "run", "sh",
    "subtasks", "timeout", "title", "todo", "tolerate", "total_timeout", "trigger", "when", "with",
)  # fmt: skip
_RETRY = (
    "backoff_coefficient", "initial_interval", "jitter", "maximum_attempts", "maximum_interval",
    "non_retryable", "retry_on",
)  # fmt: skip
#: Which tasks a verb can be about, by how they stand.
_WHICH: dict[str, Callable[[Status], bool]] = {
    "retry": lambda status: status in (Status.FAILED, Status.CANCELLED),
    "skip": lambda status: status not in (Status.SUCCEEDED, Status.SKIPPED),
    "approve": lambda status: status is Status.WAITING,
    "reject": lambda status: status is Status.WAITING,
    "cancel": lambda status: not status.ended,
    "log": lambda status: True,
}


@context_matcher()  # type: ignore[untyped-decorator]  # IPython's decorator has no types
def complete(context: CompletionContext) -> dict[str, Any]:
    """IPython's matcher: completions for the word under the cursor, none outside our cells."""
    text = context.full_text
    lines = text.split("\n")
    before = lines[context.cursor_line][: _column(context)]
    if text.startswith("%%orchestrate"):
        above = "\n".join(lines[: context.cursor_line])
        found = _options(before) if context.cursor_line == 0 else _body(before, above, text)
    elif before.lstrip().startswith("%orchestrate"):
        found = _line(before.lstrip())
    else:
        return {"completions": []}
    word = re.search(r"[^\s,()=\[\]{}\"']*$", before)
    token = word[0] if word else ""
    matches = [SimpleCompletion(text=one, type="keyword") for one in found if one.startswith(token)]
    return {
        "completions": matches,
        "matched_fragment": token,
        "suppress": bool(matches),
        "ordered": True,
    }


def _column(context: CompletionContext) -> int:
    return int(context.cursor_position)


def _options(before: str) -> Iterable[str]:
    words = before.split()
    last = words[-1] if words and before.endswith((" ", "\t")) else words[-2:-1] and words[-2]
    for action in OPTIONS:
        if last in action.option_strings and action.choices:
            return [str(choice) for choice in action.choices]
    if last == "--from":
        return SESSION.operations
    return option_names()


def _line(before: str) -> Iterable[str]:
    words = before.split()
    count = len(words) + (1 if before.endswith((" ", "\t")) else 0)
    if count <= 2:
        return VERBS
    if words[1] == "systems" and words[count - 2] == "--fault":
        named = words[2] if words[2] != "--fault" else ""
        plan = SESSION.operations.get(named, None if named else SESSION.last)
        return plan.plan.by_id if plan is not None else ()
    if words[1] == "systems" and count == 4 and words[2] != "--fault":
        return ["--fault"]
    if words[1] in ("import", "export"):
        return _exchanged(words, count)
    return _after(words[1]) if count == 3 else ()


def _exchanged(words: list[str], count: int) -> Iterable[str]:
    """After `export` a system, then files and plans; after `import` a file, then options."""
    before = words[count - 2]
    if (words[1] == "export" and count == 3) or before == "--from":
        return exporters() if words[1] == "export" else importers()
    word = words[count - 1] if count <= len(words) else ""
    if words[1] == "export":
        return [*SESSION.operations, *_files(word), "--force"]
    return _files(word) if count == 3 else [] if before == "--as" else ["--as", "--from"]


def _files(begun: str) -> list[str]:
    """What the folder that was typed so far has, folders and files of the kinds that plans of
    other systems are in, without those that are hidden."""
    folder, _, part = begun.rpartition("/")
    here = Path(folder or ("/" if begun.startswith("/") else ".")).expanduser()
    if not here.is_dir():
        return []
    names = sorted(
        f"{one.name}/" if one.is_dir() else one.name
        for one in here.iterdir()
        if not one.name.startswith(".") and (one.is_dir() or one.suffix in SUFFIXES)
    )
    lead = begun[: len(begun) - len(part)]
    return [f"{lead}{name}" for name in names if name.startswith(part)]


def _after(verb: str) -> Iterable[str]:
    run = _run()
    tasks = list(run) if run is not None else []
    if verb == "compensate" and run is not None:
        return [undo.of for undo in left_undone(run) if undo.of]
    if verb in _WHICH:
        return [task.task for task in tasks if _WHICH[verb](task.status)]
    if verb == "patterns":
        return pattern_names()
    if verb == "edit":
        return [*SESSION.operations, *(p for p in pattern_names() if p not in SESSION.operations)]
    if verb == "run":
        return SESSION.operations
    if verb == "systems":
        return ["--fault", *SESSION.operations]
    if verb in ("status", "recover", "open"):
        return _run_ids()
    return ()


def _run() -> Run | None:
    for live in SESSION.running().values():
        return live.snapshot()
    return SESSION.last.run if SESSION.last is not None else None


def _run_ids() -> list[str]:
    from orch_nb.engine.journal import DEFAULT_PATH, open_journal

    if not DEFAULT_PATH.exists():
        return []
    return [row.run_id for row in open_journal(None).runs()[:50]]


def _body(before: str, above: str, text: str) -> Iterable[str]:
    """In a body: task names after `needs` and under a list of it, rules after `trigger`, and the
    keys of a plan document; in Python, which has words of its own, also tasks as parameters."""
    if re.search(r"needs\s*[:=]\s*[\[\w\s,\"'-]*$", before) or _in_needs_list(before, above):
        return _names(text)
    if re.search(r"trigger\s*[:=]\s*[\"']?\w*$", before):
        return [rule.value for rule in TriggerRule]
    if _kind(text) == "python":
        return _names(text) if re.search(r"^\s*(?:async\s+)?def\s+\w+\([^():=]*$", before) else ()
    if re.search(r"retry\s*:\s*\{(?:[^}]*,)?\s*\w*$", before):
        return _RETRY
    if re.fullmatch(r"\s+\w*", before):
        return KEYS
    if re.fullmatch(r"\w+", before):
        return TOP_KEYS
    inline = re.search(r"\{[^}]*?(?:^|[{,]\s*)(\w*)$", before)
    return KEYS if inline else ()


def _kind(text: str) -> str:
    line, _, body = text.partition("\n")
    asked = re.search(r"--as[\s=]+(python|yaml|goal)\b", line)
    try:
        return body_kind(body, asked[1] if asked else None)
    except PlanError:  # an empty body, or one too large to read
        return "goal"


def _in_needs_list(before: str, above: str) -> bool:
    if not re.fullmatch(r"\s*-\s*[\"']?\w*", before):
        return False
    for line in reversed(above.split("\n")):
        if not re.fullmatch(r"\s*-\s*\S*\s*", line):
            return bool(re.search(r"needs\s*:\s*$", line))
    return False


def _names(text: str) -> list[str]:
    """The tasks of the cell as it stands, broken or not: functions, keys that hold a mapping."""
    functions = re.findall(r"^\s*(?:async\s+)?def\s+(\w+)", text, re.MULTILINE)
    keys = re.findall(r"^\s+([\w-]+)\s*:\s*(?:\{.*)?$", text, re.MULTILINE)
    known = {*KEYS, *TOP_KEYS}
    return list(dict.fromkeys([*functions, *(key for key in keys if key not in known)]))
