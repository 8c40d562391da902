"""A torch model run step by step or over all steps, and the spikes of its layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers import refusal
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.torch_model import (
    TorchModel,
    WatchedModel,
    evaluated,
    first,
    in_a_usable_type,
)

X = np.arange(12, dtype=np.float32).reshape(3, 2, 2)  # (T, batch, inputs)


class Sum(nn.Module):
    """The sum of all inputs so far; its state is handed on, or its own."""

    def __init__(self) -> None:
        super().__init__()
        self.total: Any = 0

    def reset(self) -> None:
        self.total = 0

    def forward(self, x: Tensor, state: Any = None) -> Any:
        self.total = x + (self.total if state is None else state)
        return self.total, self.total


class Whole(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(0)


def made(module: Any, **options: Any) -> TorchModel:
    return TorchModel("a model", module, (2,), getattr(module, "reset", lambda: None), **options)


@pytest.mark.parametrize(
    "model", [made(Sum()), made(Sum(), stateful=True), made(Whole(), takes_sequences=True)]
)
def test_every_form_of_model_starts_fresh_and_runs_all_steps(model: TorchModel) -> None:
    expected = X.cumsum(0)
    for _ in range(2):
        assert np.array_equal(
            WatchedModel(model, (model.module,)).spikes(X)[0], expected.reshape(3, 2, 2)
        )


def test_a_model_that_fails_on_a_batch_is_refused() -> None:
    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(2)

    module = One()
    with refusal(UnsupportedError, r"the model .* not .*\[3, 2\] steps of a batch", 4):
        WatchedModel(made(module), (module,)).spikes(X)
    assert not module._forward_hooks


def test_evaluation_leaves_the_modes_as_they_were() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    module[0].eval()
    with evaluated(module):
        assert not module[1].training
        assert not module(torch.ones(2)).requires_grad
    assert (module.training, module[0].training, module[1].training) == (True, False, True)


def test_the_first_tensor_of_several() -> None:
    one = torch.ones(1)
    assert first(one) is first((one, None)) is first([(one, 2), 3]) is one


def test_a_model_of_another_type_is_copied() -> None:
    own, how = nn.Sequential(nn.Linear(2, 2)).half(), {"takes_sequences": False, "stateful": True}
    own[0].kept = 3  # type: ignore[assignment]
    copied, dtype, remarks = in_a_usable_type(own, (2,), **how)
    assert (copied[0].weight.dtype, own[0].weight.dtype) == (torch.float32, torch.float16)  # type: ignore[index]
    assert (dtype, copied[0].kept) == (torch.float32, 3)  # type: ignore[index]
    assert remarks == (
        "the model is in float16; it was copied to float32, in which it is compared",
    )
    single = nn.Linear(2, 2)
    assert in_a_usable_type(single, (2,), **how) == (single, torch.float32, ())


def test_a_model_on_another_device_that_cannot_be_copied_is_refused() -> None:
    with refusal(UnsupportedError, r"the model is in float32 on meta and cannot be copied \(", 4):
        in_a_usable_type(nn.Linear(2, 2, device="meta"), (2,), takes_sequences=False)
