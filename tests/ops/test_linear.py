"""The feed-forward sum against its formula, and how its rows are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.ops import grid
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import linear
from delrec_compile.targets.schedule import Schedule

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


def test_sums_of_rows_in_pairs_of_blocks_are_those_of_the_rows() -> None:
    """AVX2: two blocks of 8 by one multiply-add; what is left of a row is added by itself."""
    schedule, n = Schedule(8, 4, rows="pairs"), 44
    weight = RNG.integers(-(1 << 15), 1 << 15, (3, n)).astype(np.int16)

    def body(e: Any, index: Any, table: Any, out: Any) -> None:
        count = e.counter("count")
        e.store(count, 0, 1, e.T.int32(3))

        def finish(base: Any, size: int) -> linear.Finish:
            to = e.view(out, base, size)
            return lambda value, at, lanes: e.store(to, at, lanes, value)

        rows = linear.Rows(Events(index, count), table)
        linear.emit(e, n, lambda _: linear.Sums("int32", finish, rows))

    table = np.ascontiguousarray(weight[:, schedule.order(n, 16)]).reshape(-1)
    arrays = (np.array([2, 0, 2], np.uint8), table, np.zeros(n, np.int32))
    have = run(body, *arrays, schedule=schedule, cpu="x86-64-v3")[2]
    np.testing.assert_array_equal(have, weight[[2, 0, 2]].sum(0, dtype=np.int32))


@pytest.mark.parametrize(
    ("numbers", "all_rows"),
    [([3, 3, 3], False), ([4, 3, 3], True), ([0, 0, 0], False), ([4, 4, 4], True)],
)
def test_all_rows_are_read_where_more_than_three_of_four_have_an_event(
    numbers: list[int], all_rows: bool
) -> None:
    """The lists name the first row alone, so that the sums tell whether they were followed."""
    schedule, n, steps = Schedule(8, 4, rows="pairs"), 40, len(numbers)
    weight = RNG.integers(-99, 99, (8, n)).astype(np.int16)
    counts = RNG.integers(1, 9, (steps, 8)).astype(np.int16)

    def body(e: Any, index: Any, number: Any, packed: Any, table: Any, out: Any) -> None:
        def sums(s: Any) -> linear.Sums:
            def finish(base: Any, size: int) -> linear.Finish:
                to = e.view(out, s * n + base, size)
                return lambda value, at, lanes: e.store(to, at, lanes, value)

            events, own = Events(index, e.view(number, s, 1)), e.view(packed, s * 4, 4)
            return linear.Sums("int32", finish, linear.Rows(events, table, lambda j: own[j], 2))

        linear.emit(e, n, sums, e.T.int32(steps), crowded=True)

    arrays = (
        np.zeros(4, np.uint8),
        np.array(numbers, np.int32),
        counts.reshape(-1).view(np.int32),
        linear.interleave_rows(weight, 2).reshape(-1),
        np.zeros(steps * n, np.int32),
    )
    have = run(body, *arrays, schedule=schedule, cpu="x86-64-v3")[4].reshape(steps, n)
    first = counts[:, :2].astype(int) @ weight[:2].astype(int) * np.array(numbers)[:, None]
    want = counts.astype(int) @ weight.astype(int) if all_rows else first
    np.testing.assert_array_equal(have, want)
