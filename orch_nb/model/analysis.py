"""What ANALYZE finds: the goal read, the workspace scanned, each statement with its evidence."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.goal import Goal
from orch_nb.model.view import View

__all__ = [
    "DEMANDS", "Analysis", "Complexity", "Component", "Constraint", "Domain", "Evidence", "Factor",
    "Link", "Question", "Risk", "Scope", "Touched", "Workflow", "WorkflowPart",
]  # fmt: skip

#: The kinds of demands, each with what it is for, as a person reads it before its own words.
DEMANDS = {
    "no_downtime": "no downtime",
    "reversible": "a way back",
    "no_data_loss": "nothing lost",
    "deadline": "a time",
    "budget": "a budget",
    "approval": "an approval",
    "order": "an order",
    "condition": "a condition",
    "at_once": "how many at once",
    "window": "when it may happen",
    "compliance": "rules and privacy",
    "environment": "where it runs",
    "unchanged": "what stays as it is",
    "limit": "a limit",
    "must": "a must",
}


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something was seen: a file and line (path relative to the workspace, `/`-separated),
    or, with `path` empty, words of the goal."""

    text: str = ""
    path: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return " ".join(part for part in (where, self.text) if part)


class Domain(msgspec.Struct, frozen=True):
    """A field that the goal touches (databases, packaging, ...)."""

    name: str
    evidence: tuple[Evidence, ...] = ()


class Component(msgspec.Struct, frozen=True):
    """A part of the codebase, found by its manifest. `kind`: application, library, service,
    worker, store, queue, example, ...; `confidence` 0 to 1."""

    name: str
    kind: str
    language: str
    path: str
    evidence: Evidence = Evidence()
    confidence: float = 1.0


class Link(msgspec.Struct, frozen=True):
    """One component relies on another, both by name.

    `kind`: depends_on (is started after), calls (speaks to), uses (a store or a queue), publishes
    or consumes (by a queue), imports (a library of the same codebase).
    """

    source: str
    target: str
    kind: str
    evidence: Evidence = Evidence()
    confidence: float = 1.0


class WorkflowPart(msgspec.Struct, frozen=True):
    """A thing that a workflow is made of. `kind`: task, job, step, activity, child, signal, query,
    update, timer, state, queue, worker, flow, schedule, handler, target, model, rule."""

    name: str
    kind: str
    evidence: Evidence = Evidence()
    confidence: float = 1.0


class Workflow(msgspec.Struct, frozen=True):
    """Work that already flows through the codebase: a CI file, a Makefile, a DAG.

    `kind` says what it is in its system's own words (dag, tasks, canvas, beat, workflow,
    activities, service, queue, worker, flow, machine, ci, makefile, ...). `tasks` are the names of
    what it performs, in its order; `edges` those of them that are known to follow one another, as
    (before, after); `parts` all that it is made of, each with its place.
    """

    name: str
    system: str
    tasks: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    kind: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    parts: tuple[WorkflowPart, ...] = ()
    confidence: float = 1.0


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was scanned. `languages` counts files; `skipped` counts what was left out, by reason;
    `landmarks` names what a project shows itself by (`changelog`, `docs`, `benchmarks`,
    `release_branches`); `complete` is False when the scan stopped at its time bound."""

    root: str = ""
    files: int = 0
    size_bytes: int = 0
    languages: dict[str, int] = {}
    skipped: dict[str, int] = {}
    components: tuple[Component, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    links: tuple[Link, ...] = ()
    landmarks: dict[str, Evidence] = {}
    complete: bool = True
    duration_s: float = 0.0


class Factor(msgspec.Struct, frozen=True):
    """A part of the complexity score: `points` of at most `most`, and what they rest on."""

    name: str
    points: int
    most: int
    evidence: str = ""


class Complexity(msgspec.Struct, frozen=True):
    """A score from 0 to 100: the sum of its factors, each of which can be argued with."""

    factors: tuple[Factor, ...] = ()

    @property
    def score(self) -> int:
        return sum(factor.points for factor in self.factors)

    def without(self, *names: str) -> Complexity:
        """The same without the factors of those names, for whoever holds that they do not count."""
        return Complexity(tuple(factor for factor in self.factors if factor.name not in names))

    @property
    def level(self) -> str:
        """The score in a word: low, medium or high."""
        return "low" if self.score < 25 else "medium" if self.score < 50 else "high"


class Risk(msgspec.Struct, frozen=True):
    """Something that can go wrong. `likelihood` and `impact`: low, medium or high.

    `pattern` is the id of the catalogue's pattern that mitigates it.
    """

    name: str
    likelihood: str
    impact: str
    evidence: Evidence
    mitigation: str = ""
    pattern: str = ""


class Constraint(msgspec.Struct, frozen=True):
    """Something that the goal demands of the way: `kind` is one of `DEMANDS`; `text` its own
    words."""

    text: str
    kind: str
    evidence: Evidence = Evidence()


class Touched(msgspec.Struct, frozen=True):
    """A file or a component that the goal is likely to touch: `score` 0 to 1, `why` in words."""

    name: str
    kind: str
    score: float
    why: str
    evidence: Evidence = Evidence()


class Question(msgspec.Struct, frozen=True):
    """Something the goal leaves open, for the person to answer."""

    text: str
    why: str = ""


class Analysis(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is known of a goal and its workspace before anything is planned.

    `operation` is the kind of operation (release, data pipeline, migration, ... or ""),
    `confidence` 0 to 1 how sure that is; `orchestrate` is False when one step in one place would
    do, and `advice` then says what to do instead. `touched` ranks what of the workspace the goal is
    about. `analysis.components`, `.links`, `.workflows`, `.parts` (of the workflows), `.touched_df`
    and `.df` (the risks) are DataFrames, `.graph` the components as a networkx DiGraph; the values
    stand in `scope.components`, `scope.links`, `scope.workflows`, `touched` and `risks`.
    """

    goal: Goal
    operation: str = ""
    confidence: float = 0.0
    domains: tuple[Domain, ...] = ()
    scope: Scope = Scope()
    complexity: Complexity = Complexity()
    risks: tuple[Risk, ...] = ()
    questions: tuple[Question, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    touched: tuple[Touched, ...] = ()
    orchestrate: bool = True
    advice: str = ""
    duration_s: float = 0.0

    df = View("analysis.df")
    components = View("analysis.components")
    workflows = View("analysis.workflows")
    links = View("analysis.links")
    parts = View("analysis.parts")
    touched_df = View("analysis.touched")
    graph = View("analysis.graph")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("analysis.show").__get__(self, Analysis)
