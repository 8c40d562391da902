"""Integer LIF neuron: the meaning of `lif` in whole numbers, the same bits on every target.

    m  = leak(v) + I
    s  = m >= threshold
    v' = max(v_reset if s else m, -2^30)

    leak(v) = floor((v * b + 2^14) / 2^15)
            = (v >> 15) * b + (((v & 32767) * b + 2^14) >> 15)        in 32 bits, exactly

b is the membrane kept per step in 2^-15. The reference is `integer_layers.IntegerLayer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.ops.emit import Emitter
    from delrec_compile.ops.emit_lists import Events

Q = 15
ONE = 1 << Q
LIMIT = 1 << 30


@dataclass(frozen=True)
class Neurons:
    """Constants of a tile of neurons, from its base on.

    bias: None where the current has it already. reset: a number, or (N,). clamps: whether -2^30 is
    within reach.
    """

    beta: int
    bias: Any
    threshold: Any
    reset: Any
    clamps: bool


def emit_leak(e: Emitter, beta: int, v: Any, lanes: int) -> Any:
    """leak(v) of one block, v an int32 value."""
    T = e.T
    if beta == ONE:
        return v
    if beta == 0:
        return e.zero("int32", lanes)

    def whole(number: int) -> Any:
        return e.splat(T.int32(number), lanes)

    high = T.shift_right(v, whole(Q)) * whole(beta)
    low = T.bitwise_and(v, whole(ONE - 1)) * whole(beta) + whole(ONE >> 1)
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
    T = e.T
    old = e.register(lanes, e.load(v, at, lanes), "int32")
    leaked = emit_leak(e, neurons.beta, e.load(old, 0, lanes), lanes)
    total = leaked + current
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
    kept = _clamped(e, neurons, e.load(m, 0, lanes), lanes)
    e.store(v, at, lanes, T.Select(fires(0, lanes), _reset(e, neurons, at, lanes), kept))


def emit_in_loops(
    e: Emitter, n: int, neurons: Neurons, current: Any, v: Any, spikes: Events
) -> None:
    """All neurons: a loop that C compilers turn into vectors, and one that looks for spikes.

    current: (n,), with the bias. neurons: of all of them.
    """
    with e.loop("k", n) as k:
        old = e.load(v, k, 1)
        m = emit_leak(e, neurons.beta, old, 1) + e.load(current, k, 1)
        e.store(v, k, 1, _clamped(e, neurons, m, 1))
    for base, size in e.runs(n, e.schedule.neurons):
        here, limits = e.window(v, base, size), e.window(neurons.threshold, base, size)
        for k in range(size):
            with e.when(e.load(here, k, 1) >= e.load(limits, k, 1)):
                e.store(v, base + k, 1, _reset(e, neurons, base + k, 1))
                e.append_always(spikes, base + k)


def _emit_branch(
    e: Emitter, neurons: Neurons, m: Any, v: Any, spikes: Events, base: Any, at: int
) -> None:
    def keep() -> None:
        e.store(v, at, 1, _clamped(e, neurons, m, 1))

    with e.otherwise(m < e.load(neurons.threshold, at, 1), keep):
        e.store(v, at, 1, _reset(e, neurons, at, 1))
        e.append_always(spikes, base + at)


def _clamped(e: Emitter, neurons: Neurons, m: Any, lanes: int) -> Any:
    return e.T.max(m, e.splat(e.T.int32(-LIMIT), lanes)) if neurons.clamps else m


def _reset(e: Emitter, neurons: Neurons, at: Any, lanes: int) -> Any:
    if isinstance(neurons.reset, int):
        return e.splat(e.T.int32(neurons.reset), lanes)
    return e.load(neurons.reset, at, lanes)
