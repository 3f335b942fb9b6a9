"""Sixty payloads in every place that a run shows, live and frozen: none runs, none breaks the page.

The payloads are of the kinds that OWASP's and PortSwigger's cheat sheets name. Each would set
`window.pwned` or open a dialog.
"""

from __future__ import annotations

import json

import pytest

DO = "window.pwned=1"
PAYLOADS = [
    f"<script>{DO}</script>", f"</script><script>{DO}</script>", f"<SCRIPT>{DO}</SCRIPT>",
    f"<scr<script>ipt>{DO}</scr</script>ipt>", f"<img src=x onerror={DO}>",
    f"<img src=x onerror='{DO}'>", f'"><img src=x onerror="{DO}">', f"'><img src=x onerror={DO}>",
    f"<img/src=x/onerror={DO}>", f"<IMG SRC=x OnErRoR={DO}>", f"<svg onload={DO}>",
    f"<svg/onload={DO}>", f"<svg><script>{DO}</script></svg>",
    f"<svg><animate onbegin={DO} attributeName=x dur=1s>", f"<math><mi onclick={DO}>x</mi></math>",
    f"<body onload={DO}>", f"<iframe src=javascript:{DO}></iframe>",
    f"<iframe srcdoc='<script>parent.{DO}</script>'></iframe>", f"<object data=javascript:{DO}>",
    f"<embed src=javascript:{DO}>", f"<a href=javascript:{DO} id=hit>x</a>",
    f"[x](javascript:{DO})", f"![x](x onerror={DO})", f"<details open ontoggle={DO}>x</details>",
    f"<input autofocus onfocus={DO}>", f"<select autofocus onfocus={DO}>",
    f"<textarea autofocus onfocus={DO}>", f"<video><source onerror={DO}></video>",
    f"<audio src=x onerror={DO}>", f"<marquee onstart={DO}>x</marquee>",
    f"<style>@import 'javascript:{DO}'</style>", "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//example.invalid/x.css>", "<meta http-equiv=refresh content=0>",
    "<base href=//example.invalid/>", f"<form action=javascript:{DO}><button>x</button></form>",
    f"--><script>{DO}</script>", f"<!--<img src='--><img src=x onerror={DO}>'>",
    f"]]><script>{DO}</script>", f"<![CDATA[<script>{DO}</script>]]>", f"{{{{{DO}}}}}",
    f"${{{DO}}}", f"<%= {DO} %>", f"';{DO};//", f'";{DO};//', f"\\';{DO};//",
    f"</title><script>{DO}</script>", f"</textarea><script>{DO}</script>",
    f"</style><script>{DO}</script>", f"</pre><script>{DO}</script>", "</details></div></table>",
    f"<table background=javascript:{DO}>", f"<div style=background:url(javascript:{DO})>",
    f"&lt;script&gt;{DO}&lt;/script&gt;", f"&#60;script&#62;{DO}&#60;/script&#62;",
    f"\u202e<script>{DO}</script>", f"\u0000<script>{DO}</script>", f"<img src=x\tonerror={DO}>",
    f"\x1b]8;;javascript:{DO}\x07x\x1b]8;;\x07", f"\x1b[31m<b onmouseover={DO}>x</b>\x1b[0m",
    "|a|b|\n|-|-|\n|`x`|</table>|",
]  # fmt: skip

PLAN = f"""import json, pathlib
import orch_nb as nb
payloads = json.loads({json.dumps(json.dumps(PAYLOADS))})
def made(n, payload):
    def body():
        print(payload)
        pathlib.Path("out").mkdir(exist_ok=True)
        if n % 3 == 0: raise ValueError(payload)
        return payload if n % 3 == 1 else {{"key " + payload: [payload]}}
    return nb.Task(
        id=f"t{{n}}", title=payload, run=body, story=f"s{{n // 20}}", description=payload,
        owner=payload, outputs=(f"out/{{payload}}".replace(chr(0), ""),),
    )
tasks = [made(n, payload) for n, payload in enumerate(payloads)]
tasks.append(nb.Task(id="hold", approval=" ".join(payloads[:30])))
plan = nb.Plan(goal=" ".join(payloads), tasks=tasks)
"""
CELLS = ["%load_ext orch_nb", PLAN, "run = nb.execute(plan)", "%orchestrate open"]


@pytest.fixture(scope="module")
def page(jupyter):
    opened = jupyter(CELLS)
    opened.page.on("dialog", lambda dialog: opened.complaints.append(f"dialog {dialog.message}"))
    opened.run(1)
    opened.ended(1)
    return opened


def unharmed(page):
    assert page.page.evaluate("window.pwned") is None
    inner = ".jp-OutputArea-output"
    for bad in ("script", "iframe", "object", "embed", "base", "form", "a[href^=javascript]"):
        assert page.page.locator(f"{inner} {bad}").count() == 0, bad
    handlers = page.page.locator(inner).evaluate_all(
        "all => all.flatMap(one => [...one.querySelectorAll('*')]).flatMap(one => "
        "[...one.attributes]).filter(one => one.name.startsWith('on')).length"
    )
    assert handlers == 0


def test_there_are_sixty_of_them():
    assert len(set(PAYLOADS)) >= 60


def test_none_runs_in_the_live_room(page):
    page.run(2)
    page.room(2).get_by_role("textbox", name="A note on hold").wait_for()
    for tab in ("DAG", "Timeline", "Log", "Table", "Todo"):
        page.tab(2, tab)
        page.page.wait_for_timeout(300)
        unharmed(page)
    todo = page.room(2).locator(".orch-todo")
    todo.press("Home")
    for _ in range(len(PAYLOADS) + 4):
        todo.press("ArrowDown")
        if todo.locator(".orch-active").get_attribute("aria-expanded") is None:  # no story
            todo.press("Space")
    page.room(2).get_by_role("complementary").get_by_text("Attempt 1").wait_for()
    page.page.mouse.move(600, 700)
    unharmed(page)
    page.shot("hostile-room")
    page.press(2, "⊗ Cancel run")
    page.press(2, "Cancel the whole run?")
    page.ended(2)


def test_none_runs_in_the_frozen_twin(page):
    unharmed(page)
    for line in page.cell(2).locator("summary").all():
        line.click()
    page.page.wait_for_timeout(300)
    unharmed(page)
    assert "INTEGRATE" in page.outputs(2), "nothing has closed what stood around it"
    page.shot("hostile-twin")


def test_none_runs_in_an_opened_run(page):
    page.run(3)
    page.room(3).wait_for()
    for phase in ("DECOMPOSE", "INTEGRATE"):
        page.room(3).get_by_role("button", name=f"{phase}: ").click()
        page.page.wait_for_timeout(400)
        unharmed(page)
    assert page.ours == []


def test_none_runs_in_the_file_trusted_and_as_html(page, jupyter, tmp_path):
    from nbconvert import HTMLExporter

    notebook = page.saved()
    html, _ = HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
    other = jupyter.browser.new_page()
    other.on("dialog", lambda dialog: page.complaints.append(f"dialog {dialog.message}"))
    other.goto(f"file://{tmp_path}/notebook.html")
    other.wait_for_timeout(500)
    assert other.evaluate("window.pwned") is None
    other.close()
    page.open()
    page.says(2, "INTEGRATE")
    page.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:trust') }")
    page.page.locator("dialog.jp-Dialog .jp-mod-accept, .jp-Dialog .jp-mod-warn").first.click()
    page.page.wait_for_timeout(800)
    page.answer_dialog() if page.page.locator("dialog.jp-Dialog").count() else None
    assert page.page.evaluate("window.pwned") is None
    assert page.ours == []
