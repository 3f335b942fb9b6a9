"""What a result looks like: a bounded table or picture, kept beside it, read without loading it."""

from __future__ import annotations

import io
import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.results import store
from orch_nb.engine.rich import PNG_BYTES, rich
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.preview import Rich, decode_rich
from orch_nb.model.task import Task


def size(png):
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image.size


# -- tables --------------------------------------------------------------------------------------


def test_a_frame_is_its_first_rows_and_columns_as_text_with_dtypes_and_shape():
    frame = pd.DataFrame({f"c{n}": range(n, n + 1000) for n in range(40)})
    frame["c1"] = 0.123456789
    found = rich(frame)
    assert found.kind == "table"
    assert found.title == "DataFrame 1,000 × 40"
    assert found.shape == (1000, 40)
    assert found.columns == tuple(f"c{n}" for n in range(12))
    assert len(found.rows) == 10
    assert found.rows[3][:2] == ("3", "0.123457")
    assert found.dtypes[:2] == ("int64", "float64")
    assert not found.index


def test_the_rows_own_labels_are_its_first_column():
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="who"))
    found = rich(frame)
    assert found.index
    assert found.columns == ("who", "n")
    assert found.rows == (("a", "1"), ("b", "2"))
    grouped = frame.set_index([["x", "y"], ["z", "z"]])
    assert [row[0] for row in rich(grouped).rows] == ["('x', 'z')", "('y', 'z')"]


def test_columns_of_one_name_and_none_at_all():
    twins = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert rich(twins).rows == (("1", "2"),)
    empty = rich(pd.DataFrame({"a": []}))
    assert empty.rows == ()
    assert empty.columns == ("a",)
    assert empty.shape == (0, 1)


def test_a_series_is_a_table_of_one_column():
    found = rich(pd.Series([1.5, None], name="price"))
    assert found.columns == ("price",)
    assert found.rows == (("1.5",), ("NaN",))
    assert found.title == "Series 2"
    assert found.shape == (2, 1)


class Columns:
    """What polars' frames can do, as far as a preview asks."""

    def __init__(self, data):
        self.data = data
        self.columns = list(data)
        self.dtypes = ["i64"] * len(data)
        self.shape = (len(next(iter(data.values()))), len(data))

    def head(self, n):
        return Columns({name: cells[:n] for name, cells in self.data.items()})

    def __getitem__(self, key):
        _, columns = key
        return Columns({name: self.data[name] for name in self.columns[columns]})

    def rows(self):
        return list(zip(*self.data.values(), strict=True))


def test_a_frame_of_another_library_is_known_by_what_it_can_do():
    found = rich(Columns({f"c{n}": list(range(50)) for n in range(20)}))
    assert found.shape == (50, 20)
    assert len(found.rows) == 10
    assert len(found.columns) == 12
    assert found.rows[9][0] == "9"
    assert found.dtypes[0] == "i64"


def test_a_lazy_frame_is_not_worked_out():
    class Lazy:
        columns = ("a", "b")
        shape = (object(), 2)

        def head(self, n):
            raise AssertionError("this would run a query")

    assert rich(Lazy()) is None


def test_a_list_of_flat_dicts_is_a_table():
    found = rich([{"id": n, "who": f"p{n}"} for n in range(30)] + [{"id": 30}])
    assert found.columns == ("id", "who")
    assert found.shape == (31, 2)
    assert found.rows[2] == ("2", "p2")
    assert found.dtypes == ("int", "str")
    assert rich([{"id": 1}, {"name": None}]).rows == (("1", ""), ("", ""))


@pytest.mark.parametrize("value", [[{"a": {"b": 1}}], [{"a": 1}, 2], [{}], [1, 2], [], {"a": 1}])
def test_what_is_no_table_has_none(value):
    assert rich(value) is None


def test_arrays():
    found = rich(np.arange(600.0).reshape(30, 20))
    assert found.title == "ndarray 30 × 20, float64"
    assert len(found.columns) == 12
    assert found.rows[1][0] == "20"
    assert rich(np.arange(3)).rows == (("0",), ("1",), ("2",))
    deep = rich(np.zeros((4, 2, 3)))
    assert deep.shape == (2, 3)
    assert deep.note == "the first of 4 tables"
    assert rich(np.float64(2.5)) is None


def test_cells_are_bounded_whatever_stands_in_them():
    class Loud:
        def __str__(self):
            return "x" * 10_000_000

    frame = pd.DataFrame({"a": ["y" * 5_000, "\udc80", [0] * 1_000_000, Loud(), 10**400]})
    found = rich(frame)
    assert all(len(cell) <= 80 for row in found.rows for cell in row)
    assert "\\udc80" in found.rows[1][0]


# -- pictures ------------------------------------------------------------------------------------


