"""Network -> one GPU kernel: a block per stream, the loop over time steps inside, state in place.

    kernel(x, y, [spikes,] steps, streams, tables ..., state ...)

x: (steps, streams, inputs) counts. y: (steps, streams, outputs). spikes, in the tracing form only:
(steps, streams, neurons). State is that of all streams, stream after stream in each array.

A step has two syncs for the inputs and the spikes that arrive through cycles, and two per population:
one between the vote on the spikes and their list, one before the list is read. Delays along the order
of the populations take two more. Real inputs that stay are not listed and not summed again: see
`gpu_kept`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import CLOCK_MASK, Kernel, Tables
from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.gpu_kept import GpuSums, KeptGpuSums
from delrec_compile.compiler.kernels.gpu_lines import GpuLines
from delrec_compile.compiler.kernels.nodes import RING, Edge, Node, state_of
from delrec_compile.compiler.tir.emitter import BufferView, LazyBuffer
from delrec_compile.compiler.tir.gpu import GpuEmitter, threads_for
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.base import MAX_INPUT
from delrec_compile.ops import linear, value_line
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.arrivals import GpuArrivals, gpu_read
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.real_input import RealInput
from delrec_compile.ops.synapses import Sums as SynapseSums
from delrec_compile.targets.schedule import Schedule

SHARED_BYTES = 48 * 1024  # that every GPU gives a block by default


@dataclass(frozen=True)
class GpuKernel(Kernel):
    """state: of one stream. threads: per block. shared_bytes: shared memory of a block."""

    threads: int
    shared_bytes: int


class GpuComposer(GpuLines):
    """Builds the kernel of a network for one GPU schedule. Raises UnsupportedError when its populations
    are too wide for a block's shared memory.

    dtype: of counts, sums and state variables.
    """

    dtype: ClassVar[str]

    def __init__(
        self,
        nodes: Sequence[Node],
        schedule: Schedule,
        tables: Tables,
        shared: Mapping[str, str] = MappingProxyType({}),
        *,
        trace: bool,
        real: RealInput | None = None,
    ) -> None:
        self.real = real
        self.nodes, self.trace = tuple(nodes), trace
        self.tables, self.shared = tables, shared
        self.inputs = next(e.sources for node in nodes for e in node.edges if e.of_input)
        self.outputs = sum(node.size for node in nodes if not node.fires)
        self.neurons = sum(node.size for node in nodes if node.fires)
        widest = max(node.size for node in nodes)
        self.e = GpuEmitter(schedule, threads_for(widest, schedule.lanes))
        values = value_line.DTYPE if real is None else self.dtype
        self.state = state_of(self.nodes, self.dtype, lambda line: line.gpu_words(), values)

    def kernel(self) -> GpuKernel:
        e = self.e
        with IRBuilder() as builder, tir.prim_func(s_tir=True):
            tir.func_name("kernel")
            tir.func_attr({"tirx.noalias": True})
            self._arguments()
            with (
                tir.launch_thread("blockIdx.x", self.streams) as stream,
                tir.launch_thread("threadIdx.x", e.threads) as thread,
            ):
                self.stream, e.thread = stream, thread
                self._body()
        if e.shared_bytes > SHARED_BYTES:
            raise UnsupportedError(
                f"the network needs {e.shared_bytes} bytes of a GPU block's shared memory; "
                f"allowed: {SHARED_BYTES}; build narrower layers"
            )
        return GpuKernel(
            builder.get(),
            self.tables,
            self.state,
            self.inputs,
            self.outputs,
            self.neurons,
            {},
            0,
            e.threads,
            e.shared_bytes,
        )

    def _arguments(self) -> None:
        def pointer(name: str, dtype: str) -> Any:
            return tir.arg(name, tir.buffer((1 << 30,), dtype))

        self.x, self.y = pointer("x", "float32"), pointer("y", "float32")
        if self.trace:
            self.spikes = pointer("spikes", "uint8")
        self.steps = tir.arg("steps", tir.int32())
        self.streams = tir.arg("streams", tir.int32())
        self.buffers = {
            name: tir.arg(name, tir.buffer((table.size,), str(table.dtype)))
            for name, table in self.tables.items()
        }
        self.buffers |= {name: self.buffers[of] for name, of in self.shared.items()}
        self.all = {name: pointer(name, dtype) for name, (_, dtype) in self.state.items()}

    def _body(self) -> None:
        e = self.e
        for name, (size, _) in self.state.items():
            self.buffers[name] = BufferView(self.all[name], self.stream * size)
        self.active = e.shared_events("x", self.inputs)
        self.counts = e.shared("counts", self.inputs, self.dtype)
        self.arrivals = {
            (i, k): self.room(node, edge)
            for i, node in enumerate(self.nodes)
            for k, edge in enumerate(node.edges)
            if edge.line is not None
        }
        self.fired = {n.name: e.shared_events(n.name, n.size) for n in self.nodes if n.fires}
        self.kept = None if self.real is None else KeptGpuSums(e, self.nodes, self.dtype)
        clock = self.buffers["clock"]
        start = e.bind("start", tir.bitwise_and(e.load(clock, 0, 1), CLOCK_MASK))
        with e.loop("t", self.steps) as t:
            self.now = e.bind("now", tir.bitwise_and(start + t, CLOCK_MASK))
            if self.kept is not None:
                self.kept.begin(t)
            self._step(e.bind("row", t * self.streams + self.stream))
        # no thread still reads the clock: a run has at least one step, and a step has syncs
        with e.when(e.thread == 0):
            e.store(clock, 0, 1, tir.bitwise_and(start + self.steps, CLOCK_MASK))

    def _step(self, row: Any) -> None:
        e, first = self.e, 0
        self._arrive(row)
        output = row * self.outputs
        for i, node in enumerate(self.nodes):
            self.take_forward(i, node)
            sums = self._sums(i, node)
            self.emit_sums(node, sums if self.kept is None else self.kept.take(node, sums), output)
            if not node.fires:
                output += node.size
                continue
            fired = self.fired[node.name]
            if self.trace:
                for at, _ in e.blocks(node.size):
                    e.store(self.spikes, row * self.neurons + first + at, 1, fired.flag[at])
                first += node.size
            self.publish([fired])
            self.push(node.name)
        if any(edge.of_input for node in self._last_readouts() for edge in node.edges):
            e.sync()  # the next step overwrites what these may still read

    def _last_readouts(self) -> list[Node]:
        """The readouts after the last population that fires, whose spikes would be waited for."""
        after = max(i for i, node in enumerate(self.nodes) if node.fires)
        return list(self.nodes[after + 1 :])

    def _arrive(self, row: Any) -> None:
        """Lists of the active inputs, and of the spikes that arrive through cycles, for all nodes."""
        e, inputs = self.e, self.inputs
        for at, _ in e.blocks(inputs):
            count = e.bind("count", self.x[row * inputs + at])
            active = count > tir.float32(0)
            if self.kept is None:
                e.store(self.counts, at, 1, self.count_of(count))
            else:
                value = e.bind("value", self.count_of(count))
                self.kept.compare(e.load(self.counts, at, 1), value)
                e.store(self.counts, at, 1, value)
                active = value != e.zero(self.dtype, 1)
            e.store(self.active.flag, at, 1, tir.cast(active, "uint8"))
        self.write_inputs(self._line_value)
        read = [self.active]
        for i, node in enumerate(self.nodes):
            for k, edge in enumerate(node.edges):
                if edge.line is not None and edge.first:
                    ring = self.edge_buffers(node, edge)(RING)
                    gpu_read(e, edge.line, self.arrivals[i, k], ring, self.now)
                    read += self.arrivals[i, k].heads
        self.publish(read, self.kept)

    def _line_value(self, j: Any) -> Any:
        """An input that this thread has taken, as the memory of a delay holds it."""
        value = self.counts[j]
        return value if self.real else tir.min(value, tir.cast(MAX_INPUT, self.dtype))

    @abstractmethod
    def maps_of(self, edge: Edge) -> Maps:
        """The shapes of a convolution."""

    @abstractmethod
    def count_of(self, x: Any) -> Any:
        """An input, in the type of the sums."""

    def rows(self, edge: Edge, rows: linear.Rows) -> linear.Rows:
        """The rows of an edge, in the unit of the sums that they enter."""
        return rows

    @abstractmethod
    def delayed(self, edge: Edge, arrivals: GpuArrivals, buffers: Buffers) -> SynapseSums:
        """Rows and current of a delayed projection."""

    @abstractmethod
    def emit_sums(self, node: Node, sums: GpuSums, output: Any) -> None:
        """Sums what comes into a node; its neurons fire, or its outputs are written.

        output: place of the first one in y.
        """

    def _sums(self, i: int, node: Node) -> GpuSums:
        out = GpuSums([], [], [], [])
        for k, edge in enumerate(node.edges):
            buffers = self.edge_buffers(node, edge)
            if edge.line is not None:
                arriving, current = self.delayed(edge, self.arrivals[i, k], buffers)
                out.arriving.extend(arriving)
                out.currents.extend([] if current is None else [(edge, current)])
            elif edge.in_rows:
                active = self.active if edge.of_input else self.fired[edge.source]
                counts: Any = self.counts.__getitem__ if edge.of_input else None
                rows = linear.Rows(active, buffers("weight"), counts)
                out.feeds.append(self.rows(edge, rows))
            else:
                out.currents.append((edge, self._mapped(edge, buffers("weight"))))
        return out

    def _mapped(self, edge: Edge, weight: Any) -> LazyBuffer:
        """Currents of a convolution of what a source sends, gathered where they are read."""
        e, fired = self.e, None if edge.of_input else self.fired[edge.source]

        def value(j: Any) -> Any:
            if fired is None:
                return self.counts[j]
            return maps_op.spike_in(e, fired.mask, j, fired.lead, self.dtype)

        def read(start: Any, at: Any, lanes: int) -> Any:
            total = e.register(1, e.zero(self.dtype, 1), self.dtype)
            maps_op.emit_gpu(e, self.maps_of(edge), start + at, weight, total, value)
            return total[0]

        return e.lazy(read)
