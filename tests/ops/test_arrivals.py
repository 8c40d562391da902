"""Delay lines: their depth, their memory, and when a list of arrivals is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.ops.arrivals import Arrivals, Axonal, History


def test_an_axonal_line_has_a_ring_per_head() -> None:
    line = Axonal(np.array([[0, 3, 1], [2, 2, 4]], np.int32))
    assert (line.size, line.heads, line.depth) == (3, 2, 5)
    assert line.words() == 2 * 8  # planes, a power of two from the depth on, of one word
    assert line.gpu_words() == 2 * 3  # a column of 32 planes per neuron
    assert line.tables()["delay"].tolist() == [[0, 3, 1], [2, 2, 4]]


def test_a_history_is_one_ring_for_all_lags() -> None:
    line = History((0, 2, 5), 40)
    assert (line.heads, line.depth) == (3, 6)
    assert line.words() == line.gpu_words() == 8 * 2
    assert line.tables() == {}


def test_a_single_list_is_read_once_and_at_once() -> None:
    reads: list[Any] = []

    def read(head: Any) -> Any:
        reads.append(head)
        return f"list {head}"

    one = Arrivals.of(1, read)
    assert reads == [0]
    assert one.read(0) == one.read(0) == "list 0"
    assert reads == [0]
    two = Arrivals.of(2, read)
    assert two.read(1) == "list 1"
    assert reads == [0, 1]
