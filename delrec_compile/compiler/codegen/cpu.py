"""The LLVM target of a profile on this machine, and the schedule that fits its CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm

from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.system import nvrtc
from delrec_compile.targets import Target
from delrec_compile.targets.schedule import Schedule


def pick(target: Target, cpu: str | None = None) -> tuple[dict[str, Any], Schedule]:
    """TVM's target for the CPU, and the first schedule of the profile whose features it has.

    cpu: LLVM's name of it, or a GPU's architecture; by default the profile's own, or this machine's
    CPU. LLVM takes an unknown name in silence and means the oldest CPU, so names are checked.
    Raises UnsupportedError.
    """
    from tvm.target import codegen

    llvm = dict(target.llvm)
    if target.generator == "cuda":
        arch = nvrtc.known_arch(nvrtc.find(), cpu or target.arch)
        return {"kind": "cuda", "arch": arch}, target.schedules[0].schedule
    if target.generator == "c":
        if cpu is not None:
            raise UnsupportedError(f"target '{target.name}' is C text, so --cpu does not apply")
        return {"kind": "c"}, target.schedules[0].schedule
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
            return llvm, choice.schedule
    raise UnsupportedError(f"no schedule of target '{target.name}' fits the CPU '{llvm['mcpu']}'")


def _bare(llvm: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in llvm.items() if k in ("kind", "mtriple")}
