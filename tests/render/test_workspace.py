"""ANALYZE for somebody who has never seen the workspace, RESEARCH with what can be checked."""

from __future__ import annotations

from orch_nb.model.analysis import (
    Analysis,
    Complexity,
    Component,
    Constraint,
    Evidence,
    Factor,
    Link,
    Question,
    Risk,
    Scope,
    Touched,
    Workflow,
)
from orch_nb.model.goal import Goal
from orch_nb.model.research import (
    Citation,
    Finding,
    Fit,
    Research,
    SourceReport,
    SystemFit,
)
from orch_nb.render.document import Fold, Listing, Paragraph, Table, plain
from orch_nb.render.html import section_html
from orch_nb.render.markdown import section_markdown
from orch_nb.render.sections import analyze_section, decompose_section, research_section
from orch_nb.render.text import section_text

from .showing import tables


def part(name: str, kind: str = "service", language: str = "Go") -> Component:
    return Component(name, kind, language, f"src/{name}", Evidence("", f"src/{name}/go.mod", 1))


SHOP = Scope(
    root="/srv/ada/shop",
    files=412,
    size_bytes=1_200_000,
    languages={"Go": 200, "YAML": 80, "TypeScript": 40},
    skipped={"ignored": 3, "late": 1},
    components=(
        part("lib", "library"), part("web"), part("cart"), part("db", "store", "PostgreSQL"),
    ),
    links=(
        Link("web", "cart", "calls", Evidence("CART_ADDR", "compose.yaml", 7)),
        Link("cart", "db", "uses", Evidence("", "compose.yaml", 9)),
    ),
    workflows=(
        Workflow("CI", "github_actions", ("lint", "test"), Evidence("", "ci.yml", 9), kind="ci"),
        Workflow("Release", "github_actions", ("push",), Evidence("", "rel.yml", 4), kind="ci"),
        Workflow("Makefile", "make", ("build",), Evidence("", "Makefile", 1), kind="makefile"),
    ),
)  # fmt: skip
ANALYSIS = Analysis(
    goal=Goal("Move the carts to MySQL without downtime"),
    operation="migration",
    confidence=0.8,
    scope=SHOP,
    constraints=(Constraint("without downtime", "no_downtime"),),
    touched=(
        Touched("cart", "component", 1.0, "its name says “carts”",
                Evidence(path="src/cart/go.mod", line=1)),
        Touched("src/cart/store.go", "file", 0.9, "says “cart” 9 times",
                Evidence(path="src/cart/store.go", line=12)),
    ),
    risks=(Risk("users notice", "medium", "high", Evidence("“without downtime”"), "try it first",
                "canary"),),
    questions=(Question("By when is it needed?", "the goal names no date"),),
    complexity=Complexity((Factor("demands", 5, 15, "one"), Factor("languages", 1, 5, "Go"))),
)  # fmt: skip


def paragraphs(section) -> list[str]:
    return [plain(block.line) for block in section.blocks if isinstance(block, Paragraph)]


def folds(section) -> list[str]:
    return [plain(block.summary) for block in section.blocks if isinstance(block, Fold)]


def test_the_first_sentence_says_what_the_workspace_is():
    assert paragraphs(analyze_section(ANALYSIS))[0] == (
        "shop is 2 services and 1 library in Go and TypeScript, with 1 store (db). "
        "Work flows through GitHub Actions (2) and Make (1)."
    )


def test_the_line_says_what_is_touched_and_what_is_open():
    assert analyze_section(ANALYSIS).finding == (
        "migration (80 % sure) · touches cart · 1 demand · low complexity (6 of 100) · 1 risk · "
        "1 open question"
    )


def test_demands_and_questions_are_told_in_the_goals_own_words():
    listings = [b for b in analyze_section(ANALYSIS).blocks if isinstance(b, Listing)]
    told = [plain(item) for block in listings for item in block.items]
    assert "It demands: no downtime (“without downtime”)" in told
    assert "By when is it needed? (the goal names no date)" in told


def test_what_is_touched_stands_with_its_place():
    rows = tables(analyze_section(ANALYSIS))["What the goal touches, the surest first"].rows
    assert [plain(row.cells[0]) for row in rows] == [
        "cart src/cart/go.mod:1", "src/cart/store.go:12",
    ]  # fmt: skip


def test_a_risk_names_the_pattern_that_helps_by_its_title():
    (row,) = tables(analyze_section(ANALYSIS))["Risks"].rows
    assert plain(row.cells[4]).startswith("try it first (Canary")


def test_every_factor_of_the_score_is_there_to_be_argued_with():
    section = analyze_section(ANALYSIS)
    assert "Complexity: 6 of 100, most of it demands (5) and languages (1)" in folds(section)
    assert ANALYSIS.complexity.without("languages").score == 5


