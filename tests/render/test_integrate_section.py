"""INTEGRATE reads from the top for somebody who was not there, and says little of a success."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import orch_nb as nb
from orch_nb.model.preview import Rich
from orch_nb.model.task import Task
from orch_nb.render import html
from orch_nb.render.document import CodeBlock, Fold, Listing, Paragraph, Table, plain
from orch_nb.render.returned import rich_block
from orch_nb.render.sections import header, integrate_section
from orch_nb.testing import FakeExecutor, Hang, nothing, perform

from .showing import tables


def words(section):
    """Every paragraph and caption of the section, in order; folds by their summaries."""
    said = []
    for block in section.blocks:
        if isinstance(block, Paragraph):
            said.append(plain(block.line))
        elif isinstance(block, Fold):
            said.append(plain(block.summary))
        elif isinstance(block, (Table, Listing)):
            said.append(block.caption)
    return said


def behind(section, summary):
    """The rows of the table behind the fold whose line begins so."""
    fold = next(
        block for block in section.blocks
        if isinstance(block, Fold) and plain(block.summary).startswith(summary)
    )  # fmt: skip
    return [[plain(cell) for cell in row.cells] for row in fold.blocks[0].rows]


def integrated(plan, script=None, **options):
    run = perform(plan, executor=FakeExecutor(script or {}), **options)
    return integrate_section(nb.integrate(run))


def test_a_success_with_nothing_to_say_is_short():
    section = integrated(nb.Plan(goal="g", tasks=[Task(id="a", run=nothing)]), {"a": [None]})
    assert section.finding == "1 of 1 required task succeeded"
    assert words(section)[0] == "Succeeded: 1 task in 1 s."
    assert [text.partition(":")[0] for text in words(section)[1:]] == [
        "Plan against run", "Environment",
    ]  # fmt: skip
    assert not any(block.open for block in section.blocks if isinstance(block, Fold))


def test_what_failed_comes_with_what_is_known_who_acts_and_every_line_that_acts(rows_of):
    tasks = [Task(id=f"t{n}", run=nothing, owner=("ana", "bo")[n % 2]) for n in range(8)]
    script = {f"t{n}": [ConnectionError(f"port {n}")] for n in range(8)}
    section = integrated(nb.Plan(goal="g", tasks=tasks), script)
    assert (
        words(section)[1]
        == "Who acts next: ana (t0, t2, t4 and 1 more) and bo (t1, t3, t5 and 1 more)"
    )
    ((task, error, known, attempts, owner),) = rows_of(section, "Failures")
    assert task == "8 tasks: t0, t1, t2, t3 and 4 more"
    assert error == "t0: ConnectionError: port 0; the others are alike"
    assert known == "may pass by itself: such errors come from outside"
    assert (attempts, owner) == ("8", "ana and bo")
    rows = behind(section, "What can be done now")
    assert rows[0] == [
        "all that failed",
        "retry",
        "%orchestrate retry --run run",
        "orch-nb retry run",
    ]
    assert rows[2] == ["", "skip", "%orchestrate skip t0 --run run", "orch-nb skip run t0"]
    assert "Next" in words(section)


def test_why_each_task_is_missing_is_told_of_the_first_few(rows_of):
    tasks = [Task(id=f"t{n}", run=nothing) for n in range(20)]
    section = integrated(nb.Plan(goal="g", tasks=tasks), {t.id: [ValueError()] for t in tasks})
    rows = rows_of(section, "Completeness")
    assert len(rows) == 6
    assert rows[5][1] == "15 required tasks more: t5, t6, t7, t8 and 11 more"


def test_what_waits_for_a_person_can_be_approved_rejected_or_skipped():
    plan = nb.Plan(goal="g", tasks=[Task(id="gate", approval="?", owner="ana")])
    section = integrated(plan)
    assert "Who acts next: ana (gate)" in words(section)
    assert [row[2] for row in behind(section, "What can be done now")] == [
        f"%orchestrate {verb} gate --run run" for verb in ("approve", "reject", "skip")
    ]


def test_what_was_tried_again_is_told_with_its_causes():
    retry = nb.RetryPolicy(maximum_attempts=3, initial_interval_s=2.0, jitter=0)
    tasks = [Task(id=f"t{n}", run=nothing, retry=retry) for n in range(3)]
    script = {f"t{n}": [OSError(f"port {n}"), "ok"] for n in range(3)}
    section = integrated(nb.Plan(goal="g", tasks=tasks), script)
    assert "Tried again: 3 attempts beyond the first" in words(section)
    assert behind(section, "Tried again")[0] == [
        "3: t0, t1 and t2", "OSError: port 0", "3", "6 s", "✓ succeeded"
    ]  # fmt: skip


def test_contracts_say_what_holds_what_does_not_and_what_nobody_looked_at(rows_of):
    def even(value):
        return value % 2 == 0

    plan = nb.Plan(
        goal="g",
        tasks=[
            Task(id="a", run=nothing, check=[int, {"check": even, "required": False}]),
            Task(id="b", run=nothing, check=nb.Task),
        ],
    )
    section = integrated(plan, {"a": [3], "b": [4]})
    assert section.finding == "2 of 2 required tasks succeeded · 1 of 3 contracts held"
    told = [(row[0], row[1], row[-1]) for row in rows_of(section, "Completeness")]
    assert told == [
        ("contract (optional)", "even", "✗ does not hold"),
        ("contract", "Task", "✗ does not hold"),
        ("contract", "int", "✓ met"),
        ("task", "2 required tasks succeeded", "✓ met"),
    ]  # fmt: skip


def test_the_last_lines_are_told_where_the_error_does_not_hold_them(tmp_path):
    plan = nb.Plan(goal="g", tasks=[Task(id="a", sh="echo one; echo two; exit 1")])
    report = nb.integrate(nb.execute(plan, journal=tmp_path / "j.db"))
    section = integrate_section(report)
    printed = [
        block.text
        for fold in section.blocks
        if isinstance(fold, Fold)
        for block in fold.blocks
        if isinstance(block, CodeBlock)
    ]
    assert printed == []  # a shell's error has its last lines already
    assert report.causes[0].last_lines == "one\ntwo"


def test_what_people_did_and_the_environment_stand_at_the_end(rows_of):
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=nothing), Task(id="gate", approval="?")])
    people = {1.5: lambda driver: driver.approve("gate", "ana", "looks good")}
    section = integrated(plan, interactive=True, at=people)
    ((_, who, what, task, note),) = rows_of(section, "What people did")
    assert (who, what, task, note) == ("ana", "approved", "gate", "looks good")
    packages = dict(tuple(row) for row in rows_of(section, "Packages"))
    assert packages["orch_nb"] == nb.__version__
    assert words(section)[-1].startswith("Environment: Python 3.")


def test_who_acts_next_are_those_whose_tasks_are_required_and_what_is_nobodys_is_said():
    plan = nb.Plan(goal="g", tasks=[
        Task(id="a", run=nothing, owner="ana"), Task(id="b", run=nothing),
        Task(id="c", run=nothing, owner="cleo", required=False), Task(id="g", approval="Ship?"),
    ])  # fmt: skip
    script = {name: [OSError(name)] for name in "abc"}
    assert words(integrated(plan, script))[1] == (
        "Who acts next: ana (a); nobody is named for b and g"
    )


def test_where_nobody_owns_anything_who_acts_next_is_not_said():
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=nothing)])
    told = words(integrated(plan, {"a": [OSError("x")]}))
    assert told[1] == "Failures"


def test_an_error_is_never_shown_as_that_of_a_task_that_had_another(rows_of):
    each = {"run": nothing, "foreach": list(range(7))}
    tasks = [Task(id=name, run=nothing) for name in ("a", "b")]
    plan = nb.Plan(goal="g", tasks=[Task(id="f", **each), Task(id="h", **each), *tasks])
    script = {f"{of}[{n}]": [ValueError(f"no page {of}{n}")] for of in "fh" for n in range(6)}
    script |= {"f[6]": [OSError("gone")], "a": [KeyError("rows")], "b": [KeyError("cols")]}
    section = integrated(plan, script)
    told = {row[0].partition(":")[0]: row[1] for row in rows_of(section, "Failures")}
    assert rows_of(section, "Failures")[0][:2] == [
        "6 instances: f[0], f[1], f[2], f[3] and 2 more",
        "f[0]: ValueError: no page f0; the others are alike",
    ]
    assert told["f[6]"] == "OSError: gone"
    assert (told["a"], told["b"]) == ("KeyError: 'rows'", "KeyError: 'cols'")


def test_a_task_that_a_person_cancelled_has_no_error(rows_of):
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=nothing), Task(id="b", run=nothing)])
    people = {1.5: lambda driver: driver.cancel("a", "ana")}
    section = integrated(plan, {"a": [Hang()]}, at=people)
    assert rows_of(section, "Cancelled by hand")[0][:2] == ["a", "cancelled by ana"]


def test_who_owns_what_a_result_must_be_acts_next():
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=nothing, check=str, owner="ana")])
    assert words(integrated(plan, {"a": [5]}))[1] == "Who acts next: ana (a)"


# -- results ---------------------------------------------------------------------------------------


def test_a_frame_is_shown_as_a_table_that_says_what_is_left_out():
    block = rich_block(
        Rich(
            "table", "DataFrame 50 × 20", ("who", "n"), ("str", "int64"), (("ana", "1"),), (50, 20)
        )
    )
    assert [column.numeric for column in block.columns] == [False, True]
    assert [[plain(cell) for cell in row.cells] for row in block.rows] == [
        ["str", "int64"], ["ana", "1"],
    ]  # fmt: skip
    assert block.note == "1 of 50 rows, 2 of 20 columns"


def test_a_picture_is_an_image_with_words_beside_it():
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 800)).save(buffer, format="PNG")
    block = rich_block(
        Rich("picture", "Figure", png=buffer.getvalue(), width=1600, height=800), "f"
    )
    shown = html.block_html(block)
    assert 'src="data:image/png;base64,' in shown
    assert 'width="800"' in shown
    assert 'alt="A picture: Figure that f returned"' in shown


def test_a_picture_that_was_left_out_says_why():
    block = rich_block(Rich("picture", "Figure", note="its picture has more than 300 kB"))
    assert plain(block.line) == "its picture has more than 300 kB"


def test_pictures_of_a_report_are_bounded_together(run, report):
    from msgspec.structs import replace

    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 290_000
    rich = Rich("picture", "Figure", png=png, width=10, height=10)
    results = tuple(replace(report.results[0], rich=rich) for _ in range(9))
    section = integrate_section(replace(report, results=results))
    assert len(html.section_html(section)) < 2_000_000


@pytest.mark.parametrize("count", [2, 60])
def test_results_of_a_story_stand_in_one_table(count):
    tasks = [Task(id=f"t{n}", run=nothing, story="S") for n in range(count)]
    section = integrated(
        nb.Plan(goal="g", tasks=tasks), {f"t{n}": [n] for n in range(count)}, workers=99
    )
    assert f"Results of S together: {count} rows" in words(section)
    assert tables(section)


# -- the header ------------------------------------------------------------------------------------


def test_many_that_failed_alike_are_one_line_of_the_header():
    tasks = [Task(id=f"t{n}", run=nothing) for n in range(9)]
    script = {f"t{n}": [ConnectionError(f"port {n}")] for n in range(8)} | {"t8": [KeyError("x")]}
    run = perform(nb.Plan(goal="g", tasks=tasks), executor=FakeExecutor(script))
    assert [plain(one) for one in header(run.plan, run, nb.integrate(run)).lines] == [
        (
            "8 tasks failed alike: t0, t1, t2, t3, t4 and 3 more (t0: ConnectionError: port 0). "
            "Next: %orchestrate retry --run run"
        ),
        "t8 failed (KeyError: 'x'). Next: %orchestrate retry t8 --run run",
    ]


def test_what_a_person_left_out_is_told_in_the_header():
    plan = nb.Plan(goal="g", tasks=[Task(id="gate", approval="?"), Task(id="a", run=nothing)])
    people = {1.5: lambda driver: driver.skip("gate", "ana", "nobody is there.")}
    run = perform(plan, interactive=True, at=people)
    assert [plain(one) for one in header(run.plan, run).lines] == [
        "gate was skipped by ana: nobody is there."
    ]


def test_a_success_that_owes_something_says_so_in_the_header():
    plan = nb.Plan(goal="g", tasks=[Task(id="a", run=nothing, check=str, outputs="no.csv")])
    run = perform(plan, executor=FakeExecutor({"a": [5]}))
    made = header(plan, run, nb.integrate(run))
    assert [plain(one) for one in made.lines] == [
        "Not all is there: output no.csv and contract str."
    ]
