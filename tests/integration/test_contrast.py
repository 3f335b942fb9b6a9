"""Two runs side by side: what is different, the biggest first."""

from __future__ import annotations

import pytest

from orch_nb.integration.contrast import contrast
from orch_nb.model import event as ev
from orch_nb.model.fold import replay
from orch_nb.model.plan import Plan
from orch_nb.model.report import Environment, Report
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, perform


def run(tasks, took, run_id="one", *, failed=(), results=(), options=None, params=None):
    """Each task after the one before it, `took` seconds each; those in `failed` fail."""
    plan = Plan(goal="g", tasks=tuple(tasks), params=params or {})
    at = 1000.0
    history = [
        ev.RunStarted(at=at, run_id=run_id, plan=plan, options=options or ev.RunOptions(workers=2))
    ]
    kept = dict(results)
    for task in plan.tasks:
        seconds = took.get(task.id)
        if seconds is None:
            end = Status.UPSTREAM_FAILED
            history.append(ev.TaskEnded(at=at, task=task.id, status=end, reason="kept"))
            continue
        history.append(ev.AttemptStarted(at=at, task=task.id, attempt=1, ready=at))
        since, at = at, at + seconds
        if task.id in failed:
            error = ev.Failure("ValueError", "no")
            history += [
                ev.AttemptFailed(at=at, task=task.id, attempt=1, started=since, error=error),
                ev.TaskEnded(at=at, task=task.id, status=Status.FAILED, reason="gave up"),
            ]
            continue
        history.append(
            ev.AttemptSucceeded(
                at=at, task=task.id, attempt=1, started=since,
                result=kept.get(task.id, ev.ResultRef()),
            )
        )  # fmt: skip
    history.append(ev.RunEnded(at=at, status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED))
    return replay(history).snapshot()


def chain(*names, **commands):
    return [
        Task(id=name, sh=commands.get(name, "x"), needs=names[max(0, n - 1) : n])
        for n, name in enumerate(names)
    ]


def of(found, task):
    return next(one for one in found.tasks if one.task == task)


def test_a_run_beside_itself_has_no_differences():
    one = run(chain("a", "b"), {"a": 1, "b": 2})
    found = contrast(one, one)
    assert not any(task.differs for task in found.tasks)
    assert found.differences == ()
    assert found.sentence == "The second succeeded as the first did, in 3 s as before."


def test_what_took_longer_is_told_the_biggest_first():
    one = run(chain("a", "b", "c", "d"), {"a": 1, "b": 2, "c": 3, "d": 1})
    other = run(chain("a", "b", "c", "d"), {"a": 1.01, "b": 5, "c": 10, "d": 0.5}, "two")
    found = contrast(one, other)
    assert "in 16.5 s instead of 7 s (136 % more)" in found.sentence
    assert "`c` (7 s) and `b` (3 s) took longer. `d` (500 ms) took less." in found.sentence
    assert "`a`" not in found.sentence, "a hundredth is the machine's noise"
    assert of(found, "d").apart_s == pytest.approx(-0.5)


def test_the_outcome_is_told_first():
    one = run(chain("a", "b"), {"a": 1}, failed=("a",))
    other = run(chain("a", "b"), {"a": 1, "b": 1}, "two")
    found = contrast(one, other)
    assert found.sentence.startswith("`two` succeeded where `one` failed")
    assert "`a` (failed, now succeeded) and `b` (upstream failed, now succeeded)" in found.sentence
    assert "took" not in found.sentence.split(".", 1)[1], "a failure's time says nothing of work"


