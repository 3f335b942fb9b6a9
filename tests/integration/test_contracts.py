"""Results are what their tasks' `check` says: types, schemas, functions, required or not."""

from __future__ import annotations

import pandas as pd
import pytest

import orch_nb as nb
from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import PlanError
from orch_nb.model.contract import Contract, contracts
from orch_nb.model.task import Task


def gives(value):
    return lambda: value


def checked(check, value, **fields):
    """The one contract of a task that returns `value`."""
    task = Task(id="a", run=gives(value), check=check, **fields)
    report = nb.integrate(nb.execute(nb.Plan(goal="g", tasks=[task]), journal="memory"))
    (found,) = [check for check in report.checks if check.kind == "contract"]
    return found, report


def even(value):
    return value % 2 == 0


def short(value):
    if len(value) > 3:
        raise ValueError(f"{len(value)} letters are too many")


class Schema:
    """What pandera's schemas can do, as far as a check asks."""

    name = "orders"

    def validate(self, frame):
        if "price" not in frame:
            raise KeyError("price")
        return frame


@pytest.mark.parametrize(
    ("check", "good", "bad", "told"),
    [
        (int, 5, "5", "it is str"),
        (pd.DataFrame, pd.DataFrame(), [1], "it is list"),
        (list[int], [1, 2], [1, "2"], "Expected `int`, got `str` - at `$[1]`"),
        (int | None, None, "x", "Expected `int | null`, got `str`"),
        (even, 4, 5, "it says no"),
        (short, "abc", "abcd", "ValueError: 4 letters are too many"),
        (Schema(), {"price": 1}, {"cost": 1}, "KeyError: 'price'"),
    ],
)
def test_a_result_holds_or_the_evidence_says_what_is_wrong(check, good, bad, told):
    found, report = checked(check, good)
    assert found.met
    assert report.complete
    found, report = checked(check, bad)
    assert (found.met, found.known, found.evidence) == (False, True, told)
    assert not report.complete
    assert report.run.succeeded
    assert f"a result is not what it must be: `{found.subject}` of `a`" in report.outcome


def test_what_is_not_required_is_told_and_the_report_is_complete_without_it():
    found, report = checked({"check": even, "required": False}, 5)
    assert not found.met
    assert report.complete
    assert "must be" not in report.outcome
    found, report = checked(even, 5, required=False)
    assert not found.required


def test_several_are_each_a_line():
    task = Task(id="a", run=gives(3), check=[int, even])
    report = nb.integrate(nb.execute(nb.Plan(goal="g", tasks=[task]), journal="memory"))
    said = [(c.subject, c.met) for c in report.checks if c.kind == "contract"]
    assert said == [("int", True), ("even", False)]


def test_a_functions_own_return_annotation():
    @nb.task(check=True)
    def a() -> list[int]:
        return ["x"]

    @nb.task(check=True)
    def b():
        return 1

    report = nb.integrate(nb.execute(nb.decompose([a, b]), journal="memory"))
    first, second = [c for c in report.checks if c.kind == "contract"]
    assert "Expected `int`" in first.evidence
    assert "does not say what it returns" in second.evidence
    assert not second.known


def test_of_a_fan_out_each_instance_is_checked():
    def give(item):
        return item

    task = Task(id="a", run=give, foreach=[2, 4, 5], check=even)
    report = nb.integrate(nb.execute(nb.Plan(goal="g", tasks=[task]), journal="memory"))
    (found,) = [c for c in report.checks if c.kind == "contract"]
    assert found.evidence == "`a[2]`: it says no"


def test_what_did_not_succeed_has_no_result_to_be_checked():
    def a():
        raise ValueError("no")

    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=a, check=int)])
    report = nb.integrate(nb.execute(plan, journal="memory"))
    assert not [c for c in report.checks if c.kind == "contract"]


# -- of a run that is read from its journal


def past(tmp_path, check, value):
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=gives(value), check=check)])
    nb.execute(plan, journal=tmp_path / "j.db", run_id="r")
    journal = SqliteJournal(tmp_path / "j.db")
    from orch_nb import phases

    return phases.past_run(journal.history("r"), journal)


def told(run, **options):
    (found,) = [c for c in nb.integrate(run, **options).checks if c.kind == "contract"]
    return found


def test_types_of_pythons_own_are_checked_there_too(tmp_path):
    assert told(past(tmp_path, int, 5)).met
    assert told(past(tmp_path / "other", int, "x")).evidence == "it is str"


