"""What a goal and its workspace say, as the facts that methods are filled in with.

Facts are texts ({version}, {source}, {target} ...), lists (components, artefacts, sources ...),
flags and commands. A text that the goal does not give has a plain default ("the new version"),
never an invented name. Commands come only from what the analysis found in the workspace, with its
evidence.
"""

from __future__ import annotations

import msgspec

from orch_nb.catalog.vocabulary import constraints
from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.planners.clauses import Part, parts
from orch_nb.planners.migration_facts import read_migration
from orch_nb.planners.notes import Item, Notes
from orch_nb.planners.pipeline_facts import read_pipeline
from orch_nb.planners.release_facts import read_release

__all__ = ["Facts", "read"]

_VERSION_FILES = (
    "pyproject.toml", "setup.cfg", "setup.py", "Cargo.toml", "package.json", "pom.xml",
)  # fmt: skip
#: Kinds of component that are not code of the goal's own.
_NOT_OWN = frozenset({"store", "queue", "example", "workspace", "broken manifest"})
_MOST_COMPONENTS = 12
_WANTED = {
    "test": ("test", "tests", "check"),
    "lint": ("lint", "ruff", "flake8", "eslint"),
    "types": ("types", "mypy", "typecheck", "pyright", "tsc"),
    "build": ("build", "dist", "package", "wheel"),
}
#: How a task of a system is run, the most deliberate one first.
_RUN = {"make": "make {}", "npm": "npm run {}", "tool": "{}"}


class Facts(msgspec.Struct, frozen=True):
    """What is known of one goal; `text` and `items` fill in templates, `flags` pick among them.

    `commands` maps test, lint, types and build to a shell command and where it was seen.
    """

    text: dict[str, str]
    items: dict[str, tuple[Item, ...]]
    flags: frozenset[str]
    commands: dict[str, tuple[str, str]]
    parts: tuple[Part, ...]

    def holds(self, condition: str) -> bool:
        """Whether one of the facts that `condition` names ("a, b") is there; "" always holds."""
        names = [name.strip() for name in condition.split(",") if name.strip()]
        return not names or any(name in self.flags or self.items.get(name) for name in names)


def read(goal: Goal, analysis: Analysis | None) -> Facts:
    """The facts of `goal`, and of the workspace that `analysis` scanned."""
    text = " ".join(goal.text.split())
    stated = constraints(text)
    told = [part for part in parts(text) if not _is_constraint(part, stated)]
    notes = Notes(flags=set(stated))
    notes.text["goal_title"] = goal.title
    deadline = stated.get("deadline", "")
    notes.text["by_deadline"] = (
        f" {deadline}" if deadline[:3].lower() in ("by ", "on ", "bef") else ""
    )
    notes.items["demands"] = tuple(
        Item(stated[name]) for name in ("must", "no_loss", "limit") if name in stated
    )
    _read_workspace(analysis, notes)
    read_release(text, told, analysis, notes)
    read_pipeline(text, notes)
    read_migration(text, notes)
    commands = _commands(analysis)
    notes.flags |= {f"has_{name}" for name in commands}
    if any(part.stage for part in told):
        notes.flags.add("ordered")
    return Facts(notes.text, notes.items, frozenset(notes.flags), commands, tuple(told))


def _is_constraint(part: Part, stated: dict[str, str]) -> bool:
    return any(part.text.lower() in quote.lower() for quote in stated.values())


def _read_workspace(analysis: Analysis | None, notes: Notes) -> None:
    components = analysis.scope.components if analysis else ()
    own = [component for component in components if component.kind not in _NOT_OWN]
    named: dict[str, Item] = {}
    for component in own:
        named.setdefault(component.name, Item(component.name, evidence=str(component.evidence)))
    notes.items["components"] = tuple(named.values())[:_MOST_COMPONENTS]
    if len(named) > 1:
        notes.flags.add("many_components")
    if any(component.language == "Python" for component in own):
        notes.flags.add("python")
    files = [c.evidence.path for c in own if c.evidence.path.rpartition("/")[2] in _VERSION_FILES]
    notes.text["version_files"] = ", ".join(dict.fromkeys(files[:4])) or "every file that holds it"


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
