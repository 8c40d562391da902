"""TIR -> CUDA source that needs no header: plain `extern "C"` kernels, raw pointers in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import tvm
from tvm import s_tir, tirx

from delrec_compile.compiler.codegen import signatures
from delrec_compile.compiler.codegen.native import raw_pointers
from delrec_compile.errors import CompilerCrash

HEAD = """\
#define uint unsigned int
#define uchar unsigned char
#define ushort unsigned short

"""
NAME = re.compile(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(")
DEFINITION = r'^(extern "C" __global__ void [^{;]*?\w)\(([^()]*)\) \{(.*?^\}\n)'
KERNEL = re.compile(r'^extern "C" __global__ ', re.M)


def cuda_text(functions: Mapping[str, Any], arch: str) -> str:
    """Kernels by their C names -> source text. Raises CompilerCrash when one has no device code."""
    try:
        text = _tvm_source(functions, tvm.target.Target({"kind": "cuda", "arch": arch}))
    except tvm.error.InternalError as error:
        raise CompilerCrash(
            f"TVM generates no CUDA source: {str(error).splitlines()[0]}"
        ) from error
    at = KERNEL.search(text)
    if at is None:
        raise CompilerCrash("TVM generated no CUDA kernel; report this")
    source = _qualified(text[at.start() :])
    bound = [f for f in source.split('extern "C"') if "blockIdx.x" in f and "threadIdx.x" in f]
    require(functions, [name for f in bound for name in NAME.findall(f)], "the CUDA source")
    return HEAD + source


def _tvm_source(functions: Mapping[str, Any], target: Any) -> str:
    kernels = {
        name: f.with_attrs({"global_symbol": name, "target": target})
        for name, f in functions.items()
    }
    lowered = tvm.ir.transform.Sequential(_passes())(tvm.IRModule(kernels))
    device = tvm.IRModule({v: raw_pointers(f) for v, f in lowered.functions.items()})
    device = tirx.transform.LowerIntrin()(tirx.transform.LowerTVMBuiltin()(device))
    return str(tvm.get_global_func("target.build.cuda")(device, target).inspect_source("cuda"))


def require(names: Iterable[str], present: Iterable[str], where: str) -> None:
    """Raises CompilerCrash for device code that lacks one of the kernels.

    From a function that is bound to no thread, TVM makes a serial kernel or host code, in silence.
    """
    missing = sorted(set(names) - set(present))
    if missing:
        raise CompilerCrash(f"{where} has no kernel '{missing[0]}'; report this")


def _passes() -> list[Any]:
    """TVM's own s_tir passes but for those that move or merge buffers: the syncs are written out,
    and were placed for buffers that lie apart."""
    t, s = tirx.transform, s_tir.transform
    return [
        s.CanonicalizeLoop(),
        s.LowerInitBlock(),
        s.PlanAndUpdateBufferAllocationLocation(),
        s.ConvertBlocksToOpaque(),
        s.LowerMatchBuffer(),
        s.StmtSimplify(),
        s.LowerOpaqueBlock(),
        t.FlattenBuffer(),
        t.NarrowDataType(32),
        t.UnrollLoop(),
        t.StmtSimplify(),
        t.RemoveNoOp(),
        t.CommonSubexprElim(),
        t.VerifyMemory(),
    ]


def _qualified(text: str) -> str:
    """Drops the repeated declarations, and qualifies the parameters."""
    text = re.sub(r'^extern "C" [^;{]*;\n', "", text, flags=re.M)
    return signatures.rewrite(text, DEFINITION, _qualify)


def _qualify(parameters: list[str], body: str) -> tuple[list[str], str]:
    """Adds const to every pointer that is never stored to."""
    out = []
    for parameter in parameters:
        variable = parameter.rsplit(" ", 1)[1]
        stored = re.search(rf"^\s*{re.escape(variable)}\[", body, flags=re.M)
        out.append(("const " if "* " in parameter and not stored else "") + parameter)
    return out, body
