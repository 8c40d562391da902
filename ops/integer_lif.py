"""Integer LIF neuron: the meaning of `lif` in integers, the same bits on every target.

    m  = leak(v) + I
    s  = m >= threshold
    v' = max(v_reset if s else m, -2^30)             reset "hard"
    v' = clamp(m - drop if s else m)                 "soft": to -2^30 .. 2^30 - 1
    m  = leak(v) - (drop if v >= threshold) + I,  v' = clamp(m)      "soft_later"

    leak(v) = floor((v * b + 2^14) / 2^15)
            = (v >> 15) * b + (((v & 32767) * b + 2^14) >> 15)        in 32 bits, exactly

A state that no run makes, of damaged memory, gives some m of 32 bits and is within its limits again
after a few steps; nothing is undefined.

b is the share of the membrane that is left after a step, in 2^-15, one per layer or per neuron. The
reference is `network.integer.layers.IntegerLayer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events

Q = 15
ONE = 1 << Q
LIMIT = 1 << 30


@dataclass(frozen=True)
class IntegerLifTile:
    """A tile of neurons from neuron `base` on, its constants and membranes in int32.

    v: membranes, updated in place. beta, v_reset: a number, or (N,). bias: (N,); None where the
    current has it already. clamps: whether an end of the membrane's range is within reach. reset: as
    in Lif. drop: (N,) that a soft reset subtracts; None with a hard one.
    """

    e: Emitter
    base: Any
    v: Any
    beta: Any
    bias: Any
    threshold: Any
    v_reset: Any
    clamps: bool
    reset: str = "hard"
    drop: Any = None

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: leaks, adds the current (int32), appends the spikes to the list, resets."""
        e = self.e
        old = e.register(lanes, e.load(self.v, at, lanes), "int32")
        total = e.wrapping(self._leaked(e.load(old, 0, lanes), at, lanes), current, lanes)
        if self.bias is not None:
            total = e.wrapping(total, e.load(self.bias, at, lanes), lanes)
        m = e.register(lanes, total, "int32")
        if e.schedule.events == "branch":
            for q in range(lanes):
                self._update_branch(m[q], spikes, at + q)
            return

        def fires(q: int, width: int) -> Any:
            return e.load(m, q, width) >= e.load(self.threshold, at + q, width)

        e.append(spikes, fires, self.base + at, lanes)
        block = e.load(m, 0, lanes)
        silent, after = self._clamped(block, lanes), self._after(block, at, lanes)
        e.store(self.v, at, lanes, e.T.Select(fires(0, lanes), after, silent))

    def update_in_loops(self, n: int, current: Any, spikes: Events) -> None:
        """All n neurons: a loop that C compilers turn into vectors, and one that looks for spikes.

        current: (n,), with the bias.
        """
        e = self.e
        with e.loop("k", n) as k:
            old = e.load(self.v, k, 1)
            m = e.wrapping(self._leaked(old, k, 1), e.load(current, k, 1), 1)
            e.store(self.v, k, 1, self._clamped(m, 1))
        for base, size in e.runs(n, e.schedule.neurons):
            here, limits = e.view(self.v, base, size), e.view(self.threshold, base, size)
            for k in range(size):
                m = e.load(here, k, 1)
                with e.when(m >= e.load(limits, k, 1)):
                    e.store(self.v, base + k, 1, self._after(m, base + k, 1))
                    e.append_always(spikes, base + k)

    def _update_branch(self, m: Any, spikes: Events, at: int) -> None:
        e = self.e

        def stay_silent() -> None:
            e.store(self.v, at, 1, self._clamped(m, 1))

        with e.otherwise(m < e.load(self.threshold, at, 1), stay_silent):
            e.store(self.v, at, 1, self._after(m, at, 1))
            e.append_always(spikes, self.base + at)

    def _leaked(self, old: Any, at: Any, lanes: int) -> Any:
        """The leaked membrane; a late reset subtracts its drop first, which cannot wrap."""
        e = self.e
        beta = self.beta if isinstance(self.beta, int) else e.load(self.beta, at, lanes)
        leaked = emit_leak(e, beta, old, lanes)
        if self.reset != "soft_later":
            return leaked
        fired = old >= e.load(self.threshold, at, lanes)
        drop = e.load(self.drop, at, lanes)
        return e.wrapping(leaked, e.T.Select(fired, drop, e.zero("int32", lanes)), lanes, -1)

    def _clamped(self, m: Any, lanes: int) -> Any:
        """The new membrane of a neuron that did not fire; with a late reset, of any."""
        if not self.clamps:
            return m
        low = self.e.T.max(m, self.e.splat(self.e.T.int32(-LIMIT), lanes))
        return self._below_limit(low, lanes) if self.reset == "soft_later" else low

    def _below_limit(self, m: Any, lanes: int) -> Any:
        return self.e.T.min(m, self.e.splat(self.e.T.int32(LIMIT - 1), lanes))

    def _after(self, m: Any, at: Any, lanes: int) -> Any:
        """The membrane after a spike. m: before the reset."""
        e = self.e
        if self.reset == "soft_later":
            return self._clamped(m, lanes)
        if self.reset == "soft":
            less = e.wrapping(m, e.load(self.drop, at, lanes), lanes, -1)
            return self._below_limit(less, lanes) if self.clamps else less
        if isinstance(self.v_reset, int):
            return e.splat(e.T.int32(self.v_reset), lanes)
        return e.load(self.v_reset, at, lanes)


def emit_leak(e: Emitter, beta: Any, v: Any, lanes: int) -> Any:
    """leak(v) of one block, v an int32 value. beta: a number, or a block of them."""
    T = e.T

    def splat(number: int) -> Any:
        return e.splat(T.int32(number), lanes)

    if isinstance(beta, int):
        if beta == ONE:
            return v
        if beta == 0:
            return e.zero("int32", lanes)
        beta = splat(beta)
    high = T.shift_right(v, splat(Q)) * beta
    low = T.bitwise_and(v, splat(ONE - 1)) * beta + splat(ONE >> 1)
    return high + T.shift_right(low, splat(Q))
