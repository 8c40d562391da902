"""Event lists from mask words: a word has a bit for each of 64 elements, and is listed at once.

A word's bits choose among the numbers 0 to 63, which the CPU packs in one instruction, and are counted
in another. Lists by blocks of 16 take four of each, which wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tvm.tirx.script import builder as tir

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.event_lists import EventLists, Events

LANES = 16  # bits of the mask of a block
SIZE = 64  # bits of a word
BYTES = SIZE // 8
UNROLLED = 8  # words


def mask_of(e: EventLists, active: Any) -> Any:
    """The mask of a block of 16, int32."""
    signs = tir.Select(active, e.splat(tir.int8(-1), LANES), e.zero("int8", LANES))
    return tir.call_llvm_pure_intrin("int32", "llvm.x86.sse2.pmovmskb.128", signs)


def collect(e: EventLists, events: Events, active: Any, at: Any) -> None:
    """Takes the mask of a block; after every fourth one their word is written to the plane, and listed.

    Blocks come in their order, from the first of a word on. A late list has only its plane.
    """
    assert events.pending is not None
    events.pending.append(e.bind("bits", _unsigned(mask_of(e, active))))
    if len(events.pending) * LANES == SIZE:
        w, own = tir.shift_right(_number(at), 6), e.bind("word", _join(events.pending))
        e.store(events.plane, w * BYTES, BYTES, tir.reinterpret(f"uint8x{BYTES}", own))
        events.pending.clear()
        if not events.late:
            append(e, events, own, w * SIZE)


def list_plane(e: EventLists, events: Events, n: int) -> None:
    """Appends the bits that are set in the plane of n bits, whole words."""
    for w in each(e, n // SIZE):
        append(e, events, word(e, events.plane, w), w * SIZE)


def word(e: EventLists, plane: Any, w: Any) -> Any:
    """Word w of a plane."""
    return tir.reinterpret("uint64", e.load(plane, w * BYTES, BYTES))


def list_blocks(e: EventLists, events: Events, n: int, active: Callable[[Any, int], Any]) -> None:
    """Appends every i below n, whole blocks, for which active(i, 1) holds."""

    def list_word(at: Any, size: int) -> None:
        places = range(0, size, LANES)
        masks = [_unsigned(mask_of(e, active(at + q, LANES))) for q in places]
        append(e, events, _join(masks), at)

    for w in each(e, n // SIZE):
        list_word(w * SIZE, SIZE)
    if n % SIZE:
        list_word(n // SIZE * SIZE, n % SIZE)


def each(e: EventLists, n: int) -> Any:
    """The numbers below n: written out, or, of many, a loop."""
    if n <= UNROLLED:
        yield from range(n)
        return
    with e.loop("w", n) as w:
        yield w


def _unsigned(mask: Any) -> Any:
    return tir.cast(tir.cast(mask, "uint32"), "uint64")


def _join(masks: Sequence[Any]) -> Any:
    """The word of up to four masks of blocks."""
    bits = masks[0]
    for k, mask in enumerate(masks[1:], start=1):
        bits = tir.bitwise_or(bits, tir.shift_left(mask, tir.uint64(k * LANES)))
    return bits


def append(e: EventLists, events: Events, bits: Any, at: Any) -> None:
    """Appends at + q for each bit q of a word."""
    own, kind = e.bind("word", bits), f"uint8x{SIZE}"
    numbers = tir.cast(tir.ramp(tir.int32(0), 1, SIZE), kind)
    bytes_of = [tir.reinterpret(f"int8x{SIZE}", v) for v in (tir.broadcast(own, BYTES), numbers)]
    chosen = tir.call_llvm_pure_intrin(
        f"boolx{SIZE}", "llvm.x86.avx512.vpshufbitqmb.512", *bytes_of
    )
    packed = tir.call_llvm_pure_intrin(
        kind,
        f"llvm.experimental.vector.compress.v{SIZE}i8",
        numbers,
        chosen,
        e.zero("uint8", SIZE),
    )
    element = str(events.index.dtype)
    first = tir.cast(_number(events.first + at), element)
    e.store(
        events.index, events.count[0], SIZE, e.cast(packed, element, SIZE) + e.splat(first, SIZE)
    )
    e.store(events.count, 0, 1, events.count[0] + tir.cast(tir.popcount(own), "int32"))


def _number(i: Any) -> Any:
    return tir.int32(i) if isinstance(i, int) else i
