"""Probes of every tool that a command may need, each with the command that installs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.errors import CompilerCrash, ToolchainError
from delrec_compile.system import child, nvrtc, toolchain, tvm_loader

if TYPE_CHECKING:
    from delrec_compile.targets import Target

PACKAGES = ("torch", "onnx", "onnxruntime", "apache-tvm", "safetensors", "h5py", "scipy")


@dataclass(frozen=True)
class Finding:
    """A probe's result. needed_for: commands that need the tool. fix: command that installs it; empty
    where it works.
    """

    name: str
    ok: bool
    detail: str
    needed_for: str
    fix: str = ""


def doctor() -> list[Finding]:
    """Probes everything; never raises."""
    findings = [_package(name) for name in PACKAGES]
    findings += [_tvm_ffi(), _compiler(), _zig(), _emulator(), _wasmtime(), _qemu()]
    return [*findings, _cuda(), _espeak(), _rpc(), _ssh()]


def missing(target: Target) -> list[str]:
    """Tools that a build for the target needs and this machine lacks."""
    return [tool for tool in target.tools if not PROBES[tool]().ok]


def target_status(target: Target) -> dict[str, Any]:
    """A target as `targets --json` lists it. fix: installs each tool that is missing."""
    lacking = missing(target)
    return {
        "name": target.name,
        "summary": target.summary,
        "ready": not lacking,
        "missing": lacking,
        "fix": "; ".join(dict.fromkeys(PROBES[tool]().fix for tool in lacking)),
        "numeric": [str(mode) for mode in target.numeric],
        "how": target.how,
    }


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", "everything", f"pip install {name}")
    return Finding(name, True, version, "everything")


def _tvm_ffi() -> Finding:
    name, fix = "apache-tvm-ffi", "pip install 'apache-tvm-ffi>=0.1.14.post0,<0.1.15'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", "build", fix)
    if version.startswith("0.1.15"):
        detail = f"{version} crashes in tvm.ir.save_json"
        return Finding(name, False, detail, "build", fix)
    try:
        child.call("delrec_compile.system.doctor:save_json")
    except CompilerCrash as error:
        return Finding(name, False, f"{version}: {error}", "build", fix)
    return Finding(name, True, version, "build")


def save_json() -> None:
    """In the child: an IR node as JSON, at which apache-tvm-ffi 0.1.15 crashes."""
    tvm_loader.load()
    import tvm

    tvm.ir.save_json(tvm.tirx.IntImm("int32", 1))


def _compiler() -> Finding:
    try:
        command = toolchain.cc()
    except ToolchainError:
        return Finding("C compiler", False, "none found", "build", toolchain.INSTALL_HINT)
    return Finding("C compiler", True, " ".join(command), "build")


def _zig() -> Finding:
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        fix = toolchain.CROSS_HINT
        return Finding("ziglang", False, "not installed", "build for other machines", fix)
    return Finding("ziglang", True, version, "build for other machines")


def _emulator() -> Finding:
    return _packages("emulator", ("unicorn",), "proof of builds for other machines")


def _wasmtime() -> Finding:
    return _packages("wasmtime", ("wasmtime",), "proof of builds for WebAssembly")


def _rpc() -> Finding:
    packages = ("tornado", "psutil", "cloudpickle")
    return _packages("RPC", packages, "--device rpc://, devices tracker and serve", "rpc")


def _packages(name: str, packages: Sequence[str], needed: str, extra: str = "emu") -> Finding:
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install 'delrec-compile[{extra}]'"
            return Finding(name, False, f"{package} is not installed", needed, fix)
    return Finding(name, True, ", ".join(versions), needed)


def _qemu() -> Finding:
    path, needed = shutil.which("qemu-system-arm"), "proof of builds for Cortex-M55"
    if path is None:
        fix = "apt-get install qemu-system-arm"
        return Finding("qemu", False, "qemu-system-arm not found", needed, fix)
    return Finding("qemu", True, path, needed)


def _cuda() -> Finding:
    name, needed = "CUDA compiler", "build for GPUs (runs without one)"
    try:
        compiler = nvrtc.find()
    except ToolchainError:
        return Finding(name, False, "neither NVRTC nor nvcc", needed, nvrtc.INSTALL_HINT)
    return Finding(name, True, compiler.name, needed)


def _espeak() -> Finding:
    path = shutil.which("espeak-ng")
    if path is None:
        return Finding("espeak-ng", False, "not found", "data synth", "apt-get install espeak-ng")
    return Finding("espeak-ng", True, path, "data synth")


def _ssh() -> Finding:
    path, needed = shutil.which("ssh"), "--device ssh://"
    if path is None:
        return Finding("ssh", False, "not found", needed, "apt-get install openssh-client")
    return Finding("ssh", True, path, needed)


PROBES: dict[str, Callable[[], Finding]] = {
    "cc": _compiler,
    "zig": _zig,
    "emulator": _emulator,
    "wasmtime": _wasmtime,
    "qemu": _qemu,
    "cuda": _cuda,
}
PROOF = ("emulator", "wasmtime", "qemu")  # those that run a target's code; the others build it
