"""The drawing of a network: layers by hand, boxes that do not meet, lines that end at their boxes."""

from __future__ import annotations

import re
from typing import Any

import graph_cases
import numpy as np
import pytest

from delrec_compile.evaluation.page.graph import HEIGHT, Graph, graph, layers_of, ordered
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect

CASES = {
    "maps": {"x": 0, "a": 1, "b": 2, "c": 3, "out": 4},
    "shared": {"x": 0, "first": 1, "maps": 1, "second": 2, "now": 2, "third": 3, "sum": 4},
}


def summary(name: str) -> dict[str, Any]:
    return inspect(getattr(graph_cases, name)(np.random.default_rng(0)))


@pytest.mark.parametrize("name", CASES)
def test_a_population_lies_below_what_it_hears(name: str) -> None:
    assert layers_of(summary(name)) == CASES[name]


def test_neighbours_lie_above_each_other() -> None:
    ranks = {"x": 0, "a": 1, "b": 1, "p": 2, "q": 2}
    layers = ordered(ranks, [("x", "a"), ("x", "b"), ("a", "q"), ("b", "p")])
    assert layers[1] == ["a", "b"]
    assert layers[2] == ["q", "p"]


def ends(d: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and last point of a path of absolute moves."""
    numbers = [float(v) for v in re.findall(r"-?[\d.]+", d)]
    return (numbers[0], numbers[1]), (numbers[-2], numbers[-1])


def drawn(name: str) -> tuple[Graph, dict[str, Any]]:
    told = summary(name)
    return graph(told), told


@pytest.mark.parametrize("name", CASES)
def test_boxes_do_not_meet_and_all_is_inside(name: str) -> None:
    made, told = drawn(name)
    assert [b.name for b in made.boxes if b.kind == "spiking"]
    assert len(made.boxes) == len(told["populations"]) + 1
    for i, a in enumerate(made.boxes):
        assert a.x - a.width / 2 + made.shift >= 0
        assert a.x + a.width / 2 + made.shift <= made.width
        assert a.y + HEIGHT <= made.height
        for b in made.boxes[i + 1 :]:
            assert abs(a.y - b.y) >= HEIGHT or abs(a.x - b.x) >= (a.width + b.width) / 2
    for edge in made.edges:
        assert 0 <= edge.x + made.shift <= made.width


@pytest.mark.parametrize("name", CASES)
def test_every_projection_is_a_line_from_its_source_to_its_target(name: str) -> None:
    made, told = drawn(name)
    boxes = {b.name: b for b in made.boxes}
    assert len(made.edges) == len(told["projections"])
    for edge in made.edges:
        source, target = re.match(r"(\w+) to (\w+):", edge.title).groups()  # type: ignore[union-attr]
        if source == target:
            continue
        if "C" in edge.d:
            (x1, y1), (x2, y2) = ends(edge.d)
        else:
            x1, y1 = (float(v) for v in re.match(r"M([-\d.]+) ([-\d.]+)V", edge.d).groups())  # type: ignore[union-attr]
            x2, y2 = (float(v) for v in re.search(r"H([-\d.]+)V([-\d.]+)$", edge.d).groups())  # type: ignore[union-attr]
        for box, x, y, bottom in ((boxes[source], x1, y1, 1), (boxes[target], x2, y2, 0)):
            assert abs(x - box.x) <= box.width / 2
            assert y == pytest.approx(box.y + bottom * HEIGHT)


def test_delays_are_labels_and_colours(network: Network) -> None:
    made = graph(inspect(network))
    assert [(e.kind, e.label) for e in made.edges] == [
        ("plain", ""),
        ("plain", ""),
        ("delayed", "1 + (0 to 31)"),
        ("plain", ""),
    ]
    assert "l1 to l1: conv_delay, 259 parameters, delays of 1 + (0 to 31) steps" in made.label
