"""Tab, asked of the kernel as a frontend asks. `|` is the cursor."""

from __future__ import annotations

import msgspec
import pytest

from orch_nb.model.task import RetryPolicy
from orch_nb.notebook import completion
from orch_nb.planners.task_keys import TASK_KEYS

YAML = """%%orchestrate
goal: g
tasks:
  orders: {sh: "x"}
  refunds:
    sh: x
  joined:
    """
PYTHON = """%%orchestrate
@task
def orders(): ...
@task
def refunds(): ...
"""


def completed(kernel, text):
    return kernel.completions(text.replace("|", ""), text.index("|"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%%orchestrate --w|\n", ["--workers", "--workspace"]),
        ("%%orchestrate Release it --name x --fre|\n", ["--fresh"]),
        ("%%orchestrate --as |\n", ["python", "yaml", "goal"]),
        ("%%orchestrate --executor t|\n", ["threads"]),
        ("%orchestrate re|", ["resume", "retry", "reject", "recover", "report"]),
        (YAML + "needs: [or|", ["orders"]),
        (YAML + "needs: [orders, |]", ["orders", "refunds", "joined"]),
        (YAML + "needs: re|", ["refunds"]),
        (YAML + "needs:\n      - |\n", ["orders", "refunds", "joined"]),
        (YAML + "needs:\n      - orders\n      - re|\n  more: {sh: x}\n", ["refunds"]),
        (YAML[:-5].rstrip() + ": {needs: [or|]}\n", ["orders"]),
        (YAML + "trigger: all_d|", ["all_done", "all_done_min_one_success"]),
        (YAML + "ne|", ["needs"]),
        (YAML + "retry: {max|", ["maximum_attempts", "maximum_interval"]),
        ("%%orchestrate\ncri|", ["criteria"]),
        (PYTHON + "@task(needs=['|'])\ndef x(): ...", ["orders", "refunds", "x"]),
        (PYTHON + "@task(trigger='one|')\ndef x(): ...", ["one_failed", "one_success", "one_done"]),
        (PYTHON + "@task\ndef joined(orders, re|", ["refunds"]),
    ],
)
def test_options_verbs_tasks_rules_and_keys_are_completed(kernel, text, found):
    assert completed(kernel, text) == found


def test_python_is_completed_as_python(kernel):
    assert "print" in completed(kernel, PYTHON + "@task\ndef a():\n    pri|")
    assert "return" in completed(kernel, PYTHON + "@task\ndef a():\n    re|")
    assert "join" in completed(kernel, "%%orchestrate\nimport os\nos.path.jo|")


def test_other_cells_are_left_alone(kernel):
    assert "retry" not in completed(kernel, "x = 'orchestrate'\nretr|")


def test_the_keys_that_are_offered_are_those_that_are_read():
    elsewhere = {"parent", "story"}  # where a task stands says both
    assert set(completion.KEYS) == set(TASK_KEYS) - elsewhere
    read = {field.name.removesuffix("_s") for field in msgspec.structs.fields(RetryPolicy)}
    assert set(completion._RETRY) == read


def test_tasks_follow_the_verbs_that_can_act_on_them(kernel):
    # fails ─► after     gate     fine
    kernel.ok(
        "%%orchestrate --no-analyze --name plan\ngoal: g\ntasks:\n"
        '  fails: {sh: "exit 1"}\n  after: {needs: [fails]}\n  gate: {approval: "?"}\n  fine: {}\n'
    )
    assert completed(kernel, "%orchestrate retry |") == ["fails"]
    assert completed(kernel, "%orchestrate skip |") == ["fails", "after", "gate"]
    assert completed(kernel, "%orchestrate approve |") == ["gate"]
    assert completed(kernel, "%orchestrate systems |") == ["--fault", "plan"]
    assert completed(kernel, "%orchestrate systems --fault f|") == ["fails", "fine"]
    assert completed(kernel, "%orchestrate systems plan |") == ["--fault"]
    assert completed(kernel, "%orchestrate systems plan --fault f|") == ["fails", "fine"]
    assert "fails" not in completed(kernel, "%orchestrate systems another --fault f|")
    assert completed(kernel, "%orchestrate edit |")[:2] == ["plan", "chain"]
    assert completed(kernel, "%orchestrate run |") == ["plan"]
    assert completed(kernel, "%orchestrate patterns sag|") == ["saga"]
    assert completed(kernel, "%orchestrate status |") == ["plan-1"]
    assert completed(kernel, "%%orchestrate --from |\n") == ["plan"]


def test_files_and_systems_follow_import_and_export(kernel, tmp_path):
    (tmp_path / "dags").mkdir()
    for name in ("dags/release.py", "dags/report.json", "dags/notes.txt", "dags/.hidden.py"):
        (tmp_path / name).touch()
    kernel.ok("%%orchestrate --no-analyze --dry-run --name plan\ngoal: g\ntasks: {a: {}}\n")

    assert completed(kernel, "%orchestrate export |") == ["airflow", "bullmq", "celery", "xstate"]
    assert completed(kernel, "%orchestrate export celery |")[0] == "plan"
    assert completed(kernel, f"%orchestrate import {tmp_path}/d|") == [f"{tmp_path}/dags/"]
    assert completed(kernel, f"%orchestrate import {tmp_path}/dags/re|") == [
        f"{tmp_path}/dags/release.py", f"{tmp_path}/dags/report.json",
    ]  # fmt: skip
    assert completed(kernel, "%orchestrate import x.py --|") == ["--as", "--from", "--dag"]
    assert completed(kernel, "%orchestrate import x --from c|") == ["celery"]
