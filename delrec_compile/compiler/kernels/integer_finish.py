"""Destinations of the sums of an integer network: neurons, outputs, memory; in membrane units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.network.integer.population import SHARES, IntegerReadout
from delrec_compile.ops import linear
from delrec_compile.ops.integer_leak import LIMIT, emit_leak, is_half
from delrec_compile.ops.integer_neuron import IntegerNeuron


@dataclass(frozen=True)
class FireNeurons:
    """The neurons of a population fire on their sums.

    bound: of what a step adds. biased: whether the bias is to be added; otherwise the sums have it.
    """

    e: Emitter
    neuron: IntegerNeuron
    buffers: Buffers
    spikes: Events
    bound: int
    biased: bool = True

    def __call__(self, base: Any, size: int) -> linear.Finish:
        own = (self.buffers, base, size, self.bound)
        neurons = self.neuron.tile(self.e, *own, biased=self.biased)
        return lambda value, at, lanes: neurons.update(value, self.spikes, at, lanes)


@dataclass(frozen=True)
class StoreCurrents:
    """Sums and bias (n,) are stored in `to`."""

    e: Emitter
    to: Any
    bias: Any

    def __call__(self, base: Any, size: int) -> linear.Finish:
        to, bias = (self.e.view(each, base, size) for each in (self.to, self.bias))

        def take(value: Any, at: int, lanes: int) -> None:
            self.e.store(to, at, lanes, value + self.e.load(bias, at, lanes))

        return take


@dataclass(frozen=True)
class WriteOutputs:
    """The readout integrates its sums; y: all outputs, those of this step from `row` on."""

    e: Emitter
    readout: IntegerReadout
    buffers: Buffers
    y: Any
    row: Any
    bound: int

    def __call__(self, base: Any, size: int) -> linear.Finish:
        e, names = self.e, ["bias", "unit", *self.readout.states]
        bias, unit, *states = (e.view(self.buffers(name), base, size) for name in names)
        own = {name: e.view(self.buffers(name), base, size) for name in self.readout.tables()}
        filters = self.readout.filters
        shares = [(own.get(SHARES[name], beta), is_half(beta)) for name, beta in filters.items()]
        y = e.view(self.y, self.row + base, size)
        bias_on_output = self.readout.form.bias_on_output

        def take(value: Any, at: int, lanes: int) -> None:
            added = e.load(bias, at, lanes)
            total = value if bias_on_output else value + added
            for state, share in zip(states, shares, strict=True):
                old, new = self._integrate(state, share, total, at, lanes)
                is_old = state is not states[-1] and self.readout.enters == "old"
                total = old if is_old else new
            if bias_on_output:
                total = e.wrapping(total, added, lanes)
            e.store(y, at, lanes, e.cast(total, "float32", lanes) * e.load(unit, at, lanes))

        return take

    def _integrate(
        self, v: Any, filtered: tuple[Any, bool], added: Any, at: int, lanes: int
    ) -> Any:
        """Updates one block of a state variable; returns it before and after."""
        e, (share, half) = self.e, filtered
        old = e.register(lanes, e.load(v, at, lanes), "int32")
        share = share if isinstance(share, int) else e.load(share, at, lanes)
        leaked = emit_leak(e, share, e.load(old, 0, lanes), lanes, half)
        m = e.register(lanes, e.wrapping(leaked, added, lanes), "int32")
        if self.readout.clamps(self.bound):
            low, high = (e.splat(tir.int32(end), lanes) for end in (-LIMIT, LIMIT - 1))
            e.store(m, 0, lanes, tir.min(tir.max(e.load(m, 0, lanes), low), high))
        e.store(v, at, lanes, e.load(m, 0, lanes))
        return e.load(old, 0, lanes), e.load(m, 0, lanes)
