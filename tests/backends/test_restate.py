"""A run that Restate owns ends as it would have here, task by task, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import conformance
import pytest

pytest.importorskip("restate")


@pytest.fixture(scope="module")
def restate(tmp_path_factory: pytest.TempPathFactory, starting: object) -> Iterator[object]:
    made = starting("restate", tmp_path_factory.mktemp("restate"))
    yield made
    made.stop()


@pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.name)
def test_a_run_there_ends_as_it_does_here(restate, case, performing, tmp_path: Path):
    here = performing(case, tmp_path)
    there = performing(case, tmp_path, restate.url)
    assert conformance.told(there) == conformance.told(here)
