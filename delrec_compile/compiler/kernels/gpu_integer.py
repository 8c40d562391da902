"""An integer network -> one GPU kernel; see `gpu`. Rows are int8 or int16, sums and states int32.

The order of a sum changes no bit, so the kernel gives those of the integer reference.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.gpu import GpuComposer, GpuKernel, GpuSums
from delrec_compile.compiler.kernels.integer_currents import Current, with_currents
from delrec_compile.compiler.kernels.integer_finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.integer_sums import scaled
from delrec_compile.compiler.kernels.integer_tables import tables_of
from delrec_compile.compiler.kernels.nodes import Edge, Node, nodes_of
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import INPUT
from delrec_compile.ops import conv_delay, linear
from delrec_compile.ops.arrivals import GpuArrivals
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Sums
from delrec_compile.targets.schedule import Schedule


def compose_integer_gpu(network: IntegerNetwork, schedule: Schedule, *, trace: bool) -> GpuKernel:
    """Raises UnsupportedError for real inputs, and for populations too wide for a block's memory."""
    return IntegerGpuComposer(network, schedule, trace=trace).kernel()


class IntegerGpuComposer(GpuComposer):
    """The neurons and readouts of the CPU form, on sums that each thread makes for its own."""

    dtype: ClassVar[str] = "int32"

    def __init__(self, network: IntegerNetwork, schedule: Schedule, *, trace: bool) -> None:
        if network.real_input is not None:
            raise UnsupportedError(
                f"the network has a real-valued input, which {network.numeric} does not have on a GPU; "
                "build it with --numeric float32"
            )
        super().__init__(
            nodes_of(network), schedule, tables_of(network, schedule, gpu=True), trace=trace
        )
        self.network = network

    def maps_of(self, edge: Edge) -> Maps:
        maps: Maps = edge.synapses.form.maps
        return maps

    def count_of(self, x: Any) -> Any:
        return tir.min(tir.cast(x, "int32"), tir.int32(self.network.largest_of(INPUT)))

    def delayed(self, edge: Edge, arrivals: GpuArrivals, buffers: Buffers) -> Sums:
        e, s = self.e, edge.synapses
        if not isinstance(s, IntegerConv):
            sums: Sums = s.form.emit_gpu(e, arrivals, buffers, self.dtype)
            return sums

        def read(start: Any, at: Any, lanes: int) -> Any:
            kernel, values = buffers("kernel"), arrivals.values
            own = (s.taps, start + at, values, self.dtype, s.size)
            shape = (len(s.kernels), s.size)
            return conv_delay.emit_gpu(e, arrivals.heads, kernel, *own, shape=shape)

        return [], e.lazy(read)

    def emit_sums(self, node: Node, sums: GpuSums, output: Any) -> None:
        e, part, buffers = self.e, node.part, self.buffers_of(node)
        bound = int(part.bound(self.network.largest_of))
        if node.fires:
            finish: Any = FireNeurons(e, part.model, buffers, self.fired[node.name], bound)
        else:
            finish = WriteOutputs(e, part.readout, buffers, self.y, output, bound)
        currents = [Current(value, 1 << edge.synapses.shift) for edge, value in sums.currents]
        rows = [*sums.feeds, *sums.arriving]
        take = scaled(e, with_currents(e, finish, currents), part.fraction)
        terms = linear.Sums(self.dtype, take, rows[0] if rows else None, rows[1:])
        linear.emit(e, node.size, lambda _: terms)
