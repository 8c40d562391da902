"""Distribution, map and kernel of learned delays, counted again."""

from __future__ import annotations

import re
from collections import Counter

import cases
import graph_cases
import numpy as np

from delrec_compile.evaluation.page.delays import delays, steps_of
from delrec_compile.evaluation.page.figures import Plots, Table
from delrec_compile.network.model import Network


def test_an_axonal_delay_is_a_count_and_a_mark_a_neuron(network: Network) -> None:
    figure, table = delays(network)
    assert isinstance(figure, Plots)
    assert isinstance(table, Table)
    own = network.layers[1].recurrence.arrays()["delay"].tolist()  # type: ignore[union-attr]
    counts = Counter(own)
    bars = re.findall(r"M([\d.]+) \d+v-(\d+)h", figure.plots[0].paths[0].d)
    assert {round(float(x) - 0.1): int(n) for x, n in bars} == counts
    marks = re.findall(r"M(\d+) (\d+)h1", figure.plots[1].paths[0].d)
    assert [max(own) - int(y) for _, y in marks] == own
    assert [(int(d), int(n)) for d, n, _ in table.rows] == sorted(counts.items())
    assert "and one more: it closes a cycle" in figure.caption


def test_a_kernel_is_bars_of_its_weights(network: Network) -> None:
    figure = delays(network)[0]
    assert isinstance(figure, Plots)
    kernel = network.layers[1].recurrence.arrays()["kernel"]  # type: ignore[union-attr]
    bars = re.findall(r"v(-?\d+)h", figure.plots[2].paths[1].d)
    span = max(kernel.max(), 0) - min(kernel.min(), 0)
    assert np.allclose([-int(h) / 1000 * span for h in bars], kernel, atol=span / 900)


def test_every_map_with_delays_is_drawn() -> None:
    made = delays(graph_cases.maps(np.random.default_rng(0)))
    figures = [f for f in made if isinstance(f, Plots)]
    assert len(figures) == 8
    synaptic = next(f for f in figures if "synaptic_delay" in f.caption)
    assert synaptic.plots[1].image.startswith("data:image/png")
    assert synaptic.plots[1].y_title == "neuron that receives"
    for figure in figures:
        assert all(p.paths or p.image for p in figure.plots), figure.caption


def test_taps_without_learned_delays_are_numbered() -> None:
    network = graph_cases.maps(np.random.default_rng(0))
    (taps,) = [e.synapses for t, e in network.projections() if e.synapses.kind == "conv2d_delay"]
    assert steps_of(taps).tolist() == [0, 1]  # type: ignore[union-attr]
    (dense,) = [e.synapses for t, e in network.projections() if t.name == "b" and e.source == "a"
                and e.synapses.kind == "dense"]  # fmt: skip
    assert steps_of(dense) is None


def test_a_convolution_without_delays_is_drawn_by_its_weights_alone() -> None:
    network = cases.network("frontend")
    (first, *_) = made = delays(network)
    assert isinstance(first, Plots)
    assert "x to l0: " in first.caption
    assert "delay of d" not in first.caption
    _, feed = next(iter(network.projections()))
    assert len(first.plots) == len(feed.synapses.weights)
    tables = [part.title for part in made if isinstance(part, Table)]
    assert tables == ["Delays of l1 to l1"]
