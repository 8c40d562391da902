"""NIR graphs: read beside an independent integration of their equations, written and read again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

import delrec_compile
from benchmarks import drawn
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop.chain import Chain, Delays, Neurons
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Layer, Lif
from delrec_compile.runners.reference import ReferenceRunner

nir: Any = pytest.importorskip("nir")
DT = 1 / 2**10
STEPS = 200


def integrate(graph: Any, x: Any, dt: float) -> dict[str, Any]:
    """Values of all nodes over time, in float64; a cycle takes a step. x: (T, inputs)."""
    state: dict[str, Any] = {}
    past: dict[str, list[Any]] = {n: [] for n in graph.nodes}
    inner = {n: node for n, node in graph.nodes.items() if type(node).__name__ != "Input"}
    order = _order(graph)
    for t, row in enumerate(x):
        for name in order:
            node = graph.nodes[name]
            if name not in inner:
                past[name].append(row.reshape(node.output_type["output"]))
                continue
            total: Any = 0.0
            for a, b in graph.edges:
                if b == name:
                    late = order.index(a) >= order.index(name)
                    total = (
                        total + (past[a][-1] if not late or t else 0.0)
                        if late
                        else total + past[a][t]
                    )
            past[name].append(_value(node, name, total, state, past, dt, t))
    return {name: np.stack(values) for name, values in past.items()}


def _order(graph: Any) -> list[str]:
    """Main path first; a node of a loop after the neuron that feeds it."""
    order = [n for n in graph.nodes if type(graph.nodes[n]).__name__ == "Input"]
    while len(order) < len(graph.nodes):
        for a, b in graph.edges:
            if a in order and b not in order:
                order.append(b)
    return order


def _value(node: Any, name: str, total: Any, state: Any, past: Any, dt: float, t: int) -> Any:
    kind = type(node).__name__
    if kind in ("Output", "Identity"):
        return total
    if kind == "Flatten":
        return np.ravel(total)
    if kind in ("Affine", "Linear"):
        y = (
            np.squeeze(node.weight) @ np.ravel(total)
            if np.ndim(total)
            else np.zeros(node.weight.shape[-2])
        )
        return y + (np.ravel(node.bias) if kind == "Affine" else 0)
    if kind == "Delay":
        steps = np.rint(np.ravel(node.delay) / dt).astype(int)
        queue = state.setdefault(name, [])
        queue.append(np.ravel(total) if np.ndim(total) else np.zeros(len(steps)))
        return np.array([queue[t - d][j] if t >= d else 0.0 for j, d in enumerate(steps)])
    if kind == "Scale":
        return np.ravel(total) * np.ravel(node.scale)
    if kind == "Threshold":
        return (np.ravel(total) > np.ravel(node.threshold)).astype(float)
    tau = np.ravel(getattr(node, "tau", getattr(node, "tau_mem", np.inf)))
    gain = np.ravel(node.r) * (dt if kind in ("IF", "I") else dt / tau)
    gain = gain * np.ravel(getattr(node, "w_in", 1.0))
    rest = np.ravel(getattr(node, "v_leak", 0.0))
    v = state.get(name, rest)
    v = v + (0 if kind in ("IF", "I") else (rest - v) * dt / tau) + gain * np.ravel(total)
    if kind in ("LI", "I", "CubaLI"):
        state[name] = v
        return v
    fired = v > np.ravel(node.v_threshold)
    state[name] = np.where(fired, np.ravel(node.v_reset), v)
    return fired.astype(float)


def weights(*shape: int, scale: float = 1.0) -> Any:
    r = np.random.default_rng(shape)
    return np.round(r.normal(size=shape) * scale * 64 / np.sqrt(shape[-1])) / 64


def lif(n: int, **values: Any) -> Any:
    told = {"tau": 2 * DT, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | values
    return nir.LIF(**{k: np.full(n, v, np.float64) for k, v in told.items()})


def affine(out: int, inputs: int) -> Any:
    bias = np.round(np.random.default_rng(out).random(out) * 24) / 64
    return nir.Affine(weight=weights(out, inputs, scale=1.5), bias=bias)


def chain(*nodes: Any, loops: tuple[tuple[Any, ...], ...] = (), of: str = "lif") -> Any:
    graph = nir.NIRGraph.from_list(*nodes, type_check=False)
    for i, loop in enumerate(loops):
        names = [f"loop{i}_{k}" for k in range(len(loop))]
        graph.nodes |= dict(zip(names, loop, strict=True))
        path = [of, *names, of]
        graph.edges += [(path[k], path[k + 1]) for k in range(len(path) - 1)]
    return graph


def delay(*steps: int) -> Any:
    return nir.Delay(delay=np.array(steps) * DT)


N = 6
LATE = (0, 3, 1, 7, 2, 5)
GRAPHS = {
    "lif": lambda: chain(affine(8, 5), lif(8), affine(3, 8)),
    "constants": lambda: chain(
        affine(N, 5), lif(N, tau=4 * DT, r=4.0, v_leak=-0.25, v_reset=-0.5, v_threshold=0.75)
    ),
    "if": lambda: chain(
        affine(N, 5), nir.IF(r=np.full(N, 1 / DT), v_threshold=np.full(N, 2.0)), affine(3, N)
    ),
    "cuba": lambda: chain(
        affine(N, 5),
        nir.CubaLIF(
            tau_syn=np.full(N, DT),
            tau_mem=np.full(N, 2 * DT),
            r=np.full(N, 2.0),
            v_leak=np.zeros(N),
            v_threshold=np.ones(N),
            w_in=np.full(N, 0.5),
        ),
    ),
    "threshold": lambda: chain(affine(N, 5), nir.Threshold(np.full(N, 0.5)), affine(3, N)),
    "readout": lambda: chain(
        affine(8, 5),
        lif(8),
        nir.Linear(weight=weights(3, 8)),
        nir.LI(tau=np.full(3, 4 * DT), r=np.full(3, 4.0), v_leak=np.zeros(3)),
    ),
    "scale": lambda: chain(affine(N, 5), nir.Scale(np.full(N, 0.5)), lif(N)),
    "loop": lambda: chain(affine(N, 5), lif(N), affine(3, N), loops=((affine(N, N),),)),
    "delays": lambda: chain(
        affine(N, 5), lif(N), affine(3, N), loops=((delay(*LATE), nir.Linear(weights(N, N))),)
    ),
    "two_loops": lambda: chain(
        affine(N, 5),
        lif(N),
        loops=(
            (delay(*[2] * N), nir.Linear(np.triu(weights(N, N)))),
            (delay(*[4] * N), nir.Linear(np.tril(weights(N, N), -1))),
        ),
    ),
    "one_to_one": lambda: chain(affine(N, 5), lif(N), loops=((nir.Scale(np.linspace(-1, 1, N)),),)),
    "forward_delay": lambda: chain(
        affine(N, 5), lif(N), delay(*LATE), affine(4, N), lif(4, v_threshold=0.5)
    ),
}
KINDS = {"loop": "dense", "delays": "dense_delay", "two_loops": "synaptic_delay"}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_beside_their_equations(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    path = tmp_path / "a.nir"
    nir.write(path, graph)
    made = delrec_compile.import_model(path, dt_ms=DT * 1e3, max_input=3)
    for a, b in zip(made.network.layers, made.unfrozen.layers, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
    x = np.random.default_rng(0).integers(0, 3, (STEPS, 5)).astype(np.float32)
    theirs = integrate(graph, x.astype(np.float64), DT)
    ours = ReferenceRunner(made.network).trace(x[:, None])
    neurons = [n for n, node in graph.nodes.items() if hasattr(node, "v_threshold")]
    neurons = neurons or ["threshold"]
    spiking = [ours.spikes[0], ours.spikes[-1]][: len(neurons)]
    for node, spikes in zip(neurons, spiking, strict=True):
        assert STEPS / 4 < theirs[node].sum() < theirs[node].size - STEPS / 4
        np.testing.assert_array_equal(spikes[:, 0], theirs[node])
    np.testing.assert_allclose(ours.y[:, 0], theirs["output"], atol=1e-5)
    if name in KINDS:
        recurrence = made.network.layers[0].recurrence
        assert recurrence is not None
        assert recurrence.name == KINDS[name]


def test_a_loop_without_a_step_of_its_own() -> None:
    parts = affine(N, 5), lif(N)
    weight = nir.Linear(weights(N, N))
    late = chain(*parts, loops=((delay(*[3] * N), weight),))
    made = delrec_compile.from_nir(late, dt_ms=DT * 1e3, loop_step=False)
    same = chain(*parts, loops=((delay(*[2] * N), weight),))
    other = delrec_compile.from_nir(same, dt_ms=DT * 1e3)
    assert checkpoint.digest(made.network) == checkpoint.digest(other.network)
    with refusal(UnsupportedError, "less than a step", 4):
        delrec_compile.from_nir(chain(*parts, loops=((weight,),)), dt_ms=1.0, loop_step=False)


def test_the_exact_method() -> None:
    graph = chain(affine(N, 5), lif(N))
    got = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, method="exact").network.layers[0].lif
    assert got.beta == np.float32(np.exp(-0.5))
    assert got.gain == np.float32(2 * (1 - np.exp(-0.5)))


def test_subgraphs_are_taken_apart() -> None:
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([N])),
            "lif": lif(N),
            "w": nir.Linear(weights(N, N)),
            "output": nir.Output(np.array([N])),
        },
        edges=[("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")],
    )
    nodes = {"input": nir.Input(np.array([5])), "a": affine(N, 5), "r": inner}
    nodes |= {"b": affine(3, N), "output": nir.Output(np.array([3]))}
    edges = [("input", "a"), ("a", "r"), ("r", "b"), ("b", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    network = delrec_compile.from_nir(graph, dt_ms=DT * 1e3).network
    assert network.layers[0].recurrence is not None
    assert network.outputs == 3


def test_convolutions_and_pools() -> None:
    nodes = (
        nir.Input(np.array([2, 8, 8])),
        nir.Conv2d((8, 8), weights(3, 2, 3, 3), 1, 1, 1, 1, np.zeros(3)),
        nir.LIF(*(np.full((3, 8, 8), v) for v in (2 * DT, 2.0, 0.0, 1.0, 0.0))),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten({"input": np.array([3, 4, 4])}, 0, -1),
        affine(4, 48),
        lif(4),
    )
    made = delrec_compile.from_nir(chain(*nodes), dt_ms=DT * 1e3, max_input=3)
    import torch

    conv = torch.nn.functional.conv2d
    x = np.random.default_rng(0).integers(0, 3, (40, 1, 128)).astype(np.float32)
    first = ReferenceRunner(made.network).trace(x).spikes[0]
    rows = torch.from_numpy(x.reshape(40, 2, 8, 8)).double()
    current = conv(rows, torch.from_numpy(nodes[1].weight), padding=1).flatten(1).numpy()
    v = np.zeros(192)
    for t in range(40):
        v = v / 2 + current[t]
        np.testing.assert_array_equal(first[t, 0], v > 1)
        v = np.where(v > 1, 0, v)
    assert made.network.layers[1].inputs == 192


def two(**of_lif: Any) -> Any:
    return chain(affine(N, 5), lif(N, **of_lif))


def li(n: int) -> Any:
    return nir.LI(tau=np.full(n, 4 * DT), r=np.full(n, 4.0), v_leak=np.zeros(n))


def lif_of(shape: tuple[int, ...]) -> dict[str, Any]:
    """Constants of a LIF; each neuron has a threshold of its own."""
    own = {"tau": 2 * DT, "r": 2.0, "v_leak": 0.0, "v_reset": 0.0}
    level = np.arange(1.0, 1 + np.prod(shape)).reshape(shape) / 4
    return {k: np.full(shape, v) for k, v in own.items()} | {"v_threshold": level}


def maps(node: Any) -> Any:
    """Neurons over maps of (4, 2, 3)."""
    feed = nir.Conv2d((2, 3), weights(4, 2, 1, 1), 1, 0, 1, 1, np.zeros(4))
    return chain(nir.Input(np.array([2, 2, 3])), feed, node)


def edge(graph: Any, *edges: tuple[str, str]) -> Any:
    graph.edges += edges
    return graph


REFUSED = {
    "node": (
        lambda: chain(affine(N, 5), lif(N), nir.I(r=np.full(N, 1 / DT)), affine(3, N)),
        "affine_1: comes after neurons that never fire",
    ),
    "synapse": (
        lambda: chain(
            affine(N, 5), nir.CubaLIF(*(np.full(N, v) for v in (2 * DT, 2 * DT, 1.0, 0.0, 1.0)))
        ),
        "cubalif: its synaptic current has a memory",
    ),
    "fast": (lambda: two(tau=DT / 2), "lif: lif: beta is -1"),
    "feedback": (
        lambda: edge(chain(affine(N, 5), lif(N), affine(N, N), lif(N)), ("lif_1", "affine_1")),
        "affine_1: takes the sum of lif, lif_1",
    ),
    "skip": (
        lambda: edge(chain(affine(N, 5), lif(N), affine(N, N), lif(N)), ("lif", "lif_1")),
        "lif: sends its spikes on to 2 others",
    ),
    "half": (lambda: chain(affine(N, 5), lif(N), delay(1), affine(2, N)), None),
    "fraction": (
        lambda: chain(affine(N, 5), lif(N), nir.Delay(np.full(N, 2.5 * DT)), affine(2, N)),
        "delay: a delay of .* s is 2.5 steps .* --round-delays",
    ),
    "late_input": (
        lambda: chain(delay(*[2] * 5), affine(N, 5), lif(N)),
        "delay: delays what is no",
    ),
    "dilation": (
        lambda: chain(
            nir.Input(np.array([1, 9])),
            nir.Conv1d(9, weights(2, 1, 3), 1, 2, 2, 1, np.zeros(2)),
            nir.LIF(*(np.full((2, 9), v) for v in (2 * DT, 2.0, 0.0, 1.0, 0.0))),
        ),
        "conv1d: a convolution with dilation",
    ),
    "wrapped": (
        lambda: chain(affine(N, 5), lif(N), loops=((delay(*[2**32 + 3] * N),),)),
        r"loop0_0: a delay of 4.29497e\+09 steps; the longest allowed is 4094",
    ),
    "long": (
        lambda: chain(affine(N, 5), lif(N), delay(*[4096] * N), affine(2, N)),
        "delay: a delay of 4096 steps; the longest allowed is 4095",
    ),
    "endless": (
        lambda: chain(affine(N, 5), lif(N), nir.Delay(np.full(N, 1e300)), affine(2, N)),
        r"delay: a delay of 1.024e\+303 steps",
    ),
    "transposed": (
        lambda: maps(nir.LIF(**lif_of((2, 3, 4)))),
        r"lif: v_threshold of shape \[2, 3, 4\] for values of shape \[4, 2, 3\]; one number",
    ),
    "transposed integrator": (
        lambda: chain(
            affine(N, 5), lif(N), nir.LI(np.full((2, 3), DT), np.ones((2, 3)), np.zeros((2, 3)))
        ),
        r"li: tau of shape \[2, 3\] for values of shape \[6\]",
    ),
    "transposed delays": (
        lambda: chain(affine(N, 5), lif(N), nir.Delay(np.ones((2, 3)) * DT), affine(2, N)),
        r"delay: delay of shape \[2, 3\] for values of shape \[6\]",
    ),
    "nan": (
        lambda: chain(affine(N, 5), lif(N), nir.Linear(np.full((3, N), np.nan))),
        r"linear: readout weight\[0, 0\] is nan",
    ),
    "nan before an integrator": (
        lambda: chain(
            affine(N, 5), nir.Threshold(np.ones(N)), nir.Linear(np.full((3, N), np.nan)), li(3)
        ),
        r"li: readout weight\[0, 0\] is nan",
    ),
    "several": (
        lambda: chain(
            affine(N, 5),
            lif(N),
            loops=tuple((delay(*[d] * N), nir.Linear(weights(N, N))) for d in (1, 4)),
        ),
        "lif: neuron . reaches neuron . after 1 and after 4 steps",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    make, message = REFUSED[what]
    if message is None:
        assert len(delrec_compile.from_nir(make(), dt_ms=DT * 1e3).network.layers) == 2
        return
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_nir(make(), dt_ms=DT * 1e3)


@pytest.mark.parametrize("shape", [(4, 2, 3), (1, 4, 2, 3), (24,)])
def test_constants_of_each_neuron(shape: tuple[int, ...]) -> None:
    graph = maps(nir.LIF(**lif_of(shape)))
    got = delrec_compile.from_nir(graph, dt_ms=DT * 1e3).network.layers[0].lif.threshold
    np.testing.assert_array_equal(got, np.arange(1, 25) / 4)


def test_the_longest_delays() -> None:
    parts, weight = (affine(N, 5), lif(N)), nir.Linear(weights(N, N))
    for loop_step, most in ((True, 4094), (False, 4095)):
        graph = chain(*parts, loops=((delay(*[most] * N), weight),))
        made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, loop_step=loop_step).network
        assert made.max_delay == 4094
    late = chain(*parts, delay(*[4095] * N), affine(2, N))
    assert delrec_compile.from_nir(late, dt_ms=DT * 1e3).network.max_delay == 4094


def test_a_chain_names_a_delay_that_is_too_long() -> None:
    chain_of = Chain(2)
    chain_of.add("first", Neurons(Lif(0.5)))
    chain_of.add("wait", Delays(np.full(2, 2**32 + 3)))
    with refusal(UnsupportedError, "wait: a delay of 4294967299 steps; the longest", 4):
        chain_of.network()


@pytest.mark.parametrize("shape", [np.nan, "five", None, 5.5, 0, -5, [5, np.inf]])
def test_an_input_of_no_shape(shape: Any) -> None:
    graph = two()
    graph.nodes["input"].output_type["output"] = shape if shape is None else np.array(shape)
    with refusal(CheckpointError, "input: its shape is .*; whole numbers from 1 are needed", 3):
        delrec_compile.from_nir(graph, dt_ms=1.0)


TOLD = {
    "max_input": ("abc", None, True, 3.5),
    "labels": (3, [[1], [2]]),
    "notes": (3, []),
    "dt_ms": ("q", None, 10**400),
    "name": (5,),
    "loop_step": (1,),
    "layers": (3, [3]),
    "decision": (1,),
    "readout": ([],),
}


@pytest.mark.parametrize("key", TOLD)
def test_damaged_metadata(key: str) -> None:
    for value in TOLD[key]:
        graph = two()
        told = json.dumps({"format": "delrec.nir/1", key: value})
        graph.metadata = {"dt": DT, "delrec": told}
        with refusal(CheckpointError, f"metadata 'delrec': {key} is .* is needed", 3):
            delrec_compile.from_nir(graph)


def test_a_graph_that_does_not_tell_its_step() -> None:
    graph = two()
    with refusal(UsageError, "--dt-ms", 2):
        delrec_compile.from_nir(graph)
    graph.metadata = {"dt": []}
    with refusal(UsageError, "--dt-ms", 2):
        delrec_compile.from_nir(graph)
    graph.metadata = {"dt": DT}
    assert delrec_compile.from_nir(graph).network.dt_ms == pytest.approx(DT * 1e3)
    with refusal(UsageError, "allowed: euler, exact", 2):
        delrec_compile.from_nir(graph, method="runge")


def test_delays_can_be_rounded() -> None:
    graph = chain(affine(N, 5), lif(N), nir.Delay(np.full(N, 2.5 * DT)), affine(2, N))
    made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, round_delays=True)
    assert "rounded to whole steps, by up to 0.50" in made.remarks[0]


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    path.write_bytes(b"\x89HDF but not really")
    with refusal(CheckpointError, "no NIR graph that can be read", 3, tmp_path):
        delrec_compile.import_model(path)
    with refusal(CheckpointError, "no such file", 3, tmp_path):
        delrec_compile.import_model(tmp_path / "b.nir")


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


def test_constants_of_each_neuron_come_back_the_same() -> None:
    """Those that all neurons share come back as one number."""
    network = cases.network("dense")
    r = np.random.default_rng(0)
    layers = tuple(replace(y, neuron=Lif(r.random(y.size, np.float32))) for y in network.layers)
    own = replace(network, layers=layers)
    again = delrec_compile.from_nir(delrec_compile.to_nir(own)).network
    assert checkpoint.digest(again) == checkpoint.digest(own)


def later(layer: Layer) -> Layer:
    """Its recurrence takes a step more."""
    own: Any = layer.recurrence
    return replace(layer, recurrence=own and replace(own, delay=own.delay + 1))


def test_what_is_given_goes_before_the_metadata() -> None:
    network = cases.network("dense")
    late = replace(network, layers=tuple(later(y) for y in network.layers), name="written")
    graph = delrec_compile.to_nir(late)
    usual = delrec_compile.from_nir(graph).network
    assert (usual.name, usual.max_delay) == ("written", late.max_delay)
    made = delrec_compile.from_nir(graph, name="mine", max_input=2, loop_step=False).network
    assert (made.name, made.max_input, made.max_delay) == ("mine", 2, network.max_delay)
    assert delrec_compile.from_nir(two(), dt_ms=1.0, name="mine").network.name == "mine"
    assert delrec_compile.from_nir(two(), dt_ms=1.0).network.name == "network"


def test_notes_of_numpy() -> None:
    notes = {"accuracy": np.float32(0.5), "seeds": np.arange(3), "file": Path("a")}
    graph = delrec_compile.to_nir(replace(cases.network("dense"), notes=notes))
    again = delrec_compile.from_nir(graph).network
    assert again.notes == {"accuracy": 0.5, "seeds": [0, 1, 2], "file": "a"}


UNWRITTEN = {
    "soft": "l0: resets 'soft'",
    "tap_conv": "l0: a tap_conv_delay recurrence",
    "conv2d": "l0: a conv2d_delay recurrence",
    "frontend_2d": "l0: NIR's types know no convolution in groups",
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
    with refusal(CheckpointError, "--force", 3, tmp_path):
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
