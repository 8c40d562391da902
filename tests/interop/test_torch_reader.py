"""Torch models as networks and as plans, in the types that they have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from grids import on_grid, same_spikes
from helpers import refusal
from torch import nn

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import torch_reader
from delrec_compile.interop.snntorch import reader_of

snntorch: Any = pytest.importorskip("snntorch")
pytestmark = pytest.mark.filterwarnings("ignore")


def leaky(**options: Any) -> nn.Module:
    made: nn.Module = snntorch.Leaky(**{"beta": 0.5, "init_hidden": True, **options})
    return made


def model(*between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), leaky(), *between, nn.Linear(16, 4), leaky())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_models_in_other_types_are_read(dtype: torch.dtype) -> None:
    given = model().to(dtype)
    made = delrec_compile.from_snntorch(given, max_input=1)
    name = str(dtype).removeprefix("torch.")
    assert any(f"the model is in {name}" in remark for remark in made.remarks)
    check = made.check(100, frozen=False)
    assert (check.differing, check.firing.silent) == (0, False)
    assert given[0].weight.dtype == dtype


def test_a_type_that_is_mixed_is_widened() -> None:
    given = model()
    given[0].half()
    (remark,) = delrec_compile.from_snntorch(given).remarks
    assert "float16, float32; it was copied to float32" in remark


class Loops(nn.Module):
    """forward repeats its input, or its steps, by itself."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.fc1, self.l1 = how, nn.Linear(8, 16), leaky()
        self.fc2, self.l2 = nn.Linear(16, 4), leaky()

    def step(self, x: torch.Tensor) -> Any:
        return self.l2(self.fc2(self.l1(self.fc1(x))))

    def forward(self, x: torch.Tensor) -> Any:
        if self.how == "still":
            return torch.stack([self.step(x) for _ in range(25)])
        if self.how == "rows":
            return torch.stack([self.step(x + k) for k in range(25)])
        if self.how == "sum":
            return sum(self.step(x) for _ in range(7))
        if self.how == "repeated":
            return self.step(x.unsqueeze(0).repeat(25, 1, 1))
        return self.l2(self.fc2(self.l1(self.l1(self.fc1(x)))))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("rows", "fc1: runs 25 times in one call of the model; let forward take one step"),
        ("repeated", "fc1: takes the model's input 25 times over; let forward take one step"),
        ("shared", "l1: is run more than once in a step"),
    ],
)
def test_loops_over_time_are_told(how: str, message: str) -> None:
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_snntorch(Loops(how))
    made = torch_reader.plan(reader_of(Loops(how)), "a model")
    assert [part.name for part in made.refused] == [message.partition(":")[0]]


@pytest.mark.parametrize(("how", "steps"), [("still", 25), ("sum", 7)])
def test_a_loop_over_a_still_input_is_one_step_of_it(how: str, steps: int) -> None:
    given = on_grid(Loops(how))
    made = delrec_compile.from_snntorch(given, max_input=4)
    (remark,) = made.remarks
    assert remark.startswith(f"the model makes {steps} steps of one input by itself")
    assert ("its decision combines" in remark) == (how == "sum")
    same_spikes(made)
    x = made.drawn()
    assert x.shape == (steps, 4 * -(-200 // steps), 8)
    with refusal(UnsupportedError, f"samples of {steps} equal steps", 4):
        made.check(x=x[:-1])
    x[0, 0, 0] += 1
    with refusal(UnsupportedError, f"samples of {steps} equal steps", 4):
        made.check(x=x)


def test_the_same_of_sequences_that_the_user_promised() -> None:
    made = delrec_compile.from_snntorch(on_grid(Loops("still")), max_input=4, takes_sequences=True)
    same_spikes(made)


def test_a_plan_lists_every_refusal() -> None:
    given = model(nn.PReLU(), snntorch.SLSTM(16, 16, init_hidden=True))
    made = torch_reader.plan(reader_of(given), "a model")
    assert (made.form, made.exit_code) == ("snnTorch", 4)
    assert [(p.name, p.kind) for p in made.refused] == [("2", "PReLU"), ("3", "SLSTM")]
    assert all("step.onnx" in part.instead for part in made.refused)
    assert made.parts[0].becomes == "weights 8 -> 16"
    assert torch_reader.plan(reader_of(model()), "a model").ok


def test_what_is_wrong_after_the_parts_is_in_the_plan() -> None:
    made = torch_reader.plan(reader_of(nn.Sequential(nn.Linear(8, 4))), "a model")
    assert (made.refused[0].name, "no spiking layer" in made.refused[0].refused) == ("0", True)


@pytest.mark.parametrize("given", ["m:net", None, {}])
@pytest.mark.parametrize("read", ["from_snntorch", "from_spikingjelly", "from_norse"])
def test_what_is_no_module_is_refused(read: str, given: Any) -> None:
    with refusal(UnsupportedError, "is not a model; a torch module is required", 4):
        getattr(delrec_compile, read)(given)
