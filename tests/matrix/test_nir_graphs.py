"""Graphs of the NIR paper, made anew, beside the spikes of a simulator that reads NIR itself.

The shapes, units and options are those of the published graphs: a LIF neuron, a recurrent CubaLIF
network of 12-38-7 (Braille), a CNN of IF neurons that counts steps.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import delrec_compile
from delrec_compile.runners.reference import ReferenceRunner

nir: Any = pytest.importorskip("nir")
norse: Any = pytest.importorskip("norse.torch")
pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(8)
DT = 1e-4


def normal(*shape: int) -> NDArray[Any]:
    return RNG.normal(size=shape).astype(np.float32)


def in_norse(graph: Any, x: NDArray[Any], dt: float, shape: tuple[int, ...]) -> NDArray[Any]:
    """Outputs (T, N) of Norse's reading of the graph."""
    module, state, out = norse.from_nir(graph, ignore_warnings=True, dt=dt), None, []
    for row in torch.from_numpy(x[:, 0]):
        with torch.no_grad():
            y, state = module(row.reshape(1, *shape), state)
        out.append(y.flatten().numpy())
    return np.stack(out)


def spikes(made: Any, x: NDArray[Any]) -> list[NDArray[Any]]:
    return [s[:, 0] for s in ReferenceRunner(made.unfrozen).trace(x).spikes]


def test_the_lif_neuron() -> None:
    one = np.ones(1)
    lif = nir.LIF(tau=one * 0.0025, r=one, v_leak=one * 0, v_threshold=one * 0.1, v_reset=one * 0)
    graph = nir.NIRGraph.from_list(nir.Affine(weight=np.array([[1.0]]), bias=np.zeros(1)), lif)
    x = (RNG.random((600, 1, 1)) < 0.3).astype(np.float32)
    made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3)
    want = in_norse(graph, x, DT, (1,))
    np.testing.assert_array_equal(spikes(made, x)[0], want)
    assert 10 < want.sum() < 300


def cuba(n: int, syn: float, mem: float) -> Any:
    """CubaLIF as snnTorch exports it: r and w_in undo the gains of a step of 1e-4 s."""
    tau_syn, tau_mem = np.full(n, syn), np.full(n, mem)
    own = {"r": tau_mem / DT, "w_in": tau_syn / DT, "v_leak": np.zeros(n)}
    return nir.CubaLIF(tau_syn=tau_syn, tau_mem=tau_mem, v_threshold=np.ones(n), **own)


@pytest.mark.parametrize("subgraph", [False, True])
def test_the_recurrent_network_of_braille(subgraph: bool) -> None:
    """Its equations in float64: no simulator here reads the recurrence of the graph."""
    first, back, second = normal(38, 12) / 8, normal(38, 38) / 30, np.abs(normal(7, 38)) / 12
    one, two = (3e-4, 4e-4), (1.5e-4, 8e-4)
    nodes = {"lif1.lif": cuba(38, *one), "lif1.w_rec": nir.Affine(back, np.zeros(38))}
    edges = [("lif1.lif", "lif1.w_rec"), ("lif1.w_rec", "lif1.lif")]
    entry = leaves = "lif1.lif"
    if subgraph:
        inner = {"input": nir.Input(np.array([38])), **nodes, "output": nir.Output(np.array([38]))}
        edges += [("input", "lif1.lif"), ("lif1.lif", "output")]
        nodes = {"lif1": nir.NIRGraph(inner, edges, type_check=False)}
        edges, entry, leaves = [], "lif1", "lif1"
    nodes |= {
        "input": nir.Input(np.array([12])),
        "fc1": nir.Linear(first),
        "fc2": nir.Affine(second, np.zeros(7)),
        "lif2": cuba(7, *two),
        "output": nir.Output(np.array([7])),
    }
    path = ["input", "fc1", entry], [leaves, "fc2", "lif2", "output"]
    edges += [(a, b) for names in path for a, b in itertools.pairwise(names)]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    made = delrec_compile.from_nir(graph, dt_ms=DT * 1e3, max_input=1)
    x = (RNG.random((200, 1, 12)) < 0.2).astype(np.float32)
    want: list[list[Any]] = [[], []]
    state = [np.zeros((2, n)) for n in (38, 7)]
    z = np.zeros(38)
    for row in x[:, 0].astype(np.float64):
        current = first @ row + back @ z
        for k, (syn, mem) in enumerate((one, two)):
            i, v = state[k]
            i = (1 - DT / syn) * i + current
            v = (1 - DT / mem) * v + i
            fired = v > 1
            state[k] = np.stack([i, np.where(fired, 0, v)])
            want[k].append(fired)
            if k == 0:
                current, z = second @ fired, fired.astype(np.float64)
    for mine, other in zip(spikes(made, x), want, strict=True):
        assert 0.005 < np.mean(other) < 0.8
        assert np.count_nonzero(mine != np.stack(other)) <= 2  # float32 here
    assert [p.neuron.kind for p in made.network.spiking] == ["cuba_lif", "cuba_lif"]


def test_a_cnn_that_counts_steps() -> None:
    """Convolutions with a stride, IF neurons with r 1, sum pools before a convolution and a product: as
    sinabs exports N-MNIST's, tensors of torch in its nodes."""
    fire = [
        nir.IF(r=torch.ones(s), v_threshold=torch.ones(s)) for s in ((4, 8, 8), (6, 4, 4), (10,))
    ]
    kernels = [
        torch.nn.Parameter(torch.from_numpy(normal(*s) / 2)) for s in ((4, 2, 3, 3), (6, 4, 3, 3))
    ]
    pool = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    last = torch.from_numpy(normal(10, 24) / 4)
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 16, 16])),
        nir.Conv2d(None, kernels[0], (2, 2), (1, 1), (1, 1), 1, torch.zeros(4)),
        fire[0],
        nir.SumPool2d(**pool),
        nir.Conv2d(None, kernels[1], (1, 1), (1, 1), (1, 1), 1, torch.zeros(6)),
        fire[1],
        nir.SumPool2d(**pool),
        nir.Flatten(None, 0, -1),
        nir.Affine(last, torch.zeros(10)),
        fire[2],
        nir.Output(np.array([10])),
        type_check=False,
    )
    made = delrec_compile.from_nir(graph, dt_ms=1.0, time_unit="steps", max_input=1)
    x = (RNG.random((60, 1, 512)) < 0.05).astype(np.float32)
    conv, mean = torch.nn.functional.conv2d, torch.nn.functional.avg_pool2d
    one, two = (kernel.detach().double() for kernel in kernels)
    vs, want = [np.zeros(n) for n in (256, 96, 10)], [[], [], []]
    for row in x[:, 0]:
        value = conv(torch.from_numpy(row).double().reshape(1, 2, 16, 16), one, stride=2, padding=1)
        for k in range(3):
            v = vs[k] + np.ravel(value)
            fired = v > 1
            vs[k] = np.where(fired, 0, v)
            want[k].append(fired)
            sums = torch.from_numpy(fired.astype(np.float64))
            if k == 0:
                value = conv(4 * mean(sums.reshape(1, 4, 8, 8), 2), two, padding=1)
            elif k == 1:
                value = last.double() @ (4 * mean(sums.reshape(1, 6, 4, 4), 2)).flatten()
    for mine, other in zip(spikes(made, x), want, strict=True):
        assert 0.005 < np.mean(other) < 0.7
        assert np.count_nonzero(mine != np.stack(other)) <= np.size(other) // 500
    assert [n.weight.shape for n in made.network.layers] == [(4, 2, 3, 3), (6, 4, 6, 6), (10, 96)]
