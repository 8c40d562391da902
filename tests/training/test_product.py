"""Products of a matrix with a series, against plain autograd."""

from __future__ import annotations

import pytest
import torch

from delrec_compile.training import native
from delrec_compile.training.product import product


@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_those_of_a_product_for_each_step(biased: bool) -> None:
    r = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(*shape, generator=r, dtype=torch.double).requires_grad_()
        for shape in ((7, 4, 3), (5, 4), (5,))
    )
    inputs = [x, weight, bias] if biased else [x, weight]
    got = product(x, weight, bias if biased else None)
    wanted = torch.stack([weight @ row for row in x]) + (bias[:, None] if biased else 0)
    assert torch.allclose(got, wanted, rtol=1e-13, atol=1e-13)
    cost = torch.randn(*got.shape, generator=r, dtype=torch.double)
    for ours, theirs in zip(
        torch.autograd.grad((got * cost).sum(), inputs),
        torch.autograd.grad((wanted * cost).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_inputs_that_want_no_gradient_cost_none() -> None:
    x, weight = torch.ones(2, 3, 4), torch.ones(5, 3, requires_grad=True)
    product(x, weight, None).sum().backward()
    assert weight.grad is not None
    assert weight.grad.unique().tolist() == [8]
    assert x.grad is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("biased", [True, False])
def test_few_values_are_summed_in_c(
    share: float, biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    r = torch.Generator().manual_seed(0)
    x = torch.randn(5, 33, 19, generator=r)
    x = torch.where(torch.rand(x.shape, generator=r) < share, x, 0.0).requires_grad_()
    weight = torch.randn(128, 33, generator=r).requires_grad_()
    bias = torch.randn(128, generator=r).requires_grad_()
    inputs = [x, weight, bias] if biased else [x, weight]
    cost = torch.randn(5, 128, 19, generator=r)
    called, call, compiled = [], native.call, native.library()
    monkeypatch.setattr(native, "call", lambda name, *own: called.append(name) or call(name, *own))
    made = []
    for form in (compiled, None):
        monkeypatch.setattr(native, "library", lambda form=form: form)
        out = product(x, weight, bias if biased else None)
        made.append([out, *torch.autograd.grad((out * cost).sum(), inputs)])
    few = ["product_forward", "product_gradient"] if share < 0.5 else []
    assert called == ["count_active", *few]
    for one, other in zip(*made, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_outputs_that_are_no_whole_blocks_take_a_whole_product() -> None:
    x, weight = torch.zeros(2, 3, 4), torch.ones(20, 3)
    assert torch.equal(product(x, weight, torch.arange(20.0))[1, :, 3], torch.arange(20.0))
