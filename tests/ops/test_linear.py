"""The feed-forward sum against its formula, and how its rows are stored."""

from __future__ import annotations

import numpy as np
import torch
from fixtures.ops import grid

from delrec_compile.ops import linear

RNG = np.random.default_rng(11)


def test_linear_is_its_formula() -> None:
    weight, bias, start = grid(RNG, 4, 6), grid(RNG, 4), grid(RNG, 3, 4)
    x = RNG.integers(0, 4, (3, 6)).astype(np.float32)
    np.testing.assert_array_equal(linear.reference(x, weight, bias), x @ weight.T + bias)
    np.testing.assert_array_equal(
        linear.reference(x, weight, bias, start), x @ weight.T + bias + start
    )
    torch_form = linear.torch_form(*(torch.from_numpy(a) for a in (x, weight, bias)))
    np.testing.assert_array_equal(torch_form.numpy(), x @ weight.T + bias)


def test_interleaved_rows_hold_a_group_of_inputs_per_output() -> None:
    rows = np.arange(15).reshape(5, 3)
    out = linear.interleave_rows(rows, 2)
    assert out.shape == (3, 3, 2)
    assert out[0].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert out[2].tolist() == [[12, 0], [13, 0], [14, 0]]


def test_a_tile_counts_its_full_groups() -> None:
    tile = linear.Tile.of([(0, 8), (8, 8), (16, 8), (24, 4)], stride=1)
    assert (tile.base, tile.size) == (0, 28)
    assert tile.blocks == ((0, 8), (8, 8), (16, 8), (24, 4))
    assert tile.groups(8, 2) == 2
