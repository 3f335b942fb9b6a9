"""Asking all sources at once: none of them can delay, break or flood the phase."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from pathlib import Path

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.model.research import Citation, Finding
from orch_nb.sources.gather import default_sources, gather

_spec = importlib.util.spec_from_file_location("fakes", Path(__file__).with_name("fakes.py"))
assert _spec is not None
assert _spec.loader is not None
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)
FakeSource, finding = fakes.FakeSource, fakes.finding

GOAL = analyze_goal("Move the carts from Redis to Postgres without downtime.")


def run(*sources, timeout_s: float = 5.0):
    return asyncio.run(gather(GOAL, sources, timeout_s))


def test_findings_come_best_first():
    research = run(FakeSource([finding("b", score=0.2), finding("a", score=0.9)]))
    assert [f.title for f in research.findings] == ["a", "b"]
    assert research.sources[0].findings == 2


def test_sources_are_asked_in_parallel():
    started = time.monotonic()
    research = run(*(FakeSource([finding(str(n))], delay_s=0.2) for n in range(10)))
    assert len(research.findings) == 10
    assert time.monotonic() - started < 1.0


def test_an_exception_is_the_sources_own_error_and_the_others_answer():
    research = run(FakeSource(RuntimeError("no route")), FakeSource([finding("a")]))
    assert research.sources[0].error == "RuntimeError: no route"
    assert research.sources[1].error == ""
    assert [f.title for f in research.findings] == ["a"]


def test_a_source_that_hangs_is_given_up_on_at_its_time():
    started = time.monotonic()
    research = run(FakeSource(delay_s=60), FakeSource([finding("a")]), timeout_s=0.1)
    assert "no answer within 0.1 s" in research.sources[0].error
    assert time.monotonic() - started < 2


def test_a_source_that_swallows_its_cancellation_holds_nobody_up():
    class Stubborn:
        name = "stubborn"

        async def search(self, query):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                raise RuntimeError("too late") from None

    started = time.monotonic()
    assert run(Stubborn(), timeout_s=0.1).sources[0].error
    assert time.monotonic() - started < 2


def test_a_source_may_have_a_time_of_its_own():
    slow = FakeSource([finding("a")], delay_s=0.2)
    slow.timeout_s = 2.0
    assert run(slow, timeout_s=0.05).findings


@pytest.mark.parametrize("answer", [None, "text", [1, 2], {"a": 1}])
def test_nonsense_is_an_error_and_no_finding(answer):
    research = run(FakeSource(answer))
    assert research.findings == ()
    assert "not a list of findings" in research.sources[0].error


def test_a_flood_is_cut():
    many = [finding(str(n)) for n in range(5_000)]
    long = Finding(title="x" * 9_999, excerpt="y" * 99_999, source="s", citation=Citation("c"))
    research = run(FakeSource([long, *many]))
    assert len(research.findings) <= 50
    assert all(len(f.excerpt) < 1_000 and len(f.title) <= 200 for f in research.findings)


def test_what_looks_like_a_secret_in_a_finding_is_masked():
    token = "ghp_" + "aB3" * 12
    told = Finding(title="t", excerpt=f"run: curl {token}", source="s", citation=Citation("c"))
    (found,) = run(FakeSource([told])).findings
    assert found.excerpt == "run: curl ‹secret GitHub token›"


def test_scores_out_of_range_cannot_take_the_first_place():
    wild = finding("wild", score=float("nan"))
    loud = finding("loud", score=99.0)
    research = run(FakeSource([wild, loud, finding("good", score=1.0)]))
    assert all(0 <= f.score <= 1 for f in research.findings)
    assert research.findings[-1].title == "wild"


def test_one_thing_from_two_sources_is_one_finding_with_both_reasons():
    page = Citation("p", "https://example.org/p/")
    one = finding("P", citation=page, score=0.5, why="said here")
    two = finding("p", citation=Citation("p", "https://example.org/p"), score=0.7, why="and here")
    research = run(FakeSource([one]), FakeSource([two]))
    assert len(research.findings) == 1
    assert research.findings[0].score == 0.7
    assert research.findings[0].why == "and here; said here"


def test_cancelling_the_phase_cancels_the_sources():
    async def cancelled() -> None:
        task = asyncio.create_task(gather(GOAL, [FakeSource(delay_s=60)], 60))
        await asyncio.sleep(0.05)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_the_built_in_sources_recommend_patterns_and_say_why():
    research = asyncio.run(gather(GOAL))
    assert [report.name for report in research.sources] == [s.name for s in default_sources()]
    assert all(not report.error for report in research.sources)
    assert {"canary", "saga"} <= {pattern.id for pattern in research.patterns}
    assert all(f.why and f.citation.title for f in research.findings)
