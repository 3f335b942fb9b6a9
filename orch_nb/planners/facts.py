"""What a goal and its workspace say, as the facts that methods are filled in with.

Facts are texts ({version}, {source}, {target} ...), lists (components, artefacts, sources ...),
flags, each with what it rests on, and commands. A text that the goal does not give has a plain
default ("the new version"), never an invented name. Commands come only from what the analysis found
in the workspace, with its evidence.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.catalog.clauses import Part, Reading
from orch_nb.catalog.clauses import read as read_clauses
from orch_nb.catalog.operations import opens
from orch_nb.catalog.vocabulary import acts, constraints
from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.planners.analysis_facts import read_question
from orch_nb.planners.migration_facts import read_migration
from orch_nb.planners.notes import Item, Notes
from orch_nb.planners.pipeline_facts import read_pipeline
from orch_nb.planners.release_facts import read_release

__all__ = ["Facts", "read"]

_VERSION_FILES = (
    "pyproject.toml", "setup.cfg", "setup.py", "Cargo.toml", "package.json", "pom.xml",
)  # fmt: skip
#: Kinds of component that are not code of the goal's own.
_NOT_OWN = frozenset(
    {"store", "queue", "support", "bucket", "cluster", "tool", "module", "example", "workspace",
     "broken manifest"}
)  # fmt: skip
_MOST_COMPONENTS = 12
_ALL = re.compile(r"\b(?:all|every|each|whole|entire|everything)\b", re.IGNORECASE)
_WANTED = {
    "test": ("test", "tests", "check"),
    "lint": ("lint", "ruff", "flake8", "eslint"),
    "types": ("types", "mypy", "typecheck", "pyright", "tsc"),
    "build": ("build", "dist", "package", "wheel"),
}
#: How a task of a system is run, the most deliberate one first.
_RUN = {"make": "make {}", "npm": "npm run {}", "tool": "{}"}
_PERSONAL = re.compile(
    r"\b(customers?|users?|patients?|persons?|people|personal|email addresses|employees|members|"
    r"students|gdpr|privacy)\b",
    re.IGNORECASE,
)


class Facts(msgspec.Struct, frozen=True):
    """What is known of one goal; `text` and `items` fill in templates, `flags` pick among them.

    `commands` maps test, lint, types and build to a shell command and where it was seen. `parts`
    are the goal's clauses that say what to do; `whole` is the one of them that names the operation
    itself. `context` is what it says besides, `gates` what asks for a person's decision.
    """

    text: dict[str, str]
    items: dict[str, tuple[Item, ...]]
    flags: dict[str, str]
    commands: dict[str, tuple[str, str]]
    parts: tuple[Part, ...]
    whole: Part | None = None
    context: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()

    def holds(self, condition: str) -> bool:
        """Whether one of the facts that `condition` names ("a, b") is there; "" always holds."""
        return not _names(condition) or self.denies(condition)

    def denies(self, condition: str) -> bool:
        """Whether one of the facts that `condition` names is there; "" never is."""
        return any(name in self.flags or self.items.get(name) for name in _names(condition))

    def reason(self, condition: str) -> str:
        """What the first fact of `condition` that holds rests on, "" if that says itself."""
        return next((self.flags[n] for n in _names(condition) if self.flags.get(n)), "")


def _names(condition: str) -> list[str]:
    return [name.strip() for name in condition.split(",") if name.strip()]


def read(goal: Goal, analysis: Analysis | None, operation: str = "") -> Facts:
    """The facts of `goal`, and of the workspace that `analysis` scanned."""
    text = " ".join(goal.text.split())
    stated = constraints(text)
    reading = read_clauses(goal.text)
    told = [part for part in reading.parts if not _is_constraint(part, stated)]
    notes = Notes(flags={name: f"the goal says “{quote}”" for name, quote in stated.items()})
    notes.text["goal_title"] = goal.title
    deadline = stated.get("deadline", "")
    notes.text["by_deadline"] = (
        f" {deadline}" if deadline[:3].lower() in ("by ", "on ", "bef") else ""
    )
    notes.items["demands"] = tuple(
        Item(stated[name]) for name in ("must", "no_loss", "limit") if name in stated
    )
    _read_workspace(analysis, notes)
    _read_said(text, told, notes)
    read_release(text, told, analysis, notes)
    read_pipeline(text, told, notes)
    read_migration(text, notes)
    read_question(text, notes)
    commands = _commands(analysis)
    for name, (_, evidence) in commands.items():
        notes.flag(f"has_{name}", f"the workspace has it ({evidence})")
    return Facts(
        notes.text,
        notes.items,
        notes.flags,
        commands,
        tuple(told),
        _whole(told, operation),
        _context(reading, stated),
        reading.gates,
    )


def _is_constraint(part: Part, stated: dict[str, str]) -> bool:
    """Whether `part` only says a constraint again; an order ("docs first") has no verb itself."""
    said = (part.said or part.text).lower()
    return any(
        said in quote.lower()
        for name, quote in stated.items()
        if name != "limit" and (name != "order" or part.implied)
    )


def _whole(told: list[Part], operation: str) -> Part | None:
    """The part that names the operation as a whole, which its method is for."""
    return next((p for p in told if p.leading and opens(operation, p.said or p.text)), None)


def _context(reading: Reading, stated: dict[str, str]) -> tuple[str, ...]:
    quotes = [quote.lower() for quote in stated.values()]
    return tuple(
        said
        for said in reading.context
        if not any(said.lower() in quote or quote in said.lower() for quote in quotes)
    )


def _read_said(text: str, told: list[Part], notes: Notes) -> None:
    """Flags for what the goal asks for in words, whichever method is taken."""
    for part in told:
        for act in acts(part.asks):
            notes.flag(f"said_{act}", f"the goal says “{part.said or part.text}”")
    if "said_freeze" in notes.flags:
        notes.flag("frozen", notes.flags["said_freeze"])
    if personal := _PERSONAL.search(text):
        notes.flag("personal", f"the goal speaks of “{personal.group(0)}”")


def _read_workspace(analysis: Analysis | None, notes: Notes) -> None:
    scope = analysis.scope if analysis else None
    components = scope.components if scope else ()
    own = [component for component in components if component.kind not in _NOT_OWN]
    users = _users(analysis) if analysis else {}
    named: dict[str, Item] = {}
    about = set(users) or _meant(analysis)
    for component in [c for c in own if c.name in about] or own:
        seen = users.get(component.name) or str(component.evidence)
        named.setdefault(component.name, Item(component.name, evidence=seen))
    notes.items["components"] = tuple(named.values())[:_MOST_COMPONENTS]
    if len(named) > 1:
        where = "the goal touches" if about else "the workspace has"
        notes.flag("many_components", f"{where} {len(named)} components")
    if any(component.language == "Python" for component in own):
        notes.flag("python")
    if scope is not None and scope.root:
        notes.flag("workspace", "there is a workspace to compare with")
    for name, evidence in (scope.landmarks if scope else {}).items():
        notes.flag(name, f"the workspace has {evidence}")
    flows = [w for w in (scope.workflows if scope else ()) if w.system.endswith(("actions", "_ci"))]
    if flows:
        notes.flag("ci", f"the workspace has CI ({flows[0].evidence})")
    files = [c.evidence.path for c in own if c.evidence.path.rpartition("/")[2] in _VERSION_FILES]
    notes.text["version_files"] = ", ".join(dict.fromkeys(files[:4])) or "every file that holds it"


def _users(analysis: Analysis) -> dict[str, str]:
    """Who relies on the stores and queues that the goal touches, and where that is seen; nobody
    where it touches none, or speaks of them all."""
    if _ALL.search(analysis.goal.text):
        return {}
    touched = {one.name for one in analysis.touched}
    stores = {
        part.name
        for part in analysis.scope.components
        if part.kind in ("store", "queue") and part.name in touched
    }
    return {
        link.source: str(link.evidence) for link in analysis.scope.links if link.target in stores
    }


def _meant(analysis: Analysis | None) -> set[str]:
    """The components that the goal is about and what is close to them, where its words name one;
    none where it speaks of them all, or of none."""
    if analysis is None or _ALL.search(analysis.goal.text):
        return set()
    parts = [one for one in analysis.touched if one.kind == "component"]
    if not any(one.why.startswith("its name says") for one in parts):
        return set()
    return {one.name for one in parts}


def _commands(analysis: Analysis | None) -> dict[str, tuple[str, str]]:
    """Commands for test, lint, types and build, each from a workflow that the scan found.

    Only what is run at the root counts: a command of a folder below would be run in the wrong
    place. A Makefile's target is preferred to a script, and that to a bare tool.
    """
    commands: dict[str, tuple[str, str]] = {}
    order = list(_RUN)
    flows = [w for w in (analysis.scope.workflows if analysis else ()) if w.system in _RUN]
    for flow in sorted(flows, key=lambda w: order.index(w.system)):
        if flow.system != "tool" and "/" in flow.evidence.path:
            continue
        for task in flow.tasks:
            said = flow.name if flow.system == "tool" else task
            for name, words in _WANTED.items():
                if said in words:
                    command = _RUN[flow.system].format(task)
                    commands.setdefault(name, (command, str(flow.evidence)))
    return commands
