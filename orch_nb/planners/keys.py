"""The keys of a document: each is a name and stands once; `<<` brings in another mapping's keys.

    base: &base {sh: ls, retry: 3}
    more: {<<: *base, retry: 2}        sh: ls, retry: 2  (a key's own value wins)

libyaml leaves both to whoever composes the document; the commonest composer lets the last of two
equal keys win without a word.
"""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.planners.fields import name_of
from orch_nb.planners.nodes import Findings, MergeKey, Node

__all__ = ["normalise"]


def normalise(root: Node, findings: Findings) -> None:
    """Resolves merge keys (`<<`), and reports keys that stand twice or are no names."""
    seen: set[int] = set()

    def visit(node: Node) -> None:
        if node.kind == "scalar" or id(node) in seen:
            return
        seen.add(id(node))
        if node.kind == "list":
            for item in node.value:
                visit(item)
            return
        for _, value in node.value:
            visit(value)
        node.value = list(_entries(node, findings))

    visit(root)


def _entries(node: Node, findings: Findings) -> Iterator[tuple[Node, Node]]:
    own: dict[str, Node] = {}
    merged: list[Node] = []
    for key, value in node.value:
        name = name_of(key)
        if isinstance(key, MergeKey):
            merged += value.value if value.kind == "list" else [value]
        elif name is None:
            given = "an empty key" if key.empty else key.described()
            message = f"{given[0].upper()}{given[1:]} is no name."
            findings.add(message, key, hint="A key is a name.")
        elif name in own:
            first = own[name].line
            where = f"; first on line {first}" if first is not None else ""
            findings.add(f"The key `{name}` stands here a second time{where}.", key)
        else:
            own[name] = key
            yield key, value
    for source in merged:
        if source.kind != "map":
            findings.add("`<<` merges a mapping into this one, and this is none.", source)
            continue
        for key, value in source.value:
            if key.text not in own:
                own[key.text] = key
                yield key, value
