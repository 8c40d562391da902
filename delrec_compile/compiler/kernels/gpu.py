"""Layers -> one GPU kernel: a block per stream, the loop over time steps inside, state in place.

    kernel(x, y, [spikes,] steps, streams, tables ..., state ...)

x: (steps, streams, inputs) counts. y: (steps, streams, outputs). spikes, in the tracing form only:
(steps, streams, neurons). State is that of all streams, stream after stream in each array.

A step has two syncs for the inputs and the arriving spikes, and two per layer:
one between the vote on the spikes and their list, one before the list is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import CLOCK_MASK, Kernel, state_of
from delrec_compile.compiler.kernels.finish import Buffers, FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.float32 import tables_of, weight_formats
from delrec_compile.compiler.tir.emitter import BufferView, LazyBuffer
from delrec_compile.compiler.tir.gpu import WARP, GpuEmitter, SharedEvents
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Layer, Readout, Synapses
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.ops import linear
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops.arrivals import gpu_arrivals, gpu_push, gpu_read
from delrec_compile.ops.maps import Maps
from delrec_compile.targets.schedule import Schedule

SHARED_BYTES = 48 * 1024  # that every GPU gives a block by default


@dataclass(frozen=True)
class GpuKernel(Kernel):
    """state: of one stream. threads: per block. shared_bytes: shared memory of a block."""

    threads: int
    shared_bytes: int


def compose_gpu(
    layers: Sequence[Layer], readout: Readout, schedule: Schedule, *, trace: bool
) -> GpuKernel:
    """Raises UnsupportedError when the layers are too wide for a block's shared memory."""
    return GpuComposer(tuple(layers), readout, schedule, trace).kernel()


def threads_for(widest: int, most: int) -> int:
    """A power of two of threads, a multiple of a warp, one per neuron where `most` allows it."""
    return min(most, max(WARP, 1 << (widest - 1).bit_length()))


