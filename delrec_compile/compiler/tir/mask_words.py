"""Event lists from mask words: a word has a bit for each of 64 elements, and is listed at once.

The masks of four blocks choose among the numbers 0 to 63, which the CPU packs in one instruction, and
are counted in another. Lists by blocks of 16 take four of each, which wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tvm.tirx.script import builder as tir

from delrec_compile.ops.masked_history import PIECE

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.event_lists import EventLists, Events

LANES = 16  # bits of the mask of a block
SIZE = 64  # bits of a word
BYTES = SIZE // 8
UNROLLED = 8  # words


def mask_of(e: EventLists, active: Any) -> Any:
    """The mask of a block of 16, int32."""
    return tir.call_llvm_pure_intrin("int32", "llvm.x86.sse2.pmovmskb.128", _signs(e, active))


def _signs(e: EventLists, active: Any) -> Any:
    return tir.Select(active, e.splat(tir.int8(-1), LANES), e.zero("int8", LANES))


def collect(e: EventLists, events: Events, active: Any, at: Any) -> None:
    """Takes the mask of a block; after every fourth one their word is written to the plane, and listed.

    Blocks come in their order, from the first of a word on. A late list has only its plane.
    """
    assert events.pending is not None
    signs = e.register(LANES, _signs(e, active), "int8")
    events.pending.append(e.load(signs, 0, LANES))
    if len(events.pending) * LANES == SIZE:
        w, mask = tir.shift_right(_number(at), 6), _joined(e, events.pending)
        own = e.bind("word", _word_of(mask))
        for k in range(0, BYTES, PIECE):
            part = tir.cast(tir.shift_right(own, tir.uint64(8 * k)), "uint32")
            e.store(events.plane, w * BYTES + k, PIECE, tir.reinterpret(f"uint8x{PIECE}", part))
        events.pending.clear()
        if not events.late:
            append(e, events, own, w * SIZE, mask)


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
        blocks = [_signs(e, active(at + q, LANES)) for q in range(0, size, LANES)]
        mask = _joined(e, blocks + [e.zero("int8", LANES)] * ((SIZE - size) // LANES))
        append(e, events, _word_of(mask), at, mask)

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


def _joined(e: EventLists, signs: Sequence[Any]) -> Any:
    """The 64 booleans of four blocks, as the CPU's mask registers hold them."""
    return e.joined(signs) < e.zero("int8", SIZE)


def _word_of(mask: Any) -> Any:
    return tir.call_intrin("uint64", "tirx.reinterpret", mask)


def append(e: EventLists, events: Events, bits: Any, at: Any, mask: Any = None) -> None:
    """Appends at + q for each bit q of a word. mask: its bits as booleans, where there are any."""
    own, kind = e.bind("word", bits), f"uint8x{SIZE}"
    numbers = tir.cast(tir.ramp(tir.int32(0), 1, SIZE), kind)
    chosen = _mask_of_word(own, numbers) if mask is None else mask
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


def _mask_of_word(word: Any, numbers: Any) -> Any:
    bytes_of = [tir.reinterpret(f"int8x{SIZE}", v) for v in (tir.broadcast(word, BYTES), numbers)]
    return tir.call_llvm_pure_intrin(f"boolx{SIZE}", "llvm.x86.avx512.vpshufbitqmb.512", *bytes_of)


def _number(i: Any) -> Any:
    return tir.int32(i) if isinstance(i, int) else i