def test_systems_come_with_their_number_and_an_example():
    rows = tables(analyze_section(ANALYSIS))["How work flows already"].rows
    assert [plain(cell) for cell in rows[0].cells] == [
        "GitHub Actions", "2", "3", "ci ×2", "CI: lint and test ci.yml:9",
    ]  # fmt: skip


def test_services_come_first_and_a_hundred_of_them_are_bounded():
    many = tuple(part(f"s{n:03}") for n in range(300))
    scope = Scope(root="/w", components=(part("lib", "library"), *many))
    section = analyze_section(Analysis(goal=Goal("g"), scope=scope))
    (fold,) = [b for b in section.blocks if isinstance(b, Fold)]
    first, rest = fold.blocks[:2]
    assert isinstance(first, Table)
    assert isinstance(rest, Fold)
    assert len(first.rows) == 20
    assert plain(first.rows[0].cells[0]) == "s000"
    assert plain(rest.summary) == "and 281 more"
    assert isinstance(rest.blocks[0], Table)
    assert len(rest.blocks[0].rows) <= 200


def test_what_was_left_out_is_told_by_its_reason():
    assert (
        "left out: 3 ignored and 1 not reached in time" in paragraphs(analyze_section(ANALYSIS))[-1]
    )


def test_a_goal_alone_has_no_workspace_to_tell_of():
    section = analyze_section(Analysis(goal=Goal("g")))
    assert paragraphs(section) == []


def test_hostile_names_break_out_of_nothing():
    evil = "<script>alert(1)</script>|`x`\n# y"
    scope = Scope(
        root="/w", files=1, components=(part(evil), part("b")), links=(Link(evil, "b", "calls"),),
        workflows=(Workflow(evil, evil, (evil,), Evidence(evil, evil, 1)),),
    )  # fmt: skip
    made = Analysis(
        goal=Goal(evil), scope=scope, questions=(Question(evil, evil),),
        constraints=(Constraint(evil, evil),),
        touched=(Touched(evil, "component", 1.0, evil, Evidence(evil, evil)),),
    )  # fmt: skip
    section = analyze_section(made)
    assert "<script" not in section_html(section)
    assert "\n# y" not in section_markdown(section)
    assert section_text(section)


FITS = Research(
    fits=(Fit("canary", "users must not notice", "two versions at once", "all get the fault"),),
    systems=(
        SystemFit("temporal", "good", ("undo",), (), Citation("Temporal docs", "https://t.io")),
        SystemFit("celery", "poor", (), ("no undo",)),
    ),
    findings=(
        Finding(title="Dual writes", excerpt="Write to both.", source="context7",
                citation=Citation("a page", "https://example.org"), date="2026-01-02",
                answers="How long may it be out of service?"),
    ),
    sources=(
        SourceReport("catalogue", 4, 0.01),
        SourceReport("github (MCP)", error="pending: new; approve it with `orch-nb mcp approve`"),
        SourceReport("web (MCP)", error="TimeoutError"),
    ),
)  # fmt: skip


def test_the_recommendation_is_the_line_of_research():
    assert research_section(FITS).finding == (
        "recommends Canary · 1 finding · 2 sources asked, 1 unreachable · 1 server to approve"
    )


def test_a_recommendation_says_why_at_what_cost_and_what_else():
    (row,) = tables(research_section(FITS))["Recommended"].rows
    assert [plain(cell) for cell in row.cells] == [
        "Canary", "users must not notice", "two versions at once", "all get the fault",
    ]  # fmt: skip


def test_systems_are_compared_with_a_verdict_each():
    rows = tables(research_section(FITS))["The six systems, for this goal"].rows
    assert [(plain(row.cells[0]), plain(row.cells[1])) for row in rows] == [
        ("Temporal", "✓ good"), ("Celery", "✗ poor"),
    ]  # fmt: skip


def test_a_finding_has_its_date_its_link_and_the_question_that_it_answers():
    (row,) = tables(research_section(FITS))["Findings"].rows
    told = [plain(cell) for cell in row.cells]
    assert "2026-01-02" in told
    assert "How long may it be out of service?" in told
    assert "[a page](https://example.org)" in section_markdown(research_section(FITS))


def test_a_server_that_waits_to_be_approved_says_how():
    rows = tables(research_section(FITS))["Sources"].rows
    told = {plain(row.cells[0]): [plain(cell) for cell in row.cells] for row in rows}
    assert told["github (MCP)"][1] == "⏸ waiting"
    assert "orch-nb mcp approve" in told["github (MCP)"][-1]
    assert told["web (MCP)"][1] == "✗ unreachable"


def test_the_five_questions_are_folded_when_a_run_is_there(plan, run):
    open_ = [b for b in decompose_section(plan).blocks if isinstance(b, Table)]
    assert open_[0].caption == "Five questions of a decomposition"
    assert len(open_[0].rows) == 5
    assert "Five questions of a decomposition" in folds(decompose_section(plan, run))
