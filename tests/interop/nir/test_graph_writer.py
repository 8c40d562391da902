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
    ConvDelay,
    CountReadout,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    LinearReadout,
    Network,
    Population,
    Projection,
    SynapticDelay,
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
    "maps": ({"at": 2, "projections": (maps(),)}, "c: a channel_conv_delay projection from 'b'"),
    "counts": ({"at": 4, "neuron": CountReadout.in_graph(w(2))}, "aux: counts with a bias"),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_what_nir_cannot_say(name: str, tmp_path: Path) -> None:
    fields, message = UNWRITTEN[name]
    with refusal(UnsupportedError, message, 4, tmp_path):
        delrec_compile.export_nir(changed(network(), **fields), tmp_path / "net.nir")
