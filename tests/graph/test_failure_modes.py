"""What can fail and how it is handled, derived from the plan alone."""

from __future__ import annotations

from orch_nb.graph.failure_modes import failure_modes
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, RetryPolicy, Task


def modes(*tasks):
    found: dict[str, list[tuple[str, str]]] = {}
    for mode in failure_modes(Plan(goal="g", tasks=tasks)):
        found.setdefault(mode.task, []).append((mode.failure, mode.handling))
    return found


def test_a_failure_says_what_does_not_run():
    # a ─► b ─► c (all_done) ─► d
    found = modes(
        Task(id="a", sh="make"), Task(id="b", sh="x", needs=["a"]),
        Task(id="c", sh="x", needs=["b"], trigger="all_done"), Task(id="d", sh="x", needs=["c"]),
    )  # fmt: skip
    assert found["a"] == [
        ("The command fails", "No retry; then 1 task after it does not run and the run fails.")
    ]
    assert found["b"] == [("The command fails", "No retry; then the run fails.")]


def test_a_task_that_is_not_required_lets_the_run_succeed():
    assert modes(Task(id="a", run=print, required=False))["a"] == [
        ("The function raises", "No retry; then the run can succeed without it.")
    ]


def test_a_retry_says_how_often_and_how_far_apart():
    policy = RetryPolicy(maximum_attempts=4, initial_interval_s=2.0)
    assert modes(Task(id="a", run=print, retry=policy))["a"][0][1] == (
        "4 attempts, 2s apart, growing 2-fold; then the run fails."
    )


def test_the_network_without_a_retry_or_a_timeout_is_named():
    assert modes(Task(id="a", sh="curl https://x.org/y"))["a"] == [
        ("The network or the other side fails", "No retry; then the run fails."),
        ("The other side never answers", "Nothing stops it: give it a `timeout`."),
    ]


def test_a_timeout_says_what_happens_to_the_attempt():
    found = modes(Task(id="a", sh="curl x", timeout="10m"), Task(id="b", run=print, timeout=5))
    assert found["a"][1] == ("It takes longer than 10m", "It is stopped; no retry.")
    assert found["b"][1] == ("It takes longer than 5s", "The attempt counts as failed; no retry.")


def test_what_cannot_be_taken_back_wants_a_gate_before_it():
    # approve ─► build ─► publish          push
    found = modes(
        Task(id="approve", approval=Approval("Go?")),
        Task(id="build", sh="make", needs=["approve"]),
        Task(id="publish", sh="twine upload dist/*", needs=["build"], retry=2),
        Task(id="push", sh="git push --force"),
    )
    assert ("`twine upload` cannot be taken back", "`approve` is asked first.") in found["publish"]
    assert (
        "A retry does `twine upload` twice", "Its idempotency key is the same in every attempt.",
    ) in found["publish"]  # fmt: skip
    assert (
        "`git push` cannot be taken back", "Nothing asks first: put an `approval` before it.",
    ) in found["push"]  # fmt: skip


def test_a_gate_is_no_guard_where_the_task_runs_all_the_same():
    found = modes(
        Task(id="approve", approval=Approval("Go?")),
        Task(id="publish", sh="npm publish", needs=["approve"], trigger="all_done"),
    )
    assert found["publish"][-1][1].startswith("Nothing asks first")


def test_gates_and_todos_say_what_a_headless_run_does():
    found = modes(
        Task(id="a", approval=Approval("Go?")),
        Task(id="b", approval=Approval("Go?", "reject")),
        Task(id="c", todo="Call"),
    )
    assert found["a"][0] == (
        "Nobody answers", "A headless run ends as waiting; approving it goes on.",
    )  # fmt: skip
    assert found["b"][0][1] == "A headless run takes its default: reject."
    assert found["c"] == [("Nobody does it", "A headless run ends as waiting; ticking it goes on.")]


