"""Registries of the kinds of op that a network is made of: one line for each kind.

Files, both ONNX forms, the torch step, lowering, kernels and training follow from these tables.
"""

from __future__ import annotations

from typing import Any

from delrec_compile.errors import NetworkError
from delrec_compile.ops import added, delay_line, linear, maps_onnx, real_input
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.alpha import Alpha
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.count_readout import CountReadout
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.integer_adlif import IntegerAdlif
from delrec_compile.ops.integer_alif import IntegerAlif
from delrec_compile.ops.integer_alpha import IntegerAlpha
from delrec_compile.ops.integer_cuba_lif import IntegerCubaLif
from delrec_compile.ops.integer_lif import IntegerLif
from delrec_compile.ops.integer_neuron import IntegerNeuron
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.linear_readout import LinearReadout
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.ops.tap_conv_delay import TapConvDelay

NEURONS: dict[str, type[Neuron]] = {n.kind: n for n in (Lif, CubaLif, Alpha, Alif, Adlif, Loihi)}
INTEGER_NEURONS: dict[str, type[IntegerNeuron]] = {
    n.kind: n for n in (IntegerLif, IntegerCubaLif, IntegerAlpha, IntegerAlif, IntegerAdlif)
}
SYNAPSES: dict[str, type[Synapses]] = {
    r.kind: r
    for r in (
        ConvDelay,
        DenseDelay,
        TapConvDelay,
        Conv2dDelay,
        SynapticDelay,
        ChannelConvDelay,
    )
}
READOUTS: dict[str, type[Readout]] = {
    r.kind: r for r in (LeakyReadout, LinearReadout, CountReadout, SynapticReadout)
}

added.register(
    {
        IntegerNeuron: INTEGER_NEURONS,
        Neuron: NEURONS,
        Synapses: SYNAPSES,
        Readout: READOUTS,
    }
)

# texts of every ONNX function of domain `ai.delrec`
FUNCTIONS: tuple[str, ...] = (
    real_input.ONNX,
    linear.ONNX,
    *maps_onnx.ONNX,
    *(text for n in NEURONS.values() for text in n.onnx),
    *delay_line.ONNX,
    *(r.onnx for r in SYNAPSES.values()),
    *(
        text
        for r in READOUTS.values()
        for text in ([r.onnx] if isinstance(r.onnx, str) else r.onnx)
    ),
)


def make_readout(kind: str, *args: Any, **fields: Any) -> Readout:
    """A readout of a kind by its name. Raises NetworkError."""
    if kind not in READOUTS:
        raise NetworkError(f"readout: unknown kind '{kind}'; allowed: {', '.join(READOUTS)}")
    return READOUTS[kind](*args, **fields)
