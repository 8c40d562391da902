"""Delays in a kernel of a GPU: how spikes and inputs come to where they arrive, and its syncs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.gpu_kept import KeptGpuSums
from delrec_compile.compiler.kernels.nodes import RING, Edge, Node
from delrec_compile.compiler.tir.gpu import GpuEmitter, SharedEvents
from delrec_compile.ops.arrivals import GpuArrivals, gpu_arrivals, gpu_push, gpu_read
from delrec_compile.ops.value_line import ValueRing


class GpuLines:
    """The delay lines of a kernel.

    buffers: tables and state of this stream. arrivals: what arrives, by node and edge. fired: spikes of
    this step, by population. now: the clock of this step.
    """

    e: GpuEmitter
    nodes: tuple[Node, ...]
    buffers: dict[str, Any]
    arrivals: Mapping[tuple[int, int], GpuArrivals]
    fired: Mapping[str, SharedEvents]
    now: Any

    def room(self, node: Node, edge: Edge) -> GpuArrivals:
        """Where the values of a delayed projection arrive: in shared memory, or read from their line."""
        line, buffers = edge.line, self.edge_buffers(node, edge)
        assert line is not None
        if not edge.of_input:
            return gpu_arrivals(self.e, line, f"{node.prefix}{edge.prefix}arriving")
        return GpuArrivals(
            values=lambda *at: ValueRing.of(line, self.now, buffers).gpu_values(self.e)(*at)
        )

    def write_inputs(self, value: Callable[[Any], Any]) -> None:
        """This step's inputs into the memory of every delay that they have. value(j): one of them."""
        for node in self.nodes:
            for edge in node.delayed:
                if edge.of_input:
                    ring = ValueRing.of(edge.line, self.now, self.edge_buffers(node, edge))
                    ring.write(self.e, lambda at, lanes: value(at))

    def take_forward(self, i: int, node: Node) -> None:
        """Sends what earlier populations fired on its way to this node, and reads what arrives."""
        e = self.e
        read: list[SharedEvents] = []
        masks = False
        for k, edge in enumerate(node.edges):
            if edge.line is None or edge.first or edge.of_input:
                continue
            buffers, arrivals = self.edge_buffers(node, edge), self.arrivals[i, k]
            fired = self.fired[edge.source]
            gpu_push(e, edge.line, fired, buffers(RING), self.now, buffers, edge.first)
            gpu_read(e, edge.line, arrivals, buffers(RING), self.now, edge.first)
            read += arrivals.heads
            masks = masks or arrivals.masks is not None
        if read:
            self.publish(read)
        elif masks:
            e.sync()

    def publish(self, marked: list[SharedEvents], kept: KeptGpuSums | None = None) -> None:
        """Masks from flags; then the lists of those that have one.

        kept: the first ones are real inputs, whose list stays where they do.
        """
        for each in marked:
            self.e.vote(each)
        if kept is None:
            self.e.sync()
        else:
            kept.meet()
            with self.e.when(kept.changed[0] != 0):
                self.e.gather(marked[0])
        for each in marked[0 if kept is None else 1 :]:
            if each.index is not None:
                self.e.gather(each)
        self.e.sync()

    def buffers_of(self, node: Node) -> Buffers:
        """Tables and state of a node, by local name."""
        return lambda name: self.buffers[node.prefix + name]

    def edge_buffers(self, node: Node, edge: Edge) -> Buffers:
        return lambda name: self.buffers[node.prefix + edge.prefix + name]

    def push(self, source: str) -> None:
        """Sends the spikes of a population back, through projections that close a cycle."""
        for node in self.nodes:
            for edge in node.delayed:
                if edge.source == source and edge.first:
                    buffers = self.edge_buffers(node, edge)
                    fired = self.fired[source]
                    gpu_push(self.e, edge.line, fired, buffers(RING), self.now, buffers)
