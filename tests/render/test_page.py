"""A report as one file."""

from __future__ import annotations

import os
import re

import pytest

from orch_nb.errors import UsageError
from orch_nb.model.record import MIMETYPE


def test_html_is_one_file_that_needs_nothing_else(report, tmp_path):
    path = tmp_path / "report.html"
    assert report.to_html(path) == path
    page = path.read_text(encoding="utf-8")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Release 2.4</title>" in page
    assert '<meta charset="utf-8">' in page
    for phase in ("3 DECOMPOSE", "4 EXECUTE", "5 INTEGRATE"):
        assert phase in page
    assert set(re.findall("<script[^>]*>", page)) <= {f'<script type="{MIMETYPE}">'}
    assert 'src="http' not in page
    assert "@media print" in page
    assert "prefers-color-scheme: dark" in page


def test_without_a_path_it_is_text(report):
    assert report.to_html().startswith("<!DOCTYPE html>")
    assert report.to_markdown().startswith("# Release 2.4")


def test_markdown_tells_the_same_story(report, tmp_path):
    shown = report.to_markdown(tmp_path / "report.md").read_text(encoding="utf-8")
    for phrase in ("## 4 EXECUTE", "✗ failed", "| sdist |", "%orchestrate retry sdist"):
        assert phrase in shown


def test_a_folder_that_is_not_there_is_a_clear_error(report, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        report.to_html(tmp_path / "nowhere" / "report.html")
    with pytest.raises(UsageError, match="is a folder"):
        report.to_html(tmp_path)


def test_a_file_is_replaced_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(UsageError, match="No space left"):
        report.to_html(path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
