"""One pass over a scan's files: each is given to the readers whose names or words it bears."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orch_nb.analysis.scan import File, Scan
from orch_nb.analysis.workflows import (
    airflow,
    builds,
    celery,
    ci,
    ci_services,
    cluster,
    data_flows,
    go_flows,
    jvm,
    node_queues,
    other_languages,
    python_flows,
    restate_python,
    restate_typescript,
    retries,
    temporal_go,
    temporal_python,
    temporal_typescript,
    timers,
    tools,
    xstate,
)
from orch_nb.analysis.workflows.go_packages import GoPackages
from orch_nb.analysis.workflows.page import Page, Pages, a_test_file
from orch_nb.analysis.workflows.python_names import Packages
from orch_nb.analysis.workflows.scripts import Scripts
from orch_nb.model.analysis import Workflow

__all__ = ["a_test", "workflows"]

_ANY_TEST = re.compile(
    r"(^|/)(test_[^/]+\.py|[^/]+_test\.(py|go|rb|exs|dart|cc|cpp)|[^/]+\.(test|spec)\.[cm]?[jt]sx?|"
    r"[^/]*Tests?\.(java|kt|cs|swift|php)|[^/]+_spec\.rb)$"
)
#: The whole path -> who reads such a file alone; the first that matches does.
_FILES: tuple[tuple[re.Pattern[str], Callable[[Page], Iterator[Workflow]]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"\.github/workflows/[^/]+\.ya?ml", ci.github_actions),
        (r"(.*/)?action\.ya?ml", ci.github_action),
        (r"\.gitlab-ci\.ya?ml|\.gitlab/ci/[^/]+\.ya?ml", ci.gitlab_ci),
        (r"\.circleci/config\.ya?ml", ci_services.circleci),
        (r"(.*/)?\.?azure-pipelines[^/]*\.ya?ml|\.azure(-pipelines)?/.*\.ya?ml", ci_services.azure),
        (r"(.*/)?(cloudbuild[^/]*|\.?cloudbuild/[^/]+)\.ya?ml", ci_services.cloud_build),
        (r"(.*/)?\.buildkite/[^/]+\.ya?ml", ci_services.buildkite),
        (r"\.drone\.ya?ml", ci_services.drone),
        (r"\.travis\.ya?ml", ci_services.travis),
        (r"(.*/)?(Jenkinsfile([.-][^/]+)?|[^/]+\.jenkinsfile)", ci_services.jenkins),
        (r"(.*/)?(GNUm|M|m)akefile", builds.make),
        (r"(.*/)?[Tt]askfile(\.dist)?\.ya?ml", builds.taskfile),
        (r"(.*/)?\.?[Jj]ustfile|(.*/)?[^/]+\.just", builds.just),
        (r"(.*/)?package\.json", builds.npm),
        (r"(.*/)?turbo\.json", builds.turbo),
        (r"(.*/)?(nx|project)\.json", builds.nx),
        (r"(.*/)?(tox\.ini|noxfile\.py)", builds.tox),
        (r"(.*/)?Rakefile", builds.rake),
        (r"(.*/)?(Snakefile|[^/]+\.smk)", data_flows.snakemake),
        (r"(.*/)?[^/]+\.nf", data_flows.nextflow),
        (r"(.*/)?[^/]+\.wdl", data_flows.wdl),
        (r"(.*/)?[^/]+\.cwl", data_flows.cwl),
        (r"(.*/)?(crontab|[^/]+\.(cron|crontab)|cron\.d/[^/]+)", timers.crontab),
        (r"(.*/)?[^/]+\.timer", timers.systemd),
        (r"(.*/)?[^/]+\.bpmn", timers.bpmn),
        (r"(.*/)?serverless\.ya?ml", timers.serverless),
        (r"(.*/)?[^/]+\.asl\.json", timers.state_machine),
    )
)
_ANY_FILE = re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in _FILES))
#: Code of a manual shows work that flows elsewhere; what is built is told by its source.
_DOCS = re.compile(r"(?:^|/)(?:docs?|documentation|docs?_src|_posts)/")
_BUILT = re.compile(r"\.min\.js$|\.pb\.go$|_pb2(?:_grpc)?\.py$|\.d\.ts$|(?:^|/)dist/")
_GENERATED = re.compile(r"(?i)\bcode generated\b|\bdo not edit\b|@generated\b")
_STATES = re.compile(r"\"StartAt\"\s*:")
_JAVASCRIPT = ("TypeScript", "JavaScript", "Vue", "Svelte")


@dataclass(frozen=True, slots=True)
class _Source:
    """A reader of source code: for which languages, by which words, with what shared index."""

    languages: tuple[str, ...]
    needles: tuple[str, ...]
    read: Callable[..., Iterator[Workflow]]
    shared: Callable[[Scan], Any] | None = None


_SOURCES = (
    _Source(("Python",), airflow.NEEDLES, airflow.airflow, Packages),
    _Source(("Python",), celery.NEEDLES, celery.celery, Packages),
    _Source(("Python",), temporal_python.NEEDLES, temporal_python.temporal_python, Packages),
    _Source(("Python",), restate_python.NEEDLES, restate_python.restate_python, Packages),
    _Source(("Python",), python_flows.NEEDLES, python_flows.python_flows, Packages),
    _Source(("Python",), retries.NEEDLES, retries.retries, Packages),
    _Source(
        _JAVASCRIPT, temporal_typescript.NEEDLES, temporal_typescript.temporal_typescript, Scripts
    ),
    _Source(
        _JAVASCRIPT, restate_typescript.NEEDLES, restate_typescript.restate_typescript, Scripts
    ),
    _Source(_JAVASCRIPT, node_queues.NEEDLES, node_queues.node_queues, Scripts),
    _Source(_JAVASCRIPT, xstate.NEEDLES, xstate.xstate, Scripts),
    _Source(("Go",), temporal_go.NEEDLES, temporal_go.temporal_go, GoPackages),
    _Source(("Go",), go_flows.NEEDLES, go_flows.go_flows, GoPackages),
    _Source(("Java", "Kotlin"), jvm.JVM_NEEDLES, jvm.jvm),
    _Source(("C#",), jvm.CSHARP_NEEDLES, jvm.csharp),
    _Source(("Ruby",), other_languages.RUBY, other_languages.ruby),
    _Source(("PHP",), other_languages.PHP, other_languages.php),
    _Source(("Elixir",), other_languages.ELIXIR, other_languages.elixir),
    _Source(("Rust",), other_languages.RUST, other_languages.rust),
)
_BY_LANGUAGE = {
    language: [i for i, source in enumerate(_SOURCES) if language in source.languages]
    for source in _SOURCES
    for language in source.languages
}


@dataclass(slots=True)
class _Reading:
    """What one pass gives to whom."""

    scan: Scan
    found: list[Workflow] = field(default_factory=list)
    dbt: list[Page] = field(default_factory=list)


def workflows(scan: Scan) -> tuple[Workflow, ...]:
    """Every workflow that was seen, those near the root first.

    Files that say by their name what they are come first, source code last, since there is most
    of it; where the time is up, the rest is left out and `scan.complete` says so.
    """
    reading = _Reading(scan)
    dbt = {f.folder for f in scan.files if f.name in {"dbt_project.yml", "dbt_project.yaml"}}
    sources: list[File] = []
    for file in scan.files:
        if scan.out_of_time:
            scan.complete = False
            break
        if _ANY_FILE.fullmatch(file.path) and file.name != "noxfile.py":
            _named(reading, file)
        elif file.language in {"YAML", "JSON"} and not a_test_file(file.path):
            _manifest(reading, file)
        elif file.language in _BY_LANGUAGE:
            sources.append(file)
        if dbt and _of_dbt(file, dbt):
            reading.dbt.append(Page(file.path, scan.read(file) or ""))
    _sources(reading, sources)
    reading.found += data_flows.dbt(Pages(scan, reading.dbt))
    reading.found += tools.tools(scan)
    return tuple(
        sorted(reading.found, key=lambda w: (w.evidence.path.count("/"), w.system, w.name))
    )


def a_test(scan: Scan) -> str:
    """The path of the first file whose name is that of a test, "" if there is none."""
    return next((file.path for file in scan.files if _ANY_TEST.search(file.path)), "")


def _named(reading: _Reading, file: File) -> None:
    text = reading.scan.read(file)
    if text is None:
        return
    page = Page(file.path, text)
    for pattern, read in _FILES:
        if pattern.fullmatch(file.path):
            _collect(reading, read, page)
            return


def _collect(reading: _Reading, read: Callable[[Page], Iterator[Workflow]], page: Page) -> None:
    try:
        reading.found += list(read(page))
    except (ValueError, RecursionError):
        reading.scan.skipped["broken workflow"] += 1


def _manifest(reading: _Reading, file: File) -> None:
    text = reading.scan.read(file) or ""
    if file.language == "YAML":
        if "kind:" in text and cluster.MANIFEST.search(text):
            _collect(reading, cluster.cluster, Page(file.path, text))
    elif '"StartAt"' in text and _STATES.search(text):
        _collect(reading, timers.state_machine, Page(file.path, text))


def _of_dbt(file: File, projects: set[str]) -> bool:
    if not file.name.endswith((".sql", ".py", ".csv", "dbt_project.yml", "dbt_project.yaml")):
        return False
    installed = "dbt_packages/" in file.path or "dbt_modules/" in file.path
    inside = any(not folder or file.path.startswith(f"{folder}/") for folder in projects)
    return inside and not installed


def _aside(file: File) -> str:
    """Why a source file is no work that flows, by its path; "" where it may be."""
    if a_test_file(file.path):
        return "tests"
    if _DOCS.search(file.path):
        return "docs"
    return "generated" if _BUILT.search(file.path) else ""


def _sources(reading: _Reading, sources: list[File]) -> None:
    """Have each reader of source code read the pages that hold a word of its system."""
    scan = reading.scan
    shared: dict[str, Any] = {}
    for index, pages in sorted(_pages(reading, sources).items()):
        source = _SOURCES[index]
        given: list[Any] = []
        if source.shared is not None:
            key = source.shared.__name__
            if key not in shared:
                shared[key] = source.shared(scan)
            given = [shared[key]]
        try:
            reading.found += list(source.read(Pages(scan, pages), *given))
        except RecursionError:
            scan.skipped["broken workflow"] += len(pages)


def _pages(reading: _Reading, sources: list[File]) -> dict[int, list[Page]]:
    """The pages of each reader, by its place in `_SOURCES`; each file is opened once."""
    scan = reading.scan
    pages: dict[int, list[Page]] = {}
    for file in sources:
        if scan.out_of_time:
            scan.complete = False
            break
        if reason := _aside(file):
            scan.skipped[reason] += 1
            continue
        text = scan.read(file)
        if not text:
            continue
        if file.name == "noxfile.py":
            _collect(reading, builds.tox, Page(file.path, text))
        wanted = [
            index
            for index in _BY_LANGUAGE[file.language]
            if any(needle in text for needle in _SOURCES[index].needles)
        ]
        if wanted and _GENERATED.search(text, 0, 600):
            scan.skipped["generated"] += 1
        elif wanted:
            page = Page(file.path, text)
            for index in wanted:
                pages.setdefault(index, []).append(page)
    return pages
