"""A float32 network -> one GPU kernel; see `gpu`. Rows and sums are float32."""

from __future__ import annotations

from typing import Any, ClassVar

from delrec_compile.compiler.kernels.finish import Buffers, FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.float32_tables import tables_of, weight_formats
from delrec_compile.compiler.kernels.gpu import GpuComposer, GpuKernel
from delrec_compile.compiler.kernels.gpu_kept import GpuSums
from delrec_compile.compiler.kernels.nodes import Edge, Node, nodes_of
from delrec_compile.network.model import Network
from delrec_compile.ops import linear
from delrec_compile.ops.arrivals import GpuArrivals
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Sums
from delrec_compile.targets.schedule import Schedule


def compose_gpu(network: Network, schedule: Schedule, *, trace: bool) -> GpuKernel:
    """Raises UnsupportedError when the populations are too wide for a block's shared memory."""
    tables, shared = tables_of(network, weight_formats(network, schedule), gpu=True)
    parts = (nodes_of(network), schedule, tables, shared)
    return Float32GpuComposer(*parts, trace=trace, real=network.real_input).kernel()


class Float32GpuComposer(GpuComposer):
    """Neurons and readouts write themselves, as on a CPU."""

    dtype: ClassVar[str] = "float32"

    def maps_of(self, edge: Edge) -> Maps:
        maps: Maps = edge.synapses.maps
        return maps

    def count_of(self, x: Any) -> Any:
        return x if self.real is None else self.real.emit_value(self.e, x, 1)

    def delayed(self, edge: Edge, arrivals: GpuArrivals, buffers: Buffers) -> Sums:
        sums: Sums = edge.synapses.emit_gpu(self.e, arrivals, buffers, self.dtype)
        return sums

    def emit_sums(self, node: Node, sums: GpuSums, output: Any) -> None:
        e, buffers = self.e, self.buffers_of(node)
        if node.fires:
            finish: Any = FireNeurons(e, node.part.model, buffers, self.fired[node.name])
        else:
            finish = WriteOutputs(e, node.part.readout, buffers, self.y, output)
        after = sums.feeds[0] if sums.feeds else None
        before = [*sums.arriving, *sums.feeds[1:]]
        start = [*(current for _, current in sums.currents), *sums.kept]
        terms = linear.Sums(self.dtype, finish, after, before, buffers("bias"), start)
        linear.emit(e, node.size, lambda _: terms)
