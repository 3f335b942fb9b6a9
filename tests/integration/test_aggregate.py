"""The results of a story in one table where their shapes agree; else a note that says why not."""

from __future__ import annotations

from functools import partial

import pandas as pd

import orch_nb as nb
from orch_nb.model.task import Task


def _self(value):
    return value


def told(tmp_path, **values):
    """The report of a run whose tasks of one story return `values`."""
    tasks = [Task(id=name, run=partial(_self, value), story="S") for name, value in values.items()]
    return nb.integrate(nb.execute(nb.Plan(goal="g", tasks=tasks), journal=tmp_path / "j.db"))


def frame(*prices):
    return pd.DataFrame({"price": prices, "n": range(len(prices))})


def test_frames_of_the_same_columns_stand_one_below_the_other(tmp_path):
    report = told(tmp_path, eu=frame(1.5, 2.5), us=frame(3.5))
    (one,) = report.tables
    assert one.columns == ("task", "price", "n")
    assert one.rows == (("eu", "1.5", "0"), ("eu", "2.5", "1"), ("us", "3.5", "0"))
    together = report.by_story["S"]
    assert list(together.task) == ["eu", "eu", "us"]
    assert together.price.sum() == 7.5


def test_long_frames_show_their_heads_and_say_of_how_many_rows(tmp_path):
    report = told(tmp_path, eu=frame(*range(500)), us=frame(*range(300)))
    (one,) = report.tables
    assert len(one.rows) == 20
    assert one.total == 800
    assert len(report.by_story["S"]) == 800


def test_mappings_of_the_same_keys_are_rows(tmp_path):
    report = told(tmp_path, a={"ok": 3, "bad": None}, b={"ok": 4, "bad": 1.25})
    (one,) = report.tables
    assert one.columns == ("task", "ok", "bad")
    assert one.rows == (("a", "3", ""), ("b", "4", "1.25"))
    assert list(report.by_story["S"].ok) == [3, 4]


def test_numbers_are_a_table_of_task_and_value(tmp_path):
    report = told(tmp_path, a=1, b=2.5)
    (one,) = report.tables
    assert (one.columns, one.rows) == (("task", "value"), (("a", "1"), ("b", "2.5")))
    assert list(report.by_story["S"].value) == [1, 2.5]


def test_what_does_not_agree_is_left_as_it_is_with_a_note_that_says_why(tmp_path):
    report = told(tmp_path, a=frame(1), b=pd.DataFrame({"cost": [1]}), c=5)
    (one,) = report.tables
    assert one.rows == ()
    assert one.note == "no table of all: `a` has price and n, `b` has cost and `c` is a number"
    apart = report.by_story["S"]
    assert list(apart.type) == ["DataFrame", "DataFrame", "int"]
    assert "different kinds" in apart.attrs["note"]


def test_texts_are_no_table_and_are_counted_beside_one(tmp_path):
    report = told(tmp_path, a=1, b=2, c="text")
    assert report.tables[0].note == "1 result of another kind beside them"
    assert told(tmp_path, a="x", b="y").tables == ()


def test_no_pickle_is_loaded_for_it(tmp_path, monkeypatch):
    from orch_nb import phases
    from orch_nb.engine import results
    from orch_nb.engine.journal import SqliteJournal

    told(tmp_path, eu=frame(1.5), us=frame(3.5))
    monkeypatch.setattr(results.pickle, "loads", lambda data: 1 / 0)
    journal = SqliteJournal(tmp_path / "j.db")
    report = nb.integrate(phases.past_run(journal.history("g-1"), journal))
    assert report.tables[0].rows[1] == ("us", "3.5", "0")
    assert report.results[0].rich.columns == ("price", "n")


def test_a_record_fits_below_a_table_of_the_same_columns(tmp_path):
    report = told(tmp_path, all=[{"id": 1, "n": 2}, {"id": 2, "n": 3}], best={"id": 2, "n": 3})
    (one,) = report.tables
    assert [row[0] for row in one.rows] == ["all", "all", "best"]


def test_a_number_beside_a_record_asks_for_no_table(tmp_path):
    assert told(tmp_path, a=1, b={"x": 1}).tables == ()
