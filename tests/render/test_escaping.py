"""Text that came from a person, a file or an error is shown and never acts."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from orch_nb.model import event as ev
from orch_nb.model.analysis import Analysis, Component, Domain, Evidence, Question, Risk, Scope
from orch_nb.model.fold import replay
from orch_nb.model.goal import Criterion, Goal
from orch_nb.model.plan import Plan, Story
from orch_nb.model.preview import Rich
from orch_nb.model.record import MIMETYPE, unseal
from orch_nb.model.report import (
    Cause,
    Check,
    Environment,
    FailureReport,
    Operation,
    Report,
    Result,
    Retried,
    StoryTable,
    Way,
)
from orch_nb.model.research import Citation, Finding, Research, SourceReport
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Foreach, Pool, Rate, Task
from orch_nb.render import html, markdown, text
from orch_nb.render.bundle import operation_bundle, section_bundles
from orch_nb.render.document import Code, Paragraph, Text, line
from orch_nb.render.dot import plan_dot
from orch_nb.render.page import write_html
from orch_nb.render.plaintext import bounded_lines, clean, one_line
from orch_nb.render.sections import decompose_section, execute_section

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '"><img src=x onerror=alert(1)>',
    "attribute": "' onmouseover='alert(1)",
    "table": "a | b || c\n| d |",
    "fence": "```\n`` ` ````",
    "lines": "one\r\ntwo\u2028three\x85four",
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07",
    "rtl": "abc\u202egnp.exe\u2066",
    "control": "nul\x00bell\x07back\x08del\x7f",
    "dot": '\\N "quoted" \\" <b>bold</b> {|} \\',
    "html-like": "<<b>bold</b>>",
    "entity": "&lt;script&gt; &#60; &amp;",
    "maths": "$x_1$ $$y$$ \\(z\\) *a* _b_ [c](javascript:d) ~~e~~ # f",
    "surrogate": "lone \ud800 surrogate",
    "svg": "</text></svg><script>alert(1)</script>",
    "comment": "--> ]]> <!-- <?xml?>",
    "long": "x" * 10_000,
    "many-words": "wörd " * 3_000,
    "empty": "",
    "blank": " \t\n",
    "emoji": "👩‍👩‍👧 日本語 ضصث é",
}

ALLOWED = {
    "a", "b", "br", "caption", "code", "details", "div", "h1", "h2", "h3", "img", "li", "pre",
    "span", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"style", "href", "src", "alt", "width", "open", "scope"}
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800]")
PAGE = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "form", "label", "input",
    "script",
}  # fmt: skip


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.images: list[str] = []
        self.scripts: list[dict[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]
        self.images += [value for name, value in attrs if name == "src"]
        if tag == "script":
            self.scripts.append(dict(attrs))
        if tag not in ("img", "br", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(document: str) -> Elements:
    found = Elements()
    found.feed(document)
    found.close()
    assert found.open == []
    return found


def _failed(task: str, error: ev.Failure) -> list[ev.Event]:
    return [
        ev.AttemptStarted(at=5, task=task, attempt=1),
        ev.AttemptFailed(at=6, task=task, attempt=1, started=5, error=error, injected=True),
        ev.TaskEnded(at=6, task=task, status=Status.FAILED, reason=error.message),
    ]


def operation(bad: str) -> Operation:
    """Everything that can hold a text of somebody else's, holding it."""
    task = bad or "task"
    plan = Plan(
        goal=bad,
        stories=(Story(id="s", title=bad, description=bad, owner=bad),),
        tasks=(
            Task(id=task, title=bad, description=bad, story="s", sh=bad or "x", owner=bad),
            Task(id="gate", approval=bad, needs=(task,), outputs=(bad,)),
            Task(id="todo", todo=bad, title=bad, needs=(task,), trigger="all_done"),
            Task(id="many", sh=bad or "x", foreach=Foreach(bad, bad), when=bad, pool={bad: 2}),
            Task(id="done", notebook=bad, compensate=Task(id="", sh=bad)),
            Task(id="kept", run=bad or "m:f", cache=True, compensate=Task(id="", run=bad)),
        ),
        criteria=(Criterion(bad, (task,)),),
        pools={bad: Pool(2, Rate(1, 7.0))},
        on_failure=Task(id="", sh=bad),
    )
    error = ev.Failure(bad, bad, bad)
    history = [
        ev.RunStarted(at=0, run_id=bad, plan=plan, name=bad, options=ev.RunOptions(faults=(bad,))),
        ev.AttemptStarted(at=1, task=task, attempt=1),
        ev.AttemptFailed(at=2, task=task, attempt=1, started=1, error=error),
        ev.AttemptStarted(at=3, task=task, attempt=2),
        ev.AttemptFailed(at=4, task=task, attempt=2, started=3, error=error),
        ev.TaskEnded(at=4, task=task, status=Status.FAILED, reason=bad),
        ev.TaskEnded(at=4, task="gate", status=Status.UPSTREAM_FAILED, reason=bad, cause=task),
        ev.Waiting(at=4, task="todo", prompt=bad),
        ev.Decided(at=5, task="todo", approved=False, by=bad, note=bad),
        ev.SkipRequested(at=5, task="todo", by=bad, note=bad),
        ev.Expanded(at=5, task="many", count=2, items=ev.ResultRef()),
        *_failed("many[0]", error),
        *_failed("many[1]", error),
        ev.TaskEnded(at=6, task="many", status=Status.FAILED, reason=bad, cause=bad),
        ev.TaskEnded(
            at=6,
            task="kept",
            status=Status.SUCCEEDED,
            reason=bad,
            cached=bad,
            result=ev.ResultRef("json", "h", 1, bad),
        ),
        ev.AttemptStarted(at=6, task="done", attempt=1),
        ev.AttemptSucceeded(at=7, task="done", attempt=1, started=6),
        *_failed("compensate(done)", error),
        *_failed("on_failure", error),
        ev.RunEnded(at=9, status=RunStatus.FAILED),
    ]
    run = replay(history).snapshot(history=lambda: history)
    analysis = Analysis(
        goal=Goal(bad, (bad,)), operation=bad, advice=bad,
        domains=(Domain(bad, (Evidence(bad, bad, 1),)),),
        scope=Scope(root=bad, files=1, languages={bad: 1}, skipped={bad: 1},
                    components=(Component(bad, bad, bad, bad, Evidence(bad)),)),
        risks=(Risk(bad, bad, "high", Evidence(bad, bad), bad, bad),),
        questions=(Question(bad, bad),),
    )  # fmt: skip
    citation = Citation(bad, f"javascript:{bad}")
    research = Research(
        findings=(
            Finding(title=bad, excerpt=bad, source=bad, citation=citation, why=bad),
            Finding(title=bad, excerpt=bad, source=bad, citation=Citation(bad, "https://e/" + bad)),
        ),
        sources=(SourceReport(bad, 1, 1.0, bad),),
    )
    report = Report(
        run=run, outcome=bad, analysis=analysis, research=research, next_lines=(bad,),
        results=(
            Result(
                task, "s", bad, "json", 1, Rich("table", bad, (bad,), (bad,), ((bad,),), (9, 9))
            ),
            Result(task, "s", bad, "unstored", 1, Rich("picture", bad, note=bad)),
        ),
        checks=(
            Check("criterion", bad, (task,), False, bad), Check(bad, bad, (bad,), True, bad),
            Check("contract", bad, (task,), False, bad, known=False),
            Check("output", bad, (task,), True, f"`{bad}`, {bad}"),
        ),
        causes=(
            Cause((task, bad), error, bad, bad, (bad,), (bad,), 2, 9, f"{bad}\nlast {bad}"),
            Cause(("compensate(done)",), error, undo=True, of=bad),
        ),
        retried=(Retried((task, bad), (bad,), 2, 1.0, bad),),
        tables=(StoryTable(bad, (bad, bad), ((bad, bad),), 9, bad), StoryTable(bad, note=bad)),
        environment=Environment(
            python=bad, platform=bad, packages=((bad, bad),), params=((bad, bad),),
            hashes=((bad, bad),), commit=bad, changed=True,
        ),
        failures=(
            FailureReport(task, error, 2, ("gate", bad), bad, bad, ways=(Way(bad, bad, bad),)),
            FailureReport("compensate(done)", error, 1, of=bad, undo=True),
            FailureReport("many[1]", error, 1, of="many", tolerated=True),
        ),
    )  # fmt: skip
    return Operation(
        plan=plan, kind="yaml", name=bad, run=run, report=report, analysis=analysis,
        research=research, document=bad,
    )  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_but_ours_appears_in_html(name):
    bundle = operation_bundle(operation(HOSTILE[name]))
    found = parsed(bundle["text/html"])
    assert found.names <= ALLOWED
    assert found.attributes <= ATTRIBUTES
    assert all(link.startswith(("https://", "http://")) for link in found.links)
    assert all(image.startswith("data:image/svg+xml;base64,") for image in found.images)
    assert len(bundle["text/html"]) < 800_000