def test_outputs_are_looked_for():
    assert modes(Task(id="a", sh="make", outputs=["dist/*.whl"]))["a"][-1] == (
        "`dist/*.whl` is not there afterwards", "The report says that this output is missing.",
    )  # fmt: skip


def test_a_single_point_of_failure_is_named():
    found = modes(Task(id="a", sh="x"), *(Task(id=f"t{n}", needs=["a"]) for n in range(6)))
    assert found["a"][-1] == (
        "Much depends on this one task", "6 of 6 other tasks do not run without it.",
    )  # fmt: skip


def test_a_milestone_cannot_fail():
    assert modes(Task(id="a")) == {}


def test_braces_and_markup_of_a_command_do_no_harm():
    found = modes(Task(id="a{b}", sh="rm -rf {x} <script>", needs=[]))
    assert found["a{b}"][1][0] == "`rm -rf` cannot be taken back"


def test_ten_thousand_tasks_are_no_burden():
    tasks = [Task(id=f"t{n}", sh="x", needs=[f"t{n - 1}"] if n else []) for n in range(10_000)]
    assert len(failure_modes(Plan(goal="g", tasks=tasks))) == 10_000


def test_a_pipe_hides_the_failure_of_all_but_its_last_command() -> None:
    def told(command: str) -> list[str]:
        plan = Plan(goal="g", tasks=[Task(id="a", sh=command)])
        return [mode.failure for mode in failure_modes(plan)]

    piped = "A command before the last `|` fails"
    assert piped in told("pytest -q | tail -1")
    assert piped not in told("pytest -q || echo no")
    assert piped not in told("grep 'a|b' file")


def test_rules_that_a_failure_stops_are_counted():
    # a ─► b (none_failed_min_one_success)    a ─► c (one_done)
    found = modes(
        Task(id="a", sh="x"), Task(id="c", sh="x", needs=["a"], trigger="one_done"),
        Task(id="b", sh="x", needs=["a"], trigger="none_failed_min_one_success"),
    )  # fmt: skip
    assert "then 1 task after it does not run" in found["a"][0][1]


def test_a_notebook_fails_in_a_cell():
    assert modes(Task(id="a", notebook="a.ipynb", timeout="5m")) == {
        "a": [
            ("A cell of the notebook raises", "No retry; then the run fails."),
            ("It takes longer than 5m", "It is stopped; no retry."),
        ]
    }


def test_a_bound_on_all_attempts_is_told():
    found = modes(Task(id="a", sh="curl x", retry=9, total_timeout="10m"))
    assert found["a"][1:] == [
        ("All its attempts take longer than 10m", "No further attempt; then the run fails.")
    ]


def test_an_item_that_fails_lets_the_others_go_on():
    def told(tolerate):
        return modes(Task(id="a", sh="x", foreach=[1, 2], tolerate=tolerate))["a"][0][1]

    assert told(0) == "No retry; then the other items go on, and the run fails."
    assert told("20%") == (
        "No retry; then the other items go on, and if more than 20% of them failed the run fails."
    )
    assert told("all").endswith("the other items go on, and the task succeeds without it.")


def test_a_compensation_takes_the_place_of_a_gate_before():
    found = modes(Task(id="a", sh="npm publish", compensate={"sh": "npm unpublish", "retry": 2}))
    assert found["a"][2:] == [
        ("The run fails after it", "Its `compensate` takes back what it did."),
        ("Taking it back fails", "2 attempts, 1s apart; then the next is taken back."),
    ]


def test_a_gate_that_waits_so_long_says_what_then():
    found = modes(
        Task(id="a", approval=Approval("Go?", "approve", 600.0)),
        Task(id="b", approval=Approval("Go?", timeout_s=60.0)),
    )
    assert found["a"][0][1] == (
        "After 10m its default holds: approve. A headless run takes its default: approve."
    )
    assert found["b"][0][1] == (
        "After 1m it fails; then the run fails. A headless run ends as waiting; approving it goes "
        "on."
    )
