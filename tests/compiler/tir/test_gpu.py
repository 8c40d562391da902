"""The GPU emitter: which thread owns which neuron, and the shared memory of a block."""

from __future__ import annotations

import pytest
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.tir.gpu import GpuEmitter, threads_for
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize("n", [1, 32, 45, 200])
def test_the_threads_own_every_neuron_once(n: int) -> None:
    e = GpuEmitter(Schedule(32, 2, "ballot"), 32)
    owned: list[int] = []
    for thread in range(32):
        e.thread = thread
        with IRBuilder(), tir.prim_func(s_tir=True):
            tir.func_name("rounds")
            full = n // 32 * 32
            owned += [at for at, lanes in e.blocks(full) if lanes == 1]
        if thread < n % 32:
            owned.append(full + thread)
    assert sorted(owned) == list(range(n))


def test_shared_memory_is_counted_in_aligned_pieces() -> None:
    e = GpuEmitter(Schedule(32, 2, "ballot"), 32)
    with IRBuilder(), tir.prim_func(s_tir=True):
        tir.func_name("memory")
        e.shared("a", 5, "float32")
        assert e.shared_bytes == 64
        e.shared("b", 65, "uint8")
        assert e.shared_bytes == 64 + 128


def test_threads_of_a_block() -> None:
    assert [threads_for(n, 256) for n in (1, 32, 33, 100, 256, 4096)] == [32, 32, 64, 128, 256, 256]
