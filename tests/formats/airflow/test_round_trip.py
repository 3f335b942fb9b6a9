"""A plan that goes to Airflow and comes back is the plan that it was."""

from __future__ import annotations

import ast

from hypothesis import given

from orch_nb.formats.airflow import export, read, recognises
from orch_nb.graph.validate import check

from .dag_plans import looks, plans


@given(plans())
def test_what_is_exported_is_read_as_the_same_plan(plan):
    if check(plan):
        return
    made = export(plan)
    found = read(made.text, "dags/shop.py")
    assert looks(found.plan) == looks(plan)
    assert recognises(made.text, "dags/shop.py")
    assert check(found.plan) == []


@given(plans())
def test_a_file_is_python_of_at_most_a_hundred_columns(plan):
    if check(plan):
        return
    text = export(plan).text
    ast.parse(text)
    code = [line for line in text.splitlines() if '"' not in line and "'" not in line]
    assert max(map(len, code)) <= 100
    assert text.endswith("()\n")
    assert "\t" not in text


@given(plans())
def test_what_was_read_is_exported_as_it_was(plan):
    if check(plan):
        return
    text = export(plan).text
    again = export(read(text, "shop.py").plan).text
    # The order of arrows, and of what stands at one end of them, means nothing.
    assert _said(again) == _said(text)


def _said(text):
    return sorted(line.strip() for line in text.splitlines() if "=" in line or ":" in line)
