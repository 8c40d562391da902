"""Feedback paths of a layer, as the recurrence that they are."""

from __future__ import annotations

from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.nir.cycles import band, recurrence
from delrec_compile.interop.nir.recurrence import feedback_paths
from delrec_compile.interop.paths import Term

N = 6
R = np.random.default_rng(0)


def term(delay: Any, weight: Any, received: Any = 0) -> Term:
    sent = np.broadcast_to(np.asarray(delay, np.int64), N)
    late = np.broadcast_to(np.asarray(received, np.int64), len(weight))
    return Term(sent, linear_parts.affine(weight), late)


BAND = sum(np.diag(np.full(N - abs(k), v), k) for k, v in ((-1, 0.5), (0, -1.0), (1, 2.0)))
FULL = R.normal(size=(N, N))
NONE = np.zeros(N, np.int64)
KINDS = {
    "a matrix": ([term(range(N), FULL)], None, "dense_delay"),
    "a band": ([term(range(N), BAND)], None, "conv_delay"),
    "a band that was a matrix": ([term(range(N), BAND)], "dense_delay", "dense_delay"),
    "halves of one delay": (
        [term(2, np.triu(FULL)), term(2, np.tril(FULL, -1))],
        None,
        "dense_delay",
    ),
    "halves of two delays": (
        [term(2, np.triu(FULL)), term(4, np.tril(FULL, -1))],
        None,
        "synaptic_delay",
    ),
    "a dilated kernel": (
        [
            Term(
                np.arange(N),
                linear_parts.convolution(
                    R.normal(size=(2, 1, 2)), None, (2, 3), 1, "same", 2, dilation=2
                ),
                NONE,
            )
        ],
        None,
        "channel_conv_delay",
    ),
    "a matrix of synapses": ([term(3, FULL)], "synaptic_delay", "synaptic_delay"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name: str) -> None:
    paths, hint, kind = KINDS[name]
    made, constant = recurrence("lif", paths, hint)
    assert (made.kind, constant) == (kind, None)


@pytest.mark.parametrize("name", ["conv5", "heads", "dense", "synaptic"])
def test_a_recurrence_taken_apart_is_put_together_again(name: str) -> None:
    for _, op in cases.network(name).recurrences():
        paths = [
            Term(delay.astype(np.int64), linear_parts.affine(weight), np.zeros(op.size, np.int64))
            for delay, weight in feedback_paths("l0", op, (op.size,))
        ]
        again, _ = recurrence("l0", paths, op.kind)
        assert again.kind == op.kind
        assert again.arrays().keys() == op.arrays().keys()
        x = [weight for _, weight in feedback_paths("l0", again, (op.size,))]
        for a, (_, b) in zip(x, feedback_paths("l0", op, (op.size,)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_biases_of_all_paths_are_one_constant_current() -> None:
    paths = [
        Term(NONE, linear_parts.affine(np.triu(FULL), np.full(N, 0.5)), NONE),
        Term(NONE, linear_parts.affine(np.tril(FULL, -1), np.arange(N)), NONE),
    ]
    _, constant = recurrence("lif", paths)
    assert constant is not None
    assert constant.tolist() == [0.5 + k for k in range(N)]


def test_two_delays_of_one_synapse_are_heads() -> None:
    made, _ = recurrence("lif", [term(1, FULL), term(4, FULL / 2)])
    assert made.kind == "dense_delay"
    assert made.arrays()["delay"].tolist() == [[1] * N, [4] * N]
    assert np.array_equal(made.arrays()["weight"][1], (FULL / 2).astype(np.float32))


def test_a_delay_of_each_receiver_is_one_of_its_synapses() -> None:
    made, _ = recurrence("lif", [term(range(N), FULL, range(N))])
    assert made.kind == "synaptic_delay"
    assert np.array_equal(made.arrays()["delay"], np.add.outer(range(N), range(N)))
    with refusal(UnsupportedError, "lif: neuron 0 reaches neuron 0 after 1 and after 4 steps", 4):
        recurrence("lif", [term(1, FULL), term(4, FULL, range(N))])


def test_paths_of_another_width_are_refused() -> None:
    with refusal(UnsupportedError, "lif: 3 values come back to 6 neurons", 4):
        recurrence("lif", [term(1, FULL[:3])])


def test_bands() -> None:
    kernel = band(BAND, 3)
    assert kernel is not None
    assert kernel.tolist() == [0.5, -1.0, 2.0]
    assert band(BAND, 1) is None
    assert band(FULL, 2 * N) is None
    assert band(np.zeros((N, N)), 3) is None


def conv(delay: Any, kernel: Any, shape: tuple[int, ...], pad: Any = None) -> Term:
    taps = np.shape(kernel)[2:]
    pad = [k // 2 for k in taps] if pad is None else pad
    part = linear_parts.convolution(kernel, None, shape, 1, pad)
    return Term(np.broadcast_to(np.asarray(delay, np.int64), part.inputs), part, NONE)


def test_kernels_on_one_axis_are_padded_to_the_longest() -> None:
    long, short = R.normal(size=(1, 1, 5)), R.normal(size=(1, 1, 3))
    made, _ = recurrence("lif", [conv(range(N), long, (1, N)), conv(1, short, (1, N))])
    assert made.kind == "conv_delay"
    kernels = made.arrays()["kernel"]
    np.testing.assert_array_equal(kernels[0], long[0, 0].astype(np.float32))
    np.testing.assert_array_equal(kernels[1], np.pad(short[0, 0], 1).astype(np.float32))
    assert made.arrays()["delay"].tolist() == [list(range(N)), [1] * N]


def test_kernels_between_maps() -> None:
    square = R.normal(size=(3, 1, 1, 3, 3))
    paths = [conv(delay, square[k], (1, 2, 3)) for k, delay in enumerate((3, 1, 0))]
    made, _ = recurrence("lif", paths)
    assert made.kind == "conv2d_delay"
    deep = np.stack([square[2], square[1], np.zeros_like(square[0]), square[0]])
    np.testing.assert_array_equal(made.arrays()["kernel"], deep.astype(np.float32))
    oblong, _ = recurrence("lif", [conv(1, R.normal(size=(1, 1, 3, 5)), (1, 2, 3))])
    assert oblong.kind == "channel_conv_delay"
    # a pad of its own gives other places than the kernel's middle
    assert recurrence("lif", [conv(1, square[0], (1, 2, 3))])[0].kind == "conv2d_delay"


def test_kernels_whose_delays_coincide_or_differ_are_no_taps() -> None:
    """Taps are told apart by their delay, which all neurons share."""
    square = R.normal(size=(2, 1, 1, 3, 3))
    twice, _ = recurrence("lif", [conv(1, kernel, (1, 2, 3)) for kernel in square])
    spread, _ = recurrence("lif", [conv(range(N), square[0], (1, 2, 3))])
    assert (twice.kind, spread.kind) == ("dense_delay", "channel_conv_delay")


def test_taps_of_each_channel_are_in_the_order_of_their_delays() -> None:
    late, soon = R.normal(size=(2, 1, 3)), R.normal(size=(2, 1, 3))
    parts = [linear_parts.convolution(k, None, (2, 3), 1, 1, 2) for k in (late, soon)]
    paths = [Term(np.full(N, d), part, NONE) for d, part in zip((4, 2), parts, strict=True)]
    made, _ = recurrence("lif", paths)
    assert made.kind == "tap_conv_delay"
    assert made.arrays()["delay"].tolist() == [2, 4]
    np.testing.assert_array_equal(made.arrays()["kernel"][0], soon[:, 0].astype(np.float32))
