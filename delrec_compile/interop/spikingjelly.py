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
from delrec_compile.interop import linear_parts, torch_modules, torch_trace
from delrec_compile.interop.chain import Chain, Delays, Integrator, Neurons, lif_of
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import TorchModel
from delrec_compile.interop.torch_modules import array
from delrec_compile.interop.torch_trace import Call
from delrec_compile.network.model import ConvDelay, DenseDelay, Lif

NEVER_FIRES = 1e6  # a threshold that no membrane reaches


def from_spikingjelly(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    dt_ms: float = 10.0,
    max_input: int = 31,
    name: str = "network",
) -> Imported:
    """A model of SpikingJelly as a frozen network. Its state is reset.

    module: of Linear, Conv1d, Conv2d, BatchNorm, AvgPool, Flatten, Dropout, IFNode, LIFNode,
    ParametricLIFNode, Delay, VotingLayer, LinearRecurrentContainer, ElementWiseRecurrentContainer,
    in any modules that only call them one after another. Single- and multi-step.
    input_shape: of one step, without the batch; by default that of a first Linear.

    Raises UnsupportedError, with the module's name, for what networks do not have.
    """
    neuron = package("spikingjelly.activation_based.neuron")
    layer = package("spikingjelly.activation_based.layer")
    functional = package("spikingjelly.activation_based.functional")

    def inputs_of(m: Any) -> int:
        container = isinstance(m, layer.LinearRecurrentContainer)
        return int(m.rc.in_features - m.sub_module_out_features) if container else 0

    shape = torch_trace.input_shape(module, input_shape, inputs_of)
    multi_step = any(getattr(m, "step_mode", "s") == "m" for m in module.modules())
    torch_model = TorchModel(
        "SpikingJelly", module, shape, lambda: functional.reset_net(module), multi_step
    )
    opaque = (
        neuron.BaseNode,
        layer.LinearRecurrentContainer,
        layer.ElementWiseRecurrentContainer,
    )
    calls = torch_trace.trace(torch_model, lambda m: isinstance(m, opaque))
    chain = Chain(int(np.prod(shape)), remarks=torch_trace.output_remarks(torch_model))
    reader = _Reader(neuron, layer, chain)
    for call in calls:
        reader.add(call, call is calls[-1])
    return torch_trace.imported(
        torch_model, chain, reader.neurons, dt_ms=dt_ms, max_input=max_input, name=name
    )


class _Reader:
    """Adds the modules of a model to a chain."""

    def __init__(self, neuron: Any, layer: Any, chain: Chain) -> None:
        self.neuron, self.layer, self.chain = neuron, layer, chain
        self.neurons: list[nn.Module] = []

    def add(self, call: Call, last: bool) -> None:
        m, name, size = call.module, call.name, call.size
        if isinstance(m, self.neuron.BaseNode):
            if float(m.v_threshold) >= NEVER_FIRES:
                self._integrator(name, m, last)
                return
            self.chain.add(name, Neurons(self.lif(name, m, size)))
            self.neurons.append(m)
        elif isinstance(m, self.layer.LinearRecurrentContainer):
            self._linear_recurrent(call, m)
        elif isinstance(m, self.layer.ElementWiseRecurrentContainer):
            if not _adds(m.element_wise_function):
                raise UnsupportedError(f"{name}: its function is not the sum of its two arguments")
            own = ConvDelay(np.ones(1, np.float32), np.zeros(size, np.int32))
            inner = self._neuron_in(name, m.sub_module)
            for part in list(m.sub_module.children())[:-1] if inner is not m.sub_module else ():
                raise UnsupportedError(
                    f"{name}: {type(part).__name__} inside an element-wise recurrent container; "
                    "allowed: neurons alone"
                )
            self.chain.add(name, Neurons(self.lif(name, inner, size), own))
            self.neurons.append(m)
        elif isinstance(m, self.layer.Delay):
            self.chain.add(name, Delays(np.full(size, int(m.delay_steps))))
        elif isinstance(m, self.layer.VotingLayer):
            groups = np.arange(size) // m.voting_size == np.arange(size // m.voting_size)[:, None]
            torch_modules.add_part(call, linear_parts.affine(groups / m.voting_size), self.chain)
        elif not isinstance(m, self.layer.Dropout) and not torch_modules.add_torch_module(
            call, self.chain
        ):
            raise torch_modules.unsupported(call, "SpikingJelly")

    def _integrator(self, name: str, node: Any, last: bool) -> None:
        if not last or node.v_reset not in (None, 0.0):
            raise UnsupportedError(
                f"{name}: neurons that never fire can only be the last, with a v_reset of 0 or none"
            )
        beta, gain = self._leak(name, node)
        self.chain.add(name, Integrator(beta, gain))
        self.chain.remarks.append(f"{name}: never fires; its membrane is the output")

    def _linear_recurrent(self, call: Call, m: Any) -> None:
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
        self.chain.add(name, linear_parts.affine(total.weight[:, :split], total.bias))
        own = DenseDelay(recurrent, np.zeros(size, np.int32))
        self.chain.add(name, Neurons(self.lif(name, inner, size), own))
        self.neurons.append(m)

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
            raise UnsupportedError(
                f"{name}: networks have no {kind.__name__}; allowed: IFNode, LIFNode, "
                "ParametricLIFNode"
            )
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
