"""Convolutions in a row as one, beside torch's, one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Convolution

Shape = tuple[int, int, int]


def drawn(r: np.random.Generator, shape: Shape) -> Convolution:
    """Any convolution or pool over these maps."""
    groups = int(r.choice([g for g in (1, 2, 4) if shape[0] % g == 0]))
    kernel = r.normal(size=(4, shape[0] // groups, *r.integers(1, 4, 2)))
    dilation = [int(d) for d in r.integers(1, 3, 2)]
    pad = [
        int(r.integers(0, (k - 1) * d + 1)) for k, d in zip(kernel.shape[2:], dilation, strict=True)
    ]
    bias = r.normal(size=4) * r.integers(0, 2)
    return linear_parts.convolution(kernel, bias, shape, r.integers(1, 4, 2), pad, groups, dilation)


def by_torch(part: Convolution, x: torch.Tensor) -> torch.Tensor:
    m = part.maps
    kernel, bias = torch.from_numpy(part.kernel), torch.from_numpy(part.bias)
    own = m.stride, m.pad, m.dilation, m.groups
    return torch.nn.functional.conv2d(x, kernel, bias, *own)


def test_any_two_are_what_they_are_in_a_row() -> None:
    r = np.random.default_rng(3)
    kinds = []
    for _ in range(120):
        first = drawn(r, (2, 17, 19))
        then = drawn(r, first.maps.out)
        x = torch.from_numpy(r.normal(size=(2, 2, 17, 19)))
        want = by_torch(then, by_torch(first, x)).flatten(1).numpy()
        both = linear_parts.fold([first, then], 2 * 17 * 19)
        np.testing.assert_allclose(both.linear(x.flatten(1).numpy()) + both.biases, want, atol=1e-9)
        kinds.append(type(both))
    assert 20 < kinds.count(Convolution) < 100


def conv(
    pad: Any, shape: Shape, groups: int = 1, *, size: int = 3, stride: int = 1, dilation: int = 1
) -> Convolution:
    kernel = np.random.default_rng(0).normal(size=(6, shape[0] // groups, size, size))
    return linear_parts.convolution(kernel, None, shape, stride, pad, groups, dilation)


def pool(shape: Shape, kind: str = "mean") -> Convolution:
    return linear_parts.pooling(kind, 2, 2, 0, shape)


ROWS: dict[str, tuple[Any, Any]] = {
    "even": (lambda: (pool((4, 8, 8)), conv(1, (4, 4, 4))), (6, 4, 6, 6)),
    "odd, without padding": (lambda: (pool((4, 9, 9)), conv(0, (4, 4, 4))), (6, 4, 6, 6)),
    "odd, with padding": (lambda: (pool((4, 9, 9)), conv(1, (4, 4, 4))), None),
    "odd, with padding, but the end unseen": (
        lambda: (pool((4, 9, 9)), conv(1, (4, 4, 4), size=2, stride=3)),
        (6, 4, 4, 4),
    ),
    "dilated, then place by place": (
        lambda: (conv(0, (4, 8, 8), dilation=2), conv(0, (6, 4, 4), size=1)),
        (6, 4, 3, 3),
    ),
    "behind": (lambda: (conv(1, (4, 8, 8)), pool((6, 8, 8), "sum")), (6, 4, 4, 4)),
    "in groups": (lambda: (pool((4, 8, 8)), conv(1, (4, 4, 4), 2)), (6, 2, 6, 6)),
    "of each channel": (lambda: (pool((4, 8, 8)), pool((4, 4, 4))), (4, 1, 4, 4)),
    "two kernels": (lambda: (conv(0, (4, 8, 8)), conv(0, (6, 6, 6))), (6, 4, 5, 5)),
    "two kernels with padding": (lambda: (conv(1, (4, 8, 8)), conv(1, (6, 8, 8))), None),
}


@pytest.mark.parametrize("name", ROWS)
def test_weights_that_are_held(name: str) -> None:
    make, held = ROWS[name]
    first, then = make()
    both = linear_parts.fold([first, then], first.inputs)
    if held is None:
        assert isinstance(both, Affine)
    else:
        assert isinstance(both, Convolution)
        assert both.kernel.shape == held
        assert both.outputs == then.outputs
        assert both.maps.end is None  # of both as of one, no place is cropped


@pytest.mark.parametrize(("size", "stride", "end"), [(9, 2, 1), (10, 3, 1)])
def test_windows_that_reach_behind_the_maps_do_so_in_one(size: int, stride: int, end: int) -> None:
    """They see zeros there, as behind the maps of a first convolution that sees place by place."""
    r = np.random.default_rng(2)
    first = conv(0, (4, size, size), size=1)
    kernel = r.normal(size=(3, 6, 2, 2))
    then = linear_parts.convolution(kernel, None, first.maps.out, stride, 0, end=end)
    both = linear_parts.fold([first, then], first.inputs)
    assert isinstance(both, Convolution)
    assert both.maps.out == then.maps.out
    x = torch.from_numpy(r.normal(size=(2, 4, size, size)))
    padded = torch.nn.functional.pad(by_torch(first, x), (0, end, 0, end))
    want = torch.nn.functional.conv2d(padded, torch.from_numpy(kernel), stride=stride)
    np.testing.assert_allclose(
        both.linear(x.flatten(1).numpy()), want.flatten(1).numpy(), atol=1e-9
    )
