"""Delay line: the spikes of each neuron `first + delay` steps ago.

    g[j](t) = S[j](t - first - delay[j])

`first` is 1 where the spikes close a cycle, 0 where they go on along the order of the populations.
As explicit state it is the spike history, newest first: `hist[l] = S(t - 1 - l)`; the line that
synapses read is the history, or, with `first` 0, this step's spikes before the history.
Inside an artifact it is a ring of bit planes (a calendar queue): a spike of neuron j at step t sets
one bit in plane `t + first + delay[j]`; step t reads and clears one plane. The cost follows the spikes,
not the delay. On a GPU each neuron's thread holds the neuron's column of that ring. Several
heads, each with delays of its own, have a ring each, one after another.

Bits above N of a plane are never set, and are ignored where damaged memory sets them. So is all of
the clock but the bits that count planes.

Where neurons share their delays, one ring serves them all as a history: step t writes its spikes
to plane t, and reads plane `t - first - lag` for each lag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops.delay_line_onnx import ONNX as ONNX

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.compiler.tir.gpu import GpuEmitter, SharedEvents

WORD = 32

C_TEXT = """/* the place of the lowest bit of a word that has one */
static inline int32_t lowest_bit(uint32_t word)
{
#if defined(__GNUC__) && !(defined(__arm__) && !defined(__ARM_FEATURE_CLZ)) \\
    && !(defined(__riscv) && !defined(__riscv_zbb))
    return __builtin_ctzl(word); /* of 32 bits or more, where int may have 16 */
#else /* the five upper bits of the product differ for each of its powers of two */
    static const uint8_t place[32] = {0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8,
                                      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6, 11, 5, 10, 9};
    return place[(word & (0u - word)) * 0x077cb531u >> 27];
#endif
}

"""


def reference(hist: F32, delay: NDArray[np.int32]) -> F32:
    """hist: (batch, depth, N), delay: (..., N). Returns g: (batch, ..., N)."""
    return hist[:, delay, np.arange(delay.shape[-1])]


def gather_index(delay: NDArray[np.int32]) -> NDArray[np.int64]:
    """Indices of g[j] in a history flattened to (depth * N,), for delays (..., N), flattened."""
    n = delay.shape[-1]
    return np.asarray(delay.astype(np.int64) * n + np.arange(n, dtype=np.int64)).reshape(-1)


def torch_form(hist: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return hist.flatten(1).index_select(1, at)


def planes(depth: int) -> int:
    """Planes of the ring, a power of two for arrivals 1 to `depth` steps ahead.

    A step reads and clears its plane before it pushes, so the plane of this step can take the
    arrivals that lie `depth` steps ahead.
    """
    return 1 << (depth - 1).bit_length()


def words(n: int) -> int:
    """32-bit words of one plane of n bits."""
    return (n + WORD - 1) // WORD


def emit_push(
    e: Emitter,
    spikes: Events,
    delay: Any,
    ring: Any,
    clock: Any,
    depth: int,
    n: int,
    heads: int,
    first: int = 1,
) -> None:
    """Every spike j of this step sets its bit in plane (clock + first + delay[j]) of each head."""
    T = e.T
    mask, width = planes(depth) - 1, words(n)
    with e.each(spikes) as j:
        for head in range(heads):
            own = T.cast(delay[j + head * n] if head else delay[j], "int32")
            due = clock + first + own if first else clock + own
            plane = T.bitwise_and(due, mask) + head * planes(depth)
            at = e.bind("at", plane * width + T.shift_right(j, 5))
            e.store(ring, at, 1, T.bitwise_or(ring[at], _bit(T, j)))


def emit_read(
    e: Emitter, arrivals: Events, ring: Any, clock: Any, depth: int, n: int, head: Any = 0
) -> None:
    """The neurons whose spikes arrive at this step; their plane of the head's ring is cleared."""
    width = words(n)
    plane = e.T.bitwise_and(clock, planes(depth) - 1)
    if not isinstance(head, int) or head:
        plane = plane + head * planes(depth)
    base = e.bind("plane", plane * width)
    emit_list(e, arrivals, ring, base, n)
    emit_clear(e, ring, base, n)


def emit_read_history(
    e: Emitter, past: Events, ring: Any, clock: Any, depth: int, n: int, lag: Any, first: int = 1
) -> None:
    """The spikes of step `clock - first - lag`, from a ring that is a history."""
    plane = e.T.bitwise_and(clock - first - lag, planes(depth) - 1)
    emit_list(e, past, ring, e.bind("plane", plane * words(n)), n)


def emit_write_history(
    e: Emitter, spikes: Events, ring: Any, clock: Any, depth: int, n: int
) -> None:
    """Writes the spikes of this step to its plane of a ring that is a history."""
    T = e.T
    base = e.bind("plane", T.bitwise_and(clock, planes(depth) - 1) * words(n))
    emit_clear(e, ring, base, n)
    with e.each(spikes) as j:
        at = e.bind("at", base + T.shift_right(j, 5))
        e.store(ring, at, 1, T.bitwise_or(ring[at], _bit(T, j)))


def _bit(T: Any, j: Any) -> Any:
    return T.shift_left(T.uint32(1), T.cast(T.bitwise_and(j, WORD - 1), "uint32"))


def emit_clear(e: Emitter, ring: Any, base: Any, n: int) -> None:
    """Clears the plane of n bits that begins at `base`."""
    with e.loop("w", words(n)) as w:
        e.store(ring, base + w, 1, e.T.uint32(0))


