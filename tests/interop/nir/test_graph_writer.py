"""Graphs of populations written as NIR graphs and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import nir
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint, grid
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    Convolution,
    CountReadout,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    LinearReadout,
    Maps,
    Network,
    Population,
    Projection,
    SynapticDelay,
    Window,
    max_pool,
)
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.cuba_lif import CubaLif

R = np.random.default_rng(0)


def w(*shape: int) -> Any:
    return R.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(shape[-1]))


def d(*shape: int) -> Any:
    return R.integers(0, 6, shape).astype(np.int32)


def network() -> Network:
    """A skip connection, feedback, delays of every kind, two readouts."""
    cuba = CubaLif(0.75, 0.5, fires="above", gain_i=0.5)
    populations = (
        Population(
            "b",
            Lif(0.7),
            (
                Projection("x", Dense(w(8, 5))),
                Projection("x", SynapticDelay(w(8, 5), d(8, 5))),
                Projection("a", DenseDelay(w(8, 6), d(6))),
            ),
            w(8),
        ),
        Population(
            "a",
            cuba,
            (
                Projection("b", DenseDelay(w(6, 8), d(8))),
                Projection("a", SynapticDelay(w(6, 6), d(6, 6))),
            ),
            w(6),
        ),
        Population(
            "c",
            Lif(0.5, threshold=0.75),
            (Projection("b", ConvDelay(w(3), d(8))), Projection("b", Dense(w(8, 8)))),
        ),
        Population(
            "out",
            LeakyReadout.in_graph(w(3), beta=0.75),
            (Projection("c", Dense(w(3, 8))), Projection("a", DenseDelay(w(3, 6), d(6)))),
        ),
        Population("aux", LinearReadout.in_graph(w(2)), (Projection("a", Dense(w(2, 6))),)),
    )
    return grid.snap(Network.of(populations, name="net", labels=("x", "y", "z"), max_input=3))


def test_a_graph_comes_back_with_the_same_spikes(tmp_path: Path) -> None:
    own = network()
    path = tmp_path / "net.nir"
    delrec_compile.export_nir(own, path)  # compares spikes and outputs
    nir.read(path)  # its own types fit
    again = delrec_compile.import_model(path).network
    assert [p.name for p in again.populations] == ["b", "a", "c", "out", "aux"]
    assert [p.synapses.kind for p in again.populations[1].projections] == [
        "dense_delay",
        "synaptic_delay",
    ]
    assert (again.name, again.labels, again.max_input) == (own.name, own.labels, own.max_input)
    twice = delrec_compile.from_nir(delrec_compile.to_nir(again)).network
    assert checkpoint.digest(twice) == checkpoint.digest(again)


def of_maps() -> Network:
    """Convolutions of every kind that NIR's types know, or can be written in their terms."""
    same = Maps(4, 4, 4, (4, 2, 2, 2), pad=(0, 0), end=(1, 1), groups=2)
    wide = Maps(2, 8, 8, (4, 2, 3, 1), pad=(2, 0), dilation=(2, 1))
    populations = (
        Population("a", Lif(0.7), (Projection("x", Convolution(w(4, 2, 3, 1), wide)),), w(4)),
        max_pool("pooled", "a", (4, 8, 8), Window((2, 2), (2, 2))),
        Population(
            "b",
            CubaLif(0.5, 0.75, gain=0.5),
            (
                Projection("pooled", Convolution(w(4, 2, 2, 2), same)),
                Projection("b", Conv2dDelay(w(2, 4, 4, 3, 3), 4, 4)),
                Projection("pooled", ChannelConvDelay(w(4, 4, 3, 3), d(64), 4)),
            ),
        ),
        Population(
            "c", Lif(0.5, v_reset=-0.5), (Projection("b", Dense(w(6, 64))), Projection("a", mean()))
        ),
        Population("out", LinearReadout.in_graph(w(3)), (Projection("c", Dense(w(3, 6))),)),
    )
    return grid.snap(Network.of(populations, max_input=3))


def mean() -> Any:
    """A matrix that takes what maps send."""
    return Dense(w(6, 256) * 4)


def test_maps_come_back_with_the_same_spikes(tmp_path: Path) -> None:
    delrec_compile.export_nir(of_maps(), tmp_path / "net.nir")  # compares spikes and outputs
    graph = nir.read(tmp_path / "net.nir")  # its own types fit
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["pooled_0_weight0"] == "SumPool2d"
    assert graph.nodes["b_0_weight0"].padding in ("same", b"same")
    assert [kinds[f"b_1_{last}"] for last in ("weight0", "delay1", "weight1")] == [
        *("Conv2d", "Delay", "Conv2d")
    ]
    own = delrec_compile.from_nir(graph).network
    assert [p.name for p in own.populations] == ["a", "pooled", "b", "c", "out"]


def changed(network: Network, at: int, **fields: Any) -> Network:
    populations = list(network.populations)
    populations[at] = replace(populations[at], **fields)
    return Network.of(populations)


def maps() -> Projection:
    kernel = w(2, 2, 3)
    return Projection("b", ChannelConvDelay(kernel, d(8)))


UNWRITTEN = {
    "old": ({"at": 1, "neuron": CubaLif(0.5, 0.5, enters="old")}, "a: the old synaptic current"),
    "leak": ({"at": 1, "neuron": CubaLif(0.5, 1.0)}, "a: cuba_lif without a leak"),
    "alif": ({"at": 0, "neuron": Alif(0.5, 0.5, 0.1)}, "b: NIR has no neurons with alif"),
    "maps": (
        {"at": 2, "projections": (maps(),)},
        r"b: takes values of shape \[8\] from 'x', and sends maps of \[2, 4\]",
    ),
    "counts": ({"at": 4, "neuron": CountReadout.in_graph(w(2))}, "aux: counts with a bias"),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_what_nir_cannot_say(name: str, tmp_path: Path) -> None:
    fields, message = UNWRITTEN[name]
    with refusal(UnsupportedError, message, 4, tmp_path):
        delrec_compile.export_nir(changed(network(), **fields), tmp_path / "net.nir")


def test_circular_edges_are_refused(tmp_path: Path) -> None:
    own = of_maps()
    *others, last = own.populations[2].projections
    edge = replace(last, synapses=replace(last.synapses, edges="circular"))  # type: ignore[type-var]
    with refusal(UnsupportedError, "b_2: a convolution with circular edges; NIR's are zero", 4):
        delrec_compile.export_nir(
            changed(own, 2, projections=(*others, edge)), tmp_path / "net.nir"
        )
