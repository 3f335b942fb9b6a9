"""A run on a loop of its own: what happens between its start and its end to whoever waits."""

from __future__ import annotations

import pytest

from orch_nb.engine.driver import Driver
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.session import LiveRun
from orch_nb.executors.local import local_executor
from orch_nb.model.event import RunOptions
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task


def test_an_interrupt_while_a_run_is_being_started_cancels_it_too():
    drivers = []

    def make():
        plan = Plan(goal="g", tasks=[Task(id="a", sh="sleep 30")])
        driver = Driver(
            plan, run_id="r", journal=MemoryJournal(), executor=local_executor(),
            options=RunOptions(),
        )  # fmt: skip
        wait = driver.begun.wait

        def interrupted(timeout=None):  # as Ctrl-C does, when the first tasks run already
            wait(10)
            raise KeyboardInterrupt

        driver.begun.wait = interrupted
        drivers.append(driver)
        return driver

    with pytest.raises(KeyboardInterrupt):
        LiveRun.start(make)
    assert drivers[0].snapshot().status == "cancelled"
