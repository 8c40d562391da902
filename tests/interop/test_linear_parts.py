"""Linear parts of foreign models: folded, they compute what they compute one after another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Convolution, LinearPart, Scale

R = np.random.default_rng(0)
SHAPE = (2, 4, 5)
SIZE = 40
KERNEL = linear_parts.convolution(R.normal(size=(2, 2, 3, 3)), R.normal(size=2), SHAPE, 1, 1)
PARTS: dict[str, LinearPart] = {
    "matrix": linear_parts.affine(R.normal(size=(SIZE, SIZE)), R.normal(size=SIZE)),
    "convolution": KERNEL,
    "scale": Scale(R.normal(size=SIZE), R.normal(size=SIZE)),
    "scale of each channel": linear_parts.per_channel(R.normal(size=2), R.normal(size=2), SHAPE),
    "one factor": Scale(np.full(SIZE, 0.5), np.zeros(SIZE)),
}


@pytest.mark.parametrize("names", list(itertools.product(PARTS, PARTS)), ids=" then ".join)
def test_folded_parts_compute_the_same(names: tuple[str, str]) -> None:
    x = R.normal(size=(3, SIZE))
    expected = x
    for name in names:
        expected = PARTS[name].linear(expected) + PARTS[name].biases
    folded = linear_parts.fold([PARTS[name] for name in names], SIZE)
    np.testing.assert_allclose(folded.linear(x) + folded.biases, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("convolution", "scale of each channel"), Convolution),
        (("one factor", "convolution"), Convolution),
        (("convolution", "scale"), Affine),
        (("convolution", "convolution"), Affine),
        (("scale",), Affine),
    ],
)
def test_a_convolution_stays_one_where_it_can(names: tuple[str, ...], kind: type) -> None:
    assert type(linear_parts.fold([PARTS[name] for name in names], SIZE)) is kind


def test_no_part_is_the_identity() -> None:
    np.testing.assert_array_equal(linear_parts.fold([], 3).linear(np.eye(3)), np.eye(3))


def test_batch_norm_is_that_of_torch() -> None:
    norm = torch.nn.BatchNorm1d(4).double().eval()
    for tensor in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
        assert tensor is not None
        tensor.uniform_(0.5, 2)
    x = R.normal(size=(5, 4))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor, shift = linear_parts.batch_norm(
        norm.running_mean.numpy(),
        norm.running_var.numpy(),
        norm.eps,
        norm.weight.detach().numpy(),
        norm.bias.detach().numpy(),
    )
    with torch.no_grad():
        np.testing.assert_allclose(x * factor + shift, norm(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_pools_are_those_of_torch(kind: str) -> None:
    x = torch.from_numpy(R.normal(size=(3, *SHAPE)))
    expected = torch.nn.functional.avg_pool2d(x, 2, 2, 1) * (4 if kind == "sum" else 1)
    pool = linear_parts.pooling(kind, 2, 2, 1, SHAPE)
    np.testing.assert_allclose(pool.linear(x.flatten(1).numpy()), expected.flatten(1).numpy())


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("kernel", [(2, 3), (4, 1), (3, 3)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_is_that_of_torch(kernel: tuple[int, int], dilation: int) -> None:
    x, weight = R.normal(size=(3, *SHAPE)), R.normal(size=(3, 2, *kernel))
    want = torch.nn.functional.conv2d(
        torch.from_numpy(x), torch.from_numpy(weight), padding="same", dilation=dilation
    )
    part = linear_parts.convolution(weight, None, SHAPE, 1, "same", dilation=dilation)
    np.testing.assert_allclose(part.linear(x.reshape(3, -1)), want.flatten(1).numpy())


def test_no_weights_of_too_many_values_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="180,000 values go on without weights"):
        linear_parts.fold([], 180_000)


def test_a_matrix_that_would_be_too_large_is_refused() -> None:
    wide = linear_parts.convolution(np.ones((8, 1, 3, 3)), None, (1, 64, 64), 1, 1)
    with refusal(UnsupportedError, "from 4096 to 32768 values .* put spiking neurons", 4):
        linear_parts.dense(wide)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3), 1, 1), r"a convolution of 2 axes over values of shape \[2, 3\]"),
        (((2, 4, 5), 2, "same"), "padding 'same' with a stride"),
    ],
)
def test_convolutions_that_do_not_fit_are_refused(arguments: tuple, message: str) -> None:
    with refusal(UnsupportedError, message, 4):
        linear_parts.convolution(np.ones((1, 2, 3, 3)), None, *arguments)


def test_a_product_of_a_large_map_is_no_product_of_matrices() -> None:
    pool = linear_parts.pooling("mean", 2, 2, 0, (64, 64, 64))
    weight = np.random.default_rng(0).normal(size=(3, pool.outputs))
    folded = linear_parts.fold([pool, linear_parts.affine(weight)], pool.inputs)
    assert isinstance(folded, linear_parts.Affine)
    x = np.random.default_rng(1).normal(size=(2, pool.inputs))
    np.testing.assert_allclose(folded.linear(x), pool.linear(x) @ weight.T, rtol=1e-9, atol=1e-9)


def test_parts_on_one_axis_are_those_of_torch() -> None:
    x, weight = R.normal(size=(3, 2, 9)), R.normal(size=(4, 2, 3))
    rows = torch.from_numpy(x)
    want = torch.nn.functional.conv1d(rows, torch.from_numpy(weight), None, 2, 1, 2)
    part = linear_parts.convolution(weight, None, (2, 9), 2, 1, dilation=2)
    np.testing.assert_allclose(part.linear(x.reshape(3, -1)), want.flatten(1).numpy())
    pooled = torch.nn.functional.avg_pool1d(rows, 3, 2)
    pool = linear_parts.pooling("mean", 3, 2, 0, (2, 9))
    np.testing.assert_allclose(pool.linear(x.reshape(3, -1)), pooled.flatten(1).numpy())


def test_a_norm_without_weights_of_its_own() -> None:
    factor, shift = linear_parts.batch_norm([1.0], [3.0], 1.0, None, None)
    assert (factor, shift) == (0.5, -0.5)


def test_a_part_without_its_bias() -> None:
    for name in ("matrix", "convolution", "scale"):
        own = linear_parts.unbiased(PARTS[name])
        assert not own.biases.any()
        x = R.normal(size=(2, SIZE))
        np.testing.assert_array_equal(own.linear(x), PARTS[name].linear(x))


def test_a_scale_of_each_channel_covers_its_places() -> None:
    scale = linear_parts.per_channel([2.0, 3.0], [0.5, -1.0], (2, 2, 2))
    assert scale.factor.tolist() == [2, 2, 2, 2, 3, 3, 3, 3]
    assert scale.shift.tolist() == [0.5, 0.5, 0.5, 0.5, -1, -1, -1, -1]
