"""What a worker elsewhere could not find is refused before anything runs."""

from __future__ import annotations

import functools

import pytest

from orch_nb.engine.sendable import check_sendable
from orch_nb.errors import PlanError
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import Mask
from orch_nb.model.task import Task


class Price:
    def __call__(self) -> int:
        return 6

    def total(self) -> int:
        return 7


price = Price()


def sent(run) -> None:
    check_sendable(Plan(goal="g", tasks=(Task(id="a", run=run),)), Mask())


@pytest.mark.parametrize("run", [price, price.total])
def test_an_object_of_a_module_goes_by_its_name_there(run):
    sent(run)


@pytest.mark.parametrize(
    ("run", "called"),
    [(Price(), "<Price>"), (Price().total, "<Price>.total"),
     (functools.partial(int, 3), "<partial>")],
)  # fmt: skip
def test_an_object_without_a_name_is_not_sent_as_its_class(run, called):
    with pytest.raises(PlanError, match="no module has under a name") as refused:
        sent(run)
    assert f"`a` runs `{called}`" in str(refused.value)
