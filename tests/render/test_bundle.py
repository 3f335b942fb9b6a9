"""What a notebook displays survives where nobody trusts it."""

from __future__ import annotations

import re

import pytest

from orch_nb.model.analysis import Analysis
from orch_nb.model.goal import Goal
from orch_nb.model.record import MIMETYPE
from orch_nb.model.report import Operation
from orch_nb.model.research import Research
from orch_nb.model.view import TARGETS, resolve
from orch_nb.render.bundle import header_bundle, section_bundles
from orch_nb.render.sections import decompose_section, execute_section, integrate_section

WHOLE = {"text/html", "text/markdown", "text/plain"}


@pytest.mark.parametrize("row", [row for row, at in TARGETS.items() if ".render." in at])
def test_every_row_that_points_here_resolves(row):
    assert callable(resolve(row))


def test_every_value_shows_itself_in_three_forms(plan, run, report):
    values = (
        plan, run, report, Analysis(goal=Goal("g")), Research(), Operation(plan=plan, kind="yaml"),
        Operation(plan=plan, kind="python", run=run, report=report),
    )  # fmt: skip
    for value in values:
        bundle = value._repr_mimebundle_()
        assert set(bundle) - {MIMETYPE} == WHOLE
        assert all(bundle.values())


def test_fragments_hold_nothing_that_a_sanitiser_drops(report):
    shown = report._repr_mimebundle_()["text/html"]
    for bad in ("<style", "<svg", "<script", "var(", "class=", "role=", "aria-", "<!--", "url("):
        assert bad not in shown
    for colour in re.findall(r"color:([^;\"]+)", shown):
        assert re.fullmatch("#[0-9a-f]{6,8}", colour)
    assert shown.count("<img alt=") == shown.count("<img") == 2


def test_a_fragment_sets_no_page_background(report):
    shown = report._repr_mimebundle_()["text/html"]
    for style in re.findall(r'style="([^"]*)"', shown):
        if "background" in style:
            assert re.search(r"(?<![-\w])color:#", style), "a background brings its text colour"


def test_a_drawing_stands_in_an_output_of_its_own(plan, run):
    for section in (decompose_section(plan, run), execute_section(run)):
        picture, detail = section_bundles(section)
        assert set(picture) == {"text/html", "text/plain", "image/png"}
        assert picture["image/png"].startswith(b"\x89PNG")
        assert "<details open" in picture["text/html"]
        assert section.finding.split(" · ")[0] in picture["text/html"]
        assert "<img alt=" in picture["text/html"]
        assert set(detail) == WHOLE
        assert "<table" in detail["text/html"]


def test_no_bundle_has_svg_as_a_type_of_its_own(plan, run):
    for section in (decompose_section(plan, run), execute_section(run)):
        assert all("image/svg+xml" not in bundle for bundle in section_bundles(section))


def test_a_phase_without_a_drawing_is_one_output(report):
    (only,) = section_bundles(integrate_section(report))
    assert set(only) == WHOLE
    assert "5 INTEGRATE" in only["text/html"]


def test_the_header_is_an_output(run, report):
    bundle = header_bundle(run.plan, run, report)
    assert set(bundle) == WHOLE
    assert bundle["text/plain"].startswith("Release 2.4  ✗ failed")
    assert bundle["text/markdown"].startswith("# Release 2.4")
