"""Names that both directions know: ids that Airflow allows, and tasks that an export adds.

Airflow                          plan
task_id="Ship_it",               id "Ship it!"      the display name, where it makes the same id
task_display_name="Ship it!"
task_id="ship",                  id "ship", title "Ship it!"
task_display_name="Ship it!"
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection

__all__ = [
    "COMPENSATE", "CONTEXT", "FAIL", "FAILED", "ITEMS", "ITEMS_DOC", "SUBTASKS", "WHEN",
    "dotless", "identifier", "spelled", "unique", "valid_id",
]  # fmt: skip

#: What Airflow passes to a function that has a parameter of the name, whatever else it is given.
CONTEXT = frozenset(
    "conf conn dag dag_run data_interval_end data_interval_start ds ds_nodash exception "
    "execution_date expanded_ti_count inlet_events inlets logical_date macros map_index_template "
    "next_ds outlet_events outlets params prev_ds partition_date partition_key "
    "prev_data_interval_end_success prev_data_interval_start_success prev_end_date_success "
    "prev_start_date_success reason run_id start_date task task_instance task_instance_key_str "
    "task_reschedule_count task_state_store asset_state_store templates_dict test_mode ti "
    "tomorrow_ds triggering_asset_events try_number ts ts_nodash ts_nodash_with_tz var "
    "yesterday_ds".split()
)

# Tasks and groups that an export adds, and an import takes for what they stand for.
SUBTASKS = "_subtasks"
ITEMS = "_items"
ITEMS_DOC = "The items of "
COMPENSATE = "compensate_"
FAILED = "run_failed"
FAIL = "fail_the_run"
WHEN = "when: "

_LONGEST = 200
_RESERVED = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)
# Letters that look like digits, which linters refuse as names.
_RESERVED |= frozenset("lOI")


def spelled(text: str) -> str:
    """An id that Airflow allows, like `text`; the same where it is one."""
    found = re.sub(r"[^\w.-]+", "_", text)
    if found != text:
        found = found.strip("_")
    return found[:_LONGEST] or "task"


def dotless(text: str) -> str:
    """The same for a group, whose id has no dots."""
    return spelled(text).replace(".", "_")


def valid_id(text: str) -> bool:
    return spelled(text) == text


def identifier(text: str) -> str:
    """A Python name like `text` that means nothing yet, in the form that Python compares."""
    text = unicodedata.normalize("NFKC", text)
    found = re.sub(r"\W+", "_", text).strip("_") if not text.isidentifier() else text
    if not found or found[0].isdigit():
        found = f"task_{found}".rstrip("_")
    if not found.isidentifier():
        found = re.sub(r"[^A-Za-z0-9_]", "_", found)
    return f"{found}_" if found in _RESERVED else found


def unique(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or the first of `wanted_2`, `wanted_3` that nobody has."""
    found, n = wanted, 1
    while found in taken:
        n += 1
        found = f"{wanted.rstrip('_')}_{n}"
    return found
