"""NIR graphs: read beside an independent integration of their equations, written and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.nir_graphs import (
    DT,
    LATE,
    STEPS,
    N,
    affine,
    branch,
    chain,
    cuba,
    delay,
    edge,
    integrate,
    li,
    lif,
    lif_of,
    maps,
    nir,
    two,
    weights,
)
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Layer
from delrec_compile.runners.reference import ReferenceRunner

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
    "one_to_one": lambda: chain(affine(N, 5), lif(N), loops=((nir.Scale(np.arange(-3, 3) / 4),),)),
    "forward_delay": lambda: chain(
        affine(N, 5), lif(N), delay(*LATE), affine(4, N), lif(4, v_threshold=0.5)
    ),
    "delayed_inputs": lambda: chain(delay(0, 3, 1, 7, 2), affine(N, 5), lif(N)),
    "delayed_currents": lambda: chain(
        affine(N, 5), lif(N), nir.Linear(weights(N, N)), delay(*LATE), lif(N, v_threshold=0.5)
    ),
    "delays_on_both_sides": lambda: chain(
        affine(N, 5),
        lif(N),
        delay(*LATE),
        nir.Linear(weights(N, N)),
        delay(*LATE[::-1]),
        lif(N, v_threshold=0.5),
    ),
    "delayed_outputs": lambda: chain(affine(N, 5), lif(N), delay(*LATE)),
    "receivers": lambda: chain(
        affine(N, 5), lif(N), loops=((nir.Linear(weights(N, N)), delay(*LATE)),)
    ),
    "several_delays": lambda: chain(
        affine(N, 5),
        lif(N),
        loops=tuple((delay(*[d] * N), nir.Linear(weights(N, N) / (1 + d))) for d in (1, 3)),
    ),
    "synapse": lambda: chain(affine(N, 5), cuba(N, 2 * DT), affine(3, N)),
    "synapse_loop": lambda: chain(
        affine(N, 5), cuba(N, 4 * DT), loops=((nir.Linear(weights(N, N)),),), of="cubalif"
    ),
    "integrator": lambda: chain(affine(N, 5), li(N), lif(N), affine(3, N)),
    "integrator_before_weights": lambda: chain(
        li(5), delay(0, 3, 1, 7, 2), nir.Linear(weights(N, 5) * 2), lif(N, v_threshold=0.5)
    ),
    "integrator_in_a_loop": lambda: chain(
        affine(N, 5), li(N), lif(N), affine(3, N), loops=((nir.Linear(weights(N, N)), li(N)),)
    ),
    "no_reset": lambda: chain(
        affine(N, 5),
        nir.LI(*(np.linspace(2, k, N) * DT for k in (4, 9)), np.zeros(N)),
        nir.Threshold(np.full(N, 0.005)),
        affine(3, N),
    ),
    "integrators": lambda: chain(affine(N, 5), lif(N), nir.Linear(weights(3, N)), li(3), li(3)),
    "synapse_of_outputs": lambda: chain(
        affine(N, 5),
        lif(N),
        nir.CubaLI(*(np.full(N, v * DT) for v in (2, 4)), np.ones(N), np.zeros(N), np.full(N, 2.0)),
    ),
    "outputs": lambda: chain(
        affine(N, 5),
        lif(N),
        nir.LI(np.exp2([1, 2, 3, 2, 1, 3]) * DT, np.exp2([2, 2, 1, 3, 1, 2]), np.zeros(N)),
    ),
    "cuba_leak": lambda: chain(affine(N, 5), cuba(N, 2 * DT, v_leak=0.25), affine(3, N)),
    "feedback": lambda: edge(
        chain(affine(N, 5), lif(N), affine(N, N), lif(N)), ("lif_1", "affine_1")
    ),
    "skip": lambda: edge(chain(affine(N, 5), lif(N), affine(N, N), lif(N)), ("lif", "lif_1")),
    "late_skip": lambda: branch(
        chain(affine(N, 5), lif(N), affine(N, N), lif(N)), "lif", "lif_1", delay(*LATE)
    ),
    "skip_of_inputs": lambda: branch(
        chain(affine(N, 5), lif(N), affine(N, N), lif(N)), "input", "lif_1", affine(N, 5)
    ),
    "feedback_of_a_later_one": lambda: branch(
        chain(affine(N, 5), lif(N), affine(4, N), lif(4)),
        *("lif_1", "lif", nir.Linear(weights(N, 4)), delay(*LATE)),
    ),
    "two_outputs": lambda: branch(
        chain(affine(N, 5), lif(N), affine(3, N)),
        *("lif", "output_2", nir.Linear(weights(2, N)), li(2)),
    ),
}
KINDS = {
    "loop": ["dense", "dense", "dense"],
    "delays": ["dense", "dense", "dense_delay"],
    "two_loops": ["dense", "dense", "synaptic_delay"],
    "forward_delay": ["dense", "dense", "dense_delay"],
    "delayed_inputs": ["dense", "dense_delay"],
    "delayed_currents": ["dense", "dense", "synaptic_delay"],
    "several_delays": ["dense", "dense", "dense_delay"],
    "skip": ["dense", "dense", "dense"],
    "late_skip": ["dense", "dense", "dense", "dense_delay"],
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_beside_their_equations(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    path = tmp_path / "a.nir"
    nir.write(path, graph)
    made = delrec_compile.import_model(path, dt_ms=DT * 1e3, max_input=3)
    for a, b in zip(made.network.populations, made.unfrozen.populations, strict=True):
        for w, v in zip(a.weights(), b.weights(), strict=True):
            np.testing.assert_array_equal(w, v)
    x = np.random.default_rng(0).integers(0, 3, (STEPS, 5)).astype(np.float32)
    theirs = integrate(graph, x.astype(np.float64), DT)
    ours = ReferenceRunner(made.network).trace(x[:, None])
    for node, spikes in zip(made.names, ours.spikes, strict=True):
        assert STEPS / 4 < theirs[node].sum() < theirs[node].size - STEPS / 4
        np.testing.assert_array_equal(spikes[:, 0], theirs[node])
    outputs = [n for n, node in graph.nodes.items() if isinstance(node, nir.Output)]
    wanted = np.concatenate([theirs[n] for n in outputs], axis=1)
    np.testing.assert_allclose(ours.y[:, 0], wanted, atol=1e-5)
    if name in KINDS:
        assert sorted(p.synapses.name for _, p in made.network.projections()) == KINDS[name]


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


def conv2d(*shape: int, **options: Any) -> Any:
    """A Conv2d with weights of this shape."""
    own = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    return nir.Conv2d(input_shape=None, weight=weights(*shape), bias=weights(shape[0]), **own)


def conv1d(*shape: int, **options: Any) -> Any:
    own = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    return nir.Conv1d(input_shape=None, weight=weights(*shape), bias=weights(shape[0]), **own)


def pooled(kind: Any) -> Any:
    return kind(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


MAPPED: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "dilated": ((2, 9, 8), [conv2d(4, 2, 3, 2, dilation=(2, 3), padding=(2, 1), stride=(2, 1))]),
    "in groups": ((4, 6, 6), [conv2d(4, 2, 3, 3, groups=2, padding=1)]),
    "of each channel": ((4, 6, 6), [conv2d(8, 1, 3, 3, groups=4, padding=(0, 1))]),
    "same": ((2, 6, 7), [conv2d(4, 2, 4, 3, padding="same", dilation=(1, 2))]),
    "valid": ((2, 6, 7), [conv2d(4, 2, 4, 3, padding="valid")]),
    "over one axis": ((2, 12), [conv1d(3, 2, 4, padding="same", dilation=2)]),
    "over one axis in groups": ((4, 12), [conv1d(4, 2, 3, padding=1, stride=2, groups=2)]),
    "sum, then kernels": ((2, 12, 12), [pooled(nir.SumPool2d), conv2d(4, 2, 3, 3, padding=1)]),
    "mean, then kernels": ((2, 12, 12), [pooled(nir.AvgPool2d), conv2d(4, 2, 3, 3, padding=1)]),
    "kernels, then sum": ((2, 8, 8), [conv2d(4, 2, 3, 3, padding=1), pooled(nir.SumPool2d)]),
    "odd": ((2, 9, 9), [pooled(nir.AvgPool2d), conv2d(4, 2, 3, 3)]),
}


def by_torch(node: Any, x: Any) -> Any:
    """A node with weights on maps (T, C, ..), in float64."""
    import torch

    own = torch.nn.functional
    if "Pool" in type(node).__name__:
        return own.avg_pool2d(x, 2) * (4 if type(node).__name__ == "SumPool2d" else 1)
    weight, bias = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    conv = own.conv1d if weight.ndim == 3 else own.conv2d
    return conv(x, weight, bias, node.stride, node.padding, node.dilation, node.groups)


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("name", MAPPED)
def test_maps_beside_torch(name: str) -> None:
    import torch

    shape, nodes = MAPPED[name]
    x = np.random.default_rng(0).integers(0, 3, (40, 1, int(np.prod(shape)))).astype(np.float32)
    value = torch.from_numpy(x.reshape(40, *shape)).double()
    for node in nodes:
        value = by_torch(node, value)
    fire = nir.LIF(*(np.full(value.shape[1:], v) for v in (2 * DT, 2.0, 0.0, 1.0, 0.0)))
    graph = chain(nir.Input(np.array(shape)), *nodes, fire)
    made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, max_input=3)
    ours = ReferenceRunner(made.network).trace(x).spikes[0][:, 0]
    v = np.zeros(ours.shape[1])
    for t, current in enumerate(value.flatten(1).numpy()):
        v = v / 2 + current
        np.testing.assert_array_equal(ours[t], v > 1)
        v = np.where(v > 1, 0, v)
    assert 0.02 < ours.mean() < 0.98
    assert made.network.layers[0].maps is not None  # a convolution, no matrix


@pytest.mark.parametrize("dt_ms", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_has_a_length(dt_ms: float) -> None:
    with refusal(UsageError, f"the step is {dt_ms} ms; a positive number is required", 2):
        delrec_compile.from_nir(two(), dt_ms=dt_ms)


REFUSED = {
    "node": (
        lambda: chain(affine(N, 5), lif(N), nir.I(r=np.full(N, 1 / DT)), affine(3, N)),
        "affine_1: comes after neurons that never fire",
    ),
    "fast synapse": (
        lambda: chain(affine(N, 5), cuba(N, DT / 2)),
        "cubalif: tau_syn is .* shorter than a step of .*--method exact",
    ),
    "fast": (lambda: two(tau=DT / 2), "lif: tau is .* shorter than a step of .*--method exact"),
    "sum": (
        lambda: edge(chain(affine(N, 5), lif(N), affine(3, N), lif(3)), ("lif", "lif_1")),
        r"lif_1: takes the sum of values of shapes \(3\), \(6\)",
    ),
    "half": (lambda: chain(affine(N, 5), lif(N), delay(1), affine(2, N)), None),
    "fraction": (
        lambda: chain(affine(N, 5), lif(N), nir.Delay(np.full(N, 2.5 * DT)), affine(2, N)),
        "delay: a delay of .* s is 2.5 steps .* --round-delays",
    ),
    "late_bias": (
        lambda: chain(affine(N, 5), delay(*LATE), lif(N)),
        "delay: delays weights with a bias, which would come late too",
    ),
    "between": (
        lambda: chain(affine(N, 5), lif(N), nir.Linear(weights(N, N)), delay(*LATE), affine(2, N)),
        "delay: delays that differ between values, with weights before and behind",
    ),
    "wrapped": (
        lambda: chain(affine(N, 5), lif(N), loops=((delay(*[2**32 + 3] * N),),)),
        r"loop0_0: a delay of 4.29497e\+09 steps; the longest allowed is 4094",
    ),
    "long": (
        lambda: chain(affine(N, 5), lif(N), delay(*[4096] * N), affine(2, N)),
        "delay: a delay of 4096 steps; the longest allowed is 4094",
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
        r"linear: weight\[0, 0\] is nan",
    ),
    "nan before an integrator": (
        lambda: chain(
            affine(N, 5), nir.Threshold(np.ones(N)), nir.Linear(np.full((3, N), np.nan)), li(3)
        ),
        r"linear: weight\[0, 0\] is nan",
    ),
    "several": (
        lambda: chain(
            affine(N, 5),
            lif(N),
            loops=tuple((delay(d), nir.Linear(weights(N, N)), delay(*LATE)) for d in (1, 4)),
        ),
        "lif: neuron . reaches neuron . after . and after . steps",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    make, message = REFUSED[what]
    if message is None:
        assert len(delrec_compile.from_nir(make(), dt_ms=DT * 1e3).network.spiking) == 1
        return
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_nir(make(), dt_ms=DT * 1e3)


def test_the_longest_delays() -> None:
    parts, weight = (affine(N, 5), lif(N)), nir.Linear(weights(N, N))
    for loop_step, most in ((True, 4094), (False, 4095)):
        graph = chain(*parts, loops=((delay(*[most] * N), weight),))
        made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, loop_step=loop_step).network
        assert made.max_delay == 4094
    late = chain(*parts, delay(*[4094] * N), affine(2, N))
    assert delrec_compile.from_nir(late, dt_ms=DT * 1e3).network.max_delay == 4094


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
    with refusal(CheckpointError, "not a readable NIR graph", 3, tmp_path):
        delrec_compile.import_model(path)
    with refusal(CheckpointError, "no such file", 3, tmp_path):
        delrec_compile.import_model(tmp_path / "b.nir")


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


ONES = np.ones(N)
FEED = affine(N, 5), lif(N)
# a graph with each node that NIR defines
NODES = {
    "Affine": lambda: chain(*FEED),
    "AvgPool2d": lambda: chain(
        nir.Input(np.array([2, 4, 4])), pooled(nir.AvgPool2d), spikes(2, 2, 2)
    ),
    "Conv1d": lambda: chain(nir.Input(np.array([2, 8])), conv1d(2, 2, 3), spikes(2, 6)),
    "Conv2d": lambda: chain(nir.Input(np.array([2, 4, 4])), conv2d(2, 2, 3, 3), spikes(2, 2, 2)),
    "CubaLI": lambda: chain(*FEED, nir.CubaLI(ONES, ONES, ONES, 0 * ONES, ONES)),
    "CubaLIF": lambda: chain(affine(N, 5), cuba(N, 2 * DT)),
    "Delay": lambda: chain(*FEED, delay(*LATE)),
    "Flatten": lambda: chain(
        nir.Input(np.array([2, 3])), nir.Flatten({"input": np.array([2, 3])}, 0, -1), lif(N)
    ),
    "I": lambda: chain(*FEED, nir.I(ONES)),
    "IF": lambda: chain(affine(N, 5), nir.IF(r=ONES / DT, v_threshold=ONES)),
    "Input": lambda: chain(nir.Input(np.array([N])), lif(N)),
    "LI": lambda: chain(*FEED, li(N)),
    "LIF": lambda: chain(affine(N, 5), lif(N)),
    "Linear": lambda: chain(nir.Linear(weights(N, 5)), lif(N)),
    "NIRGraph": lambda: chain(affine(N, 5), chain(lif(N)), affine(3, N)),
    "Output": lambda: chain(lif(N), nir.Output(np.array([N]))),
    "Scale": lambda: chain(nir.Scale(ONES), lif(N)),
    "SumPool2d": lambda: chain(
        nir.Input(np.array([2, 4, 4])), pooled(nir.SumPool2d), spikes(2, 2, 2)
    ),
    "Threshold": lambda: chain(affine(N, 5), nir.Threshold(0.5 * ONES)),
}


def spikes(*shape: int) -> Any:
    return nir.IF(r=np.full(shape, 1 / DT), v_threshold=np.ones(shape))


@pytest.mark.parametrize("kind", NODES)
def test_every_node_is_read(kind: str) -> None:
    graph = NODES[kind]()
    assert kind in {type(node).__name__ for node in graph.nodes.values()}
    assert delrec_compile.from_nir(graph, dt_ms=DT * 1e3).network.spiking


def test_no_node_is_forgotten() -> None:
    known = {n for n, k in vars(nir).items() if isinstance(k, type) and issubclass(k, nir.NIRNode)}
    assert known - {"NIRNode"} == set(NODES)
