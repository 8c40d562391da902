"""Each op's plain reference against its formula, written out; its other forms against the reference."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import onnx.parser
import pytest
import torch

from delrec_compile import ops
from delrec_compile.errors import NetworkError
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Lif,
    Readout,
    Recurrence,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.network.onnx_step.graph import FUNCTIONS
from delrec_compile.ops import delay_line, lif, linear, readout

RNG = np.random.default_rng(11)
NO_ONNX = {
    "arrivals",
    "byte_rows",
    "checks",
    "emit",
    "emit_gpu",
    "emit_lists",
    "integer_lif",
    "lif_tir",
    "map_delay",
    "plane_taps",
    "recurrence",
    "schedule",
}


def history(batch: int, depth: int, n: int) -> np.ndarray:
    return (RNG.random((batch, depth, n)) < 0.4).astype(np.float32)


def grid(*shape: int) -> np.ndarray:
    """Weights whose sums are exact in any order."""
    return RNG.integers(-64, 65, shape).astype(np.float32) / 64


def test_every_op_is_documented_and_has_an_onnx_function() -> None:
    texts = []
    for module in pkgutil.iter_modules(ops.__path__):
        op = importlib.import_module(f"{ops.__name__}.{module.name}")
        assert op.__doc__
        if module.name not in NO_ONNX:
            assert "(" in op.__doc__, f"{module.name} opens with no formula"
            texts += [op.ONNX] if isinstance(op.ONNX, str) else op.ONNX
    assert set(texts) == set(FUNCTIONS)
    functions = [onnx.parser.parse_function(text) for text in texts]
    assert len({f.name for f in functions}) == len(functions)
    assert {f.domain for f in functions} == {"ai.delrec"}


def check_forms(r: Recurrence, hist: np.ndarray, want: np.ndarray) -> None:
    """The reference and the torch form give the current of the formula, within its bound."""
    np.testing.assert_array_equal(r.reference(hist), want)
    constants = [torch.from_numpy(value) for value in r.constants().values()]
    have = r.torch_form(torch.from_numpy(hist), *constants)
    np.testing.assert_array_equal(have.numpy(), want)
    assert 0 < np.abs(want).max() <= r.largest_current()
    back = type(r).from_node(list(r.constants().values()), r.node_attributes(), r.size)
    np.testing.assert_array_equal(back.reference(hist), want)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("taps", [1, 3, 5, 9])
def test_conv_delay_is_its_formula(taps: int, heads: int) -> None:
    n, pad = 6, taps // 2
    r = ConvDelay(grid(heads, taps), RNG.integers(0, 5, (heads, n)))
    kernels, delays = r.kernel.reshape(heads, taps), r.delay.reshape(heads, n)
    hist = history(2, r.depth, n)
    want = np.zeros((2, n), np.float32)
    for m in range(heads):
        for i in range(n):
            for k in range(taps):
                j = i + k - pad
                if 0 <= j < n:
                    want[:, i] += kernels[m, k] * hist[:, delays[m, j], j]
    check_forms(r, hist, want)
    assert r.parameters == heads * (taps + n)


def test_dense_delay_is_its_formula() -> None:
    n = 7
    r = DenseDelay(grid(n, n), RNG.integers(0, 5, n))
    hist = history(3, r.depth, n)
    want = np.zeros((3, n), np.float32)
    for i in range(n):
        for j in range(n):
            want[:, i] += r.weight[i, j] * hist[:, r.delay[j], j]
    check_forms(r, hist, want)
    assert r.parameters == n * n + n


def test_tap_conv_delay_is_its_formula() -> None:
    channels, width, taps = 3, 5, 3
    r = TapConvDelay(grid(2, channels, taps), [1, 4], width)
    hist = history(2, r.depth, r.size)
    want = np.zeros((2, channels, width), np.float32)
    maps = hist.reshape(2, r.depth, channels, width)
    for d, delay in enumerate((1, 4)):
        for x in range(width):
            for k in range(taps):
                if 0 <= x + k - 1 < width:
                    want[:, :, x] += r.kernel[d, :, k] * maps[:, delay, :, x + k - 1]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == 2 * channels * taps + 2


def test_a_fractional_delay_is_two_taps() -> None:
    kernel = grid(3, 2, 3)
    r = TapConvDelay.interpolated(kernel, np.array([1.25, 3.0, 2.5]), 4)
    assert r.delay.tolist() == [1, 2, 3]
    shares = [0.75 * kernel[0], 0.25 * kernel[0] + 0.5 * kernel[2], kernel[1] + 0.5 * kernel[2]]
    np.testing.assert_array_equal(r.kernel, np.stack(shares))


def test_conv2d_delay_is_its_formula() -> None:
    depth, channels, height, width = 3, 2, 4, 3
    r = Conv2dDelay(grid(depth, channels, channels, 3, 3), height, width)
    hist = history(2, depth, r.size)
    maps = hist.reshape(2, depth, channels, height, width)
    want = np.zeros((2, channels, height, width), np.float32)
    for d, o, c, a, b, y, x in np.ndindex(depth, channels, channels, 3, 3, height, width):
        if 0 <= y + a - 1 < height and 0 <= x + b - 1 < width:
            want[:, o, y, x] += r.kernel[d, o, c, a, b] * maps[:, d, c, y + a - 1, x + b - 1]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == depth * channels * channels * 9


def test_synaptic_delay_is_its_formula() -> None:
    n = 6
    r = SynapticDelay(grid(n, n), RNG.integers(0, 5, (n, n)))
    hist = history(3, r.depth, n)
    want = np.zeros((3, n), np.float32)
    for i in range(n):
        for j in range(n):
            want[:, i] += r.weight[i, j] * hist[:, r.delay[i, j], j]
    check_forms(r, hist, want)
    assert r.parameters == 2 * n * n
    alone = SynapticDelay(grid(1, 1), [[3]])
    check_forms(alone, np.ones((1, 4, 1), np.float32), np.ones((1, 1)) * alone.weight)


def test_without_delays_only_the_weights_are_counted() -> None:
    conv, dense = ConvDelay(grid(3), [0] * 6), DenseDelay(grid(6, 6), [0] * 6)
    assert (conv.name, conv.parameters, conv.depth) == ("conv", 3, 1)
    assert (dense.name, dense.parameters, dense.depth) == ("dense", 36, 1)
    hist = history(2, 1, 6)
    check_forms(dense, hist, hist[:, 0] @ dense.weight.T)


def test_the_ring_holds_every_arrival() -> None:
    """Arrivals 1 to `depth` steps ahead are in planes of their own: this step's was just cleared."""
    for depth in (*range(1, 70), 255, 256, 257, 4095):
        planes = delay_line.planes(depth)
        assert planes & (planes - 1) == 0
        assert depth <= planes < 2 * depth
    assert [delay_line.words(n) for n in (1, 32, 33, 64)] == [1, 1, 2, 2]


