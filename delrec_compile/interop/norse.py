"""Norse's cells, of the version 1.1: one step of Euler's method, firing above the threshold.

    dv = dt * tau_mem_inv * (v_leak - v + i)

Membranes begin at v_leak, those of IAFCell at v_reset, and are counted from there here. A cell with
a synaptic current has a second state, i = (1 - dt * tau_syn_inv) * i + I, unless dt * tau_syn_inv = 1:
then the current is gone in the next step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts, torch_modules, torch_reader
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.packages import package
from delrec_compile.interop.parts import Integrator, Neurons, lif_of, neuron_of
from delrec_compile.interop.refusals import unknown_part
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import TorchModel, in_a_usable_type
from delrec_compile.interop.torch_modules import array
from delrec_compile.interop.torch_reader import TorchReader
from delrec_compile.interop.torch_recorder import Call
from delrec_compile.network.model import DenseDelay, Neuron
from delrec_compile.ops.cuba_lif import CubaLif

OUTPUTS = ("LIBoxCell", "LICell", "LILinearCell")
CELLS = ("LIFBoxCell", "LIFCell", "LIFRecurrentCell", "IAFCell", *OUTPUTS)
WEIGHTED = ("LIFRecurrentCell", "LILinearCell")  # with weights of their own for what they take


def from_norse(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    takes_sequences: bool = False,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """A model of Norse as a frozen network.

    module: takes a step and a state, as `SequentialState` does; or, with takes_sequences, all steps
    (T, batch, inputs), over which it loops. Made of LIFBoxCell, IAFCell, LIFCell and LIFRecurrentCell;
    LIBoxCell, LICell or LILinearCell as the last; and PyTorch's Linear, Conv1d, Conv2d, BatchNorm,
    pools, Flatten, Dropout.
    dt_ms: length of a step of the network; by default the cells' dt. input_shape: of one step,
    without the batch; by default that of a first Linear.

    Raises UnsupportedError, with the module's name, for what networks do not have.
    """
    reader = reader_of(module, input_shape=input_shape, takes_sequences=takes_sequences)
    traced = reader.trace()
    modules: list[Any] = [call.module for call in traced.calls]
    dts = [float(m.dt) for m in modules if hasattr(m, "dt")]
    step = dt_ms if dt_ms is not None else 1e3 * next(iter(dts), 1e-3)
    inputs: dict[str, Any] = {"max_input": max_input, "input_bits": input_bits}
    return torch_reader.read(reader, traced, dt_ms=step, name=name, **inputs)


def reader_of(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    takes_sequences: bool = False,
) -> TorchReader:
    """How the model is read. Options as in `from_norse`."""
    snn = package("norse.torch.module.snn")
    linear = package("norse.torch.module.leaky_integrator").LILinearCell
    base = (snn.SNNCell, snn.SNNRecurrentCell, linear)
    how = {"takes_sequences": takes_sequences, "stateful": not takes_sequences}
    shape = torch_reader.input_shape(
        module, input_shape, lambda m: int(getattr(m, "input_size", 0))
    )
    module, dtype, remarks = in_a_usable_type(module, shape, **how)
    steps: list[float] = []

    def add(call: Call, chain: Chain, _last: bool) -> nn.Module | None:
        m: Any = call.module
        if hasattr(m, "dt"):
            steps.append(float(m.dt))
            if steps[-1] != steps[0]:
                raise UnsupportedError(
                    f"{call.name}: a cell with steps of {steps[-1]:g} s behind one of {steps[0]:g} s; "
                    "one step is required"
                )
        if isinstance(call.module, base):
            return call.module if _cell(call, chain) else None
        if not torch_modules.add_torch_module(call, chain):
            raise torch_modules.unsupported(call, "Norse")
        return None

    model = TorchModel("Norse", module, shape, lambda: None, dtype=dtype, **how)
    return TorchReader(model, lambda m: isinstance(m, base), add, remarks=remarks)


def _cell(call: Call, chain: Chain) -> bool:
    """Adds a cell. Returns whether it fires."""
    m: Any = call.module
    name, kind, p = call.name, type(m).__name__, m.p
    if kind not in CELLS:
        raise unknown_part(name, kind, f"allowed: {', '.join(CELLS)}")
    fall = array(m.dt * p.tau_syn_inv) if hasattr(p, "tau_syn_inv") else np.ones(1)
    rate = np.ones(1) if kind == "IAFCell" else array(m.dt * p.tau_mem_inv)
    rest = array(p.v_reset if kind == "IAFCell" else getattr(p, "v_leak", 0.0))
    if kind in WEIGHTED:
        chain.add(name, linear_parts.affine(array(m.input_weights)))
    if kind in OUTPUTS:
        if np.any(rest):
            raise UnsupportedError(f"{name}: outputs need a v_leak of 0")
        gain, left = rate.ravel(), (1 - fall).ravel() if np.any(fall != 1) else None
        chain.add(name, Integrator(1 - gain, gain, left))
        return False
    neuron = _neuron(call, rate, rest, fall)
    own: tuple[DenseDelay, ...] = ()
    if kind == "LIFRecurrentCell":
        weight = array(m.recurrent_weights).astype(np.float32)
        own = (DenseDelay(weight, np.zeros(len(weight), np.int32)),)
    chain.add(name, Neurons(neuron, own))
    return True


def _neuron(call: Call, rate: Any, rest: Any, fall: Any) -> Neuron:
    """rate: dt / tau_mem. rest: the membrane at the start. fall: dt / tau_syn."""
    p: Any = call.module.p
    method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method not in ("reset_value", "reset_subtract"):
        raise UnsupportedError(f"{call.name}: networks have no reset '{method}'")
    if method == "reset_subtract" and np.any(rest):
        raise UnsupportedError(f"{call.name}: a reset by subtraction with a v_leak that is not 0")
    counted = not hasattr(p, "tau_mem_inv")
    size = int(array(getattr(call.module, "hidden_size", call.size)))
    soft = method == "reset_subtract"
    own: dict[str, Any] = {
        "beta": np.ones(1) if counted else 1 - rate,
        "gain": rate,
        "threshold": array(p.v_th) - rest,
        "v_reset": 0.0 if soft else array(p.v_reset) - rest,
        "fires": "above",
        "reset": "soft" if soft else "hard",
    }
    if np.all(fall == 1):
        return lif_of(size, call.name, **own)
    return neuron_of(CubaLif, size, call.name, alpha=1 - fall, **own)
