"""The picture of a codebase: who relies on whom, bounded, in words too."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from orch_nb.model.analysis import Component, Link, Scope
from orch_nb.render import graphviz_program
from orch_nb.render.component_graph import MOST, component_drawing, component_sketch

SVG = "{http://www.w3.org/2000/svg}"


def part(name: str, kind: str = "service", language: str = "Go", confidence: float = 1.0):
    return Component(name, kind, language, ".", confidence=confidence)


SHOP = Scope(
    components=(part("web"), part("cart"), part("db", "store", "Redis"), part("mq", "queue")),
    links=(
        Link("web", "cart", "calls"),
        Link("cart", "db", "uses"),
        Link("cart", "mq", "publishes"),
        Link("web", "mq", "depends_on"),
    ),
)


def words(svg: str) -> str:
    return " ".join(text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text"))


def test_every_part_is_a_box_and_every_link_an_arrow():
    drawing = component_drawing(SHOP)
    assert drawing is not None
    for name in ("web", "cart", "db", "mq", "store · Redis", "publishes"):
        assert name in words(drawing.svg)
    assert drawing.width > 100


def test_stores_are_round_queues_are_cut_and_loose_ties_are_dashed():
    sketch = component_sketch(SHOP)
    assert {box.key: box.shape for box in sketch.boxes} == {
        "web": "task", "cart": "task", "db": "milestone", "mq": "gate",
    }  # fmt: skip
    assert [arrow.tail for arrow in sketch.arrows if arrow.dashed] == ["web"]


def test_it_says_in_words_all_that_it_shows():
    alt = component_drawing(SHOP).alt
    assert alt.startswith("Components and their links: 2 services, 1 queue and 1 store, 4 links")
    assert "web calls cart" in alt
    assert "cart publishes mq" in alt


def test_without_links_there_is_nothing_to_draw():
    assert component_drawing(Scope()) is None
    assert component_drawing(Scope(components=(part("web"),))) is None


def test_of_a_big_codebase_what_runs_is_drawn_first_and_the_rest_is_counted():
    libraries = [part(f"lib{n}", "library") for n in range(300)]
    services = [part(f"svc{n}") for n in range(20)]
    links = [Link(f"svc{n % 20}", f"lib{n}", "imports") for n in range(300)]
    scope = Scope(components=(*libraries, *services), links=tuple(links))
    sketch = component_sketch(scope)
    assert len(sketch.boxes) == MOST
    assert {f"svc{n}" for n in range(20)} <= {box.key for box in sketch.boxes}
    assert "260 components more not drawn" in component_drawing(scope).alt


def test_what_serves_nearly_everything_says_so_in_its_box_and_not_by_arrows():
    services = [part(f"svc{n}") for n in range(9)]
    links = [Link(f"svc{n}", "collector", "calls") for n in range(9)]
    scope = Scope(
        components=(*services, part("collector", "support")),
        links=(*links, Link("svc0", "svc1", "calls")),
    )
    sketch = component_sketch(scope)
    assert [(arrow.tail, arrow.head) for arrow in sketch.arrows] == [("svc0", "svc1")]
    notes = {box.key: box.notes for box in sketch.boxes}
    assert notes["collector"] == ("9 others rely on it",)
    assert "svc3 calls collector" in component_drawing(scope).alt


def test_examples_and_tools_are_left_out():
    scope = Scope(
        components=(*SHOP.components, part("hello", "example"), part("gen", "tool")),
        links=(*SHOP.links, Link("hello", "web", "calls"), Link("gen", "web", "imports")),
    )
    assert {box.key for box in component_sketch(scope).boxes} == {"web", "cart", "db", "mq"}


def test_a_doubtful_part_says_so():
    scope = Scope(components=(part("web"), part("ai", confidence=0.5)),
                  links=(Link("web", "ai", "calls"),))  # fmt: skip
    assert [box.detail for box in component_sketch(scope).boxes if box.key == "ai"] == [
        "service · Go ?"
    ]


def test_names_of_others_break_out_of_nothing():
    bad = '<script>alert("x")</script>\\N'
    scope = Scope(components=(part("web"), part(bad)), links=(Link("web", bad, "calls"),))
    drawing = component_drawing(scope)
    assert "<script>" not in drawing.svg
    ET.fromstring(drawing.svg)


@pytest.mark.parametrize("cyclic", [False, True])
def test_it_is_drawn_without_graphviz_too(monkeypatch, cyclic):
    monkeypatch.setattr(graphviz_program, "program", lambda: None)
    back = (Link("db", "web", "calls"),) if cyclic else ()
    scope = Scope(components=SHOP.components, links=(*SHOP.links, *back))
    drawing = component_drawing(scope)
    assert "cart" in words(drawing.svg)
    assert drawing.png() is None
