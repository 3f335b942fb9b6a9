"""A plan and a run as networkx graphs."""

from __future__ import annotations

import networkx as nx


def test_an_edge_leads_from_what_must_end_before(plan):
    graph = plan.graph
    assert set(graph.predecessors("wheel")) == {"lint", "types", "tests"}
    assert nx.is_directed_acyclic_graph(graph)
    assert graph.nodes["approve"]["kind"] == "approval"
    assert graph.nodes["approve"]["title"] == "Approve it"


def test_subtasks_stand_between_their_parent_and_its_needs(family):
    # fetch ─► split ─► store ─► load ─► report
    assert nx.dag_longest_path(family.graph) == ["fetch", "split", "store", "load", "report"]


def test_a_run_adds_how_it_went(run):
    node = run.graph.nodes["tests"]
    assert node["status"] == "succeeded"
    assert node["attempts"] == 3
    assert run.graph.graph["run_id"] == "nightly-7"
