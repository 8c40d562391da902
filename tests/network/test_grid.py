"""The grid: on it, sums are exact, so that their order does not change a bit."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delrec_compile.errors import NetworkError, UsageError
from delrec_compile.network.grid import GRIDS, exact, grids, row_bits, row_bytes, snap
from delrec_compile.network.model import DenseDelay, Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout


def drawn(seed: int, n: int = 40, scale: float = 0.3) -> Network:
    rng = np.random.default_rng(seed)
    recurrence = DenseDelay(rng.normal(size=(n, n)) * scale, rng.integers(0, 5, n))
    layer = Layer(rng.normal(size=(n, 30)) * scale, rng.normal(size=n), Lif(0.5), recurrence)
    readout = LeakyReadout(rng.normal(size=(4, n)), rng.normal(size=4), 0.5)
    return Network((layer,), readout, max_input=7)


@given(st.integers(0, 10**6), st.floats(0.01, 3), st.sampled_from(GRIDS))
def test_the_order_of_a_sum_changes_no_bit(seed: int, scale: float, grid: str) -> None:
    """Inputs at their largest, every spike arriving: forwards, backwards, shuffled, pairwise."""
    network = snap(drawn(seed, scale=scale), grid)
    layer, rng = network.layers[0], np.random.default_rng(seed)
    assert isinstance(layer.recurrence, DenseDelay)
    counts = rng.integers(0, network.max_input + 1, layer.inputs).astype(np.float32)
    counts[rng.random(layer.inputs) < 0.5] = network.max_input
    for i in range(layer.size):
        terms = np.concatenate(
            [layer.weight[i] * counts, layer.bias[i : i + 1], layer.recurrence.weight[i]]
        )
        want = np.float32(np.sum(terms.astype(np.float64)))
        for order in (terms, terms[::-1], rng.permutation(terms), np.sort(terms)):
            assert np.cumsum(order, dtype=np.float32)[-1] == want
            assert np.sum(order) == want


def test_off_the_grid_the_order_matters() -> None:
    """What the property above would miss if it could not fail."""
    terms = drawn(1).layers[0].weight.reshape(-1)
    rng = np.random.default_rng(2)
    assert len({np.cumsum(rng.permutation(terms))[-1] for _ in range(20)}) > 1


def test_snapping_moves_a_weight_by_half_a_grid_step_at_most() -> None:
    before = drawn(3)
    after = snap(before)
    q, q_out = grids(after)
    assert q is not None
    assert q_out is not None
    pairs = [
        (before.layers[0].weight, after.layers[0].weight, q),
        (before.layers[0].bias, after.layers[0].bias, q),
        (before.readout.weight, after.readout.weight, q_out),
    ]
    for old, new, grid in pairs:
        assert np.abs(old - new).max() <= 2.0 ** -(grid + 1)
        assert (new * 2.0**grid % 1 == 0).all()
    assert 10 <= q <= 20
    assert 10 <= q_out <= 20
    rows = [after.layers[0].weight, after.layers[0].recurrence.weight]  # type: ignore[union-attr]
    assert max(np.abs(row).max() for row in rows) * 2.0**q < 2**15
    assert np.abs(after.readout.weight).max() * 2.0**q_out < 2**15


@pytest.mark.parametrize("grid", GRIDS)
def test_snapping_twice_changes_nothing(grid: str) -> None:
    once = snap(drawn(4), grid)
    twice = snap(once, grid)
    np.testing.assert_array_equal(once.layers[0].weight, twice.layers[0].weight)
    assert exact(once)
    assert grids(once) == grids(twice)


def test_the_fine_grid_uses_the_bits_that_sums_leave() -> None:
    """Half a unit coarser than the bound of the sums at most; weights beyond 16 bits."""
    network = drawn(3)
    coarse, fine = snap(network), snap(network, "fine")
    assert exact(fine)
    for part, q, q16 in zip(fine.populations, grids(fine), grids(coarse), strict=True):
        assert q is not None
        assert q16 is not None
        assert q > q16
        assert {row_bits(rows, q) for each in part.projections for rows in each.synapses.rows} == {
            32
        }
    assert row_bytes(fine) == 2 * row_bytes(coarse) == 2 * row_bytes(fine, 16)
    assert not exact(replace(fine, max_input=31))


def test_only_the_layers_that_are_named_are_fine() -> None:
    network = cases.network("off_grid")
    coarse, fine, second = (
        grids(snap(network, grid, layers))
        for grid, layers in (("int16", None), ("fine", None), ("fine", (1,)))
    )
    assert second == (coarse[0], fine[1], coarse[2])
    assert second not in (coarse, fine)


def test_an_unknown_grid_is_refused() -> None:
    with pytest.raises(UsageError, match="grid is 'int8'; allowed: int16, fine"):
        snap(drawn(3), "int8")


def test_no_negative_zero_is_left() -> None:
    network = drawn(5)
    tiny = replace(network.layers[0], bias=np.full(40, -1e-9))
    bias = snap(replace(network, layers=(tiny,))).layers[0].bias
    assert (bias == 0).all()
    assert not np.signbit(bias).any()


def test_a_grid_that_is_too_coarse_is_noticed() -> None:
    """Weights on a grid, but sums beyond 24 bits: not exact."""
    network = snap(drawn(6))
    assert exact(network)
    assert not exact(replace(network, max_input=255))
    assert not exact(cases.network("off_grid"))


def test_all_zero_weights_are_exact() -> None:
    zero = Network(
        (Layer(np.zeros((2, 2)), np.zeros(2), Lif(0.5)),), LeakyReadout([[0, 0]], [0], 0.5)
    )
    assert exact(snap(zero))


def test_sums_too_large_for_any_grid_are_refused() -> None:
    network = drawn(7, scale=3e5)
    with pytest.raises(
        NetworkError, match=r"layer 0: its sums can reach 2\*\*2\d.*max_input \(now 7"
    ):
        snap(network)
