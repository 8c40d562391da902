"""CUDA text of kernels: a function that is bound to no thread is refused."""

from __future__ import annotations

import cases
import pytest
from helpers import refusal
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.codegen.cuda import cuda_text, require
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.errors import CompilerCrash
from delrec_compile.system import nvrtc
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize("threads", [False, True])
def test_a_function_without_threads_is_refused(threads: bool) -> None:
    """TVM would make host code of it, or one thread's, without a word."""
    network = cases.network("one_layer")
    serial = compose(network, Schedule(1, 4, "scan"), generator="c")
    with refusal(CompilerCrash, "TVM generates no CUDA source: ", 9):
        cuda_text({"k": serial.function}, "sm_80")
    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        tir.func_name("k")
        out = tir.arg("out", tir.buffer((1,), "float32"))
        if threads:
            with tir.launch_thread("threadIdx.x", 32) as i:
                tir.buffer_store(out, tir.cast(i, "float32"), [0])
        else:
            tir.buffer_store(out, tir.float32(0), [0])
    with refusal(CompilerCrash, "has no kernel .k.; report this|TVM generates no CUDA", 9):
        cuda_text({"k": builder.get()}, "sm_80")
    with refusal(CompilerCrash, "the PTX has no kernel .b.; report this", 9):
        require(["a", "b"], nvrtc.entries(".visible .entry a(\n"), "the PTX")
