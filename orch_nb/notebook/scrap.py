"""A value that a notebook leaves in itself: what a task that is a notebook gives as its result.

It is an output of the cell that shows nothing, in the form that scrapbook made known, so that
`scrapbook.read_notebook(path).scraps` finds it too.

Source: https://nteract-scrapbook.readthedocs.io/en/latest/usage-glue.html
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["scrap"]

_MIME = "application/scrapbook.scrap.json+json"


def scrap(name: str, value: Any) -> None:
    """Leave `value` in this notebook under `name`.

    Where the notebook is a task, downstream tasks find it: `result["scraps"][name]`. Of two values
    of one name the last holds. `value` is what JSON can hold: numbers, text, None, and lists and
    mappings of these. Outside of a notebook there is nothing to leave it in, and it is only judged.

    Raises TypeError, saying what else to do, for any other value.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"scrap: the name is a text, not {name!r}")
    try:
        data = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"scrap: `{name}` cannot be kept as JSON ({error}). Keep numbers, text, lists and "
            "mappings of them, or write the value to a file and keep its path."
        ) from None
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import publish_display_data

    if InteractiveShell.initialized():
        publish_display_data(  # type: ignore[no-untyped-call]  # IPython's is untyped
            {_MIME: {"name": name, "data": data, "encoder": "json", "version": 1}},
            metadata={"scrapbook": {"name": name, "data": True, "display": False}},
        )
