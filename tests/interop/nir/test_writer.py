"""Networks written as NIR graphs and read again."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.nir_graphs import STEPS, integrate, nir
from helpers import refusal

import delrec_compile
from benchmarks import drawn
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Lif
from delrec_compile.runners.reference import ReferenceRunner

WRITTEN = (
    "conv5",
    "heads",
    "dense",
    "mixed",
    "three_layers",
    "synaptic",
    "frontend",
    "odd_lif",
    "above",
    "gain",
    "beta_1",
    "linear_readout",
    "delay_300",
)


@pytest.mark.parametrize("name", WRITTEN)
def test_networks_come_back_the_same(name: str, tmp_path: Path) -> None:
    network = cases.network(name)
    path = tmp_path / "net.nir"
    delrec_compile.export_nir(network, path)
    nir.read(path)  # its own types fit
    again = delrec_compile.import_model(path).network
    assert checkpoint.digest(again) == checkpoint.digest(network)


def test_groups_come_back_as_one_group(tmp_path: Path) -> None:
    delrec_compile.export_nir(cases.network("frontend_2d"), tmp_path / "net.nir")  # same spikes
    graph = nir.read(tmp_path / "net.nir")
    assert all(node.groups == 1 for node in graph.nodes.values() if hasattr(node, "groups"))


def test_constants_of_each_neuron_come_back_the_same() -> None:
    """Those that all neurons share come back as one number."""
    network = cases.network("dense")
    r = np.random.default_rng(0)
    layers = tuple(replace(y, neuron=Lif(r.random(y.size, np.float32))) for y in network.layers)
    own = replace(network, layers=layers)
    again = delrec_compile.from_nir(delrec_compile.to_nir(own)).network
    assert checkpoint.digest(again) == checkpoint.digest(own)


def test_notes_of_numpy() -> None:
    notes = {"accuracy": np.float32(0.5), "seeds": np.arange(3), "file": Path("a")}
    graph = delrec_compile.to_nir(replace(cases.network("dense"), notes=notes))
    again = delrec_compile.from_nir(graph).network
    assert again.notes == {"accuracy": 0.5, "seeds": [0, 1, 2], "file": "a"}


UNWRITTEN = {
    "soft": "l0: resets 'soft'",
    "tap_conv": "l0: a tap_conv_delay recurrence",
    "conv2d": "l0: a conv2d_delay recurrence",
    "count_readout": "counts with a bias",
    "own_lif": "some neurons leak and some do not",
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_what_nir_cannot_say(name: str, tmp_path: Path) -> None:
    with refusal(UnsupportedError, UNWRITTEN[name], 4, tmp_path):
        delrec_compile.export_nir(cases.network(name), tmp_path / "net.nir")


def test_a_written_graph_follows_its_equations() -> None:
    """Read without this project's metadata, by the integration above."""
    network = cases.network("dense")
    graph = delrec_compile.to_nir(network)
    graph.metadata = {}
    x = cases.counts(cases.CASES["dense"], steps=STEPS)
    theirs = integrate(graph, x[:, 0].astype(np.float64), network.dt_ms / 1e3)
    ours = ReferenceRunner(network).trace(x)
    for i, spikes in enumerate(ours.spikes):
        np.testing.assert_array_equal(spikes[:, 0], theirs[f"l{i}"])
    assert sum(int(s.sum()) for s in ours.spikes) > STEPS
    plain = delrec_compile.from_nir(graph, dt_ms=network.dt_ms, max_input=network.max_input)
    assert plain.network.layers[0].lif.fires == "above"
    again = ReferenceRunner(plain.network).trace(x)
    for a, b in zip(again.spikes, ours.spikes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    path.write_text("mine")
    with refusal(CheckpointError, "force=True", 3, tmp_path):
        delrec_compile.export_nir(cases.network("dense"), path)


def test_a_leak_that_is_hard_to_write() -> None:
    network = cases.network("dense")
    layers = tuple(replace(y, neuron=Lif(1 - 2**-20, gain=3e-5)) for y in network.layers)
    odd = replace(network, layers=layers)
    again = delrec_compile.from_nir(delrec_compile.to_nir(odd)).network
    assert again.layers[0].lif.attributes() == odd.layers[0].lif.attributes()


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_are_written_or_refused(seed: int) -> None:
    """Writing proves that the graph, read back, gives the same spikes."""
    network = drawn.network(seed)
    layers = tuple(replace(y, neuron=replace(y.lif, reset="hard")) for y in network.layers)
    network = replace(network, layers=layers)
    try:
        graph, refused = delrec_compile.to_nir(network), ""
    except UnsupportedError as error:
        graph, refused = None, str(error)
    if graph is None:
        assert re.match(r"l\d: |the readout: ", refused), refused
    else:
        assert delrec_compile.from_nir(graph).network.inputs == network.inputs
