"""The emitter: blocks and tiles of lanes, and vectors made of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from fixtures.tir import run
from tvm.script.ir_builder import IRBuilder

from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize(
    ("n", "lanes"), [(1, 1), (5, 4), (33, 16), (100, 1), (100, 4), (300, 4)], ids=str
)
def test_blocks_and_tiles_cover_every_neuron_once(n: int, lanes: int) -> None:
    """Written out or as a loop: each block adds one to what it covers."""
    e = Emitter(Schedule(lanes, 4, "scan"))
    with IRBuilder() as builder, e.T.prim_func(s_tir=True):
        e.T.func_name("cover")
        out = [e.T.arg(name, e.T.buffer((n,), "float32")) for name in ("blocks", "tiles")]
        for at, width in e.blocks(n):
            e.store(out[0], at, width, e.load(out[0], at, width) + e.splat(e.T.float32(1), width))
        for tile in e.tiles(n):
            assert len(tile) <= 4
            for at, width in tile:
                e.store(
                    out[1], at, width, e.load(out[1], at, width) + e.splat(e.T.float32(1), width)
                )
    module = tvm.IRModule({"cover": builder.get().with_attr("global_symbol", "cover")})
    built = tvm.compile(module, target=tvm.target.Target("llvm"))
    counts = [tvm.runtime.tensor(np.zeros(n, np.float32)) for _ in out]
    built["cover"](*counts)
    for count in counts:
        assert count.numpy().tolist() == [1.0] * n


def test_lanes_of_several_vectors_are_one_vector() -> None:
    """All of them, or some from the middle on."""

    def body(e: Any, values: Any, whole: Any, middle: Any) -> None:
        parts = [e.load(values, at, lanes) for at, lanes in e.parts(7)]
        zero = e.zero("int32", 1)
        e.store(whole, 0, 8, e.joined([*parts, zero]))
        e.store(middle, 0, 4, e.joined([e.load(values, 0, 4), e.load(values, 4, 4)], 3, 4))

    values = np.arange(1, 9, dtype=np.int32)
    empty = np.full(8, -1, np.int32), np.full(4, -1, np.int32)
    _, whole, middle = run(body, values, *empty, schedule=Schedule(4), cpu="x86-64")
    assert whole.tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    assert middle.tolist() == [4, 5, 6, 7]