@pytest.mark.parametrize("name", HOSTILE)
def test_drawings_are_well_formed_and_hold_text_only_as_text(name):
    found = parsed(operation_bundle(operation(HOSTILE[name]))["text/html"])
    drawings = [base64.b64decode(image.partition(",")[2]) for image in found.images]
    assert len(drawings) == 3, "the graph, the timeline, the strip of moments"
    for drawing in drawings:
        elements = list(ET.fromstring(drawing).iter())
        assert {element.tag.partition("}")[2] for element in elements} <= {
            "svg", "g", "path", "rect", "text", "title", "polygon", "defs", "pattern", "use"
        }  # fmt: skip
        assert all(element.get("href", "#").startswith("#") for element in elements)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_acts_on_a_terminal_or_turns_text_around_is_gone_everywhere(name):
    bundle = operation_bundle(operation(HOSTILE[name]))
    for shown in bundle.values():
        assert not ACTS.search(shown)
        shown.encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_runs_no_script_and_loads_nothing(name):
    page = write_html(operation(HOSTILE[name]).report)
    found = parsed(page)
    assert found.names <= ALLOWED | PAGE
    assert found.scripts == [{"type": MIMETYPE}], "data, which no browser runs"
    (data,) = re.findall(rf'<script type="{re.escape(MIMETYPE)}">(.*?)</script>', page)
    assert "<" not in data
    assert unseal(json.loads(data)).run.df.shape == operation(HOSTILE[name]).run.df.shape
    assert not any(image.startswith("http") for image in found.images)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_row_of_markdown_stays_one_row_with_its_columns(name):
    shown = operation_bundle(operation(HOSTILE[name]))["text/markdown"]
    assert not re.search(
        r"<[a-z!/]", re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", shown, flags=re.DOTALL)
    )
    columns = 0
    for row in shown.split("\n"):
        if not row.startswith("|"):
            columns = 0
            continue
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", row))
        assert columns in (0, bars), row
        columns = bars


