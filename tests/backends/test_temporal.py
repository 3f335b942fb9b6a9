"""A run that Temporal owns ends as it would have here, task by task, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import conformance
import pytest

pytest.importorskip("temporalio")


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory, starting: object) -> Iterator[object]:
    made = starting("temporal", tmp_path_factory.mktemp("temporal"))
    yield made
    made.stop()


@pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.name)
def test_a_run_there_ends_as_it_does_here(temporal, case, performing, tmp_path: Path):
    here = performing(case, tmp_path)
    there = performing(case, tmp_path, temporal.url)
    assert conformance.told(there) == conformance.told(here)
