"""A report looks as it did when somebody last looked at it: small stored pictures, compared.

`ORCH_NB_PICTURES=new python -m pytest tests/render/test_pictures.py` takes them anew; look at them
before they are kept. They are a quarter of the size of what a reader sees, and compared with room
for other fonts: what is found is a part that is missing, moved or in another colour.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

import pytest

from orch_nb.integration.contrast import contrast
from orch_nb.model.report import Operation
from orch_nb.phases import integrate
from orch_nb.render.contrast import contrast_document
from orch_nb.render.page import _page, operations_page
from orch_nb.testing import FakeExecutor, perform

playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'orch_nb[test]'")

STORED = Path(__file__).parent / "pictures"
_MOST = 2.5  # mean difference of a channel, of 255

# Draws both pictures on the same small canvas, and gives the mean difference of all channels.
_DIFFERENCE = """async ([one, other]) => {
  const pixels = async (data) => {
    const image = new Image();
    image.src = "data:image/png;base64," + data;
    await image.decode();
    const canvas = new OffscreenCanvas(90, 120), pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, 90, 120);
    return pen.getImageData(0, 0, 90, 120).data;
  };
  const [a, b] = [await pixels(one), await pixels(other)];
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += Math.abs(a[n] - b[n]);
  return sum / a.length;
}"""


@pytest.fixture
def pages(run, report, saga, fanned, many):
    def whole(made):
        account = integrate(made)
        return operations_page([Operation(plan=made.plan, kind="", run=made, report=account)])

    big = perform(
        many(2000, 8), executor=FakeExecutor({"t777": [ValueError("no")]}), run_id="big-1",
        at_most_s=1e6,
    )  # fmt: skip
    return {
        "release": operations_page([Operation(plan=run.plan, kind="", run=run, report=report)]),
        "saga": whole(saga),
        "instances": whole(fanned(40, (3, 17), tolerate=5)),
        "big": whole(big),
        "contrast": _page([contrast_document(contrast(run, run))], []),
    }


@pytest.fixture
def browser(tool, pages):
    """Started when the pages are made: its driver has a loop, and so has an engine."""
    if shutil.which("chromium") is None and os.environ.get("ORCH_NB_CI") != "1":
        pytest.skip("the pictures need chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


def shot(browser, page, scheme, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    tab = browser.new_page(
        viewport={"width": 1100, "height": 1460}, color_scheme=scheme, device_scale_factor=0.25
    )
    tab.goto(path.as_uri())
    taken = tab.screenshot()
    tab.close()
    return taken


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["release", "saga", "instances", "big", "contrast"])
def test_it_looks_as_it_did(name, scheme, pages, browser, tmp_path):
    taken = shot(browser, pages[name], scheme, tmp_path)
    stored = STORED / f"{name}-{scheme}.png"
    if os.environ.get("ORCH_NB_PICTURES") == "new":
        STORED.mkdir(exist_ok=True)
        stored.write_bytes(taken)
    tab = browser.new_page()
    both = [base64.b64encode(one).decode() for one in (taken, stored.read_bytes())]
    assert tab.evaluate(_DIFFERENCE, both) < _MOST
    tab.close()


def test_a_part_that_is_missing_is_found(pages, browser, tmp_path):
    """The measure itself: a report without its EXECUTE is another picture, and so is a dark one."""
    whole = shot(browser, pages["release"], "light", tmp_path)
    start, end = (pages["release"].index(f"{n} {t}") for n, t in ((4, "EXECUTE"), (5, "INTEGRATE")))
    cut = shot(browser, pages["release"][:start] + pages["release"][end:], "light", tmp_path)
    dark = shot(browser, pages["release"], "dark", tmp_path)
    tab = browser.new_page()
    for other in (cut, dark):
        both = [base64.b64encode(one).decode() for one in (whole, other)]
        assert tab.evaluate(_DIFFERENCE, both) > _MOST
    tab.close()
