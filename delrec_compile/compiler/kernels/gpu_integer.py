"""An integer network -> one GPU kernel; see `gpu`. Rows are int8 or int16, sums and states int32.

The order of a sum changes no bit, so the kernel gives those of the integer reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.gpu import GpuComposer, GpuKernel
from delrec_compile.compiler.kernels.gpu_kept import GpuSums
from delrec_compile.compiler.kernels.integer_currents import Current, with_currents
from delrec_compile.compiler.kernels.integer_finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.integer_sums import scaled
from delrec_compile.compiler.kernels.integer_tables import tables_of
from delrec_compile.compiler.kernels.nodes import Edge, Node, nodes_of
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import INPUT
from delrec_compile.ops import conv_delay, linear
from delrec_compile.ops.arrivals import GpuArrivals
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Sums
from delrec_compile.targets.schedule import Schedule


def compose_integer_gpu(network: IntegerNetwork, schedule: Schedule, *, trace: bool) -> GpuKernel:
    """Raises UnsupportedError when the populations are too wide for a block's shared memory."""
    return IntegerGpuComposer(network, schedule, trace=trace).kernel()


class IntegerGpuComposer(GpuComposer):
    """The neurons and readouts of the CPU form, on sums that each thread makes for its own."""

    dtype: ClassVar[str] = "int32"

    def __init__(self, network: IntegerNetwork, schedule: Schedule, *, trace: bool) -> None:
        parts = (nodes_of(network), schedule, tables_of(network, schedule, gpu=True))
        super().__init__(*parts, trace=trace, real=network.real_input)
        self.network = network

    def maps_of(self, edge: Edge) -> Maps:
        maps: Maps = edge.synapses.form.maps
        return maps

    def count_of(self, x: Any) -> Any:
        if self.real is not None:
            return self.real.emit(self.e, x, 1)
        return tir.min(tir.cast(x, "int32"), tir.int32(self.network.largest_of(INPUT)))

    def rows(self, edge: Edge, rows: linear.Rows) -> linear.Rows:
        """All in units of the weights of real inputs: a spike is as many as an input of 1."""
        if self.real is None or edge.of_input:
            return rows
        one = tir.int32(1 << self.real.bits)
        return replace(rows, counts=lambda j: one)

    def delayed(self, edge: Edge, arrivals: GpuArrivals, buffers: Buffers) -> Sums:
        e, s = self.e, edge.synapses
        if not isinstance(s, IntegerConv):
            rows, current = s.form.emit_gpu(e, arrivals, buffers, self.dtype)
            return [self.rows(edge, own) for own in rows], current

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
        bits = 0 if self.real is None else self.real.bits
        take = scaled(e, with_currents(e, finish, currents), part.fraction - bits)
        after, before = (rows[0], rows[1:]) if rows else (None, [])
        terms = linear.Sums(self.dtype, take, after, before, start=sums.kept)
        linear.emit(e, node.size, lambda _: terms)
