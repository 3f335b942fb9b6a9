"""What a project shows itself by: each landmark with its path, and none where there is none."""

from __future__ import annotations

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.model.analysis import Complexity, Factor


def landmarks(root) -> dict[str, str]:
    return {n: str(e) for n, e in analyze_goal("Release foo", root).scope.landmarks.items()}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("CHANGELOG.md", "changelog"),
        ("docs/changes.rst", "changelog"),
        ("NEWS", "changelog"),
        ("mkdocs.yml", "docs"),
        ("docs/source/conf.py", "docs"),
        ("benchmarks/run.py", "benchmarks"),
        ("asv.conf.json", "benchmarks"),
    ],
)
def test_a_file_is_a_landmark_by_its_path(repository, path: str, name: str):
    assert landmarks(repository({path: "x\n"})) == {name: path}


@pytest.mark.parametrize("path", ["docs/design.md", "src/news.py", "src/benchmarks.py"])
def test_what_only_sounds_like_one_is_none(repository, path: str):
    assert landmarks(repository({path: "x = 1\n"})) == {}


def test_release_branches_are_read_from_ci_with_their_line(repository):
    ci = "on:\n  push:\n    branches:\n      - main\n      - 'maintenance/**'\njobs: {t: {}}\n"
    found = landmarks(repository({".github/workflows/ci.yml": ci}))
    assert found["release_branches"].startswith(".github/workflows/ci.yml:5")


def test_ci_of_main_alone_has_none(repository):
    ci = "on:\n  push:\n    branches: [main]\njobs: {release: {}}\n"
    assert landmarks(repository({".github/workflows/ci.yml": ci})) == {}


@pytest.mark.parametrize(("points", "level"), [(24, "low"), (25, "medium"), (50, "high")])
def test_the_score_has_a_word(points: int, level: str):
    assert Complexity((Factor("f", points, 100),)).level == level
