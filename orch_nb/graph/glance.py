"""What can be seen of a task at a glance: that there is nothing wrong with it.

`graph.validate` says what is wrong, in words; these say only that nothing is, in a fraction of a
microsecond, and leave alone what they do not vouch for. A plan of many thousand sound tasks is not
to wait for words that it does not need.
"""

from __future__ import annotations

import inspect
import re
from types import FunctionType
from typing import Any

from orch_nb.model.task import Task

__all__ = ["LONGEST_ID", "UNSEEN", "can_run", "generates", "has_more", "holds", "names_hold"]

LONGEST_ID = 200
#: Control characters, line separators, and those that reorder or hide the text around them.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def names_hold(ids: list[str]) -> bool:
    """Whether each is a text that can name a task; a name may come twice."""
    try:
        text = "".join(ids)
    except TypeError:
        return False
    return (
        all(ids)
        and max(map(len, ids)) <= LONGEST_ID
        and ids == list(map(str.strip, ids))
        and (text.isprintable() or not UNSEEN.search(text))
    )


def can_run(function: Any) -> bool:
    """Whether it is nothing, a name, or a callable that does something when it is called."""
    if type(function) is FunctionType:
        return not function.__code__.co_flags & _GENERATOR
    if function is None or isinstance(function, str):
        return True
    return callable(function) and not generates(function)


def generates(function: Any) -> bool:
    """A generator, sync or async, which does nothing when it is called."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def holds(task: Task) -> bool:
    """Whether the fields of a task are of their types and fit together; `run` is judged already."""
    shell = task.sh
    if shell is not None:
        fits = type(shell) is str and shell and not shell.isspace()
        fits = fits and task.run is None and not task.with_
    else:
        fits = task.run is not None or not task.with_
    return bool(
        fits
        and task.notebook is None
        and task.todo is None
        and (task.approval is None or (task.run is None and shell is None))
        and (task.story is None or (type(task.story) is str and task.story.strip()))
        and type(task.title) is type(task.description) is type(task.owner) is str
    )


def has_more(task: Task) -> bool:
    """Whether the task says something that is for `graph.rules` to judge."""
    return not (
        task.when is None
        and task.foreach is None
        and task.max_active is None
        and task.tolerate == 0
        and task.total_timeout_s is None
        and task.pool is None
        and task.priority == 0
        and task.compensate is None
        and not task.cache
        and task.notebook is None
        and not (type(task.sh) is str and ("{{" in task.sh or "{%" in task.sh))
        and not (task.with_ and any(_is_template(value) for value in task.with_.values()))
    )


def _is_template(value: object) -> bool:
    if isinstance(value, list):  # arguments by position
        return any(isinstance(one, str) and one.startswith("{{") for one in value)
    return isinstance(value, str) and value.startswith("{{")
