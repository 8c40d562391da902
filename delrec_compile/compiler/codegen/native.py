"""TIR -> machine code with C symbols: raw pointers in, nothing returned, no TVM runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType
from tvm.tirx.buffer import is_buffer_var

# any value but the default keeps TVM from wrapping the function in its packed calling convention
_C_CALLING_CONVENTION = 2


def write_object(functions: Mapping[str, Any], target: Mapping[str, Any], path: Path) -> None:
    """Compiles TIR functions under their C names into one relocatable object."""
    module = tvm.IRModule({n: f.with_attr("global_symbol", n) for n, f in functions.items()})
    built = tirx.build(module, target=tvm.target.Target(dict(target)), pipeline=c_abi_pipeline())
    built.write_to_file(str(path))


def raw_pointers(function: Any) -> Any:
    """Every buffer parameter becomes a typed pointer; every allocation stays on the stack."""
    params, views = [], []
    for p in function.params:
        if is_buffer_var(p):
            pointer = tvm.ir.Var(p.name, PointerType(PrimType(p.dtype), "global"))
            params.append(pointer)
            views.append(tirx.DeclBuffer(p, data=pointer))
        else:
            params.append(p)
    on_stack = {"disable_lower_builtin": tirx.IntImm("int32", 1)}
    body = tvm_ffi.structural_map(
        function.body,
        [(tirx.AllocBuffer, lambda s: tirx.AllocBuffer(s.buffer, on_stack))],
        order="post",
    )
    function = tirx.PrimFunc(
        params, tirx.SeqStmt([*views, body]), ret_type=function.ret_type, attrs=function.attrs
    )
    return function.with_attr("calling_conv", _C_CALLING_CONVENTION)


def c_abi_pipeline(shared: bool = True) -> str:
    """TVM's own s_tir pipeline, with `raw_pointers` in place of its packed calling convention.

    shared: common subexpressions get a name. Not in C text: a C compiler finds them itself, and
    where `i + 3` is a variable it no longer sees a base with the offset 3. Returns the name that the
    pipeline is registered under.
    """
    name = "delrec_c_abi_shared" if shared else "delrec_c_abi"

    def pipeline() -> tuple[Any, Callable[[], Any], Callable[[], Any]]:
        passes = tvm.ir.transform.Sequential(_passes(shared))

        @tvm.transform.module_pass(opt_level=0)  # type: ignore[untyped-decorator]
        def run(module: tvm.IRModule, _: Any) -> tvm.IRModule:
            return passes(module)

        def finish() -> Any:
            t = tirx.transform
            return tvm.ir.transform.Sequential([t.LowerTVMBuiltin(), t.LowerIntrin()])

        return run, finish, finish

    tirx.register_tir_pipeline(name, pipeline)
    return name


def _passes(shared: bool) -> list[Any]:
    t, s = tirx.transform, s_tir.transform
    return [
        s.CanonicalizeLoop(),
        s.LowerInitBlock(),
        s.PlanAndUpdateBufferAllocationLocation(),
        s.ConvertBlocksToOpaque(),
        # not CompactBufferAllocation: it cuts off what is reached through a window alone
        s.LowerMatchBuffer(),
        s.StmtSimplify(),
        s.LowerOpaqueBlock(),
        t.FlattenBuffer(),
        t.NarrowDataType(32),
        s.LoopPartition(),
        t.VectorizeLoop(True),
        t.StorageRewrite(),
        s.HoistIfThenElse(),
        t.UnrollLoop(),
        s.RenormalizeSplitPattern(),
        t.StmtSimplify(),
        t.RemoveNoOp(),
        s.RewriteUnsafeSelect(),
        *([t.CommonSubexprElim()] if shared else []),
        t.VerifyMemory(),
        _raw_pointers_pass(),
    ]


def _raw_pointers_pass() -> Any:
    @tvm.transform.module_pass(opt_level=0, name="RawPointers")  # type: ignore[untyped-decorator]
    def run(module: tvm.IRModule, _: Any) -> tvm.IRModule:
        functions = {var: raw_pointers(f) for var, f in module.functions.items()}
        return tvm.IRModule(functions, attrs=module.attrs)

    return run
