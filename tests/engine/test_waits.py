"""What a task waits for is said in words, live and from a journal alone."""

from __future__ import annotations

from orch_nb import Plan, Pool, Rate, Task
from orch_nb.engine.launch import past_run
from orch_nb.engine.memory import MemoryJournal
from orch_nb.testing import FakeExecutor, Hang, Took, nothing, perform


def _told(plan: Plan, script=None, at=1.5, **options):
    """What each task of a live run was said to wait for, `at` seconds after its start."""
    found: dict[str, str] = {}

    def look(driver) -> None:
        found.update({t.id: driver.why(t.id) for t in plan})
        driver.cancel()

    journal = MemoryJournal()
    perform(plan, executor=FakeExecutor(script or {}), journal=journal, at={at: look}, **options)
    return found


def test_a_pending_task_names_its_upstream():
    tasks = [Task(id=n, run=nothing) for n in "abcd"] + [
        Task(id="z", run=nothing, needs=list("abcd"))
    ]
    told = _told(Plan(goal="g", tasks=tasks), {n: [Hang()] for n in "abcd"})
    assert told["z"] == "waits for a, b, c and 1 more"


def test_a_ready_task_waits_for_a_worker():
    plan = Plan(goal="g", tasks=[Task(id=n, run=nothing) for n in "ab"])
    assert _told(plan, {"a": [Hang()]}, workers=1)["b"] == "waits for a worker (1 of 1 busy)"


def test_or_for_a_slot_of_its_pool():
    tasks = [Task(id=n, run=nothing, pool="db") for n in "ab"]
    told = _told(Plan(goal="g", tasks=tasks, pools={"db": 1}), {"a": [Hang()]})
    assert told["b"] == "waits for pool db (1 of 1 in use)"


def test_or_for_a_period_to_pass():
    tasks = [Task(id=n, run=nothing, pool="api") for n in "ab"]
    pools = {"api": Pool(rate=Rate(1, 60.0))}
    told = _told(Plan(goal="g", tasks=tasks, pools=pools))
    assert told["b"] == "waits for pool api (1 start in 60 s)"


def test_a_task_that_failed_waits_for_its_next_attempt():
    plan = Plan(
        goal="g",
        tasks=[
            Task(
                id="a",
                run=nothing,
                retry={"maximum_attempts": 2, "jitter": 0.0, "initial_interval_s": 9.0},
            )
        ],
    )
    assert _told(plan, {"a": [ValueError("no"), 1]}, at=2.0)["a"] == "next attempt in 8 s"


def test_a_gate_waits_for_a_person_and_says_how_long():
    plan = Plan(goal="g", tasks=[Task(id="a", approval={"prompt": "Go?", "timeout_s": 10.0})])
    told = _told(plan, at=4.0, interactive=True)
    assert told["a"] == "waits for a person, 6 s more"


def test_a_paused_run_says_that_it_is_paused():
    plan = Plan(goal="g", tasks=[Task(id="a", run=nothing), Task(id="b", run=nothing, needs="a")])
    found = {}

    def look(driver) -> None:
        found["b"] = driver.why("b")
        driver.resume()

    perform(plan, at={0.5: lambda d: d.pause(), 3.0: look})
    assert found["b"] == "the run is paused"


def test_a_fan_out_waits_for_its_instances():
    plan = Plan(goal="g", tasks=[Task(id="a", run=nothing, foreach=[1, 2, 3])])
    assert _told(plan, {"a[0]": [Took(1, 0.5)], "a": [Hang()]})["a"] == (
        "2 of its instances have not ended"
    )


def test_a_journal_alone_tells_it_too():
    plan = Plan(
        goal="g", tasks=[Task(id="a", approval="Go?"), Task(id="b", run=nothing, needs="a")]
    )
    journal = MemoryJournal()
    perform(plan, journal=journal)
    past = past_run(journal.history("run"), journal)
    assert past["b"].reason == "waits for a"
