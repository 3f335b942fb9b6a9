"""Code in colours: nothing of it is lost, and it can be read on any page."""

from __future__ import annotations

import html
import re

import pytest

from orch_nb.render.highlight import COLOURS, highlighted
from orch_nb.render.palette import contrast

PYTHON = 'from x import y\n\n\n@task\ndef f(a="<b>&amp;"):  # why\n    return None, 12\n'


@pytest.mark.parametrize("colour", sorted(set(COLOURS.values())))
@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_a_colour_can_be_read_on_a_light_page_and_on_a_dark_one(colour, page):
    assert contrast(colour, page) >= 4.2


@pytest.mark.parametrize(
    ("text", "language"),
    [(PYTHON, "python"), ('{"a": [1, true, "<x>"]}\n', "json"), ("const a = `x`;\n", "javascript"),
     ("\n\n  half a line", "python"), ("", "python"), ("a: [b]\n", "yaml"), ("x < y", "")],
)  # fmt: skip
def test_what_is_copied_is_what_was_written(text, language):
    shown = highlighted(text, language)

    assert html.unescape(re.sub(r"</?span[^>]*>", "", shown)) == text
    assert "<b>" not in shown
    assert "\n" not in shown  # a blank line would end the HTML in a Markdown file


def test_strings_keywords_and_comments_have_colours_and_names_the_pages_own():
    shown = highlighted(PYTHON, "python")

    assert re.search(r'<span style="color:#238b33">[^<]*&lt;b&gt;', shown)
    assert '<span style="color:#c933cc">return</span>' in shown
    assert re.search(r">\(a=<span|\(a=<span", shown)
    assert "<span" not in highlighted("a: [b]", "yaml")
