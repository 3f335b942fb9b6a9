"""The walk of a workspace: what it sees, what it leaves out and counts, and when it stops."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch_nb.analysis.scan import HUGE_BYTES, scan
from orch_nb.errors import UsageError


def paths(found):
    return sorted(file.path for file in found.files)


def test_files_and_languages_are_counted(repository):
    root = repository({"a.py": "x = 1\n", "lib/b.go": "package b\n", "Dockerfile": "FROM x\n"})
    found = scan(root)
    assert paths(found) == ["Dockerfile", "a.py", "lib/b.go"]
    assert found.languages == {"Python": 1, "Go": 1, "Dockerfile": 1}
    assert found.size_bytes == sum((root / path).stat().st_size for path in paths(found))
    assert found.complete


def test_gitignore_holds_for_its_folder_and_below_and_a_deeper_one_wins(repository):
    root = repository(
        {
            ".gitignore": "*.log\n/out/\n",
            "a.log": "",
            "keep/.gitignore": "!b.log\n",
            "keep/b.log": "",
            "keep/c.log": "",
            "out/x.py": "",
            "sub/out/y.py": "",
        }
    )
    found = scan(root)
    assert "a.log" not in paths(found)
    assert "keep/b.log" in paths(found)
    assert "keep/c.log" not in paths(found)
    assert "out/x.py" not in paths(found)
    assert "sub/out/y.py" in paths(found)  # `/out/` names the root's only
    assert found.skipped["ignored"] == 3


def test_vendored_binary_and_huge_files_are_left_out_and_counted(repository):
    root = repository({"a.py": "", "node_modules/x/index.js": "", "logo.png": "not really"})
    (root / "big.csv").write_bytes(b"1\n" * HUGE_BYTES)
    found = scan(root)
    assert paths(found) == ["a.py"]
    assert found.skipped == {"vendored": 1, "binary": 1, "huge": 1}


def test_a_binary_file_under_a_text_name_is_counted_when_it_is_read(repository):
    root = repository({})
    (root / "model.py").write_bytes(b"\x00\x01\x02")
    found = scan(root)
    assert found.read(found.files[0]) is None
    assert found.skipped["binary"] == 1


def test_links_are_never_followed(repository, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("x")
    root = repository({"a.py": ""})
    (root / "away").symlink_to(outside)
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "loop").symlink_to(root)
    found = scan(root)
    assert paths(found) == ["a.py"]
    assert found.skipped["link"] == 3


def test_a_named_pipe_is_not_opened(repository):
    root = repository({"a.py": ""})
    os.mkfifo(root / "pipe.py")
    found = scan(root)
    assert paths(found) == ["a.py"]
    assert found.skipped["special"] == 1


def test_an_unreadable_file_is_counted_and_stops_nothing(repository):
    root = repository({"a.py": "x", "gone.py": "y"})
    found = scan(root)
    (root / "gone.py").unlink()
    assert [found.read(file) for file in found.files] == ["x", None]
    assert found.skipped["unreadable"] == 1


def test_the_time_bound_stops_the_walk_and_says_so(repository):
    root = repository({f"d{n}/a.py": "" for n in range(20)})
    found = scan(root, budget_s=0.0)
    assert not found.complete
    assert found.skipped["late"] >= 1


def test_version_control_is_not_part_of_the_workspace(repository):
    root = repository({".git/config": "[core]", "a.py": ""})
    assert paths(scan(root)) == ["a.py"]


def test_progress_is_told_the_number_of_files(repository):
    seen: list[int] = []
    scan(repository({"a.py": "", "b.py": ""}), progress=seen.append)
    assert seen == [2]


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_workspace_that_is_no_folder_is_a_usage_error(repository, name: str):
    root = repository({"file.txt": ""})
    with pytest.raises(UsageError, match=f"workspace `.*{name}`"):
        scan(root / name)
