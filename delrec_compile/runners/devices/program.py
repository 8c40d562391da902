"""An artifact -> a program, or a library for RPC, that runs samples on another machine.

Both hold the artifact's own objects (or its C sources, compiled now) and `targets/device/`.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from delrec_compile.artifact.abi import CTYPES
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import (
    CompilerCrash,
    DeviceError,
    InputError,
    UnsupportedError,
)
from delrec_compile.runners.devices.url import Device
from delrec_compile.system import host, toolchain
from delrec_compile.system.folders import work_folder

# `uname -m` -> triple, ABI and baseline processor, as Zig names them
PROCESSORS = {
    "x86_64": ("x86_64-linux", "", "x86_64"),
    "aarch64": ("aarch64-linux", "", "generic"),
    "armv6l": ("arm-linux", "eabihf", "arm1176jzf_s"),
    "armv7l": ("arm-linux", "eabihf", "cortex_a9"),
    "riscv64": ("riscv64-linux", "", "generic_rv64+m+a+c+f+d"),
    "i686": ("x86-linux", "", "i686"),
}
GLIBC = "2.17"
# machines that run code for others too
ALSO = {
    "armv6l": ("armv7l", "armv8l", "aarch64"),
    "armv7l": ("armv8l", "aarch64"),
    "i686": ("i386", "i586", "x86_64"),
}
FLAGS = ("-std=c11", "-O3", "-fPIC", "-ffp-contract=off")
FOLDER = "device"


def machine_for(artifact: Artifact, device: Device, reported: str) -> str:
    """The key of PROCESSORS to compile for. reported: `uname -m` there; empty where it is unknown.

    Raises UnsupportedError for an artifact that no such machine can run, DeviceError for a wrong one.
    """
    m = artifact.manifest
    wanted, there = m.machine, host.ALIASES.get(reported, reported)
    if m.is_gpu:
        raise UnsupportedError(f"{artifact.path} is for a GPU; remote devices run CPU code")
    if wanted == "any":
        wanted = there
    if wanted not in PROCESSORS:
        problem = (
            f"{artifact.path} is built for {wanted}" if wanted else f"{device}: unknown machine"
        )
        raise UnsupportedError(
            f"{problem}; machines that can be reached this way: {', '.join(PROCESSORS)}"
        )
    if there and there != wanted and there not in ALSO.get(wanted, ()):
        raise DeviceError(
            f"{device} is {reported}, and {artifact.path} is built for {wanted}; "
            f"build it for the target of that machine ('delrec-compile targets' lists them)"
        )
    return wanted


def program(artifact: Artifact, machine: str, out: Path) -> Path:
    """A static program that runs samples (see targets/device/main.c), for Linux on any such machine."""
    triple, abi, cpu = PROCESSORS[machine]
    if host.is_here(machine):
        try:
            return _compile(artifact, "main.c", out, ["-static", "-s"], "")
        except CompilerCrash:  # systems without a static C library
            if not toolchain.has_zig():
                raise
    flags = ["-static", "-s", f"-mcpu={cpu}", "-fno-sanitize=undefined"]
    return _compile(artifact, "main.c", out, flags, f"{triple}-musl{abi}")


def rpc_library(artifact: Artifact, machine: str, out: Path) -> Path:
    """A shared library whose functions have TVM's calling convention: targets/device/rpc.c."""
    from tvm_ffi import libinfo

    includes = dict.fromkeys((libinfo.find_include_path(), libinfo.find_dlpack_include_path()))
    flags = ["-shared", "-s", *(f"-I{folder}" for folder in includes)]
    if host.is_here(machine):
        return _compile(artifact, "rpc.c", out, flags, "")
    triple, abi, cpu = PROCESSORS[machine]
    flags += [f"-mcpu={cpu}", "-fno-sanitize=undefined"]
    return _compile(artifact, "rpc.c", out, flags, f"{triple}-gnu{abi}.{GLIBC}")


def _compile(artifact: Artifact, source: str, out: Path, flags: list[str], triple: str) -> Path:
    m, root = artifact.manifest, artifact.path
    name, sources = m.name, m.is_sources
    header = f"{name}_test.h" if sources else f"{name}.h"
    sizes = {"INPUTS": m.inputs, "OUTPUTS": m.outputs, "NEURONS": sum(m.neurons)}
    defines = [f"-DNAME={name}", f'-DHEADER="{header}"', f"-DCOUNT={CTYPES[m.counts]}"]
    defines += [f"-D{macro}={size}" for macro, size in sizes.items()]
    defines += [f"-DWORD={'uint16_t' if m.input_bits is None else 'float'}"]
    parts = (
        [*root.glob("src/*.c"), *root.glob(f"test/{name}_*.c")] if sources else [_static(artifact)]
    )
    folder = Path(str(resources.files("delrec_compile.targets") / FOLDER))
    includes = [f"-I{root / part}" for part in ("include", "src", "test")]
    with work_folder() as work:
        made = work / out.name
        files = [folder / source, *sorted(parts)]
        toolchain.run_cc(*FLAGS, *defines, *includes, *flags, *files, "-o", made, cross=triple)
        out.write_bytes(made.read_bytes())
    return out


def _static(artifact: Artifact) -> Path:
    name, root = artifact.manifest.static_library, artifact.path
    if not name:
        raise InputError(
            f"{root} has no static library: it is from an older version; build it again"
        )
    return root / name
