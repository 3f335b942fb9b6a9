"""A scan that takes long says how far it is, in the place where ANALYZE will stand."""

from __future__ import annotations

import asyncio

from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.notebook import cell as cells
from orch_nb.notebook.cell import Cell
from orch_nb.notebook.waiting import Blocking


def scanning(monkeypatch, quiet_s: float) -> list[str]:
    """What is shown while a scan tells of 256, then 512 files."""

    def analyze(goal, workspace, *, budget_s, progress):
        for files in (256, 512):
            progress(files)
        return Analysis(goal=Goal(goal))

    shown: list[str] = []
    monkeypatch.setattr(cells, "_QUIET_S", quiet_s)
    monkeypatch.setattr(cells.phases, "analyze", analyze)
    cell = Cell("g", "", {}, Blocking())
    cell.stage.show = lambda part, bundles: shown.append(f"{part}: {bundles[0]['text/plain']}")
    assert asyncio.run(cell._analyze("g")).goal.text == "g"
    return shown


def test_a_long_one_tells_how_many_files_it_has_seen(monkeypatch):
    told = scanning(monkeypatch, 0.0)
    assert len(told) == 2
    assert told[0].startswith("ANALYZE: ")
    assert "scanned 256 files" in told[0]
    assert "scanned 512 files" in told[1]


def test_a_short_one_says_nothing(monkeypatch):
    assert scanning(monkeypatch, 60.0) == []
