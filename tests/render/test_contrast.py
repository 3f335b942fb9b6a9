"""Two runs side by side, as they are shown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orch_nb.integration.contrast import contrast
from orch_nb.model import event as ev
from orch_nb.model.run import Run
from orch_nb.render.contrast import contrast_document
from orch_nb.render.document import Drawing, Table

T0 = 1_795_336_860.0


@pytest.fixture
def found(run, fanned):
    other = replace(run, run_id="<nightly-8>")
    return contrast(run, other)


def test_it_shows_itself_in_three_forms(found):
    bundle = found._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    assert "run nightly-7 (✗ failed, 11.6 s) beside run <nightly-8>" in bundle["text/plain"]
    assert "&lt;nightly-8&gt;" in bundle["text/html"]
    assert "<nightly-8>" not in bundle["text/html"]


def test_the_frame_has_a_row_a_task_and_both_names(found):
    frame = found.df
    assert list(frame.task) == [task.id for task in found.after.plan.tasks]
    assert frame.attrs == {"before": "nightly-7", "after": "<nightly-8>"}
    assert (frame.apart_s.dropna() == 0).all()
    assert str(frame.attempts_before.dtype) == "Int64"


def test_both_timelines_stand_over_one_another_in_one_drawing(found):
    (drawing,) = [b for b in contrast_document(found).sections[0].blocks if isinstance(b, Drawing)]
    assert drawing.alt.startswith("Timelines of run nightly-7 and run <nightly-8> over one another")
    assert "sdist: failed 600 ms, then failed 600 ms" in drawing.alt
    assert drawing.svg.count("<title>before: ") == drawing.svg.count("<title>after: ") > 6
    assert drawing.png().startswith(b"\x89PNG")


def test_what_does_not_differ_is_behind_a_fold(found):
    captions = [
        b.caption for b in contrast_document(found).sections[0].blocks if isinstance(b, Table)
    ]
    assert captions == []


def test_nothing_that_began_draws_nothing(plan, fold):
    empty = fold(plan, [])
    assert isinstance(empty, Run)
    blocks = contrast_document(contrast(empty, empty)).sections[0].blocks
    assert not any(isinstance(block, Drawing) for block in blocks)


def test_of_many_tasks_those_furthest_apart_are_drawn(many, fold):
    plan = many(200, 0)

    def run(slow):
        events = []
        for n in range(200):
            start, end = T0 + n, T0 + n + 1 + slow * (n == 150)
            events += [
                ev.AttemptStarted(at=start, task=f"t{n}", attempt=1),
                ev.AttemptSucceeded(at=end, task=f"t{n}", attempt=1, started=start),
            ]
        return fold(plan, events)

    blocks = contrast_document(contrast(run(0), run(5))).sections[0].blocks
    (drawing,) = [block for block in blocks if isinstance(block, Drawing)]
    assert ">t150<" in drawing.svg
    assert "160 tasks of less difference not drawn" in drawing.svg
