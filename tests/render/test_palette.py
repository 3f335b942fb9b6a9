"""One table says how every state looks."""

from __future__ import annotations

import re

import pytest

from orch_nb.model.status import RunStatus, Status
from orch_nb.render.palette import GREY, LOOKS, contrast, look


@pytest.mark.parametrize("status", [*Status, *RunStatus])
def test_every_status_has_a_glyph_a_word_and_two_colours(status):
    shown = LOOKS[str(status)]
    assert shown.glyph
    assert shown.word == str(status).replace("_", " ")
    assert re.fullmatch("#[0-9a-f]{6}", shown.text)
    assert re.fullmatch("#[0-9a-f]{6}", shown.fill)


@pytest.mark.parametrize("state", LOOKS)
def test_text_on_its_background_can_be_read(state):
    assert contrast(LOOKS[state].text, LOOKS[state].fill) >= 4.5


def test_no_two_states_of_a_task_share_a_glyph():
    glyphs = [LOOKS[str(status)].glyph for status in Status]
    assert len(set(glyphs)) == len(glyphs)


def test_the_grey_is_the_best_that_serves_white_and_dark_pages():
    # 4.5 on both cannot be had: the product of the two contrasts is that of white on #111.
    worst = min(contrast(GREY, "#ffffff"), contrast(GREY, "#111111"))
    assert worst > 4.3
    best = max(
        min(
            contrast(f"#{n:02x}{n:02x}{n:02x}", "#ffffff"),
            contrast(f"#{n:02x}{n:02x}{n:02x}", "#111111"),
        )
        for n in range(256)
    )
    assert worst > best - 0.01


def test_a_state_nobody_knows_shows_its_name():
    assert look("dizzy").word == "dizzy"
