"""The emitter: blocks and tiles of lanes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
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
