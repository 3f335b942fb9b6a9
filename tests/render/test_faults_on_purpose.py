"""A run that was disturbed on purpose says so in every output it has; no other run does."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import pytest

from orch_nb.integration.integrate import report
from orch_nb.model import event as ev
from orch_nb.model.fold import replay
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus
from orch_nb.model.task import Task
from orch_nb.render.bundle import (
    header_bundle,
    report_bundle,
    run_bundle,
    section_bundle,
    section_bundles,
)
from orch_nb.render.document import Paragraph, plain
from orch_nb.render.page import write_html, write_markdown
from orch_nb.render.recovery import recovery_blocks
from orch_nb.render.sections import execute_section, header
from orch_nb.render.timeline import timeline
from orch_nb.testing import FakeExecutor, chain, perform

SVG = "{http://www.w3.org/2000/svg}"


def outputs(run: Run) -> dict[str, str]:
    """Every text that a run or its report is shown as, wherever one is shown by itself."""
    made = report(run)
    shown = {
        "report.to_html": str(write_html(made)),
        "report.to_markdown": str(write_markdown(made)),
        "report.outcome": made.outcome,
        "timeline": timeline(run).svg,
        "timeline alt": timeline(run).alt,
    }
    bundles = {
        "run": run_bundle(run),
        "report": report_bundle(made),
        "header": header_bundle(run.plan, run),
        "EXECUTE": section_bundle(execute_section(run)),
        "EXECUTE, closed": section_bundle(execute_section(run, is_open=False)),
    }
    for name, bundle in bundles.items():
        shown |= {f"{name} as {kind}": str(text) for kind, text in bundle.items()}
    # The tables of a phase in a cell of a notebook are an output of their own.
    shown["EXECUTE, its tables"] = section_bundles(execute_section(run))[-1]["text/html"]
    return shown


def test_every_output_says_so(disturbed):
    silent = [name for name, text in outputs(disturbed).items() if "on purpose" not in text]
    assert silent == []


def test_frames_and_graphs_carry_it_with_them(disturbed):
    for attributes in (disturbed.df.attrs, report(disturbed).df.attrs, disturbed.graph.graph):
        assert attributes["faults"] == ["fetch=2"]
    assert disturbed.df.attrs["on_purpose"] == "`fetch=2`; 2 attempts failed by them"
    assert list(disturbed.df.injected) == [2, 0]


def test_no_output_of_another_run_does(run):
    loud = [name for name, text in outputs(run).items() if "on purpose" in text]
    assert loud == []
    assert run.df.attrs["faults"] == []


def test_it_is_the_first_line_and_counts_what_struck(disturbed):
    made = header(disturbed.plan, disturbed)
    assert plain(made.lines[0]) == "⚑ faults on purpose fetch=2; 2 attempts failed by them."
    assert "2 failures on purpose" in made.facts
    assert execute_section(disturbed).finding.endswith("⚑ faults on purpose: fetch=2")


def test_the_phase_begins_with_it(disturbed):
    first = execute_section(disturbed).blocks[0]
    assert isinstance(first, Paragraph)
    assert first.line == header(disturbed.plan, disturbed).lines[0]


def test_faults_that_never_struck_are_told_as_well():
    run = perform(chain("a"), executor=FakeExecutor(), faults=("a=down:0s",))
    assert "none has struck" in plain(header(run.plan, run).lines[0])


def test_attempts_that_failed_on_purpose_are_told_from_those_that_failed(disturbed, rows_of):
    rows = rows_of(execute_section(disturbed), "Attempts of what was tried more than once")
    assert [row[2] for row in rows] == [
        "⚑ failed on purpose", "⚑ failed on purpose", "✓ succeeded",
    ]  # fmt: skip
    titles = [title.text for title in ET.fromstring(timeline(disturbed).svg).iter(f"{SVG}title")]
    assert titles.count("attempt 1 failed on purpose") == 1
    labels = [text.text for text in ET.fromstring(timeline(disturbed).svg).iter(f"{SVG}text")]
    assert any(re.fullmatch(r"✓ .* · 2 on purpose", label) for label in labels)


def test_one_attempt_that_failed_on_purpose_has_its_row_too(rows_of):
    run = perform(chain("a"), executor=FakeExecutor(), faults=("a=1",))
    ((_, number, state, *_),) = rows_of(
        execute_section(run), "Attempts of what was tried more than once"
    )
    assert (number, state) == ("1", "⚑ failed on purpose")


@pytest.fixture
def resumed() -> Run:
    """A run of which an attempt failed on purpose, continued without any fault."""
    plan = Plan(goal="g", tasks=(Task(id="a", run="m:f", retry=2),))
    error = ev.Failure("InjectedFault", "attempt 1 fails on purpose (--fault a=1)")
    return replay(
        [
            ev.RunStarted(at=1, run_id="r", plan=plan, options=ev.RunOptions(faults=("a=1",))),
            ev.AttemptStarted(at=1, task="a", attempt=1),
            ev.AttemptFailed(at=2, task="a", attempt=1, started=1, error=error, injected=True),
            ev.RunResumed(at=3),
            ev.AttemptStarted(at=3, task="a", attempt=2),
            ev.AttemptSucceeded(at=4, task="a", attempt=2, started=3),
            ev.RunEnded(at=4, status=RunStatus.SUCCEEDED),
        ]
    ).snapshot()


def test_what_struck_before_a_recovery_is_told_after_it(resumed):
    silent = [name for name, text in outputs(resumed).items() if "on purpose" not in text]
    assert silent == []


def test_a_run_that_goes_on_says_what_it_was_disturbed_by(disturbed):
    words = [plain(block.line) for block in recovery_blocks(disturbed) if hasattr(block, "line")]
    assert any("faults on purpose fetch=2" in text for text in words)


def test_the_picture_on_its_own_says_so(disturbed):
    page = str(write_html(report(disturbed)))
    pictures = [base64.b64decode(data).decode() for data in re.findall(r"base64,([^\"]+)", page)]
    assert "faults on purpose" in pictures[1]
