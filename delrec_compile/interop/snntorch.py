"""snnTorch's neurons, of the versions 1.x.

They fire above their threshold. The reset `subtract` takes the threshold off in the next step,
unleaked: "soft_later"; a delayed `zero` drops the current of the next step too: "hard_later"; that of
Leaky, and one without `reset_delay`, does not: "hard". `subtract` without `reset_delay` corrects itself
where a membrane stays above the threshold, and is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts, torch_modules, torch_reader
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.packages import package
from delrec_compile.interop.parts import Integrator, Neurons, neuron_of
from delrec_compile.interop.refusals import unknown_part
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import TorchModel, in_a_usable_type
from delrec_compile.interop.torch_modules import array
from delrec_compile.interop.torch_reader import TorchReader
from delrec_compile.interop.torch_recorder import Call
from delrec_compile.network.model import Conv2dDelay, ConvDelay, DenseDelay, Lif, Neuron, Synapses
from delrec_compile.ops.alpha import Alpha, tau_alpha
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.system.renamed import renamed_arguments

SUPPORTED = ("Leaky", "RLeaky", "Lapicque", "Synaptic", "RSynaptic", "Alpha")
RECURRENT = ("RLeaky", "RSynaptic")


@renamed_arguments(whole="takes_sequences")
def from_snntorch(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    takes_sequences: bool = False,
    dt_ms: float = 10.0,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """A model of snnTorch as a frozen network. Its state is reset.

    module: takes one step (batch, inputs), with neurons made with `init_hidden=True`; or, with
    takes_sequences, all steps (T, batch, inputs), over which it loops. Made of Leaky, Lapicque,
    Synaptic, Alpha, RLeaky and RSynaptic (linear, conv, one to one) and PyTorch's Linear, Conv1d,
    Conv2d, BatchNorm, pools, Flatten, Dropout.
    Last neurons with `reset_mechanism="none"` are a readout, their membrane the output.
    input_shape: of one step, without the batch; by default that of a first Linear.

    Raises UnsupportedError, with the module's name, for what networks do not have.
    """
    reader = reader_of(module, input_shape=input_shape, takes_sequences=takes_sequences)
    inputs: dict[str, Any] = {"max_input": max_input, "input_bits": input_bits}
    return torch_reader.read(reader, dt_ms=dt_ms, name=name, **inputs)


def reader_of(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    takes_sequences: bool = False,
) -> TorchReader:
    """How the model is read. Options as in `from_snntorch`."""
    snn = package("snntorch")
    shape = torch_reader.input_shape(module, input_shape)
    module, dtype, remarks = in_a_usable_type(module, shape, takes_sequences=takes_sequences)

    def reset() -> None:
        for m in module.modules():
            if isinstance(m, snn.SpikingNeuron) and hasattr(m, "reset_mem"):
                forget: Any = m.reset_mem
                forget()

    def add(call: Call, chain: Chain, last: bool) -> nn.Module | None:
        if isinstance(call.module, snn.SpikingNeuron):
            return call.module if _neurons(call, chain, last) else None
        if not torch_modules.add_torch_module(call, chain):
            raise torch_modules.unsupported(call, "snnTorch")
        return None

    return TorchReader(
        TorchModel("snnTorch", module, shape, reset, takes_sequences, dtype=dtype),
        lambda m: isinstance(m, snn.SpikingNeuron),
        add,
        lambda m: getattr(m, "reset_mechanism", "") == "none",
        remarks,
    )


def _neurons(call: Call, chain: Chain, last: bool) -> bool:
    """Adds the neurons. Returns whether they fire."""
    m: Any = call.module
    name, kind = call.name, type(m).__name__
    if kind not in SUPPORTED:
        raise unknown_part(name, kind, f"allowed: {', '.join(SUPPORTED)}")
    for fault, what in (
        (m.inhibition, "inhibition"),
        (m.state_quant, "a quantised state"),
        (np.any(array(getattr(m, "graded_spikes_factor", 1.0)) != 1), "graded spikes"),
    ):
        if fault:
            raise UnsupportedError(f"{name}: networks have no {what}")
    beta, gain = _decay(m)
    if m.reset_mechanism == "none":
        if not last or kind in RECURRENT:
            raise UnsupportedError(
                f"{name}: neurons that are never reset can only be the last, without a recurrence"
            )
        chain.add(name, _integrator(m, beta, gain))
        chain.remarks.append(f"{name}: its membrane is the output, not its spikes")
        return False
    neuron = _neuron(call, m, beta, gain)
    own: tuple[Synapses, ...] = ()
    constant = None
    if kind in RECURRENT:
        recurrence, constant = _recurrence(call, m)
        own = (recurrence,)
    chain.add(name, Neurons(neuron, own, constant))
    return True


def _integrator(m: Any, beta: F64, gain: F64) -> Integrator:
    """Neurons without a reset, whose membrane is the output."""
    alpha = np.clip(array(m.alpha), 0.0, 1.0) if hasattr(m, "alpha") else np.zeros(1)
    fall, rise, gain = (own.ravel() for own in np.broadcast_arrays(beta, alpha, gain))
    if not hasattr(m, "alpha"):
        return Integrator(fall, gain)
    if type(m).__name__ != "Alpha":
        return Integrator(fall, 1.0, rise)
    # of two traces, e + h is (alpha - beta) times one filter behind another, a step late
    factor = tau_alpha(rise.astype(np.float32), fall.astype(np.float32)).astype(np.float64)
    return Integrator(fall, factor * (rise - fall), rise, "old")


def _decay(m: Any) -> tuple[F64, F64]:
    """beta and gain of a step; a Lapicque's are those of Euler's method on its R and C."""
    if type(m).__name__ != "Lapicque":
        return np.clip(array(m.beta), 0.0, 1.0), np.ones(1)
    resistance = array(m.R)
    rate = array(m.time_step) / (resistance * array(m.C))
    return 1.0 - rate, resistance * rate


def _reset(name: str, m: Any) -> str:
    """The reset. Raises UnsupportedError for one that no network has."""
    kind, delayed = type(m).__name__, bool(getattr(m, "reset_delay", True))
    if m.reset_mechanism == "zero":
        return "hard_later" if delayed and kind != "Leaky" else "hard"
    if not delayed:
        raise UnsupportedError(
            f"{name}: a {kind} that resets by subtraction without reset_delay; networks have no such "
            "reset"
        )
    return "soft_later"


def _neuron(call: Call, m: Any, beta: Any, gain: Any) -> Neuron:
    values = {"beta": beta, "gain": gain, "threshold": array(m.threshold)}
    model: type[Neuron] = Lif
    if hasattr(m, "alpha"):
        model, values["alpha"] = CubaLif, np.clip(array(m.alpha), 0.0, 1.0)
    if type(m).__name__ == "Alpha":
        model, values["gain"] = Alpha, tau_alpha(values["alpha"], beta)
    own = {k: np.broadcast_to(v, call.shape) if v.size > 1 else v for k, v in values.items()}
    reset = _reset(call.name, m)
    return neuron_of(model, call.size, call.name, **own, fires="above", reset=reset)


def _recurrence(call: Call, m: Any) -> tuple[Synapses, Any]:
    """The recurrence on the spikes of the step before, and its constant current or None."""
    own, n = m.recurrent, call.size
    none = np.zeros(n, np.int32)
    if isinstance(own, nn.Linear):
        bias: Any = None if own.bias is None else array(own.bias)
        _check_recurrent(call, own, linear_parts.affine(array(own.weight), bias))
        return DenseDelay(array(own.weight).astype(np.float32), none), bias
    if isinstance(own, nn.Conv2d):
        rows, columns = own.kernel_size
        if rows != columns or rows % 2 == 0:
            raise UnsupportedError(f"{call.name}: a recurrent kernel that is not square and odd")
        if own.groups != 1 or own.stride != (1, 1):
            raise UnsupportedError(
                f"{call.name}: a recurrent convolution in groups or with strides"
            )
        kernel, bias = array(own.weight), None if own.bias is None else array(own.bias)
        _check_recurrent(
            call, own, linear_parts.convolution(kernel, bias, call.shape[-3:], 1, rows // 2)
        )
        _, height, width = call.shape[-3:]
        constant = None if bias is None else np.repeat(bias, height * width)
        return Conv2dDelay(kernel.astype(np.float32)[None], height, width), constant
    if type(own).__name__ != "RecurrentOneToOne":
        raise UnsupportedError(
            f"{call.name}: recurrent weights in a {type(own).__name__}; allowed: Linear, Conv2d, V"
        )
    values = array(own.V)
    if values.size == 1:
        return ConvDelay(values.ravel().astype(np.float32), none), None
    diagonal = np.diag(np.broadcast_to(values, call.shape).ravel())
    return DenseDelay(diagonal.astype(np.float32), none), None


def _check_recurrent(call: Call, own: nn.Module, part: linear_parts.LinearPart) -> None:
    """Raises UnsupportedError if the recurrent module does not compute what the part does."""
    spikes = torch.randn(1, *call.shape[1:], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = own(spikes).reshape(-1)
    if part.inputs != call.size:
        raise UnsupportedError(f"{call.name}: recurrent weights of another size than its neurons")
    name = f"{call.name}.recurrent"
    torch_modules.check_output(
        Call(name, own, tuple(spikes.shape), call.size, spikes.reshape(-1), y), part
    )