class GpuComposer:
    """Builds the kernel of a network for one GPU schedule."""

    def __init__(
        self, layers: tuple[Layer, ...], readout: Readout, schedule: Schedule, trace: bool
    ) -> None:
        self.layers, self.readout, self.trace = layers, readout, trace
        widest = max(readout.size, *(layer.size for layer in layers))
        self.e = GpuEmitter(schedule, threads_for(widest, schedule.lanes))
        self.tables = tables_of(
            layers, readout, weight_formats(layers, readout, schedule), gpu=True
        )
        self.state = state_of(layers, readout, words=lambda line: line.gpu_words())
        self.neurons = sum(layer.size for layer in layers)

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
            self.layers[0].inputs,
            self.readout.size,
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
        self.buffers: dict[str, Any] = {
            name: tir.arg(name, tir.buffer((table.size,), str(table.dtype)))
            for name, table in self.tables.items()
        }
        self.all = {name: pointer(name, dtype) for name, (_, dtype) in self.state.items()}

    def _body(self) -> None:
        e = self.e
        for name, (size, _) in self.state.items():
            self.buffers[name] = BufferView(self.all[name], self.stream * size)
        inputs = self.layers[0].inputs
        self.active = e.shared_events("x", inputs)
        self.counts = e.shared("counts", inputs, "float32")
        self.arrivals = {
            i: gpu_arrivals(e, r.line, f"l{i}_arriving") for i, r in self._recurrences()
        }
        self.fired = [e.shared_events(f"l{i}", layer.size) for i, layer in enumerate(self.layers)]
        clock = self.buffers["clock"]
        start = e.bind("start", tir.bitwise_and(e.load(clock, 0, 1), CLOCK_MASK))
        with e.loop("t", self.steps) as t:
            self.now = e.bind("now", tir.bitwise_and(start + t, CLOCK_MASK))
            self._step(e.bind("row", t * self.streams + self.stream))
        # no thread still reads the clock: a run has at least one step, and a step has syncs
        with e.when(e.thread == 0):
            e.store(clock, 0, 1, tir.bitwise_and(start + self.steps, CLOCK_MASK))

    def _step(self, row: Any) -> None:
        e = self.e
        self._arrive(row)
        active = self.active
        counts: Any = self._count
        first = 0
        for i, layer in enumerate(self.layers):
            feed = linear.Rows(active, self.buffers[f"l{i}_weight"], counts)
            self._layer(i, layer, feed)
            active, counts = self.fired[i], None
            if self.trace:
                for at, _ in e.blocks(layer.size):
                    e.store(self.spikes, row * self.neurons + first + at, 1, active.flag[at])
                first += layer.size
            self._publish([active])
            if layer.recurrence is not None:
                self._push(i, layer.recurrence)
        self._readout(row, active)

    def _count(self, j: Any) -> Any:
        return self.counts[j]

    def _arrive(self, row: Any) -> None:
        """Lists of the active inputs and of the spikes that arrive, for all layers at once."""
        e, inputs = self.e, self.layers[0].inputs
        for at, _ in e.blocks(inputs):
            count = e.bind("count", self.x[row * inputs + at])
            e.store(self.counts, at, 1, count)
            e.store(self.active.flag, at, 1, tir.cast(count > tir.float32(0), "uint8"))
        listed = [self.active]
        voted = [self.active]
        for i, r in self._recurrences():
            arrivals = self.arrivals[i]
            gpu_read(e, r.line, arrivals, self.buffers[f"l{i}_ring"], self.now)
            voted += arrivals.heads
            listed += [marked for marked in arrivals.heads if marked.index is not None]
        for marked in voted:
            e.vote(marked)
        e.sync()
        for marked in listed:
            e.gather(marked)
        e.sync()

    def _recurrences(self) -> Iterator[tuple[int, Synapses]]:
        for i, layer in enumerate(self.layers):
            if layer.recurrence is not None:
                yield i, layer.recurrence

    def _publish(self, fired: list[SharedEvents]) -> None:
        for marked in fired:
            self.e.vote(marked)
        self.e.sync()
        for marked in fired:
            self.e.gather(marked)
        self.e.sync()

    def _layer_buffers(self, i: int) -> Buffers:
        return lambda name: self.buffers[layer_prefix(i) + name]

    def _layer(self, i: int, layer: Layer, feed: linear.Rows) -> None:
        e, r, buffers = self.e, layer.recurrence, self._layer_buffers(i)
        before: list[linear.Rows] = []
        start = None
        if r is not None:
            before, start = r.emit_gpu(e, self.arrivals[i], buffers)
        begin = [] if start is None else [start]
        if layer.maps is not None:
            begin.append(self._mapped(i, layer.maps))
        rows = feed if layer.maps is None else None
        finish = FireNeurons(e, layer.neuron, buffers, self.fired[i])
        sums = linear.Sums("float32", finish, rows, before, buffers("bias"), begin)
        linear.emit(e, layer.size, lambda _: sums)

    def _mapped(self, i: int, maps: Maps) -> LazyBuffer:
        """Currents of a layer of maps from its inputs, gathered where they are read."""
        e = self.e

        def value(j: Any) -> Any:
            if i == 0:
                return self.counts[j]
            return maps_op.spike_in(e, self.fired[i - 1].mask, j, self.fired[i - 1].lead)

        def read(start: Any, at: Any, lanes: int) -> Any:
            total = e.register(1, tir.float32(0))
            maps_op.emit_gpu(e, maps, start + at, self.buffers[f"l{i}_weight"], total, value)
            return total[0]

        return e.lazy(read)

    def _push(self, i: int, r: Synapses) -> None:
        buffers = self._layer_buffers(i)
        gpu_push(self.e, r.line, self.fired[i], buffers("ring"), self.now, buffers)

    def _readout(self, row: Any, spikes: SharedEvents) -> None:
        e, n = self.e, self.readout.size

        def buffers(name: str) -> Any:
            return self.buffers[READOUT + name]

        finish = WriteOutputs(e, self.readout, buffers, self.y, row * n)
        rows = linear.Rows(spikes, buffers("weight"))
        sums = linear.Sums("float32", finish, rows, bias=buffers("bias"))
        linear.emit(e, n, lambda _: sums)
