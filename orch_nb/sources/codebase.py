"""The workspace itself as a source: how work like this already flows through it.

The workflows were found by ANALYZE; those that speak of what the goal or its kind of operation
speaks of become findings, with file and line and the words. The others are no findings: the
analysis lists them all.
"""

from __future__ import annotations

import re

from orch_nb.model.analysis import Workflow
from orch_nb.model.research import Citation, Finding
from orch_nb.sources.source import Query

__all__ = ["CodebaseSource"]

SYSTEM_NAMES = {
    "github_actions": "GitHub Actions", "gitlab_ci": "GitLab CI", "circleci": "CircleCI",
    "azure_pipelines": "Azure Pipelines", "cloud_build": "Cloud Build", "buildkite": "Buildkite",
    "drone": "Drone", "travis": "Travis CI", "jenkins": "Jenkins", "make": "Make",
    "taskfile": "Taskfile", "just": "just", "rake": "Rake", "npm": "npm scripts", "turbo": "turbo",
    "nx": "Nx", "tox": "tox", "nox": "nox", "invoke": "Invoke", "tool": "a command",
    "airflow": "Airflow DAG", "dbt": "dbt project", "prefect": "Prefect", "dagster": "Dagster",
    "luigi": "Luigi", "snakemake": "Snakemake", "nextflow": "Nextflow", "wdl": "WDL", "cwl": "CWL",
    "celery": "Celery tasks", "rq": "RQ", "huey": "Huey", "dramatiq": "Dramatiq", "arq": "ARQ",
    "apscheduler": "APScheduler", "langgraph": "LangGraph", "retry": "a retry by hand",
    "bullmq": "BullMQ", "bull": "Bull", "bee_queue": "Bee-Queue", "agenda": "Agenda",
    "pg_boss": "pg-boss", "node_cron": "a cron job of Node", "inngest": "Inngest",
    "trigger_dev": "Trigger.dev", "xstate": "XState machine", "temporal": "Temporal",
    "restate": "Restate", "asynq": "asynq", "spring": "Spring schedule",
    "spring_batch": "Spring Batch", "hangfire": "Hangfire", "quartz": "Quartz",
    "sidekiq": "Sidekiq", "active_job": "Active Job", "whenever": "whenever",
    "laravel": "Laravel", "oban": "Oban", "argo": "Argo Workflows",
    "argo_rollouts": "Argo Rollouts", "tekton": "Tekton", "kubernetes": "Kubernetes job",
    "cron": "cron", "systemd": "systemd timer", "step_functions": "Step Functions",
    "serverless": "Serverless schedule", "bpmn": "BPMN process",
}  # fmt: skip
_KIND_WORDS = {
    "release": "release publish deploy build dist tag wheel",
    "data pipeline": "load extract transform etl ingest sync export report",
    "migration": "migrate migration deploy backup restore convert import export",
    "data analysis": "notebook analysis analyze explore plot chart figures report",
}
_WORD = re.compile(r"[a-z]{3,}")
#: Stems that a goal and a workflow share by chance.
_EVERYDAY = frozenset(
    "the and for with from that this then into all run mak mor new on our set use what when".split()
)
_BASE, _EACH, _MOST = 0.2, 0.15, 0.8
_SHOWN = 8


class CodebaseSource:
    """Reads the analysis only: no file is opened again."""

    name = "codebase"

    async def search(self, query: Query) -> list[Finding]:
        of_kind = _stems(_KIND_WORDS.get(query.analysis.operation, ""))
        of_goal = _stems(query.words) - _EVERYDAY
        found = [
            finding
            for workflow in query.analysis.scope.workflows
            if (finding := _finding(workflow, of_goal, of_kind - of_goal, query)) is not None
        ]
        return sorted(found, key=lambda finding: -finding.score)[: query.limit]


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text.lower())}


def _stem(word: str) -> str:
    return re.sub(r"(ing|ed|es|e|s)$", "", word)


def _finding(
    workflow: Workflow, of_goal: set[str], of_kind: set[str], query: Query
) -> Finding | None:
    """The finding that `workflow` is, None if it shares no word with the goal or its kind."""
    spaced = f"{workflow.name} {' '.join(workflow.tasks)}".replace("_", " ").replace("-", " ")
    own = _stems(spaced)
    said, usual = sorted(own & of_goal), sorted(own & of_kind)
    reasons = []
    if said:
        reasons.append(f"it does what the goal speaks of: {_quoted(spaced, said)}")
    if usual:
        what = query.analysis.operation
        reasons.append(f"it does what belongs to a {what}: {_quoted(spaced, usual)}")
    if not reasons:
        return None
    system = SYSTEM_NAMES.get(workflow.system, workflow.system)
    where = f"{workflow.evidence.path}:{workflow.evidence.line or 1}"
    shown = ", ".join(workflow.tasks[:_SHOWN]) + (" …" if len(workflow.tasks) > _SHOWN else "")
    why = "; ".join(reasons)
    tasks = f"{len(workflow.tasks)} task{'' if len(workflow.tasks) == 1 else 's'}: {shown}"
    return Finding(
        title=f"{workflow.name} ({system})",
        excerpt=tasks if workflow.tasks else _made_of(workflow),
        source=CodebaseSource.name,
        citation=Citation(title=where),
        score=round(min(_MOST, _BASE + _EACH * (len(said) + len(usual))), 3),
        why=f"This workspace already has it: {why}",
    )


def _made_of(workflow: Workflow) -> str:
    """What a workflow without tasks is made of: a worker has a queue, a schedule a time."""
    parts = [f"{part.kind} {part.name}" for part in workflow.parts[:_SHOWN]]
    return ", ".join(parts) or "no task could be read"


def _quoted(text: str, stems: list[str]) -> str:
    """The words of `text` that have those stems."""
    words = [word for word in dict.fromkeys(_WORD.findall(text.lower())) if _stem(word) in stems]
    return ", ".join(f"“{word}”" for word in words[:4])
