"""What every test has: a home of its own for Jupyter, tools by name, the corpus if there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent
CI = os.environ.get("ORCH_NB_CI") == "1"

# No deadline: under load a slow example says nothing of the property. In CI the examples are always
# the same, so that a red run can be had again.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if CI else "local")

_JUPYTER_HOMES = (
    "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """A kernel that a test starts meets none of its user's profiles, history and kernelspecs."""
    os.environ["ORCH_NB_MCP"] = "off"  # nor does RESEARCH ask the servers of its user
    home = mkdtemp(prefix="orch-nb-tests-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in _JUPYTER_HOMES:
        folder = Path(home, name.lower())
        folder.mkdir()
        os.environ[name] = str(folder)


def absent(what: str) -> None:
    """Skip for want of `what`; in CI fail, since a check that was skipped has not passed."""
    if CI:
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is not here")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool("chromium")` is the path of a program, or the end of the test."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            absent(f"the program {name}")
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder that ORCH_NB_CORPUS names: real inputs that are no part of the project."""
    folder = os.environ.get("ORCH_NB_CORPUS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ORCH_NB_CORPUS names no folder of real inputs")
    return Path(folder)
