"""TIR -> machine code with plain C symbols: raw pointers in, nothing returned, no TVM runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType
from tvm.tirx.buffer import is_buffer_var

from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.ops import byte_rows
from delrec_compile.ops.schedule import Schedule
from delrec_compile.system import nvrtc
from delrec_compile.targets import Target

# any value but the default keeps TVM from wrapping the function in its packed calling convention
_C_CALLING_CONVENTION = 2


def write_object(functions: Mapping[str, Any], target: Mapping[str, Any], path: Path) -> None:
    """Compiles TIR functions under their C names into one relocatable object."""
    module = tvm.IRModule({n: f.with_attr("global_symbol", n) for n, f in functions.items()})
    built = tirx.build(module, target=tvm.target.Target(dict(target)), pipeline=_plain_pipeline())
    built.write_to_file(str(path))


def c_text(functions: Mapping[str, Any]) -> str:
    """The functions as freestanding C99 that includes stdint.h and stdbool.h only."""
    module = tvm.IRModule({n: f.with_attr("global_symbol", n) for n, f in functions.items()})
    built = tirx.build(module, target=tvm.target.Target("c"), pipeline=_plain_pipeline(False))
    text = _qualified(_without_runtime(str(built.inspect_source())))
    return _C_HEAD + (byte_rows.C_TEXT if "add_even_bytes(" in text else "") + text


_C_HEAD = """#include <stdbool.h>
#include <stdint.h>
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__GNUC__)
#define MOSTLY(x) __builtin_expect((x), 1)
#define SELDOM(x) __builtin_expect((x), 0)
#else
#define MOSTLY(x) (x)
#define SELDOM(x) (x)
#endif

"""


def _without_runtime(text: str) -> str:
    """Drops TVM's own headers, its context, and its export marks."""
    text = re.sub(r"^(//|#).*\n|^void\* __tvm_ffi__library_ctx.*\n", "", text, flags=re.M)
    text = re.sub(r'^extern "C"\n', "", text, flags=re.M)
    return re.sub(r"^TVM_DLL [^;{]*;\n", "", text, flags=re.M).replace("TVM_DLL ", "")


def _qualified(text: str) -> str:
    """Adds restrict to every pointer parameter, and const to those never stored to.

    TVM's C text carries neither, and without them each store forces a reload of the tables.
    """

    def signature(match: re.Match[str]) -> str:
        name, parameters, body = match.groups()
        body, written = _windows(body)
        out = []
        for parameter in parameters.split(", "):
            if "* " not in parameter:
                out.append(parameter)
                continue
            kind, variable = parameter.rsplit("* ", 1)
            stored = variable in written or _stored(variable, body)
            out.append(f"{'' if stored else 'const '}{kind} *restrict {variable}")
        return f"void {name}(\n    " + ",\n    ".join(out) + f")\n{{{body}"

    return re.sub(r"void (\w+)\(([^)]*)\) \{(.*?^\}\n)", signature, text, flags=re.M | re.S)


def _stored(variable: str, body: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(variable)}\[[^=;\n]*\] = ", body) is not None


def _windows(body: str) -> tuple[str, set[str]]:
    """Pointers into buffers become const unless stored to; also returns what is stored to so."""
    written = set()
    for kind, window, whole in re.findall(r"(\w+)\* (\w+) = \(\w+\*\)\(&\((\w+)\[", body):
        stored = _stored(window, body)
        plain = f"{kind}* {window} = ({kind}*)(&({whole}["
        body = body.replace(plain, f"{'' if stored else 'const '}{kind} *{window} = (&({whole}[")
        if stored:
            written.add(whole)
    return body, written


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
    plain = tirx.PrimFunc(
        params, tirx.SeqStmt([*views, body]), ret_type=function.ret_type, attrs=function.attrs
    )
    return plain.with_attr("calling_conv", _C_CALLING_CONVENTION)


def _plain_pipeline(shared: bool = True) -> str:
    """TVM's own s_tir pipeline, with `raw_pointers` in place of its packed calling convention.

    shared: common subexpressions get a name. Not in C text: a C compiler finds them itself, and
    where `i + 3` is a variable it no longer sees a base with the offset 3.
    """
    name = "delrec_plain_shared" if shared else "delrec_plain"

    @tvm.transform.module_pass(opt_level=0, name="RawPointers")  # type: ignore[untyped-decorator]
    def plain_c(module: tvm.IRModule, _: Any) -> tvm.IRModule:
        made = {gv: raw_pointers(f) for gv, f in module.functions.items()}
        return tvm.IRModule(made, attrs=module.attrs)

    def pipeline() -> tuple[Any, Callable[[], Any], Callable[[], Any]]:
        t, s = tirx.transform, s_tir.transform
        passes = tvm.ir.transform.Sequential(
            [
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
                plain_c,
            ]
        )

        @tvm.transform.module_pass(opt_level=0)  # type: ignore[untyped-decorator]
        def run(module: tvm.IRModule, _: Any) -> tvm.IRModule:
            return passes(module)

        def finish() -> Any:
            return tvm.ir.transform.Sequential([t.LowerTVMBuiltin(), t.LowerIntrin()])

        return run, finish, finish

    tirx.register_tir_pipeline(name, pipeline)
    return name


def pick(target: Target, cpu: str | None = None) -> tuple[dict[str, Any], Schedule]:
    """TVM's target for the CPU, and the first schedule of the profile whose features it has.

    cpu: LLVM's name of it, or a GPU's architecture; by default the profile's own, or the CPU found
    here. LLVM takes an unknown name in silence and means the oldest CPU, so names are checked.
    Raises UnsupportedError.
    """
    from tvm.target import codegen

    llvm = dict(target.llvm)
    if target.generator == "cuda":
        arch = nvrtc.known_arch(nvrtc.find(), cpu or target.arch)
        return {"kind": "cuda", "arch": arch}, Schedule(**target.schedules[0].values)
    if target.generator == "c":
        if cpu is not None:
            raise UnsupportedError(f"target '{target.name}' is C text: a --cpu does not apply")
        return {"kind": "c"}, Schedule(**target.schedules[0].values)
    if cpu is not None:
        llvm["mcpu"] = cpu
    if llvm.get("mcpu") == "host":
        llvm["mcpu"] = str(codegen.llvm_get_system_cpu())
    known = [str(name) for name in codegen.llvm_get_cpu_archlist(tvm.target.Target(_bare(llvm)))]
    if llvm["mcpu"] not in known:
        raise UnsupportedError(
            f"unknown CPU '{llvm['mcpu']}' for target '{target.name}'"
            f"{did_you_mean(llvm['mcpu'], known)}; LLVM's names, such as x86-64-v3, are allowed"
        )
    features = {str(f) for f in codegen.llvm_get_cpu_features(tvm.target.Target(llvm))}
    for choice in target.schedules:
        if set(choice.features) <= features:
            if choice.mattr:
                llvm["mattr"] = list(choice.mattr)
            try:
                return llvm, Schedule(**choice.values)
            except TypeError as error:
                allowed = ", ".join(f.name for f in fields(Schedule))
                raise UnsupportedError(
                    f"target '{target.name}': a schedule that is none ({error}); allowed: {allowed}"
                ) from error
    raise UnsupportedError(f"no schedule of target '{target.name}' fits the CPU '{llvm['mcpu']}'")


def _bare(llvm: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in llvm.items() if k in ("kind", "mtriple")}
