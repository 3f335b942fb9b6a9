"""A record that was changed by hand, its checksum renewed: what comes of it is fine or refused.

Fields are dropped, retyped, set to extremes and swapped, by numbers that are the same every time;
then all that a person might do with what `load` gives is done.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import zlib

import pytest
from msgspec.structs import replace

import orch_nb as nb
from orch_nb.errors import RecordError
from orch_nb.formats.junit import junit
from orch_nb.model import record
from orch_nb.model.plan import Story
from orch_nb.model.preview import Rich
from orch_nb.model.report import Operation, StoryTable
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.render.page import operations_markdown, operations_page
from orch_nb.testing import FakeExecutor, nothing, perform

EXTREMES = [
    0, -1, 2**31, 2**63, -(2**63), 1e308, 1e15, 0.5, "", "\u202e", "a" * 5000, None, True, [], {},
    [[]], "frame", "each[0]", "each[99]", "compensate(pay)", "on_failure", "succeeded", "failed",
    "skipped", "running", [1, 2], ["x"], 253402214399.0,
]  # fmt: skip


@pytest.fixture(scope="module")
def operation():
    """One of everything: an instance that failed, a retry, a gate, what was undone, tables."""
    plan = nb.Plan(
        goal="g", stories=[Story(id="A", owner="ana")], params={"region": "eu"},
        on_failure=nothing,
        tasks=[
            Task(id="frame", run=nothing, story="A", outputs=("x.txt",), estimate="2s"),
            Task(id="each", run=nothing, foreach=[1, 2, 3], tolerate=1, needs=["frame"]),
            Task(id="pay", run=nothing, compensate=nothing,
                 retry=RetryPolicy(maximum_attempts=2, jitter=0.0)),
            Task(id="gate", approval="Go?", needs=["pay"]),
            Task(id="bad", run=nothing, needs=["gate"]),
            Task(id="after", run=nothing, needs=["bad"]),
        ],
    )  # fmt: skip
    script = {"each[1]": [ValueError("x")], "pay": [OSError("y"), 5], "bad": [KeyError("z")]}
    run = perform(plan, executor=FakeExecutor(script), approve=["gate"])
    report = nb.integrate(run)
    rich = Rich("table", "frame", ("a", "b"), ("int64", "str"), (("1", "x"), ("2", "y")), (2, 2))
    results = (replace(report.results[0], rich=rich), *report.results[1:])
    tables = (StoryTable("A", ("task", "a"), (("frame", "1"),), 1),)
    report = replace(report, results=results, tables=tables)
    return Operation(plan=plan, kind="yaml", run=run, report=report, document="goal: g")


def opened(operation, change, path):
    """The operation of a file in which the record was changed and the checksum renewed."""
    sealed = record.seal(operation)
    told = json.loads(zlib.decompress(base64.b64decode(sealed["data"])))
    change(told)
    body = json.dumps(told).encode("utf-8", "surrogatepass")
    sealed["sha256"] = hashlib.sha256(body).hexdigest()
    sealed["data"] = base64.b64encode(zlib.compress(body, 1)).decode()
    text = json.dumps(sealed)
    path.write_text(f'<script type="{record.MIMETYPE}">{text}</script>')
    return nb.load(path)


def looked_at(found, other):
    """Everything that a person might do with it."""
    found._repr_mimebundle_()
    operations_page([found])
    operations_markdown([found], folder="x")
    if found.run is not None:
        assert set(found.plan.df["task"]) <= set(found.run.df["task"])
        found.run._repr_mimebundle_()
        nb.compare(other, found)._repr_mimebundle_()
        nb.compare(found, other)._repr_mimebundle_()
        nb.integrate(found.run)._repr_mimebundle_()
        junit([found])
    if found.report is not None:
        found.report._repr_mimebundle_()
        assert len(found.report.df) == len(found.report.checks)


def places(value):
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def mutated(told, chance):
    holder, key = chance.choice(list(places(told)))
    old = holder[key]
    how = chance.randrange(5)
    if how == 0:
        del holder[key]
    elif how == 1:
        other, place = chance.choice(list(places(told)))
        holder[key] = json.loads(json.dumps(other[place]))
    elif how == 2 and isinstance(holder, list):
        place = chance.randrange(len(holder))
        holder[key], holder[place] = holder[place], holder[key]
    elif how == 3 and type(old) in (int, float):
        holder[key] = chance.choice((old + 1, old - 1, -old, old * 1000))
    else:
        holder[key] = chance.choice(EXTREMES)


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_changed_the_record_is_refused_or_can_be_looked_at(operation, part, tmp_path):
    ends = {"fine": 0, "refused": 0}
    for seed in range(part * 15, part * 15 + 15):
        chance = random.Random(seed)
        try:
            found = opened(operation, lambda told: mutated(told, chance), tmp_path / "r.html")  # noqa: B023
        except RecordError:
            ends["refused"] += 1
        else:
            looked_at(found, operation)
            ends["fine"] += 1
    assert all(ends.values()), ends  # else the changes were all of one kind, and tell little


def rich_of(told):
    return told["report"]["results"][0]["rich"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: rich_of(r)["dtypes"].pop(), "not as many cells"),
        (lambda r: rich_of(r)["rows"][0].pop(), "not as many cells"),
        (lambda r: r["history"][0]["plan"].pop("on_failure"), "`on_failure` ran, and its plan"),
        (lambda r: rich_of(r)["rows"][1].append("more"), "not as many cells"),
        (lambda r: r["report"]["tables"][0]["rows"][0].clear(), "not as many cells"),
        (
            lambda r: next(e for e in r["history"] if e["t"] == "succeeded").update(attempt=7),
            "attempt 7 ended before it started",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_when_it_is_opened(operation, change, says, tmp_path):
    with pytest.raises(RecordError, match=says):
        opened(operation, change, tmp_path / "r.html")


def test_what_nobody_changed_can_be_looked_at(operation, tmp_path):
    looked_at(opened(operation, lambda told: None, tmp_path / "r.html"), operation)