def emit_list(e: Emitter, events: Events, ring: Any, base: Any, n: int) -> None:
    """Lists the bits that are set in the plane of n bits that begins at `base`."""
    T = e.T

    def bit_set(at: Any, lanes: int) -> Any:
        bits = T.bitwise_and(at, WORD - 1)
        word = ring[base + T.shift_right(at, 5)]
        if lanes == 1:
            return T.bitwise_and(T.shift_right(word, T.cast(bits, "uint32")), T.uint32(1)) != 0
        ones = T.broadcast(T.uint32(1), lanes)
        select = T.shift_left(ones, T.cast(T.ramp(bits, 1, lanes), f"uint32x{lanes}"))
        return T.bitwise_and(T.broadcast(word, lanes), select) != T.broadcast(T.uint32(0), lanes)

    if e.schedule.events == "branch":
        _emit_words(e, events, ring, base, n)
    else:
        e.list_active(events, n, bit_set)


def _emit_words(e: Emitter, arrivals: Events, ring: Any, base: Any, n: int) -> None:
    """Lists the bits that are set, word by word, the lowest first."""
    T = e.T
    e.clear(arrivals)
    if n >= WORD:
        with e.loop("w", n // WORD) as w:
            emit_bits(e, arrivals, ring[base + w], w * WORD)
    if rest := n % WORD:
        word = T.bitwise_and(ring[base + n // WORD], T.uint32((1 << rest) - 1))
        emit_bits(e, arrivals, word, n // WORD * WORD)


def emit_bits(e: Emitter, events: Events, word: Any, first: Any) -> None:
    """Appends the places of the bits that are set in a word, added to `first`, the lowest first."""
    T = e.T
    bits = e.register(1, word, "uint32")
    with e.repeat(bits[0] != T.uint32(0)):
        e.append_always(events, first + _lowest_bit(e, bits[0]))
        e.store(bits, 0, 1, T.bitwise_and(bits[0], bits[0] - T.uint32(1)))


def _lowest_bit(e: Emitter, word: Any) -> Any:
    """The place of the lowest bit of a word that has one."""
    T = e.T
    if e.generator == "c":
        return T.call_extern("int32", "lowest_bit", word)
    below = T.bitwise_and(T.bitwise_not(word), word - T.uint32(1))
    return T.cast(T.popcount(below), "int32")


def columns(depth: int, n: int) -> int:
    """32-bit words of the GPU's ring: per neuron one bit per plane, word by word of all neurons."""
    return words(planes(depth)) * n


def emit_gpu_read(
    e: GpuEmitter, arrivals: SharedEvents, ring: Any, clock: Any, depth: int, n: int, head: int = 0
) -> None:
    """Flags the neurons whose spikes arrive at this step; their bit is cleared."""
    T = e.T
    ring = e.view(ring, head * columns(depth, n), columns(depth, n))
    plane = e.bind("plane", T.bitwise_and(clock, planes(depth) - 1))
    bit = e.bind("bit", T.shift_left(T.uint32(1), _low(T, plane)))
    for i, _ in e.blocks(n):
        at = T.shift_right(plane, 5) * n + i
        word = e.bind("word", e.load(ring, at, 1))
        arrives = T.bitwise_and(word, bit) != T.uint32(0)
        e.store(arrivals.flag, i, 1, T.cast(arrives, "uint8"))
        with e.when(arrives):
            e.store(ring, at, 1, T.bitwise_xor(word, bit))


def emit_gpu_push(
    e: GpuEmitter,
    spikes: SharedEvents,
    delay: Any,
    ring: Any,
    clock: Any,
    depth: int,
    n: int,
    heads: int,
    first: int = 1,
) -> None:
    """Every flagged neuron sets its bit in plane (clock + first + delay) of each head."""
    T = e.T
    for i, _ in e.blocks(n):
        with e.when(spikes.flag[i] != T.uint8(0)):
            for head in range(heads):
                own = T.cast(delay[i + head * n] if head else delay[i], "int32")
                plane = e.bind("plane", T.bitwise_and(clock + first + own, planes(depth) - 1))
                column = T.shift_right(plane, 5) * n + i
                at = e.bind("at", column + head * columns(depth, n) if head else column)
                bit = T.shift_left(T.uint32(1), _low(T, plane))
                e.store(ring, at, 1, T.bitwise_or(e.load(ring, at, 1), bit))


def emit_gpu_read_history(
    e: GpuEmitter,
    masks: Any,
    ring: Any,
    clock: Any,
    lags: tuple[int, ...],
    depth: int,
    n: int,
    first: int = 1,
) -> None:
    """The masks (lags * words,) of the steps `clock - first - lag`, from a ring that is history."""
    T = e.T
    for k, lag in enumerate(lags):
        plane = e.bind("plane", T.bitwise_and(clock - first - lag, planes(depth) - 1))
        for w, _ in e.blocks(words(n)):
            e.store(masks, k * words(n) + w, 1, e.load(ring, plane * words(n) + w, 1))


def emit_gpu_write_history(
    e: GpuEmitter, spikes: SharedEvents, ring: Any, clock: Any, depth: int, n: int
) -> None:
    """Writes the mask of this step's spikes to its plane of a ring that is history."""
    plane = e.bind("plane", e.T.bitwise_and(clock, planes(depth) - 1))
    for w, _ in e.blocks(words(n)):
        e.store(ring, plane * words(n) + w, 1, spikes.mask[spikes.lead + w])


def _low(T: Any, plane: Any) -> Any:
    return T.cast(T.bitwise_and(plane, WORD - 1), "uint32")
