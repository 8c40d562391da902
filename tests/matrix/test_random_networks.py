"""Random networks of the whole family: the same spikes in every engine of this machine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import runs

from benchmarks import drawn, drawn_graphs, random_networks
from delrec_compile.network import checkpoint
from delrec_compile.ops.feed import FEEDS
from delrec_compile.ops.registry import NEURONS, READOUTS, SYNAPSES

# each kind of part is in one of them or more; `make long` runs hundreds
CHAINS = [0, 1, 2, 3, 4, 6, 7, 8, 17, 20]
GRAPHS = [0, 1, 3, 8, 9, 10, 13, 15, 26, 94]


@pytest.fixture(scope="module", autouse=True)
def _here() -> None:
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")


@pytest.mark.parametrize("seed", CHAINS)
def test_no_spike_differs(seed: int) -> None:
    found = random_networks.compare(seed, steps=60, numeric="int8")
    assert set(found["differing"]) >= {"reference", "onnxruntime", "x86_64"}
    assert not any(found["differing"].values()), found["differing"]


@pytest.mark.parametrize("seed", GRAPHS)
def test_no_spike_of_a_graph_differs(seed: int) -> None:
    numeric = "int8" if seed % 3 == 0 else None  # a third of them: it takes half of the time
    found = random_networks.compare(seed, steps=60, numeric=numeric, graphs=True)
    assert set(found["differing"]) >= {"reference", "onnxruntime", "x86_64"}
    assert not any(found["differing"].values()), found["differing"]


def test_inputs_below_0_arrive_late() -> None:
    """Their rows are added in interleaved blocks, where the machine has them."""
    found = random_networks.compare(1022, steps=40, graphs=True)
    assert drawn_graphs.graph(1022).input_bits is not None
    assert not any(found["differing"].values()), found["differing"]


def test_differences_below_0_of_one_neuron() -> None:
    """LLVM took wrapping sums for such as do not wrap."""
    found = random_networks.compare(2017, steps=40, numeric="int8", graphs=True)
    assert not any(found["differing"].values()), found["differing"]


def test_the_graphs_reach_the_whole_family() -> None:
    graphs = [drawn_graphs.draw(seed)[0] for seed in GRAPHS]
    edges = [(g, target, edge) for g in graphs for target, edge in g.projections()]
    along = {e.synapses.kind for g, target, e in edges if not g.closes_cycle(target, e)}
    assert along == {*SYNAPSES, *FEEDS}
    assert {e.synapses.kind for g, target, e in edges if g.closes_cycle(target, e)} == {*SYNAPSES}
    assert {e.synapses.kind for _, _, e in edges if e.source == "x"} >= {*SYNAPSES} - {"conv_delay"}
    assert {p.neuron.kind for g in graphs for p in g.spiking} == {*NEURONS}
    assert {p.neuron.kind for g in graphs for p in g.readouts} == {*READOUTS}
    assert any(len(g.readouts) > 1 for g in graphs)
    maps = [[e.synapses for h, _, e in edges if h is g] for g in graphs]
    assert any(len({id(s) for s in own}) < len(own) for own in maps)


def test_the_draws_reach_the_whole_family() -> None:
    layers = [layer for seed in CHAINS for layer in drawn.draw(seed)[0].layers]
    kinds = {layer.recurrence.kind for layer in layers if layer.recurrence}
    assert kinds == {*SYNAPSES}
    assert {(layer.lif.fires, layer.lif.reset) for layer in layers} == {
        (fires, reset) for fires in ("at", "above") for reset in ("hard", "soft", "soft_later")
    }
    assert {drawn.draw(seed)[0].readout.kind for seed in CHAINS} == set(drawn.KINDS)
    assert any(layer.maps is not None and layer.maps.stride != (1, 1) for layer in layers)
    assert any(layer.maps is not None and layer.recurrence is not None for layer in layers)


def test_a_seed_is_one_network_that_spikes() -> None:
    assert checkpoint.digest(drawn.network(3)) == checkpoint.digest(drawn.network(3))
    rates = []
    for seed in range(5):
        network = drawn.network(seed)
        x = drawn.counts(network, 60, 1, seed)
        rates.append(
            np.mean([s.mean() for s in random_networks.TorchRunner(network).trace(x).spikes])
        )
    assert all(0.01 < rate < 0.6 for rate in rates)


def test_the_command_tells_what_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_networks.main(["--count", "2", "--first", "7", "--steps", "40"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["schema"] == "delrec.random_networks/1"
    assert (summary["networks"], summary["failed"]) == (2, [])
    assert summary["spikes_compared"] > 0


def test_workers_share_the_networks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(random_networks, "CHUNK", 1)
    line = ["--count", "2", "--first", "7", "--steps", "40", "--workers", "2"]
    assert random_networks.main(line) == 0
    out, said = capsys.readouterr()
    assert json.loads(out)["networks"] == 2
    assert said == "1 of 2 networks\n2 of 2 networks\n"
    assert random_networks.main(["--workers", "0"]) == 2
    assert "workers is 0; at least 1 is required" in capsys.readouterr().err


def test_a_difference_is_told_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"seed": 7, "spikes": 10, "fired": 2, "differing": {"reference": 0, "x86_64": 1}}
    monkeypatch.setattr(random_networks.child, "call", lambda *_, **__: [row])
    assert random_networks.main(["--count", "1", "--first", "7", "--graphs"]) == 6
    assert "random_networks --graphs --first 7 --count 1" in capsys.readouterr().out
