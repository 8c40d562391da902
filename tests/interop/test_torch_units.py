"""What of a torch model is read as one module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import refusal
from torch import nn
from torch._dynamo.utils import counters
from torch.ao.quantization import quantize_dynamic
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.torch_units import holds_values, is_unit, kind_of, units

snntorch: Any = pytest.importorskip("snntorch")
pytestmark = pytest.mark.filterwarnings("ignore")


def leaky() -> nn.Module:
    made: nn.Module = snntorch.Leaky(beta=0.5, init_hidden=True)
    return made


class Block(nn.Module):
    """A user's module, which only calls its parts, or scales what comes between."""

    def __init__(self, scaled: bool = False) -> None:
        super().__init__()
        self.linear, self.fires = nn.Linear(8, 8), leaky()
        if scaled:
            self.scale = nn.Parameter(torch.full((), 2.0))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.linear(x)
        return self.fires(y * self.scale if hasattr(self, "scale") else y)


def test_containers_are_entered_and_modules_of_libraries_are_not() -> None:
    model = nn.Sequential(Block(), nn.Sequential(nn.LSTM(8, 8), nn.TransformerEncoderLayer(8, 2)))
    named = [name for _, name in units(model, lambda m: isinstance(m, snntorch.Leaky))]
    assert named == ["0.linear", "0.fires", "1.0", "1.1"]
    assert not is_unit(model)
    assert is_unit(nn.MultiheadAttention(8, 2))
    weighted = parametrizations.weight_norm(nn.Linear(8, 8))
    assert is_unit(weighted)
    assert kind_of(weighted) == "Linear"
    assert (holds_values(Block()), holds_values(Block(scaled=True))) == (False, True)


UNKNOWN = {
    "LeakyParallel": lambda: snntorch.LeakyParallel(input_size=8, hidden_size=8),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, batch_first=True),
    "LSTM": lambda: nn.LSTM(8, 8),
    "Block": lambda: Block(scaled=True),
    "PReLU": lambda: nn.PReLU(),
}


class Applied(nn.Module):
    """The module on the values alone, where it takes more or returns more."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.a, self.l, self.odd, self.b, self.m = (
            nn.Linear(8, 8),
            leaky(),
            module,
            nn.Linear(8, 4),
            leaky(),
        )

    def forward(self, x: torch.Tensor) -> Any:
        y = self.l(self.a(x))
        three = isinstance(self.odd, nn.MultiheadAttention)
        y = self.odd(y, y, y) if three else self.odd(y)
        return self.m(self.b(y[0] if isinstance(y, tuple) else y))


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_unknown_module_is_named_itself(kind: str) -> None:
    with refusal(UnsupportedError, f"odd: networks have no {kind};.* step.onnx", 4):
        delrec_compile.from_snntorch(Applied(UNKNOWN[kind]()))


COMPUTED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "old_weight_norm": nn.utils.weight_norm,
    "pruned": lambda m: prune.random_unstructured(m, "weight", 0.5),
}


@pytest.mark.parametrize("how", COMPUTED)
def test_a_weight_that_is_computed_is_the_one_of_evaluation(how: str) -> None:
    given, made = computed(how).train(), delrec_compile.from_snntorch(computed(how), max_input=1)
    before = {name: value.clone() for name, value in given.state_dict().items()}
    trained = delrec_compile.from_snntorch(given, max_input=1)
    check = trained.check(60, frozen=False)
    assert (check.differing, check.firing.silent) == (0, False)
    assert all(torch.equal(before[name], value) for name, value in given.state_dict().items())
    assert all(m.training for m in given.modules())
    for a, b in zip(trained.unfrozen.layers, made.unfrozen.layers, strict=True):
        assert (a.weight == b.weight).all()
    half = delrec_compile.from_snntorch(computed(how).half(), max_input=1)
    assert "float16" in half.remarks[0]
    assert half.check(60, frozen=False).differing == 0


def computed(how: str) -> nn.Sequential:
    torch.manual_seed(0)
    own = COMPUTED[how]
    return nn.Sequential(own(nn.Linear(8, 16)), leaky(), own(nn.Linear(16, 4)), leaky()).eval()


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "AveragedModel": AveragedModel,
    "compiled": torch.compile,
    "compiled in place": lambda m: (m.compile(), m)[1],
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_is_wrapped_is_read(wrapper: str) -> None:
    inner = computed("weight_norm")
    check = delrec_compile.from_snntorch(WRAPPERS[wrapper](inner), max_input=1).check(60)
    assert check.spikes > 20
    assert check.differing == 0
    assert not counters["frames"]  # nothing was compiled


CLOSED = {
    "Linear that TorchScript compiled": lambda: torch.jit.script(nn.Linear(8, 8)),
    "quantised Linear": lambda: quantize_dynamic(nn.Sequential(nn.Linear(8, 8)))[0],
}


@pytest.mark.parametrize("what", CLOSED)
def test_what_cannot_be_seen_into_is_named(what: str) -> None:
    model = nn.Sequential(CLOSED[what](), leaky())
    with refusal(UnsupportedError, f"0: networks have no {what}; give the model as it was", 4):
        delrec_compile.import_model(model)


def test_a_model_that_is_on_no_device() -> None:
    with refusal(UnsupportedError, r"float32 on meta .* give model.float\(\).cpu\(\)", 4):
        delrec_compile.from_snntorch(nn.Sequential(nn.Linear(8, 8), leaky()).to("meta"))
