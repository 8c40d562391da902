"""Sums of real inputs in a kernel of a GPU, made anew only in steps whose inputs changed.

A thread keeps the sums of its own neurons, in registers or in its local memory. Each thread compares the
inputs that it takes; the barrier that is there anyway tells the whole block whether one of them differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.nodes import Edge, Node
from delrec_compile.compiler.kernels.real_inputs import takes_input
from delrec_compile.compiler.tir.emitter import LazyBuffer
from delrec_compile.compiler.tir.gpu import GpuEmitter
from delrec_compile.ops import linear


@dataclass(frozen=True)
class GpuSums:
    """What comes into a node: rows that arrive late and now, currents with their edges, and the sums of
    rows that were kept.
    """

    arriving: list[linear.Rows]
    feeds: list[linear.Rows]
    currents: list[tuple[Edge, LazyBuffer]]
    kept: list[LazyBuffer]


class KeptGpuSums:
    """Opened in a kernel, for all nodes that the input reaches without a delay. dtype: of the sums."""

    def __init__(self, e: GpuEmitter, nodes: Sequence[Node], dtype: str) -> None:
        self.e, self.dtype = e, dtype
        self.memory: dict[str, list[Any]] = {}
        for node in nodes:
            fed = list(filter(takes_input, node.edges))
            sums = sum(not edge.in_rows for edge in fed) + any(edge.in_rows for edge in fed)
            self.memory[node.name] = [self._own(node.size) for _ in range(sums)]
        self.changed = self._local("changed", 1, "int32")

    def begin(self, t: Any) -> None:
        """Before the inputs of step t of a call are taken: those of its first step are new."""
        self.e.store(self.changed, 0, 1, tir.cast(t == 0, "int32"))

    def compare(self, old: Any, new: Any) -> None:
        """An input that this thread takes, and that of the step before."""
        with self.e.when(old != new):
            self.e.store(self.changed, 0, 1, tir.int32(1))

    def meet(self) -> None:
        """A barrier, after which all threads know whether an input changed."""
        either = tir.call_extern("int32", "__syncthreads_or", self.changed[0])
        self.e.store(self.changed, 0, 1, either)

    def take(self, node: Node, sums: GpuSums) -> GpuSums:
        """Makes the sums of the input where it changed; the others of `sums`, and the kept ones.

        The rows of an input stand in `sums.feeds` in the order of the edges.
        """
        undelayed = [edge for edge in node.edges if edge.line is None and edge.in_rows]
        pairs = list(zip(undelayed, sums.feeds, strict=True))
        rows = [own for edge, own in pairs if edge.of_input]
        mapped = [pair for pair in sums.currents if takes_input(pair[0])]
        memory = self.memory[node.name]
        if not memory:
            return sums
        with self.e.when(self.changed[0] != 0):
            for (_, current), own in zip(mapped, memory, strict=False):
                self._store(node.size, linear.Sums(self.dtype, self._into(own), start=[current]))
            if rows:
                terms = linear.Sums(self.dtype, self._into(memory[-1]), rows[0], rows[1:])
                self._store(node.size, terms)
        kept = [self._read(own) for own in memory]
        currents = [pair for pair in sums.currents if not takes_input(pair[0])]
        currents += [(edge, own) for (edge, _), own in zip(mapped, kept, strict=False)]
        feeds = [own for edge, own in pairs if not edge.of_input]
        return GpuSums(sums.arriving, feeds, currents, kept[len(mapped) :])

    def _store(self, n: int, terms: linear.Sums) -> None:
        linear.emit(self.e, n, lambda _: terms)

    def _into(self, memory: Any) -> Callable[[Any, int], linear.Finish]:
        def finish(base: Any, size: int) -> linear.Finish:
            return lambda value, at, lanes: self.e.store(memory, self._place(base + at), 1, value)

        return finish

    def _read(self, memory: Any) -> LazyBuffer:
        return self.e.lazy(lambda start, at, lanes: memory[self._place(start + at)])

    def _place(self, neuron: Any) -> Any:
        """Which of its neurons a thread's neuron is."""
        return tir.floordiv(neuron, self.e.threads)

    def _own(self, n: int) -> Any:
        return self._local("kept", -(-n // self.e.threads), self.dtype)

    def _local(self, name: str, n: int, dtype: str) -> Any:
        return IRBuilder.name(name, tir.alloc_buffer((n,), dtype, scope="local"))