def test_what_changed_in_the_plan_is_named_by_its_fields():
    one = run(chain("a", "b", "old"), {"a": 1, "b": 1, "old": 1})
    other = run(chain("a", "new", "b", a="y"), {"a": 1, "b": 1, "new": 1}, "two")
    found = contrast(one, other)
    assert {task.task: (task.change, task.changed) for task in found.tasks} == {
        "a": ("changed", ("sh",)),
        "new": ("added", ()),
        "b": ("changed", ("needs",)),
        "old": ("removed", ()),
    }
    assert "1 task added (`new`), 1 task removed (`old`), 2 tasks changed" in found.sentence
    assert (of(found, "new").status_before, of(found, "old").status_after) == ("", "")


def test_a_function_that_was_typed_anew_is_another_only_if_it_does_something_else():
    def made(body):
        names = {}
        exec(f"def load():\n    return {body}\n", names)
        plan = Plan(goal="g", tasks=(Task(id="load", run=names["load"]),))
        return perform(plan, executor=FakeExecutor({"load": [1]}))

    assert of(contrast(made("1"), made("1")), "load").changed == ()
    assert of(contrast(made("1"), made("2 + x")), "load").changed == ("code",)


def test_results_are_compared_by_what_they_are():
    kept = ev.ResultRef("json", "=1", 1, "1")
    pickled = ev.ResultRef("pickle", "abc", 9, "Frame 3 × 2")
    one = run(chain("a", "b", "c"), {"a": 1, "b": 1, "c": 1},
              results={"a": kept, "b": pickled}.items())  # fmt: skip
    changed = {
        "a": ev.ResultRef("json", "=2", 1, "2"),
        "b": ev.ResultRef("pickle", "def", 9, "Frame 3 × 2"),
    }
    other = run(chain("a", "b", "c"), {"a": 1, "b": 1, "c": 1}, "two", results=changed.items())
    found = contrast(one, other)
    assert [of(found, task).same_result for task in "abc"] == [False, False, None]
    assert "2 results differ: `a` and `b`." in found.sentence
    memory = [
        run(chain("a"), {"a": 1}, results={"a": ev.ResultRef("memory", n, 0, shown)}.items())
        for n, shown in (("1", "x"), ("2", "x"), ("1", "y"))
    ]
    assert of(contrast(memory[0], memory[1]), "a").same_result is True, "its hash is a place"
    assert of(contrast(memory[0], memory[2]), "a").same_result is False


def test_versions_hashes_and_parameters_are_told_in_words_and_each_by_itself():
    def told(commit, versions, *hashes, **params):
        ran = run(chain("a"), {"a": 1}, params=params)
        environment = Environment(
            python="3.12", platform="Linux", packages=versions, commit=commit, hashes=hashes,
            params=tuple((name, repr(value)) for name, value in params.items()),
        )  # fmt: skip
        return ran, Report(run=ran, outcome="", environment=environment)

    one, said = told("c" * 40, (("pandas", "2.1"),), ("plan", "f3216c5d19f4a018"), where={"eu": 1})
    other, also = told(
        "d" * 40, (("pandas", "2.2"),), ("plan", "0da83ab1160c64db"), where={"us": 1}, new=None
    )
    found = contrast(one, other, (said, also)).differences
    assert [(d.kind, d.name, d.before, d.after) for d in found] == [
        ("parameter", "where", "eu: 1", "us: 1"),
        ("parameter", "new", "", "none"),
        ("environment", "commit", "c" * 10, "d" * 10),
        ("package", "pandas", "2.1", "2.2"),
        ("hash", "plan", "f3216c5d19", "0da83ab116"),
    ]


def test_options_and_parameters_that_differ_are_told():
    one = run(chain("a"), {"a": 1}, params={"year": 2025, "same": 1})
    other = run(
        chain("a"), {"a": 1}, "two", params={"year": 2026, "same": 1},
        options=ev.RunOptions(workers=8, faults=("a=1",)),
    )  # fmt: skip
    found = [(d.kind, d.name, d.before, d.after) for d in contrast(one, other).differences]
    assert found == [
        ("option", "workers", "2", "8"),
        ("option", "faults", "none", "a=1"),
        ("parameter", "year", "2025", "2026"),
    ]
