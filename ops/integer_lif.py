"""Integer LIF neuron: the meaning of `lif` in whole numbers, the same bits on every target.

    m  = leak(v) + I
    s  = m >= threshold
    v' = max(v_reset if s else m, -2^30)             reset "hard"
    v' = clamp(m - drop if s else m)                 "soft": to -2^30 .. 2^30 - 1
    m  = leak(v) - (drop if v >= threshold) + I,  v' = clamp(m)      "soft_later"

    leak(v) = floor((v * b + 2^14) / 2^15)
            = (v >> 15) * b + (((v & 32767) * b + 2^14) >> 15)        in 32 bits, exactly

b is the membrane kept per step in 2^-15, one per layer or per neuron. The reference is
`integer_layers.IntegerLayer`.
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
class Neurons:
    """Constants of a tile of neurons, from its base on.

    beta: a number, or (N,). bias: None where the current has it already. reset: a number, or (N,).
    clamps: whether an end of the membrane's range is within reach. form: of the reset, as in Lif.
    drop: (N,), what a soft reset takes off.
    """

    beta: Any
    bias: Any
    threshold: Any
    reset: Any
    clamps: bool
    form: str = "hard"
    drop: Any = None


def emit_leak(e: Emitter, beta: Any, v: Any, lanes: int) -> Any:
    """leak(v) of one block, v an int32 value. beta: a number, or a block of them."""
    T = e.T

    def whole(number: int) -> Any:
        return e.splat(T.int32(number), lanes)

    if isinstance(beta, int):
        if beta == ONE:
            return v
        if beta == 0:
            return e.zero("int32", lanes)
        beta = whole(beta)
    high = T.shift_right(v, whole(Q)) * beta
    low = T.bitwise_and(v, whole(ONE - 1)) * beta + whole(ONE >> 1)
    return high + T.shift_right(low, whole(Q))


def emit(
    e: Emitter,
    neurons: Neurons,
    current: Any,
    v: Any,
    spikes: Events,
    base: Any,
    at: int,
    lanes: int,
) -> None:
    """One block: leak, add the current, append the spikes to the list, reset.

    current: int32. v: the membranes from neuron `base` on, updated in place.
    """
    old = e.register(lanes, e.load(v, at, lanes), "int32")
    total = _leaked(e, neurons, e.load(old, 0, lanes), at, lanes) + current
    if neurons.bias is not None:
        total = total + e.load(neurons.bias, at, lanes)
    m = e.register(lanes, total, "int32")
    if e.schedule.events == "branch":
        for q in range(lanes):
            _emit_branch(e, neurons, m[q], v, spikes, base, at + q)
        return

    def fires(q: int, width: int) -> Any:
        return e.load(m, q, width) >= e.load(neurons.threshold, at + q, width)

    e.append(spikes, fires, base + at, lanes)
    block = e.load(m, 0, lanes)
    kept, after = _kept(e, neurons, block, lanes), _reset(e, neurons, block, at, lanes)
    e.store(v, at, lanes, e.T.Select(fires(0, lanes), after, kept))


def emit_in_loops(
    e: Emitter, n: int, neurons: Neurons, current: Any, v: Any, spikes: Events
) -> None:
    """All neurons: a loop that C compilers turn into vectors, and one that looks for spikes.

    current: (n,), with the bias. neurons: of all of them.
    """
    with e.loop("k", n) as k:
        old = e.load(v, k, 1)
        m = _leaked(e, neurons, old, k, 1) + e.load(current, k, 1)
        e.store(v, k, 1, _kept(e, neurons, m, 1))
    for base, size in e.runs(n, e.schedule.neurons):
        here, limits = e.view(v, base, size), e.view(neurons.threshold, base, size)
        for k in range(size):
            m = e.load(here, k, 1)
            with e.when(m >= e.load(limits, k, 1)):
                e.store(v, base + k, 1, _reset(e, neurons, m, base + k, 1))
                e.append_always(spikes, base + k)


def _emit_branch(
    e: Emitter, neurons: Neurons, m: Any, v: Any, spikes: Events, base: Any, at: int
) -> None:
    def keep() -> None:
        e.store(v, at, 1, _kept(e, neurons, m, 1))

    with e.otherwise(m < e.load(neurons.threshold, at, 1), keep):
        e.store(v, at, 1, _reset(e, neurons, m, at, 1))
        e.append_always(spikes, base + at)


def _leaked(e: Emitter, neurons: Neurons, old: Any, at: Any, lanes: int) -> Any:
    """What is kept of an old membrane; a late reset takes its drop off first, which cannot wrap."""
    beta = neurons.beta if isinstance(neurons.beta, int) else e.load(neurons.beta, at, lanes)
    leaked = emit_leak(e, beta, old, lanes)
    if neurons.form != "soft_later":
        return leaked
    fired = old >= e.load(neurons.threshold, at, lanes)
    drop = e.load(neurons.drop, at, lanes)
    return leaked - e.T.Select(fired, drop, e.zero("int32", lanes))


def _kept(e: Emitter, neurons: Neurons, m: Any, lanes: int) -> Any:
    """The membrane of a neuron that did not fire; with a late reset, of any."""
    if not neurons.clamps:
        return m
    low = e.T.max(m, e.splat(e.T.int32(-LIMIT), lanes))
    return _below(e, low, lanes) if neurons.form == "soft_later" else low


def _below(e: Emitter, m: Any, lanes: int) -> Any:
    return e.T.min(m, e.splat(e.T.int32(LIMIT - 1), lanes))


def _reset(e: Emitter, neurons: Neurons, m: Any, at: Any, lanes: int) -> Any:
    """The membrane after a spike. m: before it."""
    if neurons.form == "soft_later":
        return _kept(e, neurons, m, lanes)
    if neurons.form == "soft":
        less = m - e.load(neurons.drop, at, lanes)
        return _below(e, less, lanes) if neurons.clamps else less
    if isinstance(neurons.reset, int):
        return e.splat(e.T.int32(neurons.reset), lanes)
    return e.load(neurons.reset, at, lanes)
