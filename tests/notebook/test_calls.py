"""A call of `execute` at a cell's own level is awaited, so that its buttons are heard."""

from __future__ import annotations

import pytest

import orch_nb
from orch_nb.notebook import transformer


class Shell:
    autoawait = True
    kernel = None

    def __init__(self, **names):
        self.user_ns = names


@pytest.fixture
def made(monkeypatch):
    """The text of a cell as it runs, where a person watches."""
    monkeypatch.setattr(transformer, "watched", lambda: True)
    monkeypatch.setattr(transformer, "heard", lambda: True)
    monkeypatch.setattr(transformer.Transformer, "_asked_for", lambda self, text: True)

    def run(cell, **names):
        shell = Shell(**(names or {"nb": orch_nb}))
        return "".join(transformer.Transformer(shell)(cell.splitlines(keepends=True)))

    return run


@pytest.mark.parametrize(
    ("cell", "runs"),
    [
        ("run = nb.execute(plan)\n", "run = (await __heard__(nb.execute)(plan))\n"),
        ("nb.execute(plan).df\n", "(await __heard__(nb.execute)(plan)).df\n"),
        ("é = nb.recover('x')\n", "é = (await __heard__(nb.recover)('x'))\n"),
        (
            "nb.execute(\n    plan,\n    workers=3,\n)\n",
            "(await __heard__(nb.execute)(\n    plan,\n    workers=3,\n))\n",
        ),
        ("if x:\n    nb.execute(p)\n", "if x:\n    (await __heard__(nb.execute)(p))\n"),
        (
            "import orch_nb as o\no.execute(p)\n",
            "import orch_nb as o\n(await __heard__(o.execute)(p))\n",
        ),
        (
            "from orch_nb import execute as go\ngo(p) or x\n",
            "from orch_nb import execute as go\n(await __heard__(go)(p)) or x\n",
        ),
    ],
)
def test_a_call_is_awaited(made, cell, runs):
    assert made(cell) == runs


@pytest.mark.parametrize(
    "cell",
    [
        "def f():\n    return nb.execute(plan)\n",
        "[nb.execute(p) for p in plans]\n",
        "f = lambda: nb.execute(p)\n",
        "class A:\n    run = nb.execute(p)\n",
        "await nb.execute_async(plan)\n",
        "cursor.execute('SELECT 1')\n",
        "print(f'{nb.execute(p)}')\n",
        "%time nb.execute(p)\n",
        "nb.execute(\n",
        "text = 'nb.execute(plan)'\n",
    ],
)
def test_what_cannot_be_awaited_or_is_another_s_stays(made, cell):
    assert made(cell) == cell


def test_a_name_that_is_something_else_is_not_touched(made):
    assert made("nb.execute(p)\n", nb=Shell) == "nb.execute(p)\n"
    assert made("execute(p)\n", execute=print) == "execute(p)\n"
