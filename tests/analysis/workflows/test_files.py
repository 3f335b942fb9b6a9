"""Build files, manifests, timers and the languages of data pipelines."""

from __future__ import annotations

import json

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def only(repository, files, system):
    [flow] = [f for f in workflows(scan(repository(files))) if f.system == system]
    return flow


def test_make_targets_wait_for_those_they_name(repository):
    text = (
        "SRC = a.c\n.PHONY: all ship.it\nall: build \\\n  test\nbuild:\n\tcc $(SRC)\n"
        "test: build\n\techo 'no: such target'\n%.o: %.c\nship.it: all\nVERSION := 1\n"
        "define HELP\nnope: x\nendef\n"
    )
    flow = only(repository, {"Makefile": text}, "make")
    assert flow.tasks == ("all", "build", "test", "ship.it")
    assert set(flow.edges) == {
        ("build", "all"),
        ("test", "all"),
        ("build", "test"),
        ("all", "ship.it"),
    }


def test_npm_scripts_wait_for_those_they_run(repository):
    scripts = {"clean": "rm -r x", "build": "npm run clean && tsc", "lint:a": "x", "lint:b": "y",
               "all": "run-p lint:* build", "preall": "x"}  # fmt: skip
    flow = only(repository, {"package.json": json.dumps({"scripts": scripts}, indent=1)}, "npm")
    assert set(flow.edges) == {
        ("clean", "build"), ("lint:a", "all"), ("lint:b", "all"), ("build", "all"),
        ("preall", "all"),
    }  # fmt: skip
    assert flow.parts[1].evidence.line == 4


def test_taskfile_just_and_turbo(repository):
    task = "version: '3'\ntasks:\n  a: {cmds: [x]}\n  b: {deps: [a]}\n"
    assert only(repository, {"Taskfile.yml": task}, "taskfile").edges == (("a", "b"),)
    just = "x := '1'\na:\n  echo\n@b arg='1': a\n  echo\n"
    assert only(repository, {"justfile": just}, "just").edges == (("a", "b"),)
    turbo = '{"tasks": {"build": {"dependsOn": ["^build", "gen"]}, "gen": {}}}'
    assert only(repository, {"turbo.json": turbo}, "turbo").edges == (("gen", "build"),)


def test_a_makefile_of_somebody_elses_is_not_ours(repository):
    assert workflows(scan(repository({"vendor/x/Makefile": "all:\n"}))) == ()


ARGO = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: d-}
spec:
  templates:
  - name: main
    dag:
      tasks:
      - {name: a, template: echo}
      - {name: b, template: echo, depends: a.Succeeded || a.Failed}
      - {name: c, template: echo, dependencies: [a, b]}
  - name: echo
    container: {image: x}
"""


def test_argo_by_dependencies_and_by_depends(repository):
    flow = only(repository, {"w.yaml": ARGO}, "argo")
    assert flow.tasks == ("a", "b", "c")
    assert flow.edges == (("a", "b"), ("a", "c"), ("b", "c"))


def test_tekton_waits_by_run_after_and_by_results(repository):
    text = (
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:\n"
        "  - {name: a}\n  - {name: b, runAfter: [a]}\n"
        "  - {name: c, params: [{name: x, value: $(tasks.b.results.y)}]}\n"
    )
    assert only(repository, {"p.yaml": text}, "tekton").edges == (("a", "b"), ("b", "c"))


def test_cron_jobs_of_kubernetes_and_no_other_kind_of_the_same_name(repository):
    text = (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy}\nspec:\n"
        "  schedule: '0 1 * * *'\n  jobTemplate: {spec: {template: {spec: "
        "{containers: [{name: sweep}]}}}}\n---\napiVersion: mine/v1\nkind: Job\n"
    )
    flow = only(repository, {"k.yaml": text}, "kubernetes")
    assert (flow.name, flow.kind, flow.tasks) == ("tidy", "cron", ("sweep",))


def test_dbt_models_follow_those_they_refer_to(repository):
    files = {
        "shop/dbt_project.yml": "name: shop\n",
        "shop/models/a.sql": "select 1",
        "shop/models/b.sql": "-- {{ ref('c') }}\nselect * from {{ ref('a') }} {# ref('c') #}",
        "shop/models/c.sql": "select * from {{ ref('other', \"b\") }}",
        "models/d.sql": "select 1",
    }
    flow = only(repository, files, "dbt")
    assert flow.tasks == ("a", "b", "c")
    assert flow.edges == (("a", "b"), ("b", "c"))


def test_snakemake_rules_follow_by_their_files(repository):
    text = (
        "rule all:\n    input: 'out/a.txt'\n\nrule sort:\n    input:\n        'raw/{s}.txt'\n"
        "    output:\n        'sorted/{s}.txt'\n    shell: 'sort'\n\n"
        "rule join:\n    input: 'sorted/{x}.txt'\n    output: 'out/a.txt'\n# rule old:\n"
    )
    flow = only(repository, {"Snakefile": text}, "snakemake")
    assert flow.tasks == ("all", "sort", "join")
    assert set(flow.edges) == {("sort", "join"), ("join", "all")}


def test_a_state_machine_of_step_functions(repository):
    states = {"StartAt": "A", "States": {
        "A": {"Type": "Task", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"}}}  # fmt: skip
    flow = only(repository, {"m.json": json.dumps(states)}, "step_functions")
    assert flow.edges == (("A", "B"), ("B", "A"), ("B", "C"))


def test_crontabs_and_timers(repository):
    text = "# 0 0 * * * old\nMAILTO=x\n*/5 * * * * root /bin/tidy\n@daily back-up\n"
    assert only(repository, {"crontab": text}, "cron").tasks == ("root /bin/tidy", "back-up")
    timer = "[Timer]\nOnCalendar=daily\n"
    assert only(repository, {"x.timer": timer}, "systemd").tasks == ("x.service",)
