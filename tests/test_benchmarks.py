"""The benchmarks measure what they say: each contender runs, and a wrong result is not a number.

How fast anything is, is not asked here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from benchmarks import measure, rows, tables
from benchmarks.shapes import shape

CONTENDERS = {one.make: one for group in rows.GROUPS for one in group.contenders}


# -- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["chain:50", "fan:50", "layered:300", "grid:49"])
def test_a_shape_has_its_tasks_in_an_order_that_holds(spelled):
    made = shape(spelled)
    assert made.spelled == spelled
    made.check(range(len(made)))
    assert sum(map(len, made.downstream)) == sum(map(len, made.upstream)) > 0


def test_the_shapes_are_what_they_are_called():
    assert shape("chain:4").upstream == [(), (0,), (1,), (2,)]
    assert shape("fan:5").upstream == [(), (0,), (0,), (0,), (1, 2, 3)]
    assert shape("grid:9").upstream[4] == (1, 3)
    layered = shape("layered:300").upstream
    assert layered[:100] == [()] * 100
    assert all(len(set(needs)) == 2 for needs in layered[100:])
    assert all(100 <= other < 200 for needs in layered[200:] for other in needs)
    assert shape("layered:300").upstream == layered  # the same every time


@pytest.mark.parametrize(
    "order",
    [[0, 1], [0, 1, 2, 2], [0, 2, 1], [1, 0, 2]],
    ids=["one is missing", "one ran twice", "the last too early", "the first too late"],
)
def test_a_wrong_result_is_an_error(order):
    with pytest.raises(AssertionError):
        shape("chain:3").check(order)


def test_a_shape_that_is_none_is_refused():
    with pytest.raises(ValueError, match="chain, fan, layered, grid"):
        shape("star:10")


# -- contenders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", CONTENDERS)
def test_a_contender_runs_in_a_process_of_its_own_and_its_result_holds(make):
    missing = CONTENDERS[make].missing
    if missing:
        pytest.skip(missing)
    sample = measure.in_fresh_process(make, "layered:210")
    assert (sample.contender, sample.shape, sample.tasks) == (make, "layered:210", 210)
    assert sample.cpu_s > 0
    assert sample.us == pytest.approx(
        sample.cpu_s / 210 * 1e6 * measure.NOMINAL_S / sample.calibration_s
    )


def test_memory_is_the_growth_of_the_peak():
    small = measure.in_fresh_process("ours:inline", "layered:5000", memory=True)
    floor = measure.in_fresh_process("floors:graphlib_loop", "layered:5000", memory=True)
    assert 0 <= floor.kb < small.kb


def test_what_goes_wrong_in_a_measurement_is_said_in_its_last_line():
    with pytest.raises(measure.Failed, match="no attribute 'nothing'"):
        measure.in_fresh_process("floors:nothing", "chain:10")


def test_a_peer_that_is_not_installed_says_how_to_get_it():
    absent = rows.Contender("peers:absent", "Absent", "no_such_package", "no-such-package")
    assert absent.missing == "pip install no-such-package"
    assert CONTENDERS["floors:kahn"].missing == ""


# -- tables --------------------------------------------------------------------------------------

FLOOR = rows.Contender("floor", "the floor")
OURS = rows.Contender("ours", "ours", wall=True)
GROUP = rows.Group(
    "made-up", "Made up", ("chain:1000", "chain:2000"), (FLOOR, OURS),
    (rows.Target("ours", 3.0, "floor"), rows.Target("ours", 1.3, base="chain:1000")),
)  # fmt: skip


def measured(values):
    """Results of {(contender, shape): [microseconds a task in each round]}."""
    results = tables.Results()
    for (make, spelled), found in values.items():
        results.samples[GROUP.name, make, spelled] = [
            measure.Sample(
                contender=make, shape=spelled, tasks=1000, cpu_s=us / 1000, wall_s=us / 500,
                calibration_s=measure.NOMINAL_S, repeats=1,
            )
            for us in found
        ]  # fmt: skip
    return results


def test_a_target_divides_medians_and_says_whether_it_is_met():
    results = measured(
        {
            ("floor", "chain:1000"): [2.0, 2.0, 2.0],
            ("ours", "chain:1000"): [5.0, 4.0, 5.9],
            ("floor", "chain:2000"): [2.0, 2.0, 2.0],
            ("ours", "chain:2000"): [7.0, 8.0, 5.0],
        }
    )
    shown = tables.table(results, GROUP)
    assert dict(shown.rows) == {
        "the floor": ("2.00", "2.00"),
        "ours": ("5.00", "7.00"),
        "  by the clock": ("10.0", "14.0"),
    }
    assert dict(shown.targets) == {
        "ours : the floor ≤ 3": ("2.50 ok", "3.50 OVER~"),  # one of its rounds was below 3
        "ours : chain 1k ≤ 1.3": ("", "1.40 OVER~"),
    }


def test_what_was_not_measured_is_a_dash_with_its_reason():
    results = measured({("floor", "chain:1000"): [2.0]})
    results.problems[GROUP.name, "ours", "chain:1000"] = "pip install ours"
    results.problems[GROUP.name, "ours", "chain:2000"] = "pip install ours"
    shown = tables.table(results, GROUP)
    assert dict(shown.rows)["ours"] == ("–", "–")
    assert shown.notes == ("ours: pip install ours",)
    assert dict(shown.targets)["ours : the floor ≤ 3"] == ("", "")
    assert "ours: pip install ours" in tables.markdown(shown)


def test_on_other_shapes_a_target_for_the_chain_is_for_all_chains():
    (group,) = rows.groups(["sqlite"], shapes=["tree:500", "chain:70"])
    on = {(target.ours, target.at_most): target.shapes for target in group.targets}
    assert on["ours:file_inline", 2.0] == ("tree:500",)
    assert on["ours:file_inline", 1.5] == ("chain:70",)
    (wide,) = rows.groups(["sqlite"], shapes=["tree:500"])
    assert {target.at_most for target in wide.targets} == {2.0}
    (growth,) = rows.groups(["growth"], shapes=["tree:500", "tree:5000"], divide=10)
    assert {target.base for target in growth.targets} == {"tree:50"}


# -- the commands --------------------------------------------------------------------------------


def command(root, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, capture_output=True, text=True, timeout=240
    )
    assert done.returncode in (0, 1), done.stderr  # 1: a target is not met, which is not asked here
    return done.stdout


def test_overhead_measures_a_group_and_writes_it_down(root, tmp_path):
    document, samples = tmp_path / "tables.md", tmp_path / "samples.json"
    document.write_text("# Kept\n\n<!-- measured by benchmarks/overhead.py; what follows is "
                        "replaced -->\n\nan old table\n")  # fmt: skip
    shown = command(
        root, "benchmarks/overhead.py", "--only", "building", "--shapes", "tree:120", "chain:600",
        "--divide", "6", "--rounds", "1", "--no-peers",
        "--markdown", str(document), "--json", str(samples),
    )  # fmt: skip
    assert re.search(r"orch_nb, from YAML +[\d.]+", shown)
    assert re.search(r"from Python : graphlib, add\(\) and prepare\(\) ≤ 5 .* (ok|OVER)", shown)
    found = json.loads(samples.read_text())
    assert not found["problems"]
    assert len(found["targets"]) == 2 * 2  # two targets on two shapes
    sizes = [one["tasks"] for one in found["samples"] if one["contender"] == "ours:from_yaml"]
    assert sizes == [20, 100]
    text = document.read_text()
    assert text.startswith("# Kept")
    assert "### Building and checking a plan" in text
    assert "an old table" not in text


def test_the_profile_tells_modules_lines_and_calls(root):
    shares = command(root, "benchmarks/profile_engine.py", "layered:2000", "--repeat", "3")
    assert "µs of CPU a task" in shares
    assert re.search(r"%  engine/scheduler\n", shares)
    calls = command(root, "benchmarks/profile_engine.py", "layered:2000", "--calls")
    assert re.search(r" 1\.00  the tasks:\d+ noop\n", calls)


def test_a_scan_is_measured_beside_ripgrep_where_it_is_installed(root, tmp_path):
    (tmp_path / "a.py").write_text("import celery\n")
    shown = command(root, "benchmarks/scan.py", str(tmp_path), "--rounds", "1")
    assert re.search(r"orch_nb: walk and search +[\d.]+ ms .* 1 files", shown)
    assert re.search(r"ratio [\d.]+ by the clock|rg is not installed", shown)
