"""Delay line: what each neuron spiked `1 + delay` steps ago.

    g[j](t) = S[j](t - 1 - delay[j])

As explicit state it is the spike history, newest first: `hist[l] = S(t - 1 - l)`, `depth` rows.
Inside an artifact it is a ring of bit planes (a calendar queue): a spike of neuron j at step t sets
one bit in plane `t + 1 + delay[j]`; step t reads and clears one plane. The cost follows the spikes,
not the delay. On a GPU each neuron's thread keeps the neuron's own column of that ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from delrec_compile.ops.emit import Emitter
    from delrec_compile.ops.emit_gpu import GpuEmitter, Marked
    from delrec_compile.ops.emit_lists import Events

F32 = NDArray[np.float32]
WORD = 32


def reference(hist: F32, delay: NDArray[np.int32]) -> F32:
    """hist: (batch, depth, N), delay: (N,). Returns g: (batch, N)."""
    return hist[:, delay, np.arange(len(delay))]


def gather_index(delay: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where g[j] lies in a history flattened to (depth * N,)."""
    n = len(delay)
    return delay.astype(np.int64) * n + np.arange(n, dtype=np.int64)


def torch_form(hist: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return hist.flatten(1).index_select(1, at)


ONNX = (
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayRead (hist, at) => (g)
{
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    flat = Reshape (hist, flat_shape)
    g = Gather <axis = 1> (flat, at)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayPush (hist, spikes) => (hist_next)
{
    one = Constant <value: tensor = int64[1] {1}> ()
    zero = Constant <value: tensor = int64[1] {0}> ()
    minus_one = Constant <value: tensor = int64[1] {-1}> ()
    newest = Unsqueeze (spikes, one)
    kept = Slice (hist, zero, minus_one, one)
    hist_next = Concat <axis = 1> (newest, kept)
}
""",
)


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
    e: Emitter, spikes: Events, delay: Any, ring: Any, clock: Any, depth: int, n: int
) -> None:
    """Every spike j of this step sets its bit in plane (clock + 1 + delay[j])."""
    T = e.T
    mask, width = planes(depth) - 1, words(n)
    with e.each(spikes) as j:
        plane = T.bitwise_and(clock + 1 + T.cast(delay[j], "int32"), mask)
        at = e.bind("at", plane * width + T.shift_right(j, 5))
        bit = T.shift_left(T.uint32(1), T.cast(T.bitwise_and(j, WORD - 1), "uint32"))
        e.store(ring, at, 1, T.bitwise_or(ring[at], bit))


def emit_read(e: Emitter, arrivals: Events, ring: Any, clock: Any, depth: int, n: int) -> None:
    """The neurons whose spikes arrive at this step; their plane is cleared."""
    T = e.T
    width = words(n)
    base = e.bind("plane", T.bitwise_and(clock, planes(depth) - 1) * width)

    def bit_set(at: Any, lanes: int) -> Any:
        bits = T.bitwise_and(at, WORD - 1)
        word = ring[base + T.shift_right(at, 5)]
        if lanes == 1:
            return T.bitwise_and(T.shift_right(word, T.cast(bits, "uint32")), T.uint32(1)) != 0
        ones = T.broadcast(T.uint32(1), lanes)
        select = T.shift_left(ones, T.cast(T.ramp(bits, 1, lanes), f"uint32x{lanes}"))
        return T.bitwise_and(T.broadcast(word, lanes), select) != T.broadcast(T.uint32(0), lanes)

    if e.schedule.events == "branch":
        _emit_bytes(e, arrivals, ring, base, n)
    else:
        e.list_active(arrivals, n, bit_set)
    with e.loop("w", width) as w:
        e.store(ring, base + w, 1, T.uint32(0))


def _emit_bytes(e: Emitter, arrivals: Events, ring: Any, base: Any, n: int) -> None:
    """Lists the bits that are set, skipping bytes without one. Bits above n are never set."""
    T = e.T
    e.clear(arrivals)
    with e.loop("byte", (n + 7) // 8) as k:
        shift = T.cast(T.bitwise_and(k, 3) * 8, "uint32")
        word = T.shift_right(ring[base + T.shift_right(k, 2)], shift)
        bits = e.bind("bits", T.bitwise_and(word, T.uint32(255)))
        with e.when(bits != T.uint32(0)), e.loop("q", 8) as q:
            bit = T.bitwise_and(T.shift_right(bits, T.cast(q, "uint32")), T.uint32(1))
            with e.when(bit != T.uint32(0)):
                e.append_always(arrivals, k * 8 + q)


def columns(depth: int, n: int) -> int:
    """32-bit words of the GPU's ring: per neuron one bit per plane, word by word of all neurons."""
    return words(planes(depth)) * n


def emit_gpu_read(
    e: GpuEmitter, arrivals: Marked, ring: Any, clock: Any, depth: int, n: int
) -> None:
    """Flags the neurons whose spikes arrive at this step; their bit is cleared."""
    T = e.T
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
    e: GpuEmitter, spikes: Marked, delay: Any, ring: Any, clock: Any, depth: int, n: int
) -> None:
    """Every flagged neuron sets its bit in plane (clock + 1 + delay)."""
    T = e.T
    for i, _ in e.blocks(n):
        with e.when(spikes.flag[i] != T.uint8(0)):
            arrival = T.bitwise_and(clock + 1 + T.cast(delay[i], "int32"), planes(depth) - 1)
            plane = e.bind("plane", arrival)
            at = e.bind("at", T.shift_right(plane, 5) * n + i)
            bit = T.shift_left(T.uint32(1), _low(T, plane))
            e.store(ring, at, 1, T.bitwise_or(e.load(ring, at, 1), bit))


def _low(T: Any, plane: Any) -> Any:
    return T.cast(T.bitwise_and(plane, WORD - 1), "uint32")
