"""A plan or a run as a networkx DiGraph: a node a task, an edge from what must end before.

nx.dag_longest_path(plan.graph), nx.ancestors(plan.graph, "publish")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch_nb.graph.topology import upstream
from orch_nb.model.account import failure_of

if TYPE_CHECKING:
    import networkx as nx

    from orch_nb.model.analysis import Analysis
    from orch_nb.model.plan import Plan
    from orch_nb.model.run import Run

__all__ = ["analysis_graph", "plan_graph", "run_graph"]


def plan_graph(plan: Plan) -> nx.DiGraph[str]:
    """Nodes carry `title, story, parent, kind, owner, trigger, required, estimate_s`; the edges are
    the effective ones (needs, and what a hierarchy of subtasks adds)."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph(goal=plan.goal)
    for task in plan.tasks:
        graph.add_node(
            task.id,
            title=task.label,
            story=task.story,
            parent=task.parent,
            kind=task.kind,
            owner=task.owner,
            trigger=str(task.trigger),
            required=task.required,
            estimate_s=task.estimate_s,
        )
    for task_id, waits in upstream(plan).items():
        graph.add_edges_from((other, task_id) for other in waits)
    return graph


def run_graph(run: Run) -> nx.DiGraph[str]:
    """The plan's graph; nodes also carry `status, attempts, duration_s, wait_s, error, instances`
    (None for a task that is one) and `cached`, the graph `run_id`, `status` and `faults`."""
    graph = plan_graph(run.plan)
    graph.graph.update(run_id=run.run_id, status=str(run.status), faults=list(run.faults))
    for done in run.tasks:
        attributes: dict[str, Any] = {
            "status": str(done.status),
            "attempts": len(done.attempts),
            "duration_s": done.duration_s,
            "wait_s": done.wait_s,
            "error": str(failure_of(done) or ""),
            "instances": done.instances,
            "cached": done.cached,
        }
        graph.nodes[done.task].update(attributes)
    return graph


def analysis_graph(analysis: Analysis) -> nx.DiGraph[str]:
    """The components of a workspace, with `kind, language, path, evidence`; an edge goes from one
    that relies on another, with `kind, evidence, confidence`."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph(goal=analysis.goal.text)
    for part in analysis.scope.components:
        graph.add_node(
            part.name, kind=part.kind, language=part.language, path=part.path,
            evidence=str(part.evidence),
        )  # fmt: skip
    for link in analysis.scope.links:
        graph.add_edge(
            link.source, link.target, kind=link.kind, evidence=str(link.evidence),
            confidence=link.confidence,
        )  # fmt: skip
    return graph