def test_a_check_that_is_not_of_this_process_is_not_asked_and_never_met(tmp_path):
    run = past(tmp_path, even, 4)
    found = told(run)
    assert (found.met, found.known) == (False, False)
    assert "not of this process" in found.evidence


def test_a_name_is_imported_only_where_a_person_says_so(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def even(value): return value % 2 == 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    plan = nb.decompose('goal: g\ntasks: {a: {sh: "echo 4", check: "mine:even"}}', namespace={})
    import sys

    nb.execute(plan, journal=tmp_path / "j.db", run_id="r")
    journal = SqliteJournal(tmp_path / "j.db")
    from orch_nb import phases

    run = phases.past_run(journal.history("r"), journal)
    del sys.modules["mine"]
    assert not told(run).known
    assert "mine" not in sys.modules
    assert "TypeError" in told(run, namespace={}).evidence  # "4" % 2 is a format


def test_no_pickle_is_loaded_for_a_check_that_is_only_a_name(tmp_path):
    run = past(tmp_path, tuple, (1, 2))
    found = told(run)
    assert not found.known
    assert "loads no pickle" in found.evidence


def test_a_result_that_was_not_kept_cannot_be_checked(tmp_path):
    import threading

    run = past(tmp_path, list, [threading.Lock()])
    found = told(run)
    assert not found.known
    assert "cannot be had here" in found.evidence


# -- in a plan document

NAMES = {"even": even, "orders": Schema()}


def test_a_document_names_checks_and_says_them_again():
    text = (
        "goal: g\ntasks:\n"
        "  a: {sh: ls, check: [int, even, orders, pandas.DataFrame]}\n"
        "  b: {sh: ls, check: {check: even, required: false}}\n"
    )
    plan = nb.decompose(text, namespace=NAMES)
    from orch_nb.planners.yaml import dump_plan

    assert [c.label for c in plan["a"].check] == [
        "int", "even", "orders", "pandas.DataFrame",
    ]  # fmt: skip
    assert plan["a"].check[3].of is pd.DataFrame
    assert not plan["b"].check[0].required
    assert nb.decompose(dump_plan(plan), namespace=NAMES).hash == plan.hash


def test_a_name_that_is_nothing_is_found_before_anything_runs():
    with pytest.raises(PlanError, match=r"`check` of `a`: nothing here is called `evn`.*`even`"):
        nb.decompose("goal: g\ntasks: {a: {sh: ls, check: evn}}", namespace=NAMES)


@pytest.mark.parametrize(
    ("said", "told"),
    [("5", "is a type, a schema or a function, not `5`"), ("{chekc: even}", "chekc"),
     ("{required: false}", "names what to check")],
)  # fmt: skip
def test_what_is_no_check_is_told_with_its_line(said, told):
    with pytest.raises(PlanError, match=f"line 2.*{told}|{told}"):
        nb.decompose(f"goal: g\ntasks: {{a: {{sh: ls, check: {said}}}}}", namespace=NAMES)


def test_a_schema_without_a_name_is_no_reason_to_refuse_a_recovery(tmp_path):
    def a():
        raise ValueError("no")

    plan = nb.Plan(goal="g", tasks=[Task(id="a", sh="test -e fixed", check=Schema())])
    run = nb.execute(plan, journal=tmp_path / "j.db", run_id="r", workspace=tmp_path)
    assert run.status == "failed"
    (tmp_path / "fixed").touch()
    again = nb.recover("r", journal=tmp_path / "j.db", retry="a")
    assert again.succeeded
    assert told(again).subject == "orders <Schema>"


def test_contracts_take_what_people_write():
    assert contracts(int) == (Contract(int),)
    assert contracts({"check": "even", "required": False}) == (Contract("even", required=False),)
    assert contracts([int, "even"]) == (Contract(int), Contract("even"))
    for wrong in (5, None, {"check": int, "then": 1}, {}):
        with pytest.raises((TypeError, ValueError)):
            contracts(wrong)


def test_pandera_schemas_and_models():
    pandera = pytest.importorskip("pandera.pandas")

    class Orders(pandera.DataFrameModel):
        price: float = pandera.Field(ge=0)

    schema = pandera.DataFrameSchema({"price": pandera.Column(float)})
    good, bad = pd.DataFrame({"price": [1.0]}), pd.DataFrame({"price": ["x"]})
    for check in (Orders, schema):
        assert checked(check, good)[0].met
        found, _ = checked(check, bad)
        assert not found.met
        assert "SchemaError" in found.evidence
