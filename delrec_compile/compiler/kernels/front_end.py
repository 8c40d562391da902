"""The front end's step as a TIR function: the equations of `data.front_end`, channel after channel.

    kernel(pcm, counts, filters, samples, u1, u2, v1, v2, depleted, membrane)

pcm: (block,) int16. counts: (channels,) uint8. filters: b, c, a1, a2 of each channel. The others are the
state. A channel's filters stay in registers through the block. What runs make of the state is read as it
is; of a damaged one only so many bits as no sum or product overflows with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import Kernel
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.data import front_end as sound
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.targets.schedule import Schedule

FILTERS = ("u1", "u2", "v1", "v2")
DEPLETED = (1 << 16) - 1  # no run leaves more than 2^15
MEMBRANE = (1 << 25) - 1  # nor more than the largest threshold, 2^24


def compose_front_end(front: FrontEnd, schedule: Schedule, generator: str = "llvm") -> Kernel:
    """generator: `llvm`, or `c` for C text. Raises DataError for filters that may overflow."""
    e = Emitter(schedule, generator)
    filters = np.stack(list(front.check().coefficients.values()), axis=1).reshape(-1)
    state = {name: (v.size, str(v.dtype)) for name, v in front.fresh().items()}
    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        tir.func_name("kernel")
        tir.func_attr({"tirx.noalias": True})
        pcm = tir.arg("pcm", tir.buffer((front.block,), "int16", align=2))
        counts = tir.arg("counts", tir.buffer((front.channels,), "uint8", align=1))
        table = tir.arg("filters", tir.buffer((filters.size,), "int32"))
        own = {n: tir.arg(n, tir.buffer((size,), kind)) for n, (size, kind) in state.items()}
        changes = _changes(e, front, pcm, own["samples"])
        with e.loop("k", front.channels) as k:
            _channel(e, front, k, changes, table, counts, own)
    arrays, tables = dict(e.arrays), {"filters": filters}
    return Kernel(builder.get(), tables, state, front.block, front.channels, 0, arrays, e.stack)


def _changes(e: Emitter, front: FrontEnd, pcm: Any, samples: Any) -> Any:
    """x[n] - x[n-2] of the block, in the filters' units."""
    out, last = e.buffer("changes", front.block, "int32"), front.block - 1

    def store(n: Any, before: Any) -> None:
        change = tir.cast(pcm[n], "int32") - before
        e.store(out, n, 1, change * tir.int32(1 << sound.FRACTION))

    for n in range(2):
        store(n, tir.cast(tir.cast(samples[1 - n], "int16"), "int32"))
    with e.loop("n", front.block - 2) as n:
        store(n + 2, tir.cast(pcm[n], "int32"))
    for age in range(2):
        e.store(samples, age, 1, tir.cast(pcm[last - age], "int32"))
    return out


def _channel(
    e: Emitter, front: FrontEnd, k: Any, changes: Any, table: Any, counts: Any, own: Any
) -> None:
    b, c, a1, a2 = (
        e.bind(name, table[4 * k + at]) for at, name in enumerate(("b", "c", "a1", "a2"))
    )
    u1, u2, v1, v2 = (e.register(1, own[name][k], "int32") for name in FILTERS)
    fired = e.register(1, tir.int32(0), "int32")
    with e.loop("ms", front.step_ms) as ms:
        envelope = e.register(1, tir.int32(0), "int32")
        with e.loop("n", sound.FRAME) as n:
            change = e.load(changes, ms * sound.FRAME + n, 1)
            u = e.bind("u", _section(b, change, a1, u1[0], a2, u2[0]))
            v = e.bind("v", _section(c, u, a1, v1[0], a2, v2[0]))
            for newer, older, value in ((u1, u2, u), (v1, v2, v)):
                e.store(older, 0, 1, newer[0])
                e.store(newer, 0, 1, value)
            half_wave = tir.shift_right(tir.max(v, tir.int32(0)), tir.int32(sound.E))
            e.store(envelope, 0, 1, envelope[0] + half_wave)
        _fire(e, front, k, envelope[0], own, fired)
    for name, register in zip(FILTERS, (u1, u2, v1, v2), strict=True):
        e.store(own[name], k, 1, register[0])
    e.store(counts, k, 1, tir.cast(fired[0], "uint8"))


def _section(gain: Any, x: Any, a1: Any, y1: Any, a2: Any, y2: Any) -> Any:
    """(gain x + a1 y1 - a2 y2 + half) >> Q, in 64 bits."""

    def product(a: Any, b: Any) -> Any:
        return tir.cast(a, "int64") * tir.cast(b, "int64")

    total = product(gain, x) + product(a1, y1) - product(a2, y2) + tir.int64(sound.HALF)
    return tir.cast(tir.shift_right(total, tir.int64(sound.Q)), "int32")


def _fire(e: Emitter, front: FrontEnd, k: Any, envelope: Any, own: Any, fired: Any) -> None:
    """The millisecond of a fibre."""

    def scaled(value: Any, bits: int = 15) -> Any:
        return tir.shift_right(value, tir.int32(bits))

    depleted, membrane = own["depleted"], own["membrane"]
    p = e.bind("p", tir.bitwise_and(depleted[k], tir.int32(DEPLETED)))
    before = e.bind("before", tir.bitwise_and(membrane[k], tir.int32(MEMBRANE)))
    left = e.bind("left", tir.int32(sound.ONE) - p)
    w = e.bind("w", scaled(_loudness(e, envelope) * left))
    more = tir.int32(sound.DEPLETES) * scaled(w * left) - p
    e.store(depleted, k, 1, p + scaled(more * tir.int32(sound.RECOVERY)))
    m = e.bind("m", before + w - scaled(before, sound.LEAK))
    threshold = tir.int32(front.threshold)
    spike = m >= threshold
    e.store(membrane, k, 1, tir.Select(spike, tir.min(m - threshold, threshold), m))
    e.store(fired, 0, 1, fired[0] + tir.cast(spike, "int32"))


def _loudness(e: Emitter, envelope: Any) -> Any:
    # in registers: TVM writes out a scalar wherever it is used, here within itself four times over
    level = e.register(1, envelope + tir.int32(1 << sound.FLOOR), "int32")
    octaves = e.register(1, tir.int32(0), "int32")
    for bits in (8, 4, 2, 1):
        above = level[0] >= tir.int32(1 << (sound.FLOOR + bits))
        shift = e.bind("shift", tir.Select(above, tir.int32(bits), tir.int32(0)))
        e.store(level, 0, 1, tir.shift_right(level[0], shift))
        e.store(octaves, 0, 1, octaves[0] + shift)
    between = level[0] - tir.int32(1 << sound.FLOOR)
    fraction = tir.shift_right(between, tir.int32(sound.FLOOR - sound.LOG))
    return octaves[0] * tir.int32(1 << sound.LOG) + fraction
