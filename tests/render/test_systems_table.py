"""One failure under seven semantics, as a table: every system in every row, every name its own."""

from __future__ import annotations

import itertools
import re

import pytest

import orch_nb as nb
from orch_nb.catalog.observations import observed, recordings, told
from orch_nb.errors import UsageError
from orch_nb.graph.semantics import questions
from orch_nb.render.document import Fold, Table, plain
from orch_nb.render.systems_table import aftermath_blocks, aftermath_bundle

# sdist, docs ─► publish ─► tidy (all_done)
PLAN = """
goal: Release 2.4
tasks:
  sdist:   {sh: "make sdist"}
  docs:    {sh: "make docs"}
  publish: {sh: "make publish", needs: [sdist, docs]}
  tidy:    {sh: "make tidy", needs: [publish], trigger: all_done}
"""


@pytest.fixture
def release():
    return nb.decompose(PLAN)


def test_each_system_has_one_mark_to_a_question(release):
    _, table = [
        one for one in aftermath_blocks(nb.systems(release, "sdist")) if isinstance(one, Table)
    ]
    rows = [[plain(cell) for cell in row.cells] for row in table.rows]
    at = [n for n, row in enumerate(rows) if row[0]] + [len(rows)]

    assert [column.title for column in table.columns[2:]] == [one.title for one in recordings()]
    assert [row[0] for row in rows if row[0]] == [one.short for one in questions(release, "sdist")]
    for begin, end in itertools.pairwise(at):
        marks = [[row[n] for row in rows[begin:end] if row[n]] for n in range(2, 9)]
        assert [len(one) for one in marks] == [1] * 7


def test_the_first_table_says_what_each_would_leave_of_this_plan(release):
    first, _ = [
        one for one in aftermath_blocks(nb.systems(release, "sdist")) if isinstance(one, Table)
    ]
    rows = {plain(row.cells[0]): [plain(cell) for cell in row.cells[1:]] for row in first.rows}

    assert [one.title for one in first.columns] == [
        "system", "runs to its end", "in vain", "never runs", "waits for ever", "the whole",
    ]  # fmt: skip
    assert rows["Airflow"] == ["docs, tidy", "", "publish", "", "success"]
    assert rows["Temporal"] == ["tidy", "docs", "publish", "", "FAILED"]
    assert rows["BullMQ"] == ["docs", "", "", "publish, tidy", "never ends"]
    assert rows["orch_nb"] == ["docs, tidy", "", "publish", "", "failed"]
    assert first.note.startswith("Inferred from what was seen (below), not run")


def test_a_long_list_of_tasks_is_cut_and_counted_and_the_frame_has_all():
    tasks = "".join(f"  t{n}: {{sh: x, needs: [t{n - 1}]}}\n" for n in range(1, 40))
    found = nb.systems(nb.decompose(f"goal: Long\ntasks:\n  t0: {{sh: x}}\n{tasks}"), "t3")

    assert "t10, t11 and 28 more" in aftermath_bundle(found)["text/plain"]
    frame = found.df.query("system == 'bullmq' and fate == 'waits for ever'")
    assert list(frame.task) == [f"t{n}" for n in range(4, 40)]


def test_the_sentences_stand_behind_their_question_with_the_names_of_the_plan(release):
    folds = [one for one in aftermath_blocks(nb.systems(release, "sdist")) if isinstance(one, Fold)]
    (join,) = [one for one in folds if "publish needs sdist and docs" in plain(one.summary)]
    said = [plain(item) for item in join.blocks[0].items]

    assert len(said) == 7
    assert any(
        text.startswith("BullMQ: ✗ waits for ever. publish still stood as waiting-children")
        for text in said
    )


@pytest.mark.parametrize("format_", ["text/html", "text/markdown", "text/plain"])
def test_no_format_shows_the_name_of_a_part_instead_of_a_task(release, format_):
    text = aftermath_bundle(nb.systems(release, "sdist"))[format_]

    assert not re.search(r"\{(?:before|task|sibling|after|join|cleanup|undo|gate|top)\}", text)
    assert "publish" in text
    assert "waits for ever" in text


def test_a_part_that_the_plan_does_not_have_is_said_in_words(release):
    text = told(observed("temporal", "killed"), {"task": "sdist"})
    assert text.startswith("What had ended before did not run again; `sdist` ran again")

    text = told(observed("bullmq", "foreach"), {"task": "sdist"})
    assert ". What waits for it still stood as `waiting-children`" in text


def test_which_versions_were_seen_and_when_stands_below(release):
    last = aftermath_bundle(nb.systems(release))["text/plain"].splitlines()[-1]

    for one in recordings():
        assert f"{one.title} {one.versions} ({one.recorded})" in last


def test_a_task_that_is_not_there_is_refused(release):
    with pytest.raises(UsageError, match="Did you mean `sdist`"):
        nb.systems(release, "sdits")


def test_what_was_only_read_says_so(release):
    made = nb.decompose(PLAN.replace('sh: "make publish"', 'approval: "Publish?"'))
    text = aftermath_bundle(nb.systems(made, "sdist"))["text/plain"]

    assert re.search(
        r"Celery: ✗ no such thing\. A canvas has no gate.*\(read, not observed: ", text
    )
    assert "Temporal: ✓ waits for the answer" in text
