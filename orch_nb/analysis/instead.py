"""What to do instead of orchestrating: the exact command or file, where the workspace shows it.

>>> from orch_nb.model.analysis import Evidence, Scope, Workflow
>>> make = Workflow("Makefile", "make", ("build", "test"), Evidence("", "Makefile", 3))
>>> told = instead("Run the tests", "it is one step", Scope(workflows=(make,)))
>>> told.partition(". ")[2]
'Run `make test` (`Makefile:3`) and look at the result.'
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.terms import stem, words_of
from orch_nb.catalog.vocabulary import acts
from orch_nb.catalog.words import verb_of
from orch_nb.model.analysis import Evidence, Scope, Touched, Workflow

__all__ = ["instead"]

_RUNS = re.compile(
    r"\W*(?:(?:please|can you|could you|just|let['’]?s)\s+)*(?:run|re-?run|start|"
    r"build|re-?build|test|"
    r"lint|check|format|type-?check|generate|execute|compile|deploy|serve|render|make)\b",
    re.IGNORECASE,
)
#: The commands by which people name a target, by the act that a goal asks for.
_TARGETS = {
    "tests": ("test", "tests", "unit", "unit-test", "pytest", "check"),
    "lint": ("lint", "linter", "check", "style"),
    "types": ("types", "typecheck", "type-check", "mypy", "tsc"),
    "build": ("build", "compile", "dist", "all"),
    "format": ("format", "fmt"),
    "document": ("docs", "doc", "html"),
}
_SAYS = {
    "format": re.compile(r"\bformat", re.IGNORECASE),
    "document": re.compile(r"\bdoc(s|umentation)\b", re.IGNORECASE),
}
_NOTHING = {stem(word) for word in "run start build make please the my our all this".split()}
_SURE = 0.5


def instead(text: str, reason: str, scope: Scope, touched: tuple[Touched, ...] = ()) -> str:
    """Advice for a goal of one step; `reason` says why it is one."""
    if command := _command(text, scope):
        line, evidence, places = command
        more = f", one of {places} places that have it," if places > 1 else ""
        do = f"Run `{line}` (`{_place(evidence)}`){more} and look at the result."
    elif file := _file(text, touched):
        do = f"Open `{file}`, do it there, and look at the difference."
    elif reason.startswith("it is a question"):
        first = next((_place(one.evidence) or one.name for one in touched), "")
        do = f"Begin with `{first}`." if first else "Look it up, or ask whoever knows."
    else:
        do = "Do it directly, in a cell or a shell, and look at the result."
    return f"This needs no orchestration: {reason}. {do}"


def _place(evidence: Evidence) -> str:
    return evidence.path if evidence.line is None else f"{evidence.path}:{evidence.line}"


def _command(text: str, scope: Scope) -> tuple[str, Evidence, int] | None:
    """The command that does what `text` says, nearest to the root of the workspace, and of how many
    folders it is one: 1 where the root has it, which is for all of them."""
    if not _RUNS.match(text):
        return None
    bare = text.strip(" .!").lower()
    wanted = [name for act in _asked(bare) for name in _TARGETS[act]]
    named = {stem(word) for word in words_of(bare)} - _NOTHING
    best: tuple[int, int, str, Evidence] | None = None
    folders = set()
    for line, task, workflow in _runnable(scope):
        name = task.lower()
        if name in wanted:
            rank = wanted.index(name)
        elif named and named <= {stem(word) for word in words_of(name)}:
            rank = len(wanted)
        elif workflow.system == "tool" and workflow.name in wanted:
            rank = len(wanted) + 1
        else:
            continue
        folders.add(workflow.evidence.path.rpartition("/")[0])
        place = (workflow.evidence.path.count("/"), rank, line, _of(workflow, task))
        best = place if best is None or place[:2] < best[:2] else best
    if best is None:
        return None
    return best[2], best[3], 1 if "" in folders else len(folders)


def _asked(bare: str) -> list[str]:
    found = [name for name, says in _SAYS.items() if says.search(bare)]
    clause = bare if verb_of(bare) else f"run {bare}"
    return [*found, *(act for act in acts(clause) if act in _TARGETS and act not in found)]


def _runnable(scope: Scope) -> Iterator[tuple[str, str, Workflow]]:
    for workflow in scope.workflows:
        folder = workflow.evidence.path.rpartition("/")[0]
        for task in workflow.tasks:
            line = _line(workflow.system, task, folder)
            if line:
                yield line, task, workflow


def _line(system: str, task: str, folder: str) -> str:
    if system == "make":
        return f"make -C {folder} {task}" if folder else f"make {task}"
    if system == "npm":
        return f"npm --prefix {folder} run {task}" if folder else f"npm run {task}"
    if system == "just":
        return f"just {task}"
    return task if system == "tool" and not folder else ""


def _of(workflow: Workflow, task: str) -> Evidence:
    """Where the task stands, or its workflow."""
    return next((p.evidence for p in workflow.parts if p.name == task), workflow.evidence)


def _file(text: str, touched: tuple[Touched, ...]) -> str:
    """The file that the goal names, or is most surely about."""
    files = [one for one in touched if one.kind == "file"]
    for file in files:
        base = file.name.rpartition("/")[2]
        if base.lower() in text.lower() or base.partition(".")[0] in text.split():
            return file.name
    return ""
