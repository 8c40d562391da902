"""Pieces of graphs made for ONNX Runtime: a leak, a reset, a product, bound arrays."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.onnx_parts import Graph, bound, window_of
from delrec_compile.evaluation.baselines.window import History

STEP = Workload("step", 1, 1)


def run(graph: Graph, **arrays: np.ndarray) -> None:
    """One call on arrays in place; those of outputs are written."""
    bound(graph.session(), arrays)()


def test_a_leak_is_beta_times_the_membrane_plus_the_current() -> None:
    v, current, out = (np.array([values], np.float32) for values in ([1, 2], [3, 4], [0, 0]))
    graph = Graph(STEP)
    graph.output(graph.leak(0.5, graph.input("v", v), graph.input("i", current)), "out", out)
    run(graph, v=v, i=current, out=out)
    assert out.tolist() == [[3.5, 5]]


@pytest.mark.parametrize("case", ["conv3", "odd_lif"])
def test_firing_resets_a_negated_membrane(case: str) -> None:
    layer = cases.network(case).layers[0]
    lif = layer.lif
    u = np.zeros((1, 3), np.float32)
    current = -np.array([[lif.threshold, lif.threshold / 2, 2]], np.float32)
    spikes, after = np.empty_like(u), np.empty_like(u)
    graph = Graph(STEP)
    fired, membrane = graph.fire(layer, graph.input("u", u), graph.input("i", current))
    graph.output(fired, "s", spikes)
    graph.output(membrane, "m", after)
    run(graph, u=u, i=current, s=spikes, m=after)
    assert spikes.tolist() == [[1, 0, 1]]
    assert np.array_equal(
        -after, np.array([[lif.v_reset, lif.threshold / 2, lif.v_reset]], np.float32)
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_a_product_takes_a_step_or_all_steps(batch: int) -> None:
    r = np.random.default_rng(0)
    weight, bias = r.normal(size=(4, 5)).astype(np.float32), np.ones(4, np.float32)
    tail = (batch,) if batch > 1 else ()
    x = r.normal(size=(6, 5, *tail)).astype(np.float32)
    out = np.empty((6, 4, *tail), np.float32)
    graph = Graph(Workload("sequence", batch, 6))
    graph.output(graph.feed_over_time(graph.input("x", x), weight, bias), "out", out)
    run(graph, x=x, out=out)
    want = np.einsum("oi,ti...->to...", weight, x) + 1
    assert np.allclose(out, want, atol=1e-5)


def test_the_window_of_a_batch_is_flat() -> None:
    layer = cases.network("conv3").layers[1]
    one, many = (History(layer, Workload("step", b, 4)) for b in (1, 5))
    assert window_of(one, 0).shape == (one.depth, one.n + 2 * one.pad)
    assert window_of(many, 0).shape == (many.depth * (many.n + 2 * many.pad), 5)
