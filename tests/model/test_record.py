"""What a file keeps of an operation, and what of a file is believed."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib

import msgspec
import pytest

from orch_nb.errors import RecordError
from orch_nb.model import record
from orch_nb.model.analysis import Analysis, Risk
from orch_nb.model.analysis import Evidence as Seen
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan
from orch_nb.model.record import seal, unseal
from orch_nb.model.report import Operation
from orch_nb.model.research import Citation, Finding, Research
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.phases import integrate
from orch_nb.testing import FakeExecutor, nothing, perform

ANALYSIS = Analysis(
    goal=Goal("Deliver <b>it</b>"), risks=(Risk("late", "high", "low", Seen("by Friday")),)
)
RESEARCH = Research(
    findings=(Finding(title="Saga", excerpt="…", source="catalogue", citation=Citation("p. 3")),)
)


def operation(**options):
    """load ─► flaky (fails once) ─► each (one an item) ─► late (fails)."""
    plan = Plan(
        goal="Deliver <b>it</b>",
        tasks=(
            Task(id="load", run=nothing),
            Task(id="flaky", run=nothing, needs=("load",), story="Work",
                 retry=RetryPolicy(maximum_attempts=2, jitter=0.0)),
            Task(id="each", run=nothing, needs=("flaky",), foreach=[1, 2, 3], story="Work"),
            Task(id="late", run=nothing, needs=("each",), owner="Ada"),
        ),
    )  # fmt: skip
    script = {
        "load": [{"rows": 3, "of": "x" * 200}],
        "flaky": [ValueError("not </script> yet"), 7],
        "late": [OSError("the disk is full")],
    }
    run = perform(plan, executor=FakeExecutor(script), run_id="order-7", **options)
    report = integrate(run, analysis=ANALYSIS, research=RESEARCH)
    return Operation(
        plan=plan, kind="python", name="order", analysis=ANALYSIS, research=RESEARCH, run=run,
        report=report, document="goal: g",
    )  # fmt: skip


@pytest.fixture(scope="module")
def told():
    return operation()


@pytest.fixture(scope="module")
def back(told):
    return unseal(json.loads(json.dumps(seal(told))))


# -- what comes back


def test_the_run_comes_back_as_it_was(told, back):
    assert back.run.run_id == "order-7"
    assert list(back.run.tasks) == list(told.run.tasks)
    assert list(back.run.derived) == list(told.run.derived)
    assert back.run.df.equals(told.run.df)
    assert str(back.run["late"].error) == "OSError: the disk is full"


def test_the_plan_comes_back_with_names_for_its_functions(told, back):
    assert back.plan.hash == told.plan.hash
    assert back.plan["load"].run == "orch_nb.testing:nothing"


def test_the_report_comes_back_whole(told, back):
    for name in ("outcome", "checks", "failures", "results", "comparison", "next_lines"):
        assert getattr(back.report, name) == getattr(told.report, name)
    assert back.report.run is back.run
    assert (back.report.analysis, back.report.research) == (ANALYSIS, RESEARCH)
    assert (back.analysis, back.research) == (ANALYSIS, RESEARCH)
    assert (back.name, back.kind, back.document) == ("order", "python", "goal: g")


def test_it_shows_itself_as_before(told, back):
    assert back._repr_mimebundle_()["text/plain"] == told._repr_mimebundle_()["text/plain"]


def test_its_history_can_be_looked_at_and_sealed_again(told, back):
    assert len(back.run.history) == len(told.run.history)
    assert seal(back) == seal(told)


def test_small_results_are_there_and_of_others_their_preview(back):
    assert back.run.results["flaky"] == 7
    assert list(back.run.results) == ["load", "flaky", "each"]
    with pytest.raises(LookupError, match=r"previews only: .'of'"):
        back.run.results["load"]
    with pytest.raises(KeyError, match="stands at failed"):
        back.run.results["late"]
    assert back.run.results.preview("load").startswith("{'of': 'xx")


def test_a_draft_comes_back_without_a_run():
    plan = Plan(goal="Move the carts", tasks=(Task(id="copy", todo="Copy them"),))
    back = unseal(seal(Operation(plan=plan, kind="goal", analysis=ANALYSIS)))
    assert back.draft
    assert back.plan == plan
    assert back.analysis == ANALYSIS


def test_a_run_whose_events_nobody_has_is_not_sealed(told):
    bare = msgspec.structs.replace(told.run)
    assert seal(msgspec.structs.replace(told, run=bare)) is None


def test_what_is_of_the_machine_stays_there():
    sealed = seal(operation(workspace="/srv/secret-place"))
    assert b"secret-place" not in zlib.decompress(base64.b64decode(sealed["data"]))


# -- what is believed


def packed(body: bytes, **changes):
    return {
        "version": 1, "encoding": "zlib+base64", "sha256": hashlib.sha256(body).hexdigest(),
        "data": base64.b64encode(zlib.compress(body)).decode(), **changes,
    }  # fmt: skip


def altered(told, change):
    """The data with one thing changed inside, its checksum right again."""
    inside = json.loads(zlib.decompress(base64.b64decode(seal(told)["data"])))
    change(inside)
    return packed(json.dumps(inside).encode())


@pytest.mark.parametrize(
    ("sealed", "says"),
    [
        (None, "not what orch_nb writes"),
        ([], "not what orch_nb writes"),
        ({"data": 5}, "not what orch_nb writes"),
        (packed(b"{}", version="1"), "no version that there is"),
        (packed(b"{}", version=True), "no version that there is"),
        (packed(b"{}", version=2), "newer orch_nb"),
        (packed(b"{}", encoding="pickle"), "newer orch_nb"),
        (packed(b"{}", data="%%%"), "cannot be unpacked"),
        (packed(b"{}", data=base64.b64encode(b"no zlib").decode()), "cannot be unpacked"),
        (packed(b"{}", sha256="0" * 64), "checksum differs"),
        (packed(b"{}", data=packed(b"{}" * 900)["data"][:20]), "unpacked|checksum"),
        (packed(b"{}"), "neither a plan nor a run"),
        (packed(b"5"), "cannot be read"),
        (packed(b'{"history": 5}'), "events cannot be read"),
        (packed(b'{"history": [{"t": "pickle", "at": 1}]}'), "newer orch_nb"),
        (packed(b'{"history": ' + b"[" * 100_000), "cannot be read|too deep"),
        (packed(b'{"plan": {"goal": "g", "tasks": "a"}}'), "cannot be read"),
    ],
)
def test_what_is_no_data_of_ours_is_refused_in_words(sealed, says):
    with pytest.raises(RecordError, match=says):
        unseal(sealed)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(record, "_UNPACKED", 1_000_000)
    with pytest.raises(RecordError, match=r"more than 1,000,000 bytes, and was not unpacked"):
        unseal(packed(b" " * 50_000_000))
    monkeypatch.setattr(record, "_PACKED", 100)
    with pytest.raises(RecordError, match="100 are read"):
        unseal(packed(b"", data="A" * 200))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r["history"].pop(0), "do not begin with its start"),
        (lambda r: r["history"].append(r["history"][0]), "begin twice"),
        (lambda r: r["history"][3].update(at=1e300), "a time that there is not"),
        (lambda r: r["history"][3].update(at=-1.0), "a time that there is not"),
        (lambda r: r["history"][1].update(task="nobody"), "contradicts itself"),
        (lambda r: r["history"][1].update(task=5), "events cannot be read"),
        (
            lambda r: [e.update(count=10**9) for e in r["history"] if e["t"] == "expanded"],
            "1,000,000,000 instances",
        ),
        (lambda r: r["report"].update(checks=[{"kind": 5}]), "cannot be read"),
        (lambda r: r["analysis"].update(goal="x"), "cannot be read"),
    ],
)
def test_what_no_run_can_have_told_is_refused_in_words(told, change, says):
    with pytest.raises(RecordError, match=says):
        unseal(altered(told, change))


def test_fields_of_a_later_version_are_passed_over(told):
    def later(inside):
        inside["mood"] = inside["report"]["mood"] = inside["history"][0]["mood"] = "good"

    assert unseal(altered(told, later)).report.outcome == told.report.outcome


def test_any_change_of_a_letter_is_found(told):
    sealed = seal(told)
    for at in range(0, len(sealed["data"]), 97):
        other = "A" if sealed["data"][at] != "A" else "B"
        data = sealed["data"][:at] + other + sealed["data"][at + 1 :]
        with pytest.raises(RecordError):
            unseal({**sealed, "data": data})
