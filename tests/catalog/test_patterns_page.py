"""docs/patterns.md says what the catalogue says.

This file makes the page of the data (run it: it writes it anew), and checks that it was.
"""

from __future__ import annotations

from pathlib import Path

from orch_nb.catalog.library import FAMILIES, family_of, patterns
from orch_nb.render.pattern_card import SYSTEM_TITLES
from orch_nb.sources.systems import capabilities, profiles

PAGE = Path(__file__).parents[2] / "docs" / "patterns.md"


HEAD = """# Patterns

The built-in catalogue: {count} patterns of orchestration. Of each it says when it is of use and
when not, what it costs and what happens without it, what can fail and how that is handled, how six
systems spell it with the page that says so, and it has an example that runs as it stands. It works
offline.

```
%orchestrate patterns don't send twice     # in your own words: a card, or a table
%orchestrate patterns saga                 # a card: the example drawn, when, when not, ...
%orchestrate edit saga                     # turns its own cell into the example
```

In a terminal: `orch-nb patterns WORDS`, and `orch-nb patterns saga --example > saga.yaml`. A plan
of this kernel that has a pattern's name goes first; `%orchestrate edit pattern:saga` always means
the pattern. For a goal in words RESEARCH recommends at most six (`research.fits`), each for a
reason of the goal's own, and compares the six systems by what those ask of them
(`research.systems`).

A link leads to the page of the system's documentation that says how it spells the pattern. Where a
system is missing no page is known that says it."""

TABLE = """## What the six systems can

By what patterns ask of them. A link leads to the page; where "(measured)" stands beside it in a
comparison, it was tried."""


def page() -> str:
    lines = [HEAD.format(count=len(patterns()))]
    for family, about in FAMILIES.items():
        lines += ["", f"## {about}", "", "| pattern | id | what it is | spelled by |",
                  "|---|---|---|---|"]  # fmt: skip
        for entry in patterns():
            if family_of(entry.id) == family:
                systems = ", ".join(
                    f"[{SYSTEM_TITLES[name]}]({one.url})"
                    for name, one in sorted(entry.systems.items())
                )
                lines.append(f"| {entry.title} | `{entry.id}` | {entry.summary} | {systems} |")
    titles = [profiles()[name].title for name in SYSTEM_TITLES]
    lines += [
        "",
        TABLE,
        "",
        f"| | {' | '.join(titles)} |",
        "|---|" + "---|" * len(titles),
    ]
    for name, capability in capabilities().items():
        found = [profiles()[system].can[name] for system in SYSTEM_TITLES]
        cells = " | ".join(f"[{can.level}]({can.url})" for can in found)
        lines.append(f"| {capability.title} | {cells} |")
    return "\n".join(lines) + "\n"


def test_the_page_says_what_the_catalogue_says():
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
