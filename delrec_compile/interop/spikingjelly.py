"""SpikingJelly's neurons and containers, of the versions 0.0.0.0.14 and 2.0.

LIFNode: v = v + (x - (v - v_reset)) / tau, or v - (v - v_reset) / tau + x without `decay_input`; it
fires at its threshold. Membranes begin at v_reset, and are counted from it here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts, torch_modules, torch_reader
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.packages import package
from delrec_compile.interop.parts import Delays, Integrator, Neurons, lif_of
from delrec_compile.interop.refusals import unknown_part
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import TorchModel, in_a_usable_type
from delrec_compile.interop.torch_modules import array
from delrec_compile.interop.torch_reader import TorchReader
from delrec_compile.interop.torch_recorder import Call
from delrec_compile.network.model import ConvDelay, DenseDelay, Lif

NEVER_FIRES = 1e6  # a threshold that no membrane reaches


def from_spikingjelly(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    dt_ms: float = 10.0,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """A model of SpikingJelly as a frozen network. Its state is reset.

    module: of Linear, Conv1d, Conv2d, BatchNorm, pools, Flatten, Dropout, IFNode, LIFNode,
    ParametricLIFNode, Delay, VotingLayer, LinearRecurrentContainer, ElementWiseRecurrentContainer,
    in any modules that only call them one after another. Single- and multi-step.
    input_shape: of one step, without the batch; by default that of a first Linear.

    Raises UnsupportedError, with the module's name, for what networks do not have.
    """
    reader = reader_of(module, input_shape=input_shape)
    inputs: dict[str, Any] = {"max_input": max_input, "input_bits": input_bits}
    return torch_reader.read(reader, dt_ms=dt_ms, name=name, **inputs)


def reader_of(module: nn.Module, *, input_shape: tuple[int, ...] | None = None) -> TorchReader:
    """How the model is read. Options as in `from_spikingjelly`."""
    neuron = package("spikingjelly.activation_based.neuron")
    layer = package("spikingjelly.activation_based.layer")
    functional = package("spikingjelly.activation_based.functional")

    def inputs_of(m: Any) -> int:
        container = isinstance(m, layer.LinearRecurrentContainer)
        return int(m.rc.in_features - m.sub_module_out_features) if container else 0

    shape = torch_reader.input_shape(module, input_shape, inputs_of)
    multi_step = any(getattr(m, "step_mode", "s") == "m" for m in module.modules())
    functional.reset_net(module)
    module, dtype, remarks = in_a_usable_type(module, shape, takes_sequences=multi_step)
    model = TorchModel(
        "SpikingJelly",
        module,
        shape,
        lambda: functional.reset_net(module),
        multi_step,
        dtype=dtype,
    )
    opaque = (
        neuron.BaseNode,
        layer.LinearRecurrentContainer,
        layer.ElementWiseRecurrentContainer,
    )
    add = _Reader(neuron, layer).add
    return TorchReader(model, lambda m: isinstance(m, opaque), add, remarks=remarks)


class _Reader:
    """Adds the modules of a model to a chain. Returns those that fire."""

    def __init__(self, neuron: Any, layer: Any) -> None:
        self.neuron, self.layer = neuron, layer

    def add(self, call: Call, chain: Chain, last: bool) -> nn.Module | None:
        name, size = call.name, call.size
        m: Any = call.module
        if isinstance(m, self.neuron.BaseNode):
            self._leak(name, m)  # refuses other neurons
            if float(m.v_threshold) >= NEVER_FIRES:
                self._integrator(name, m, chain, last)
                return None
            chain.add(name, Neurons(self.lif(name, m, size)))
            return call.module
        if isinstance(m, self.layer.LinearRecurrentContainer):
            self._linear_recurrent(call, m, chain)
            return call.module
        if isinstance(m, self.layer.ElementWiseRecurrentContainer):
            self._element_wise(call, m, chain)
            return call.module
        if isinstance(m, self.layer.Delay):
            chain.add(name, Delays(np.full(size, int(m.delay_steps))))
        elif isinstance(m, self.layer.VotingLayer):
            groups = np.arange(size) // m.voting_size == np.arange(size // m.voting_size)[:, None]
            torch_modules.add_part(call, linear_parts.affine(groups / m.voting_size), chain)
        elif isinstance(m, self.layer.SynapseFilter):
            raise unknown_part(name, "SynapseFilter, whose decay pauses at a spike")
        elif not isinstance(m, self.layer.Dropout) and not torch_modules.add_torch_module(
            call, chain
        ):
            raise torch_modules.unsupported(call, "SpikingJelly")
        return None

    def _integrator(self, name: str, node: Any, chain: Chain, last: bool) -> None:
        if not last or node.v_reset not in (None, 0.0):
            raise UnsupportedError(
                f"{name}: neurons that never fire can only be the last, with a v_reset of 0 or none"
            )
        beta, gain = self._leak(name, node)
        chain.add(name, Integrator(beta, gain))
        chain.remarks.append(f"{name}: never fires; its membrane is the output")

    def _element_wise(self, call: Call, m: Any, chain: Chain) -> None:
        name, size = call.name, call.size
        if not _adds(m.element_wise_function):
            raise UnsupportedError(f"{name}: its function is not the sum of its two arguments")
        own = ConvDelay(np.ones(1, np.float32), np.zeros(size, np.int32))
        inner = self._neuron_in(name, m.sub_module)
        for part in list(m.sub_module.children())[:-1] if inner is not m.sub_module else ():
            raise UnsupportedError(
                f"{name}: {type(part).__name__} inside an element-wise recurrent container; "
                "allowed: neurons alone"
            )
        chain.add(name, Neurons(self.lif(name, inner, size), (own,)))

    def _linear_recurrent(self, call: Call, m: Any, chain: Chain) -> None:
        """rc takes (x, y(t - 1)); the linear modules after it in the container are folded into both."""
        name = call.name
        inner = self._neuron_in(name, m.sub_module)
        size = m.sub_module_out_features
        before: list[linear_parts.LinearPart] = [
            linear_parts.affine(array(m.rc.weight), _bias(m.rc))
        ]
        for part in list(m.sub_module.children())[:-1] if inner is not m.sub_module else ():
            if type(part) not in (nn.Linear, self.layer.Linear):
                raise UnsupportedError(
                    f"{name}: {type(part).__name__} inside a recurrent container"
                )
            before.append(linear_parts.affine(array(part.weight), _bias(part)))
        total = linear_parts.dense(linear_parts.fold(before, before[0].inputs))
        split = before[0].inputs - size
        recurrent = total.weight[:, split:].astype(np.float32)
        chain.add(name, linear_parts.affine(total.weight[:, :split], total.bias))
        own = DenseDelay(recurrent, np.zeros(size, np.int32))
        chain.add(name, Neurons(self.lif(name, inner, size), (own,)))

    def _neuron_in(self, name: str, module: nn.Module) -> Any:
        last = list(module.children())[-1] if isinstance(module, nn.Sequential) else module
        if not isinstance(last, self.neuron.BaseNode):
            raise UnsupportedError(
                f"{name}: a recurrent container whose last module is a {type(last).__name__}; "
                "neurons are required"
            )
        return last

    def lif(self, name: str, node: Any, size: int) -> Lif:
        """The node's constants, with the membrane counted from v_reset."""
        beta, gain = self._leak(name, node)
        rest = 0.0 if node.v_reset is None else float(node.v_reset)
        reset = "soft" if node.v_reset is None else "hard"
        level = float(node.v_threshold) - rest
        return lif_of(size, name, beta=beta, gain=gain, threshold=level, reset=reset)

    def _leak(self, name: str, node: Any) -> tuple[float, float]:
        kind = type(node)
        if kind is self.neuron.IFNode:
            return 1.0, 1.0
        if kind is self.neuron.LIFNode:
            rate = 1.0 / float(node.tau)
        elif kind is self.neuron.ParametricLIFNode:
            rate = float(torch.sigmoid(node.w.detach().double()))
        else:
            raise unknown_part(name, kind.__name__, "allowed: IFNode, LIFNode, ParametricLIFNode")
        return 1.0 - rate, rate if node.decay_input else 1.0


def _adds(function: Any) -> bool:
    """Whether the function is the sum of its two arguments."""
    a, b = (10 * torch.randn(2, 64, generator=torch.Generator().manual_seed(0))).unbind()
    try:
        return bool(torch.equal(function(a, b), a + b))
    except Exception:
        return False


def _bias(module: nn.Linear) -> Any:
    return None if module.bias is None else array(module.bias)
