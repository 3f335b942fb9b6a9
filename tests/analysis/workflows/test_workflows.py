"""Workflows that a codebase already has, and the look-alikes that are none."""

from __future__ import annotations

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def found(root):
    return {(flow.system, flow.name): flow for flow in workflows(scan(root))}


def test_github_actions_give_their_jobs(repository):
    text = "name: CI\non: [push]\njobs:\n  lint:\n    steps: []\n  tests:\n    needs: lint\n"
    flow = found(repository({".github/workflows/ci.yml": text}))["github_actions", "CI"]
    assert flow.tasks == ("lint", "tests")
    assert (flow.evidence.path, flow.evidence.line) == (".github/workflows/ci.yml", 3)


def test_gitlab_ci_gives_jobs_and_no_settings_or_templates(repository):
    text = (
        "stages: [a]\nvariables: {X: 1}\n.base: {script: x}\nbuild:\n  script: make\n"
        "ship:\n  trigger: other\n"
    )
    assert found(repository({".gitlab-ci.yml": text}))["gitlab_ci", "GitLab CI"].tasks == (
        "build",
        "ship",
    )


def test_make_targets_are_read_and_variables_and_patterns_are_not(repository):
    text = "CC := gcc\n.PHONY: test lint\ntest: build\n\tpytest\n%.o: %.c\nlint:\n\truff .\n"
    flow = found(repository({"Makefile": text}))["make", "Makefile"]
    assert flow.tasks == ("test", "lint")
    assert flow.evidence.line == 3


def test_npm_scripts(repository):
    text = '{\n"name": "x",\n"scripts": {"build": "vite build", "test": "vitest"}\n}'
    assert found(repository({"package.json": text}))["npm", "npm scripts"].tasks == (
        "build",
        "test",
    )


AIRFLOW = """
from airflow.sdk import DAG, dag, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(dag_id="nightly"):
    a = BashOperator(task_id="extract", bash_command="x")
    b = BashOperator(task_id="load", bash_command="y")

@dag(schedule="@daily")
def weekly():
    @task
    def count():
        ...
    @task.branch()
    def choose(n):
        ...
    choose(count())

weekly()
"""


def test_airflow_dags_and_their_tasks_are_read_from_the_syntax_tree(repository):
    flows = found(repository({"dags/sales.py": AIRFLOW}))
    assert flows["airflow", "nightly"].tasks == ("extract", "load")
    assert flows["airflow", "nightly"].evidence.line == 5
    assert flows["airflow", "weekly"].tasks == ("count", "choose")


def test_an_airflow_import_that_is_not_used_is_no_dag(repository):
    assert found(repository({"a.py": "from airflow import DAG\n\ndef task(): ...\n"})) == {}


def test_a_class_called_dag_of_ones_own_is_no_airflow(repository):
    text = "# like airflow\nclass DAG: ...\nd = DAG('mine')\n"
    assert found(repository({"a.py": text})) == {}


CELERY = """
from celery import Celery, shared_task
app = Celery("shop")

@app.task(name="mail.send")
def send(): ...

@shared_task
def clean(): ...

def plain(): ...
"""


def test_celery_tasks_by_application_and_shared(repository):
    flow = found(repository({"shop/tasks.py": CELERY}))["celery", "tasks"]
    assert flow.tasks == ("mail.send", "clean")
    assert flow.evidence.line == 6


def test_the_application_may_come_from_a_module_that_is_named_so(repository):
    text = "from shop.celery import app\n\n@app.task\ndef go(): ...\n"
    assert found(repository({"t.py": text}))["celery", "t"].tasks == ("go",)


def test_a_load_testers_task_is_no_celery_task(repository):
    text = (
        "# not celery\nfrom locust import HttpUser, task\n\n"
        "class User(HttpUser):\n    @task\n    def index(self): ...\n"
    )
    assert found(repository({"locustfile.py": text})) == {}


def test_python_that_does_not_parse_stops_nothing(repository):
    root = repository({"old.py": "print 'celery task'\n", "Makefile": "test:\n\tx\n"})
    assert list(found(root)) == [("make", "Makefile")]


def test_commands_are_told_only_where_configuration_and_files_show_them(repository):
    root = repository(
        {
            "pyproject.toml": '[build-system]\nrequires = []\n[project]\nname = "x"\n'
            "[tool.ruff]\n[tool.mypy]\n",
            "tests/test_x.py": "def test_x(): ...\n",
        }
    )
    flows = found(root)
    assert flows["tool", "test"].tasks == ("python -m pytest",)
    assert flows["tool", "test"].evidence.path == "tests/test_x.py"
    assert flows["tool", "lint"].tasks == ("ruff check .",)
    assert flows["tool", "lint"].evidence.line == 5
    assert flows["tool", "types"].evidence.line == 6
    assert flows["tool", "build"].tasks == ("python -m build",)


def test_pytest_configured_but_without_a_test_is_no_command(repository):
    assert found(repository({"pytest.ini": "[pytest]\n"})) == {}


def test_go_and_cargo_commands(repository):
    root = repository({"go.mod": "module x\n", "a_test.go": "package x\n", "Cargo.toml": ""})
    commands = {task for flow in workflows(scan(root)) for task in flow.tasks}
    assert {"go test ./...", "go build ./...", "cargo test"} <= commands


def test_workflows_of_tests_and_fixtures_are_not_work_that_flows(repository):
    root = repository({"tests/fixtures/dag.py": AIRFLOW, "test/tasks.py": CELERY})
    assert found(root) == {}
