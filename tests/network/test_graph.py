"""Populations and projections: the state, histories and lines of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from delrec_compile.network.graph import Graph, pushed


@dataclass(frozen=True)
class Join:
    source: str
    depth: int
    sources: int

    @property
    def synapses(self) -> Any:
        return self


@dataclass(frozen=True)
class Part:
    name: str
    size: int
    projections: tuple[Join, ...]
    states: dict[str, str] = field(default_factory=lambda: {"v": "membrane"})
    fires: bool = True

    @property
    def prefix(self) -> str:
        return f"{self.name}_"


@dataclass(frozen=True)
class Some(Graph):
    """A graph of two populations and a readout: delays forwards, back, and of the input."""

    membrane_dtype: ClassVar[str] = "int32"
    spike_dtype: ClassVar[str] = "uint8"

    @property
    def populations(self) -> tuple[Part, ...]:
        return (
            Part("a", 4, (Join("x", 3, 2), Join("b", 2, 3))),
            Part("b", 3, (Join("a", 1, 4), Join("b", 1, 3))),
            Part("out", 2, (Join("a", 3, 4),), {}, False),
        )


def test_the_state_follows_from_the_projections() -> None:
    graph = Some()
    assert [(s.name, s.shape, s.dtype) for s in graph.state()] == [
        ("x_hist", (2, 2), "uint8"),
        ("a_v", (4,), "int32"),
        ("a_hist", (2, 4), "uint8"),
        ("b_v", (3,), "int32"),
        ("b_hist", (2, 3), "uint8"),
    ]
    assert (graph.inputs, graph.outputs) == (2, 2)
    assert [p.name for p in graph.spiking] == ["a", "b"]


def test_a_line_begins_with_this_step_forwards_and_with_the_last_one_back() -> None:
    graph = Some()
    state = {s.name: np.zeros((1, *s.shape), s.dtype) for s in graph.state()}
    state["b_hist"][0, 0] = 1
    now = {"x": np.array([[5, 6]]), "a": np.ones((1, 4)), "b": np.zeros((1, 3))}
    first, back = graph.lines(graph.populations[0], now, state)
    assert first[0].tolist() == [[5, 6], [0, 0], [0, 0]]
    assert back[0].tolist() == [[1, 1, 1], [0, 0, 0]]
    after = graph.after(now, state)
    assert after["x_hist"][0].tolist() == [[5, 6], [0, 0]]
    assert after["b_hist"][0].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert after["a_hist"].dtype == np.uint8


def test_a_history_moves_on_by_one_step() -> None:
    history = np.array([[[1, 0], [0, 1]]])
    assert pushed(np.array([[1, 1]]), history).tolist() == [[[1, 1], [1, 0]]]