def test_a_figure_is_a_png():
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot([1, 3, 2])
    for value in (figure, axes):
        found = rich(value)
        assert found.kind == "picture"
        assert size(found.png) == (400, 300)
        assert (found.width, found.height) == (400, 300)
    assert figure.get_dpi() == 100


def test_a_huge_figure_is_drawn_smaller():
    found = rich(Figure(figsize=(200, 100)))
    assert found.width == 1600
    assert found.height == 800


def test_an_image_is_scaled_to_fit():
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    found = rich(Image.fromarray(noise))
    assert 0 < len(found.png) <= PNG_BYTES or found.note
    small = rich(Image.new("CMYK", (40, 30)))
    assert (small.width, small.height) == (40, 30)


def test_what_shows_itself_as_a_png_is_taken_at_its_word_only_if_it_is_one():
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, format="PNG")

    class Shown:
        def __init__(self, data):
            self.data = data

        def _repr_png_(self):
            return self.data

    class Bundled:
        def _repr_mimebundle_(self, include=None, exclude=None):
            import base64

            return {"image/png": base64.b64encode(buffer.getvalue()).decode()}

    assert (rich(Shown(buffer.getvalue())).width, rich(Bundled()).height) == (6, 4)
    assert rich(Shown(b"<svg onload=alert(1)>")) is None


def test_a_picture_that_cannot_be_made_to_fit_is_left_out_and_that_is_said(monkeypatch):
    class Heavy:
        def _repr_png_(self):
            return b"\x89PNG\r\n\x1a\n" + b"\0" * PNG_BYTES

    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    found = rich(Heavy())
    assert found.png == b""
    assert "300 kB" in found.note


@pytest.mark.parametrize("error", [ValueError, SystemExit, RecursionError])
def test_whatever_a_foreign_method_raises_there_is_no_preview_then(error):
    class Bad:
        def _repr_png_(self):
            raise error

    assert rich(Bad()) is None
    assert store(Bad())[0].rich == ""


def test_a_stand_in_that_answers_to_every_name_shows_nothing():
    from unittest.mock import MagicMock

    assert rich(MagicMock()) is None


def test_a_plan_or_a_run_draws_itself_only_where_somebody_looks():
    assert rich(Plan(goal="g", tasks=[Task(id="a")])) is None


def test_a_class_is_no_value_of_it():
    assert rich(pd.DataFrame) is None


# -- where it is kept ----------------------------------------------------------------------------


def test_it_is_kept_beside_the_result_and_is_json():
    ref, blob = store(pd.DataFrame({"a": [1]}))
    assert ref.format == "pickle"
    assert ref.rich
    assert decode_rich(blob.rich).rows == (("1",),)
    assert dict(blob.rows) == {ref.hash: blob.data, ref.rich: blob.rich}


def test_a_value_that_cannot_be_kept_can_still_be_looked_at():
    frame = pd.DataFrame({"lock": [__import__("threading").Lock()]})
    ref, blob = store(frame)
    assert ref.format == "unstored"
    assert [key for key, _ in blob.rows] == [ref.rich]


@pytest.mark.parametrize("value", [5, "text" * 100, {"a": list(range(100))}, [1.5] * 100])
def test_plain_results_have_no_more_than_they_had(value):
    ref, blob = store(value)
    assert ref.rich == ""
    assert blob is None or blob.rich == b""


def test_a_journal_gives_it_back_without_the_value(tmp_path):
    journal = SqliteJournal(tmp_path / "j.db")
    begun = ev.RunStarted(at=1.0, run_id="r", plan=Plan(goal="g", tasks=[Task(id="a")]))
    journal.create("r", begun)
    ref, blob = journal.store(pd.DataFrame({"a": [7]}))
    journal.append("r", [ev.PauseEnded(at=time.time())], [blob])
    journal._db.execute("DELETE FROM blob WHERE hash=?", (ref.hash,))
    assert journal.load_rich(ref).rows == (("7",),)
    journal._db.execute("UPDATE blob SET body=? WHERE hash=?", (b"{}", ref.rich))
    assert journal.load_rich(ref) is None
    small, nothing = journal.store([{"a": 1}])
    assert nothing is None
    assert journal.load_rich(small).columns == ("a",)


def test_a_journal_in_memory_makes_it_when_asked():
    journal = MemoryJournal()
    ref, _ = journal.store(pd.DataFrame({"a": [7]}))
    assert ref.rich == ""
    assert journal.load_rich(ref).rows == (("7",),)
    assert journal.load_rich(ev.ResultRef()) is None


def test_a_run_tells_it_by_task(tmp_path):
    import orch_nb as nb

    def frame():
        return pd.DataFrame({"a": [1, 2]})

    def number():
        return 3

    run = nb.execute(nb.decompose([frame, number]), journal=tmp_path / "j.db")
    assert isinstance(run.results.rich("frame"), Rich)
    assert run.results.rich("number") is None
    assert run.results.rich("nobody") is None
