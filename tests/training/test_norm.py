"""BatchNorm of a series against PyTorch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from delrec_compile.training import native
from delrec_compile.training.norm import SeriesNorm

STEPS, N, BATCH = 9, 5, 21


def series(seed: int, dtype: torch.dtype = torch.double) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.randn(STEPS, N, BATCH, generator=generator, dtype=torch.double)
    return (unit * torch.arange(1, N + 1)[:, None] + 3).to(dtype)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.double, 1e-12), (torch.float, 2e-5)], ids=["double", "float"]
)
def test_values_gradients_and_statistics_are_those_of_pytorch(
    dtype: torch.dtype, tolerance: float
) -> None:
    """In float32 by the C form, in float64 by PyTorch."""
    x, cost = series(0, dtype).requires_grad_(), series(1)
    assert native.takes(x) == (dtype == torch.float)
    ours = SeriesNorm(N).to(dtype)
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.uniform_(-1, 1)
    theirs = nn.BatchNorm1d(N).double()
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    found = []
    for norm, own in ((ours, x), (theirs, x.detach().double().requires_grad_())):
        for training in (True, False):
            out = norm.train(training)(own)
            inputs = [own, *norm.parameters()]
            found.append([out, *torch.autograd.grad((out * cost).sum(), inputs)])
        found[-1] += [norm.running_mean, norm.running_var, norm.num_batches_tracked]
    for one, other in zip(found[0] + found[1], found[2] + found[3], strict=True):
        scale = float(other.detach().abs().max())
        assert float((one.double() - other.double()).detach().abs().max()) <= tolerance * scale


def test_the_c_form_and_pytorch_agree_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for _ in range(2):
        x = series(0, torch.float).requires_grad_()
        out = SeriesNorm(N)(x)
        (gradient,) = torch.autograd.grad((out * series(1, torch.float)).sum(), x)
        made.append((out, gradient))
        monkeypatch.setattr(native, "library", lambda: None)
    for one, other in zip(*made, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)
