"""Which delay lines are history, and what is then in place of their tables and state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from delrec_compile.compiler.kernels import histories
from delrec_compile.compiler.kernels.nodes import Edge, Node, Places
from delrec_compile.network.model import INPUT
from delrec_compile.ops.arrivals import Axonal, History
from delrec_compile.ops.masked_history import MaskedHistory
from delrec_compile.targets.schedule import Schedule

HISTORY = Schedule(16, events="compress", line="history")


def nodes(line: Axonal | History, source: str = "a", places: Places | None = None) -> list[Node]:
    edge = Edge(source, "p1_", line.size, None, line, 1)
    return [Node("a", line.size, {}, (edge,), None, places=places)]


def axonal(n: int, depth: int, heads: int = 1) -> Axonal:
    return Axonal(np.full((heads, n), depth - 1, np.int32))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        (axonal(64, 30), True),
        (axonal(64, 64), True),
        (axonal(64, 65), False),  # 128 planes
        (axonal(40, 30), False),  # no whole words
        (axonal(96, 30), False),  # 12 bytes to a plane
        (axonal(64, 30, heads=2), False),
        (History((3, 5), 64), False),
    ],
)
def test_lines_that_are_history(line: Axonal | History, made: bool) -> None:
    (node,) = histories.with_histories(nodes(line), HISTORY)
    assert isinstance(node.edges[0].line, MaskedHistory) == made
    assert histories.is_masked([node], "a") == made
    assert not histories.is_masked([node], "b")
    for others in (replace(HISTORY, line="ring"), Schedule(4, 8, "scan", line="history")):
        (node,) = histories.with_histories(nodes(line), others)
        assert node.edges[0].line is line


def test_of_inputs_and_of_maps_they_stay_as_they_are() -> None:
    line = axonal(64, 30)
    for given in (nodes(line, INPUT), nodes(line, places=Places(4, 4, 4))):
        (node,) = histories.with_histories(given, HISTORY)
        assert node.edges[0].line is line


def test_masks_take_the_place_of_delays() -> None:
    made = histories.with_histories(nodes(axonal(64, 30)), HISTORY)
    line = made[0].edges[0].line
    tables = {"a_p1_delay": np.zeros(64, np.uint8), "a_bias": np.ones(64, np.float32)}
    masked = histories.masked(tables, made)
    assert list(masked) == list(tables)
    assert masked["a_p1_delay"].size == 64 * 8
    assert masked["a_bias"] is tables["a_bias"]
    assert histories.masked({}, made) == {}  # another projection has the table
    assert histories.history_state(made) == {"a_p1_ring": (32 * 8, "uint8")}
    assert histories.masks_of(made[0].edges[0], lambda name: name) == ("delay",)
    assert histories.masks_of(replace(made[0].edges[0], line=Axonal(line.delay)), str) == ()
