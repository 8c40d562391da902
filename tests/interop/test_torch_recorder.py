"""What a step of a torch model runs, and what stands in place of each output."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from delrec_compile.interop.torch_recorder import Recorder, tensors
from delrec_compile.interop.torch_wiring import Wiring
from delrec_compile.network.model import INPUT


def recorder(names: dict[nn.Module, str]) -> Recorder:
    made = Recorder(names, lambda _: False, lambda _: False, Wiring(), torch.Generator())
    made.generator.manual_seed(0)
    return made


def test_a_call_keeps_its_output_and_sends_random_numbers_in_its_place() -> None:
    module, x = nn.Linear(3, 2), torch.rand(1, 3)
    own = recorder({module: "fc"})
    own.wiring.send(INPUT, x)
    own.before(module, (x,))
    sent = own.after(module, (x,), (module(x), "a state"))
    (call,) = own.calls
    assert (call.name, call.source.names, call.shape) == ("fc", (INPUT,), (1, 3))
    assert torch.equal(call.y, module(x).reshape(-1))
    assert not torch.equal(sent[0], module(x))
    assert sent[1] == "a state"
    assert not own.faults


def test_an_unknown_input_is_a_fault_that_names_what_came_before() -> None:
    first, second, x = nn.Linear(3, 3), nn.Linear(3, 2), torch.rand(1, 3)
    own = recorder({first: "a", second: "b"})
    own.wiring.send(INPUT, x)
    own.before(first, (x,))
    y = own.after(first, (x,), first(x))
    own.before(second, (y.square(),))
    ((name, why),) = own.faults
    assert name == "b"
    assert "not the output of 'a'" in why


def test_functions_of_outputs_are_calls_and_others_are_not() -> None:
    module, x = nn.Linear(3, 2), torch.rand(1, 3)
    own, pool = recorder({module: "fc"}), nn.AvgPool1d(2)
    own.wiring.send(INPUT, x)
    assert own.function("avg_pool1d", pool, x.square()) is None
    sent: Any = own.function("avg_pool1d", pool, x)
    assert sent.shape == (1, 1)
    assert own.calls[0].name == "x.avg_pool1d"
    own.before(module, (x,))
    assert own.function("avg_pool1d", pool, sent) is None  # inside a module


def test_all_tensors_of_a_value() -> None:
    a, b = torch.ones(1), torch.zeros(2)
    assert list(tensors((a, [b, 3], None))) == [a, b]
