"""A run as JUnit XML: what a CI makes of it, and that any reader of JUnit takes it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from orch_nb.errors import UsageError
from orch_nb.formats import junit as module
from orch_nb.formats.junit import junit
from orch_nb.integration.integrate import report as integrate
from orch_nb.model.contract import Contract
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation
from orch_nb.model.status import RunStatus
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.testing import FakeExecutor, Hang, nothing, perform

# What Ant's schema (windyroad's JUnit.xsd) and Jenkins' junit-10.xsd both allow: for each element
# the attributes that it must and may have, and its children in their order.
SCHEMA = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "timestamp", "hostname", "id", "package"},
        {"skipped"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": (
        {"name", "classname", "time"}, set(), ["skipped", "error", "failure", "system-out"],
    ),
    "failure": ({"message", "type"}, set(), []),
    "error": ({"message", "type"}, set(), []),
    "skipped": ({"message"}, set(), []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}  # fmt: skip


def holds(element):
    """Whether an element and all below it are as the schemas want them."""
    must, may, children = SCHEMA[element.tag]
    assert must <= set(element.attrib) <= must | may, element.attrib
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places)
    if element.tag == "testcase":
        assert len([child for child in element if child.tag != "system-out"]) <= 1
    for child in element:
        holds(child)


def ran(*tasks, script=None, **options):
    plan = Plan(goal="Release <2.4>\nand more", tasks=tasks)
    run = perform(plan, executor=FakeExecutor(script or {}), run_id="rel-7", **options)
    return Operation(plan=plan, kind="", run=run)


def document(*operations, log=None):
    root = ET.fromstring(junit(operations, log))
    holds(root)
    return root


def case(root, name):
    return next(one for one in root.iter("testcase") if one.get("name") == name)


@pytest.fixture
def release():
    """lint, tests (fails once) ─► wheel (fails) ─► publish; optional (skipped)."""
    return ran(
        Task(id="lint", run=nothing, story="Verify"),
        Task(id="tests", run=nothing, story="Verify",
             retry=RetryPolicy(maximum_attempts=2, jitter=0.0)),
        Task(id="wheel", run=nothing, needs=("lint", "tests"), story="Ship"),
        Task(id="publish", run=nothing, needs=("wheel",), story="Ship"),
        Task(id="cleanup", run=nothing, needs=("wheel",), trigger="all_done"),
        Task(id="rescue", run=nothing, needs=("lint",), trigger="all_failed"),
        script={"tests": [AssertionError("1 != 2"), 3], "wheel": [ValueError("no <version>")]},
    )  # fmt: skip


def test_a_suite_is_a_story_and_a_case_a_task(release):
    root = document(release)
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["Release <2.4>", "Verify", "Ship"]
    assert [c.get("name") for c in suites["Verify"].iter("testcase")] == ["lint", "tests"]
    assert (suites["Ship"].get("tests"), suites["Ship"].get("errors")) == ("2", "1")
    assert suites["Ship"].get("skipped") == "1"
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["6", "0", "1"]


def test_an_exception_is_an_error_and_an_assertion_or_exit_code_a_failure(release):
    wheel = case(document(release), "wheel")
    assert wheel.find("error").attrib == {"message": "no <version>", "type": "ValueError"}
    root = document(ran(Task(id="a", run=nothing), script={"a": [AssertionError("1 != 2")]}))
    assert case(root, "a").find("failure").get("message") == "1 != 2"


def test_what_did_not_run_is_skipped_with_its_reason(release):
    root = document(release)
    assert "wheel" in case(root, "publish").find("skipped").get("message")
    assert case(root, "rescue").find("skipped").get("message").startswith("skipped: ")
    assert len(case(root, "cleanup")) == 0


def test_a_retry_that_helped_is_told_and_is_no_failure(release):
    tests = case(document(release), "tests")
    assert [child.tag for child in tests] == ["system-out"]
    assert "attempt 1 failed: AssertionError: 1 != 2" in tests.find("system-out").text


def test_what_a_task_printed_is_there_without_its_colours_and_bounded(release, monkeypatch):
    printed = {"lint": "\x1b[31mred\x1b[0m\x00\ud800 & <done>\n", "wheel": "x" * 50_000 + "the end"}
    root = document(release, log=lambda run, task: printed.get(task, ""))
    assert case(root, "lint").find("system-out").text == "red & <done>\n"
    wheel = case(root, "wheel").find("system-out").text
    assert "the last 20,000 characters of 50,007" in wheel
    assert wheel.endswith("the end")
    monkeypatch.setattr(module, "_IN_ALL", 10)
    root = document(release, log=lambda run, task: "y" * 9)
    assert sum(len(out.text or "") for out in root.iter("system-out")) < 300


def test_instances_are_cases_of_their_own_those_that_failed_first_within_a_bound(monkeypatch):
    spread = ran(
        Task(id="fetch", run=nothing, foreach=list(range(6)), tolerate=6),
        script={"fetch[4]": [ValueError("gone")]},
    )
    root = document(spread)
    names = [one.get("name") for one in root.iter("testcase")]
    assert names[:3] == ["fetch", "fetch[4]", "fetch[0]"]
    assert len(names) == 7
    assert "5 of 6 instances succeeded" in case(root, "fetch").find("system-out").text
    monkeypatch.setattr(module, "_INSTANCES", 2)
    names = [one.get("name") for one in document(spread).iter("testcase")]
    assert names == ["fetch", "fetch[4]", "fetch[0]"]


def test_compensations_are_cases_too():
    undone = ran(
        Task(id="book", run=nothing, compensate=Task(id="", sh="cancel")),
        Task(id="pay", run=nothing, needs=("book",)),
        script={"pay": [ValueError("no")], "compensate(book)": [ValueError("no way back")]},
    )
    undo = case(document(undone), "compensate(book)")
    assert undo.find("error").get("message") == "no way back"


def test_a_failure_that_the_run_bears_is_no_failure_of_the_document_and_its_error_is_there():
    borne = ran(
        Task(id="must", run=nothing), Task(id="may", run=nothing, required=False),
        Task(id="each", run=nothing, foreach=[0, 1], tolerate=1),
        script={"may": [ValueError("no <luck>")], "each[1]": [OSError("gone")]},
    )  # fmt: skip
    assert borne.run.succeeded
    root = document(borne)
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["5", "0", "0"]
    assert root[0].get("skipped") == "2"
    may = case(root, "may")
    assert may.find("skipped").get("message") == "failed, not required: ValueError: no <luck>"
    assert "ValueError" in may.find("system-out").text
    told = case(root, "each[1]").find("skipped").get("message")
    assert told == "failed, tolerated: OSError: gone"


def test_a_task_that_a_person_cancelled_is_skipped_and_says_by_whom():
    people = {1.5: lambda driver: driver.cancel("a", "ana")}
    run = ran(Task(id="a", run=nothing, required=False), script={"a": [Hang()]}, at=people)
    assert case(document(run), "a").find("skipped").get("message") == "cancelled by ana"


def test_a_run_that_was_cancelled_or_cut_off_is_no_success_for_a_ci(release):
    people = {1.5: lambda driver: driver.cancel(None, "ana")}
    root = document(ran(Task(id="a", run=nothing), script={"a": [Hang()]}, at=people))
    assert root.get("failures") == "1"
    assert case(root, "run").find("failure").get("type") == "RunFailed"
    lost = replace(release.run, status=RunStatus.CUT_OFF)
    assert int(document(replace(release, run=lost)).get("errors")) >= 1


def owing(*tasks, script=None, workspace="."):
    ended = ran(*tasks, script=script)
    return replace(ended, report=integrate(ended.run, workspace=workspace))


def test_what_a_run_owes_is_a_suite_of_its_own_and_fails_where_it_is_missing(tmp_path):
    (tmp_path / "there.txt").write_text("x")
    root = document(
        owing(
            Task(id="a", run=nothing, check=str, outputs=("there.txt", "not.txt")),
            Task(id="b", run=nothing, outputs=("b.txt",)),
            Task(id="c", run=nothing, check=Contract(str, required=False)),
            script={"a": [5], "b": [ValueError("no")], "c": [5]},
            workspace=tmp_path,
        )
    )
    suite = root[-1]
    assert suite.get("name") == "completeness"
    told = {one.get("name"): one for one in suite.iter("testcase")}
    assert told["output there.txt"].find("failure") is None
    missing = told["output not.txt"].find("failure")
    assert (missing.get("type"), missing.get("message")) == (
        "MissingOutput", "no file matches `not.txt`",
    )  # fmt: skip
    assert told["output b.txt"].find("skipped") is not None  # that b failed is told already
    broken = [one for one in suite.iter("testcase") if one.get("name").startswith("contract")]
    assert [one.get("classname") for one in broken] == ["a", "c"]
    assert broken[0].find("failure").get("type") == "BrokenContract"
    assert broken[1].find("skipped").get("message").startswith("not required: ")
    counted = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counted == ["5", "2", "0", "2"]
    assert [root.get(name) for name in ("failures", "errors")] == ["2", "1"]


def test_a_run_that_failed_without_a_task_that_did_is_a_failure_all_the_same():
    root = document(ran(Task(id="a", run=nothing), script={"a": [Hang()]}, timeout_s=5.0))
    assert case(root, "a").find("skipped") is not None
    assert case(root, "run").find("failure").get("type") == "RunFailed"
    assert root.get("failures") == "1"


def test_a_gate_that_waits_is_skipped(release):
    root = document(ran(Task(id="gate", approval="Ship?")))
    assert case(root, "gate").find("skipped").get("message").startswith("waiting")


def test_several_runs_are_in_one_document(release):
    root = document(release, ran(Task(id="a", run=nothing)))
    assert [suite.get("id") for suite in root] == ["0", "1", "2", "3"]
    assert root[3].get("name").startswith("rel-7: ")


def test_a_draft_has_nothing_to_tell():
    with pytest.raises(UsageError, match="nothing has run"):
        junit([Operation(plan=Plan(goal="g"), kind="goal")])
