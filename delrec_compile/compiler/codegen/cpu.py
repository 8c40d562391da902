"""The LLVM target of a profile on this machine, and the schedule that fits its CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tvm

from delrec_compile import targets
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
            raise UnsupportedError(
                f"target '{target.name}' is C text for its own core, so --cpu does not apply; "
                f"{_fitting(cpu)}"
            )
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
    features = features_of(llvm)
    needed = [*target.features, *_forced(llvm.get("mattr", ()))]
    for choice in target.schedules:
        if {*needed, *choice.features, *_forced(choice.mattr)} <= features:
            llvm["mattr"] = [*llvm.get("mattr", ()), *choice.mattr, *choice.tuning]
            return {k: v for k, v in llvm.items() if v != []}, choice.schedule
    least = target.schedules[-1]
    needed += [*least.features, *_forced(least.mattr)]
    missing = [f for f in needed if f not in features]
    raise UnsupportedError(
        f"target '{target.name}' needs {', '.join(missing)}, which the CPU '{llvm['mcpu']}' has not; "
        f"{_fitting(str(llvm['mcpu']))}"
    )


def features_of(llvm: Mapping[str, Any]) -> set[str]:
    """LLVM's names of what the CPU of a target has, without what `mattr` adds."""
    from tvm.target import codegen

    bare = tvm.target.Target({**_bare(llvm), "mcpu": llvm["mcpu"]})
    return {str(f) for f in codegen.llvm_get_cpu_features(bare)}


def _forced(mattr: Iterable[str]) -> list[str]:
    """Features that flags of LLVM switch on."""
    return [flag[1:] for flag in mattr if flag.startswith("+")]


def _fitting(cpu: str) -> str:
    """The profiles that are for a CPU, as advice."""
    from tvm.target import codegen

    own = cpu.replace("-", "_")
    fitting = [name for name in targets.names() if name == own]
    for profile in (targets.load(n) for n in targets.names() if not fitting):
        bare = _bare(profile.llvm)
        if not bare or cpu not in codegen.llvm_get_cpu_archlist(tvm.target.Target(bare)):
            continue
        if set(profile.features) <= features_of({**bare, "mcpu": cpu}):
            fitting.append(profile.name)
    if not fitting:
        return "no target is for that CPU; portable_c is C for any"
    return f"take --target {' or '.join(fitting)}"


def _bare(llvm: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in llvm.items() if k in ("kind", "mtriple")}
