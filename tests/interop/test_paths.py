"""Paths of delays and weights as synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.parts import Delays, Peak, SynapticWeights
from delrec_compile.interop.paths import Path, joined, synapses_of, term_of
from delrec_compile.ops.window import Window

R = np.random.default_rng(0)
W = R.normal(size=(3, 4))
EARLY, LATE = np.array([0, 2, 1, 5]), np.array([4, 0, 1])
EACH = R.integers(0, 6, (3, 4))
SCALE = np.array([1.0, 2, -3]), np.zeros(3)
T = 20
X = R.integers(0, 2, (T, 4)).astype(np.float32)


def path(*parts: Any, **options: Any) -> Path:
    return Path("x", tuple((f"n{k}", part) for k, part in enumerate(parts)), 4, **options)


def late(values: Any, steps: Any) -> Any:
    out = np.zeros_like(values)
    for j, d in enumerate(steps):
        out[d:, j] = values[: len(values) - d, j]
    return out


def currents(own: Path) -> Any:
    """Currents of X over time through the synapses of the path, (T, N)."""
    synapses = synapses_of(term_of(own))
    past = np.concatenate([np.zeros((synapses.depth - 1, 4), np.float32), X])
    lines = [past[t : t + synapses.depth][::-1] for t in range(T)]
    return synapses.reference(np.stack(lines))


FULL = linear_parts.affine(W)
KINDS: dict[str, Any] = {
    "weights": ((FULL,), X @ W.T, "dense"),
    "of senders": ((Delays(EARLY), FULL), late(X, EARLY) @ W.T, "dense_delay"),
    "of receivers": ((FULL, Delays(LATE)), late(X @ W.T, LATE), "synaptic_delay"),
    "of both": (
        (Delays(EARLY), FULL, Delays(LATE)),
        late(late(X, EARLY) @ W.T, LATE),
        "synaptic_delay",
    ),
    "alike": ((FULL, Delays(np.full(3, 2))), late(X @ W.T, [2] * 3), "dense_delay"),
    "between": (
        (FULL, Delays(np.full(3, 2)), linear_parts.affine(W.T)),
        late(X @ W.T @ W, [2] * 4),
        "dense_delay",
    ),
    "of synapses": (
        (SynapticWeights(W[None], EACH[None], np.zeros(3)), linear_parts.Scale(*SCALE)),
        np.stack([late(X, EACH[i]) @ W[i] for i in range(3)], axis=1) * SCALE[0],
        "synaptic_delay",
    ),
    "twice": ((Delays(EARLY), Delays(EARLY)), late(X, 2 * EARLY), "dense_delay"),
}


@pytest.mark.parametrize("name", KINDS)
def test_delays_before_and_behind_weights(name: str) -> None:
    parts, wanted, kind = KINDS[name]
    assert synapses_of(term_of(path(*parts))).kind == kind
    np.testing.assert_allclose(currents(path(*parts)), wanted, atol=1e-5)


def test_convolutions_with_delays() -> None:
    kernel = R.normal(size=(2, 1, 3))
    wide = linear_parts.convolution(kernel, None, (1, 4), 1, 1)
    one = linear_parts.convolution(kernel[:1], None, (1, 4), 1, 1)
    for part, kind in ((wide, "channel_conv_delay"), (one, "conv_delay")):
        assert synapses_of(term_of(path(Delays(EARLY), part))).kind == kind
        wanted = part.linear(late(X, EARLY).astype(np.float64))
        np.testing.assert_allclose(currents(path(Delays(EARLY), part)), wanted, atol=1e-5)
    assert synapses_of(term_of(path(wide))).kind == "convolution"


def test_the_step_of_a_cycle_may_be_inside_of_its_delays() -> None:
    term = term_of(path(FULL, Delays(LATE + 1), step_inside=True))
    assert term.received.tolist() == LATE.tolist()
    with refusal(UnsupportedError, "n0: a feedback path of less than a step", 4):
        term_of(path(FULL, Delays(LATE), step_inside=True))


def test_products_without_delays_are_one() -> None:
    terms = joined([term_of(path(FULL)), term_of(path(Delays(EARLY), FULL)), term_of(path(FULL))])
    assert [t.delayed for t in terms] == [False, True]
    assert np.array_equal(terms[0].weights.weight, 2 * W)


REFUSED = {
    "a constant": (
        (linear_parts.affine(W, np.ones(3)), Delays(LATE)),
        "n1: delays weights with a bias",
    ),
    "between weights": (
        (FULL, Delays(LATE), linear_parts.affine(W.T)),
        "n1: delays that differ between values, with weights before and behind",
    ),
    "weights before those with delays": (
        (FULL, SynapticWeights(W.T[None], EACH.T[None], np.zeros(4))),
        "n1: weights with a delay each, and other weights before",
    ),
    "weights behind those with delays": (
        (SynapticWeights(W[None], EACH[None], np.zeros(3)), linear_parts.affine(W.T)),
        "n1: weights with a delay each, and other weights behind",
    ),
    "sizes": ((FULL, FULL), "n1: takes 4 values, what comes before sends 3"),
    "too long": ((Delays(EARLY + 4090), FULL), "n0: a delay of 4095 steps; the longest allowed"),
    "too long together": (
        (Delays(EARLY + 2090), FULL, Delays(LATE + 2090)),
        r"n2: a delay of 41\d\d steps; the longest allowed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    parts, message = REFUSED[name]
    with refusal(UnsupportedError, message, 4):
        term_of(path(*parts))


def test_paths_are_equal_where_their_weights_are() -> None:
    kernel = linear_parts.convolution(np.ones((1, 1, 3)), None, (1, 4), 1, 1)
    other = linear_parts.convolution(np.ones((1, 1, 3)), None, (1, 4), 1, 1)
    assert (
        path(kernel).key
        == path(
            linear_parts.unbiased(kernel),
        ).key
    )
    assert path(kernel).key != path(other).key
    assert path(FULL).key == path(linear_parts.unbiased(FULL)).key
    assert path(FULL).key != path(linear_parts.affine(W.copy())).key
    scale = linear_parts.Scale(*SCALE)
    assert path(scale).key == path(linear_parts.unbiased(scale)).key
    assert path(FULL).key != path(FULL, step_inside=True).key


def test_convolutions_of_two_axes_with_delays() -> None:
    part = linear_parts.convolution(R.normal(size=(2, 1, 2, 1)), None, (1, 2, 2), 1, (1, 0))
    own = path(Delays(EARLY), part)
    synapses: Any = synapses_of(term_of(own))
    assert (synapses.kind, synapses.kernel.shape) == ("channel_conv_delay", (2, 1, 2, 1))
    wanted = part.linear(late(X, EARLY).astype(np.float64))
    np.testing.assert_allclose(currents(own), wanted, atol=1e-5)
    row = linear_parts.convolution(R.normal(size=(2, 1, 3)), None, (1, 4), 2, 1)
    strided: Any = synapses_of(term_of(path(Delays(EARLY), row)))
    assert (strided.kernel.shape, strided.stride) == ((2, 1, 3), (1, 2))


def test_the_largest_of_sums_goes_on_only_by_scales_of_each_map() -> None:
    conv = linear_parts.convolution(R.normal(size=(2, 1, 1)), None, (1, 4), 1, 0)
    peak = Peak((2, 1, 4), Window((1, 2), (1, 2)))
    found = term_of(path(conv, peak, linear_parts.per_channel([0.5, 2], [1, 2], (2, 2))))
    assert isinstance(found.weights, linear_parts.Convolution)
    assert found.weights.maps.peak == peak.window
    np.testing.assert_array_equal(found.constant, [1, 1, 2, 2])
    after = term_of(path(conv, linear_parts.affine(np.eye(8))))  # no largest: folded
    assert after.weights.outputs == 8
    uneven = linear_parts.Scale(np.arange(1.0, 5), np.zeros(4))
    turned = linear_parts.per_channel([0.5, -2], [0, 0], (2, 2))
    for last in (uneven, turned, linear_parts.affine(np.eye(4))):
        with refusal(UnsupportedError, "n1: takes the largest of sums that go on into", 4):
            term_of(path(conv, peak, last))
    with refusal(UnsupportedError, "n1: takes the largest of what is neither", 4):
        term_of(path(linear_parts.affine(np.ones((8, 4))), peak))
