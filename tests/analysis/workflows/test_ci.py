"""CI files: their jobs, and which wait for which."""

from __future__ import annotations

import json

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import ci, workflows
from orch_nb.analysis.workflows.page import Page


def read(repository, path, text):
    [flow] = [f for f in workflows(scan(repository({path: text}))) if f.evidence.path == path]
    return flow


def test_github_actions_wait_by_needs_as_a_text_or_a_list(repository):
    text = (
        "on: [push]\njobs:\n  a: {}\n  b: {needs: a, strategy: {matrix: {x: [1]}}}\n"
        "  c: {needs: [a, b], uses: o/r/.github/workflows/x.yml@v1}\n"
    )
    flow = read(repository, ".github/workflows/x.yml", text)
    assert flow.edges == (("a", "b"), ("a", "c"), ("b", "c"))
    said = {part.name: part.evidence.text for part in flow.parts}
    assert said["b"] == "matrix"
    assert said["c"] == "o/r/.github/workflows/x.yml@v1"
    assert "push" in said  # `on` is no `True`


def test_a_composite_action_gives_its_steps_in_order(repository):
    text = "name: set up\nruns:\n  using: composite\n  steps:\n  - {name: a}\n  - {uses: b/c@v1}\n"
    assert read(repository, "tools/action.yml", text).edges == (("a", "b/c@v1"),)


def test_gitlab_jobs_wait_for_the_stage_before_or_for_what_they_need(repository):
    text = (
        "stages: [build, test, ship]\n.base: {stage: test, script: x}\n"
        "make: {stage: build, script: x}\nunit: {extends: .base}\n"
        "lint: {stage: test, script: x, needs: []}\nship: {stage: ship, script: x}\n"
    )
    flow = read(repository, ".gitlab-ci.yml", text)
    assert flow.tasks == ("make", "unit", "lint", "ship")
    assert set(flow.edges) == {("make", "unit"), ("unit", "ship"), ("lint", "ship")}


def test_circleci(repository):
    text = (
        "jobs: {a: {}, b: {}}\nworkflows:\n  main:\n    jobs:\n    - a\n"
        "    - hold: {type: approval, requires: [a]}\n    - b: {requires: [hold]}\n"
    )
    flow = read(repository, ".circleci/config.yml", text)
    assert flow.edges == (("a", "hold"), ("hold", "b"))


def test_azure_stages_wait_for_the_one_before_unless_they_say_otherwise(repository):
    text = (
        "trigger: [main]\nstages:\n- stage: a\n  jobs: [{job: x}]\n- stage: b\n"
        "- stage: c\n  dependsOn: a\n"
    )
    flow = read(repository, "azure-pipelines.yml", text)
    assert flow.edges == (("a", "b"), ("a", "c"))


def test_the_steps_of_cloud_build_run_in_order_unless_they_say_for_what_they_wait(repository):
    text = "steps:\n- {id: a, name: x}\n- {id: b, name: x}\n- {id: c, name: x, waitFor: ['-']}\n"
    assert read(repository, "cloudbuild.yaml", text).edges == (("a", "b"),)
    assert read(repository, ".github/cloudbuild/ci.yaml", text).edges == (("a", "b"),)


def test_jenkins_stages_and_no_commented_ones(repository):
    text = (
        "pipeline {\n  stages {\n    stage('build') { steps { sh 'make' } }\n"
        "    // stage('old') { }\n    stage('ship') { steps { sh 'ship' } }\n  }\n}\n"
    )
    flow = read(repository, "Jenkinsfile", text)
    assert flow.tasks == ("build", "ship")
    assert flow.edges == (("build", "ship"),)
    assert flow.confidence < 1


@pytest.mark.parametrize("text", ["jobs: [", "a: &a [*a", "- 1\n", ""])
def test_a_file_that_is_broken_stops_nothing(repository, text):
    root = repository({".github/workflows/x.yml": text, "Makefile": "a:\n"})
    assert [flow.system for flow in workflows(scan(root))] == ["make"]


def test_real_files_have_the_edges_that_their_truth_has(corpus):
    folder = corpus / "github_actions"
    for name, truth in json.loads((folder / "ground_truth.json").read_text()).items():
        [flow] = ci.github_actions(Page(truth["path"], (folder / name).read_text()))
        needs = {(need, job) for job, body in truth["jobs"].items() for need in body["needs"]}
        assert set(flow.tasks) == set(truth["jobs"]), name
        assert set(flow.edges) == needs, name