def test_linear_is_its_formula() -> None:
    weight, bias, start = grid(4, 6), grid(4), grid(3, 4)
    x = RNG.integers(0, 4, (3, 6)).astype(np.float32)
    np.testing.assert_array_equal(linear.reference(x, weight, bias), x @ weight.T + bias)
    np.testing.assert_array_equal(
        linear.reference(x, weight, bias, start), x @ weight.T + bias + start
    )
    torch_form = linear.torch_form(*(torch.from_numpy(a) for a in (x, weight, bias)))
    np.testing.assert_array_equal(torch_form.numpy(), x @ weight.T + bias)


def test_lif_fires_at_the_threshold_and_resets() -> None:
    neuron = Lif(0.5, threshold=0.75, v_reset=-0.25)
    v = np.array([[0.0, 0.5, 0.5, -0.25, np.nan]], np.float32)
    current = np.array([[0.75, 0.5, 0.25, 0.0, 0.0]], np.float32)
    spikes, after = lif.reference(neuron, current, v)
    assert spikes.tolist() == [[1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(after, np.float32([[-0.25, -0.25, 0.5, -0.125, -0.25]]))


def test_lif_reference_equals_torch_on_any_membrane() -> None:
    neuron = Lif(0.3, threshold=1.2, v_reset=-0.1)
    current = RNG.normal(size=(50, 40)).astype(np.float32)
    v = RNG.normal(size=(50, 40)).astype(np.float32)
    spikes, after = lif.reference(neuron, current, v)
    have = lif.torch_form(neuron, torch.from_numpy(current), torch.from_numpy(v))
    np.testing.assert_array_equal(have[0].numpy(), spikes)
    np.testing.assert_array_equal(have[1].numpy(), after)
    assert 0 < spikes.mean() < 1


def scalar_lif(neuron: Lif, k: int, current: float, v: float) -> tuple[float, float]:
    """The formulas of ops/lif.py for neuron k, written out in float32."""
    f = np.float32
    beta, threshold, v_reset, gain = (
        f(np.broadcast_to(getattr(neuron, name), 40)[k]) for name in lif.NUMBERS
    )
    over = (lambda x: x > threshold) if neuron.fires == "above" else (lambda x: x >= threshold)
    m = f(f(beta * f(v)) + f(gain * f(current)))
    if neuron.reset == "soft_later" and over(f(v)):
        m = f(m - threshold)
    if not over(m) or neuron.reset == "soft_later":
        return float(over(m)), float(m)
    return 1.0, float(f(m - threshold) if neuron.reset == "soft" else v_reset)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize("reset", lif.RESETS)
@pytest.mark.parametrize("fires", lif.FIRES)
def test_every_lif_is_its_formula_and_equals_torch(fires: str, reset: str, own: bool) -> None:
    n = 40
    size = n if own else ()
    neuron = Lif(
        RNG.choice([0.0, 0.25, 0.9, 1.0] if own else [0.25, 0.9], size),
        RNG.choice([0.5, 1.25], size),
        RNG.choice([0.0, -0.5], size),
        RNG.choice([0.75, 1.0], size),
        fires,
        reset,
    )
    # whole numbers of 1/8, so that some membranes lie on their threshold
    current, v = (RNG.integers(-12, 16, (30, n)).astype(np.float32) / 8 for _ in range(2))
    spikes, after = lif.reference(neuron, current, v)
    for b, k in np.ndindex(30, n):
        want = scalar_lif(neuron, k, float(current[b, k]), float(v[b, k]))
        assert (spikes[b, k], after[b, k]) == want
    have = lif.torch_form(neuron, torch.from_numpy(current), torch.from_numpy(v))
    np.testing.assert_array_equal(have[0].numpy(), spikes)
    np.testing.assert_array_equal(have[1].numpy(), after)
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("fires", lif.FIRES)
def test_the_level_says_who_fires(fires: str) -> None:
    neuron = Lif(0.5, threshold=1.0, fires=fires)
    m = np.float32([0.5, np.nextafter(np.float32(1), np.float32(0)), 1.0, 1.0000001, 3.0])
    np.testing.assert_array_equal(
        m >= np.float32(neuron.level), neuron.is_at_threshold(m, np.float32(1))
    )


@pytest.mark.parametrize("reset", lif.RESETS)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_membrane_heals(broken: float, reset: str) -> None:
    neuron = Lif(0.5, v_reset=-0.25, reset=reset)
    current, v = np.float32([[broken, 0.0]]), np.zeros((1, 2), np.float32)
    for _ in range(2):
        _, v = lif.reference(neuron, current, v)
        current = np.zeros_like(current)
    assert np.isfinite(v).all()


def snntorch_leaky(beta: float, threshold: float, current: np.ndarray) -> np.ndarray:
    """Spikes of snnTorch's Leaky(beta, threshold), reset_mechanism 'subtract', reset_delay True."""
    f = np.float32
    mem, spikes = np.zeros_like(current[0]), []
    for x in current:
        reset = ((mem - f(threshold)) > 0).astype(np.float32)
        mem = f(beta) * mem + x - reset * f(threshold)
        spikes.append((mem - f(threshold)) > 0)
    return np.stack(spikes)


def test_a_late_soft_reset_is_that_of_snntorch() -> None:
    neuron = Lif(0.6065, 1.0, fires="above", reset="soft_later")
    current = RNG.normal(size=(60, 20)).astype(np.float32)
    v, spikes = np.zeros((1, 20), np.float32), []
    for x in current:
        s, v = lif.reference(neuron, x[None], v)
        spikes.append(s[0] > 0)
    np.testing.assert_array_equal(np.stack(spikes), snntorch_leaky(0.6065, 1.0, current))
    assert 0.05 < np.mean(spikes) < 0.5


@pytest.mark.parametrize(("kind", "beta"), [("leaky", 0.3), ("linear", 0.0), ("count", 1.0)])
def test_every_readout_is_its_formula_and_equals_torch(kind: str, beta: float) -> None:
    out = Readout(grid(3, 5), grid(3), beta, kind=kind)
    spikes = history(2, 4, 5)[:, 0]
    v = RNG.normal(size=(2, 3)).astype(np.float32) if out.has_membrane else None
    y, kept = out.reference(spikes, v)
    if v is None:
        assert kept is None
        np.testing.assert_array_equal(y, spikes @ out.weight.T + out.bias)
    elif kind == "leaky":
        np.testing.assert_array_equal(y, np.float32(0.3) * v + (spikes @ out.weight.T + out.bias))
        np.testing.assert_array_equal(kept, y)
    else:
        np.testing.assert_array_equal(kept, v + spikes @ out.weight.T)
        np.testing.assert_array_equal(y, kept + out.bias)
    current = torch.from_numpy(spikes @ out.weight.T + out.step_bias)
    old = None if v is None else torch.from_numpy(v)
    have = readout.torch_form(out, current, old, torch.from_numpy(out.bias))
    np.testing.assert_array_equal(have[0].numpy(), y)
    assert (have[1] is None) == (kept is None)


def test_pooled_counts_are_the_means_of_groups() -> None:
    weight = readout.pooled(3, 7)
    assert [np.flatnonzero(row).tolist() for row in weight] == [[0, 1, 2], [3, 4], [5, 6]]
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    with pytest.raises(NetworkError, match="7 neurons make no 8 groups"):
        readout.pooled(8, 7)


@pytest.mark.parametrize(
    ("decision", "winner"), [("softmax_sum", 1), ("mean", 0), ("sum", 0), ("last", 2), ("max", 0)]
)
def test_decisions(decision: str, winner: int) -> None:
    y = np.array([[9, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 1]], np.float32)[:, None]
    np.testing.assert_array_equal(
        Readout(np.eye(3), np.zeros(3), 0.5, decision).classes(y), [winner]
    )
