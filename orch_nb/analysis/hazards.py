"""What the workspace itself makes risky about a goal, each with the file and line that shows it.

    fan-in          a touched component that many others rely on
    shared store    a touched store that several services use
    queue           messages that nobody keeps when they cannot be handled
    retries         written by hand, beside those that a plan would make
    schema          migrations, where the goal touches data
    versions        dependencies that no lock file holds, where the goal builds or upgrades
    tests, CI       none at all, or none of what is touched

Only what bears on the goal is told: the components that it touches (`touched`), and its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from orch_nb.analysis.constraints import without_them
from orch_nb.analysis.scan import of_tests
from orch_nb.catalog.vocabulary import found
from orch_nb.model.analysis import Component, Evidence, Link, Risk, Scope, Touched, Workflow
from orch_nb.model.quantity import count, listed

__all__ = ["hazards"]

_MANY_RELY, _MANY_SHARE = 3, 3
_RELIES = {"calls", "depends_on", "imports"}
_SHARES = {"uses", "publishes", "consumes"}
_CI = {"github_actions", "gitlab_ci", "circleci", "jenkins", "azure_pipelines", "tekton"}
_QUEUES = {"celery", "bullmq"}
_RETRY = re.compile(r"retr(y|ies)|backoff|tenacity|stamina", re.IGNORECASE)
_DEAD = re.compile(r"dead[-_ ]?letter|dlq|dlx|failed[-_ ]?(jobs|queue)", re.IGNORECASE)
_MIGRATION = re.compile(
    r"(^|/)(migrations?|alembic|flyway|liquibase|db/migrate)/([^/]+/)?[^/]+"
    r"\.(py|sql|rb|php|ts|js|cs|go|java|kt|xml|ya?ml|exs?)$"
)
_NO_MIGRATION = re.compile(r"(^|/)(__init__\.py|env\.py|index\.\w+|[^/]*\.Designer\.cs)$")
_OF_DATA = re.compile(
    r"\b(databases?|schema|tables?|columns?|data|records?|rows|orders|carts|customers|store)\b",
    re.IGNORECASE,
)
_OF_MESSAGES = re.compile(
    r"\b(queues?|messages?|events?|webhooks?|jobs?|tasks?|celery|bullmq|kafka|rabbitmq|broker)\b",
    re.IGNORECASE,
)
_OF_VERSIONS = re.compile(
    r"\b(upgrad|updat|bump|dependenc|release|publish|build|package)\w*", re.IGNORECASE
)
_OF_CALLS = re.compile(
    r"\b(retr|api|call|webhook|network|timeout|flaky|payment|fail)\w*", re.IGNORECASE
)
_LOCKS = {
    "package.json": ("package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lockb", "bun.lock",
                     "npm-shrinkwrap.json"),
    "Cargo.toml": ("Cargo.lock",),
    "Gemfile": ("Gemfile.lock",),
    "composer.json": ("composer.lock",),
    "go.mod": ("go.sum",),
    "pyproject.toml": ("uv.lock", "poetry.lock", "pdm.lock", "requirements.txt", "pylock.toml"),
}  # fmt: skip
#: Whys of what is touched only because something else is.
_BY_LINKS = re.compile(r"(calls|starts after|uses|imports|consumes from|publishes to|relies on|"
                       r"is used by|holds) ")  # fmt: skip
_OF_A_KIND = frozenset("api service server svc app worker".split())
_TEST_NAME = re.compile(
    r"(^|/)(test_[^/]+|[^/]+_test\.\w+|[^/]+\.(test|spec)\.\w+|[^/]*Tests?\.\w+|[^/]+_spec\.rb)$"
)


def hazards(
    text: str,
    operation: str,
    scope: Scope,
    tests: str,
    touched: Sequence[Touched],
    paths: Sequence[str],
) -> Iterator[Risk]:
    """The risks that the workspace shows. `paths` are those of all files that were seen."""
    text = without_them(text)  # "without touching the database" is about no data
    by_name = {part.name: part for part in scope.components}
    parts = [
        by_name[one.name] for one in touched if one.kind == "component" and one.name in by_name
    ]
    yield from _broken(scope)
    named = {one.name for one in touched if not _BY_LINKS.match(one.why)}
    yield from _fan_in([part for part in parts if part.name in named], scope.links)
    yield from _shared_stores(text, scope)
    yield from _queues(text, touched, scope)
    yield from _by_hand(text, scope)
    if _OF_DATA.search(text) or found("stores", text):
        yield from _schema(parts, paths)
    if operation == "release" or _OF_VERSIONS.search(text):
        yield from _unlocked(paths, Path(scope.root) if scope.root else None)
    if scope.root and scope.complete and scope.languages:
        yield from _unchecked(scope, tests, parts, paths)


def _broken(scope: Scope) -> Iterator[Risk]:
    broken = [c for c in scope.components if c.kind == "broken manifest"]
    if broken:
        yield Risk(
            "a manifest does not parse", "high", "medium", broken[0].evidence,
            "repair it before anything is built on it",
        )  # fmt: skip


def _fan_in(parts: Sequence[Component], links: Sequence[Link]) -> Iterator[Risk]:
    """The touched component on which most others rely."""
    found_: dict[str, list[Link]] = {}
    names = {part.name for part in parts if part.kind not in {"store", "queue"}}
    for link in links:
        if link.target in names and link.kind in _RELIES:
            found_.setdefault(link.target, []).append(link)
    relying = {name: {link.source for link in some} for name, some in found_.items()}
    if not relying:
        return
    name = max(relying, key=lambda name: len(relying[name]))
    who = sorted(relying[name])
    if len(who) >= _MANY_RELY:
        seen = found_[name][0].evidence
        yield Risk(
            f"a fault in {name} reaches {count(len(who), 'component')}", "medium", "high",
            Evidence(f"{listed(who, 4)} rely on it", seen.path, seen.line),
            "keep what they rely on as it is, and let a small share of them use the change first",
            "canary",
        )  # fmt: skip


def _shared_stores(text: str, scope: Scope) -> Iterator[Risk]:
    stores = {c.name: c for c in scope.components if c.kind in {"store", "queue"}}
    named = found("stores", text)
    words = {word.lower() for pair in named.items() for word in pair}
    for name, store in stores.items():
        spoken = store.language in named or any(word in name.lower() for word in words)
        sharing = (link for link in scope.links if link.kind in {*_SHARES, "depends_on"})
        users = sorted({link.source for link in sharing if link.target == name})
        if spoken and len(users) >= _MANY_SHARE:
            yield Risk(
                f"{name} is shared by {count(len(users), 'component')}", "high", "high",
                Evidence(listed(users, 5), store.evidence.path, store.evidence.line),
                "move its users one after the other, each with its own check and way back",
                "strangler_fig",
            )  # fmt: skip
            return


def _queues(text: str, touched: Sequence[Touched], scope: Scope) -> Iterator[Risk]:
    names = {one.name for one in touched}
    flows = [flow for flow in scope.workflows if flow.system in _QUEUES]
    queues = [c for c in scope.components if c.kind == "queue"]
    about = [flow.evidence for flow in flows if flow.name in names]
    about += [queue.evidence for queue in queues if queue.name in names]
    if _OF_MESSAGES.search(text):
        about += [*(flow.evidence for flow in flows), *(queue.evidence for queue in queues)]
    if not about or not scope.complete:
        return
    told = (part for flow in flows for part in (flow.name, *flow.tasks, *_names(flow)))
    if not any(_DEAD.search(name) for name in told):
        seen = about[0]
        yield Risk(
            "what cannot be handled is lost or blocks the queue", "medium", "medium",
            Evidence("no dead-letter queue was seen", seen.path, seen.line),
            "after a bounded number of attempts put it aside, where somebody looks",
            "dead_letter_queue",
        )  # fmt: skip


def _names(flow: Workflow) -> list[str]:
    return [f"{part.kind} {part.name}" for part in flow.parts]


def _by_hand(text: str, scope: Scope) -> Iterator[Risk]:
    if not _OF_CALLS.search(text):
        return
    by_hand = [flow for flow in scope.workflows if _RETRY.search(f"{flow.system} {flow.kind}")]
    if by_hand:
        seen = by_hand[0].evidence
        more = f", and {len(by_hand) - 1} more" if len(by_hand) > 1 else ""
        yield Risk(
            "retries multiply with those written by hand", "medium", "medium",
            Evidence(f"{by_hand[0].name}{more}", seen.path, seen.line),
            "retry in one place, with an idempotency key, and take the inner loops out",
            "retry_budget",
        )  # fmt: skip


def _schema(parts: Sequence[Component], paths: Sequence[str]) -> Iterator[Risk]:
    found_ = [p for p in paths if _MIGRATION.search(p) and not _NO_MIGRATION.search(p)]
    folders = [part.path for part in parts if part.path != "."]
    near = [path for path in found_ if any(path.startswith(f"{folder}/") for folder in folders)]
    if near or found_:
        seen = (near or found_)[-1]
        yield Risk(
            "code and schema do not fit each other for a while", "medium", "high",
            Evidence(f"one of {count(len(near or found_), 'migration')}", seen),
            "change the schema so that old and new code both work, and only then the code",
            "expand_contract",
        )  # fmt: skip


def _unlocked(paths: Sequence[str], folder: Path | None) -> Iterator[Risk]:
    """A manifest of the root whose lock file is not there: a scan leaves lock files out as
    generated, so they are looked for in the folder too."""
    root = {path for path in paths if "/" not in path}
    for manifest, locks in _LOCKS.items():
        if manifest not in root or root.intersection(locks):
            continue
        if folder is not None and any((folder / lock).is_file() for lock in locks):
            continue
        yield Risk(
            "what is built today is not what was tested", "medium", "medium",
            Evidence("no lock file stands beside it", manifest, 1),
            "lock the versions first, so that each step builds the same",
        )  # fmt: skip
        return


def _unchecked(
    scope: Scope, tests: str, parts: Sequence[Component], paths: Sequence[str]
) -> Iterator[Risk]:
    systems = {workflow.system for workflow in scope.workflows}
    tested = tests or any(
        "test" in name.lower() for flow in scope.workflows for name in (flow.name, *flow.tasks)
    )
    were = "was" if scope.files == 1 else "were"
    seen = f"{count(scope.files, 'file')} {were} looked at"
    if not tested:
        yield Risk(
            "no tests were found", "medium", "high", Evidence(text=seen),
            "write a check of what must not break, before changing it",
        )  # fmt: skip
    elif bare := _untested(parts, paths):
        yield Risk(
            f"no test of {bare.name} was found", "medium", "medium",
            Evidence(f"below {bare.path}", bare.evidence.path, bare.evidence.line),
            "write a check of what it must go on doing, before changing it",
        )  # fmt: skip
    if not systems & _CI:
        yield Risk(
            "no CI was found", "medium", "medium",
            Evidence(text=f"{seen}; GitHub Actions and GitLab CI are known"),
            "run the checks as tasks of the plan, so that they are on record",
        )  # fmt: skip


def _untested(parts: Sequence[Component], paths: Sequence[str]) -> Component | None:
    """The first touched component with code of its own, no test in it, and none of its name."""
    tests = [path for path in paths if _TEST_NAME.search(path) or of_tests(path)]
    for part in parts[:3]:
        if part.path == "." or part.kind in {"store", "queue"}:
            continue
        name = _bare(part.name)
        root = part.path.removesuffix("/src")
        if not any(path.startswith(f"{root}/") or name in _letters(path) for path in tests):
            return part
    return None


def _bare(name: str) -> str:
    """What a component is called without its kind: "basket-api" is tested in Basket.UnitTests."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    return "".join([word for word in words if word not in _OF_A_KIND] or words)


def _letters(path: str) -> str:
    return re.sub(r"[^a-z0-9/]", "", path.lower())
