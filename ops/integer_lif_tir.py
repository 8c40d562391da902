"""TIR of the integer LIF neuron, see `integer_lif`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.ops.integer_leak import LIMIT, by_upper, emit_leak
from delrec_compile.ops.integer_lif_c import FOUR

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events


@dataclass(frozen=True)
class IntegerLifTile:
    """A tile of neurons from neuron `base` on, its constants and membranes in int32.

    v: membranes, updated in place. beta, v_reset: a number, or (N,). bias: (N,); None where the
    current has it already. clamps: whether an end of the membrane's range is within reach. reset: as
    in Lif. drop: (N,) that a soft reset subtracts; None with a hard one. half: see `emit_leak`.
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
    half: bool = False

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block: leaks, adds the current (int32), appends the spikes to the list, resets."""
        e = self.e
        total = current
        if not self._forgets:
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
        """All n neurons: loops that C compilers turn into vectors; in C text four at a time.

        current: (n,), with the bias.
        """
        e, each = self.e, self.e.schedule.neurons
        by_four = n // FOUR * FOUR if e.generator == "c" else 0
        leaked = by_four if self._has_upper else 0  # by the same functions
        if leaked < n:
            with e.loop("k", n - leaked) as k:
                self._leak_one(leaked + k, current)
        for base, size in e.runs(by_four, max(each // FOUR, 1) * FOUR):
            used = (self.v, self.threshold, *([current] if leaked else []))
            parts = [e.view(buffer, base, size) for buffer in used]
            for k in range(0, size, FOUR):
                self._update_four(base + k, parts, k, spikes)
        for base, size in e.runs(n - by_four, each):
            for k in range(size):
                self._fire_one(by_four + base + k, spikes)

    def _leak_one(self, k: Any, current: Any) -> None:
        e = self.e
        m = e.wrapping(self._leaked(e.load(self.v, k, 1), k, 1), e.load(current, k, 1), 1)
        # TVM takes a sum that wraps around for one that is not negative, and would drop the clamp
        m = e.load(e.register(1, m, "int32"), 0, 1) if self.clamps else m
        e.store(self.v, k, 1, self._clamped(m, 1))

    def _fire_one(self, k: Any, spikes: Events) -> None:
        e = self.e
        m = e.load(self.v, k, 1)
        with e.when(m >= e.load(self.threshold, k, 1)):
            self._fire(k, m, spikes)

    def _fire(self, k: Any, m: Any, spikes: Events) -> None:
        self.e.store(self.v, k, 1, self._after(m, k, 1))
        self.e.append_always(spikes, k)

    @property
    def _has_upper(self) -> bool:
        """Whether what is left of four membranes is the upper word of a product."""
        return by_upper(self.beta) is not None and self.reset != "soft_later"

    def _update_four(self, first: Any, parts: list[Any], at: int, spikes: Events) -> None:
        """Four neurons; the lowest bit that is set says which of them fires next.

        first: number of the first. parts: views of membranes and thresholds, in which they begin at
        `at`, and of currents where they are still to leak.
        """
        e, T = self.e, self.e.T
        v, threshold, *current = (T.address_of(part[at]) for part in parts)
        if current and (upper := by_upper(self.beta)):
            own = (v, *map(T.int32, upper), *current, T.int32(self.clamps))
            T.evaluate(T.call_extern("void", "leak_four", *own))
        bits = e.register(1, T.call_extern("uint32", "which_reach", v, threshold), "uint32")
        with e.repeat(bits[0] != T.uint32(0)):
            place = e.bind("place", T.call_extern("int32", "lowest_bit", bits[0]))
            k = e.bind("k", first + T.shift_right(place, 2))
            self._fire(k, e.load(self.v, k, 1), spikes)
            above = T.shift_left(T.uint32((1 << 32) - (1 << FOUR)), T.cast(place, "uint32"))
            e.store(bits, 0, 1, T.bitwise_and(bits[0], above))

    def _update_branch(self, m: Any, spikes: Events, at: int) -> None:
        e = self.e

        def stay_silent() -> None:
            e.store(self.v, at, 1, self._clamped(m, 1))

        with e.otherwise(m < e.load(self.threshold, at, 1), stay_silent):
            e.store(self.v, at, 1, self._after(m, at, 1))
            e.append_always(spikes, self.base + at)

    @property
    def _forgets(self) -> bool:
        """Whether nothing is left of the membrane of the step before, so that it is not read."""
        return isinstance(self.beta, int) and self.beta == 0 and self.reset != "soft_later"

    def _leaked(self, old: Any, at: Any, lanes: int) -> Any:
        """The leaked membrane; a late reset subtracts its drop first, which cannot wrap."""
        e = self.e
        beta = self.beta if isinstance(self.beta, int) else e.load(self.beta, at, lanes)
        leaked = emit_leak(e, beta, old, lanes, self.half)
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
