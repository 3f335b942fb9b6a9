"""What a run depended on besides its plan: told without secrets, paths, users and hosts."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess

import msgspec
import numpy as np
import pytest

import orch_nb as nb
from orch_nb.engine.journal import SqliteJournal
from orch_nb.integration.environment import environment
from orch_nb.model.task import Task


def uses_numpy():
    return np.arange(3)


def told(tmp_path, *tasks, **plan):
    made = nb.Plan(goal="g", tasks=tasks or [Task(id="a", run=uses_numpy)], **plan)
    run = nb.execute(made, journal=tmp_path / "j.db", run_id="r", workspace=tmp_path)
    return run, environment(run)


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@x", *words], cwd=folder, check=True,
        capture_output=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
    )  # fmt: skip


def test_versions_are_of_what_the_functions_use(tmp_path):
    _, found = told(tmp_path)
    packages = dict(found.packages)
    assert packages["numpy"] == np.__version__
    assert packages["orch_nb"] == nb.__version__
    assert next(iter(packages)) == "orch_nb"
    assert "os" not in packages


def test_parameters_and_hashes(tmp_path):
    (tmp_path / "out.txt").write_text("x")
    run, found = told(tmp_path, Task(id="a", run=uses_numpy, outputs="out.txt"),
                      params={"week": 47, "long": "x" * 999})  # fmt: skip
    assert dict(found.params)["week"] == "47"
    assert len(dict(found.params)["long"]) == 200
    hashes = dict(found.hashes)
    assert hashes["plan"] == run.plan.hash
    assert hashes["result of a"] == run["a"].result.hash
    assert hashes["out.txt"] == f"sha256:{hashlib.sha256(b'x').hexdigest()}"


def test_no_secret_no_path_no_user_and_no_host(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hush-hush-7")
    _, found = told(tmp_path)
    text = msgspec.json.encode(found).decode()
    for secret in ("hush-hush-7", "MY_TOKEN", str(tmp_path), socket.gethostname()):
        assert secret not in text
    assert getpass.getuser() not in found.platform


def test_the_commit_and_whether_files_differ_from_it(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "one")
    run, found = told(tmp_path)
    assert len(found.commit) == 40
    assert found.changed is False
    (tmp_path / "a.txt").write_text("2 and more")
    assert environment(run).changed is True


def test_git_runs_no_hook_and_no_monitor(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "one")
    spy = tmp_path / "spy.sh"
    spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-here\n")
    spy.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(spy))
    (tmp_path / "was-here").unlink(missing_ok=True)
    _, found = told(tmp_path)
    assert found.commit
    assert not (tmp_path / "was-here").exists()


def test_a_workspace_that_is_no_repository_has_neither(tmp_path):
    _, found = told(tmp_path)
    assert (found.commit, found.changed) == ("", None)


@pytest.mark.parametrize("gone", [True, False])
def test_a_repository_that_git_cannot_read_is_no_reason_to_fail(tmp_path, monkeypatch, gone):
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    if gone:
        monkeypatch.setenv("PATH", str(tmp_path))
    _, found = told(tmp_path)
    assert (found.commit, found.changed) == ("", None)


def test_it_says_whether_the_process_that_reports_is_the_one_that_ran(tmp_path):
    from orch_nb import phases

    _, found = told(tmp_path)
    assert found.same_process
    journal = SqliteJournal(tmp_path / "j.db")
    assert not environment(phases.past_run(journal.history("r"), journal)).same_process