@pytest.mark.parametrize("name", HOSTILE)
def test_graphviz_source_quotes_every_name(name):
    source = plan_dot(operation(HOSTILE[name]).plan)
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", source)
    assert not set(bare) & set("<>\\") - {">"}  # the one of `->`
    assert "script" not in bare


def test_a_name_shows_as_it_is():
    found = parsed(html.block_html(Paragraph(line(Text("<b>&amp;\\N"), Code("`x`")))))
    assert "".join(found.words) == "<b>&amp;\\N`x`"


def test_markdown_acts_on_nothing_in_a_name():
    shown = markdown.block_markdown(Paragraph(line("*a* _b_ `c` [d](e) <f> $g$ h|i snake_case")))
    assert shown == r"\*a\* \_b\_ \`c\` \[d\](e) &lt;f&gt; \$g\$ h\|i snake_case"


def test_a_code_span_is_longer_than_the_backticks_in_it():
    assert markdown.block_markdown(Paragraph(line(Code("a ``b`` c")))) == "``` a ``b`` c ```"


def test_only_web_addresses_become_links():
    links = (Text("x", url="javascript:alert(1)"), Text("y", url="https://example.org/a b"))
    assert "javascript" not in html.block_html(Paragraph(links))
    assert "javascript" not in markdown.block_markdown(Paragraph(links))
    assert "[y](https://example.org/a%20b)" in markdown.block_markdown(Paragraph(links))


def test_text_keeps_a_table_aligned_whatever_its_characters_are_wide(run):
    shown = text.section_text(execute_section(run))
    head = next(row for row in shown.split("\n") if row.strip().startswith("task"))
    lint = next(row for row in shown.split("\n") if row.strip().startswith("lint "))
    assert head.index("status") == lint.index("✓")


def test_what_is_left_out_is_said():
    assert one_line("word " * 100, 20) == "word word word word…"
    shown = bounded_lines("\n".join(map(str, range(100))), most_lines=8)
    assert shown.split("\n") == ["0", "1", "… 92 lines left out …", *map(str, range(94, 100))]


def test_clean_keeps_what_can_be_read():
    assert clean("👩‍👩‍👧 日本語 ضصث\té") == "👩‍👩‍👧 日本語 ضصث\té"


@pytest.mark.parametrize("section", ["plan", "run"])
def test_phases_in_a_cell_are_as_careful(section):
    whole = operation(HOSTILE["script"])
    made = decompose_section(whole.plan, whole.run) if section == "plan" else (
        execute_section(whole.run)
    )  # fmt: skip
    for bundle in section_bundles(made):
        assert parsed(bundle["text/html"]).names <= ALLOWED
