"""The form `cuda`: device code, weights, and a host library that holds both."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.compiler.forms.machine import BuildMachine, kernel_symbol
from delrec_compile.compiler.glue import CUDA, render
from delrec_compile.compiler.tables import table_file, table_offsets
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.system import host, nvrtc, toolchain

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.gpu import GpuKernel

FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-fvisibility=hidden")
LINK = ("-shared", "-Wl,--build-id=none", "-s", "-ldl")


def write_cuda(
    root: Path,
    network: AnyNetwork,
    kernels: Any,
    name: str,
    unroll: int,
    machine: BuildMachine,
) -> dict[str, Any]:
    """Writes lib/<name>.cu, .ptx, .cubin and .weights, the library with the last three, its header.

    unroll: unused, a launch runs whole sequences. Returns entries of the manifest. Raises
    CompilerCrash when the compiler made no device code of a kernel.
    """
    del unroll
    arch = str(machine.llvm["arch"])
    device = _device_code(root / "lib", kernels, name, arch)
    run = kernels["run"]
    (root / "lib" / f"{name}.weights").write_bytes(table_file(run.tables))
    for file, text in render(network, {"run": run}, name, 1, CUDA).items():
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text)
    library = root / "lib" / f"lib{name}.so"
    _host_library(root, name, library)
    return {
        "library": f"lib/lib{name}.so",
        "library_bytes": library.stat().st_size,
        "machine": host.ALIASES.get(platform.machine().lower(), platform.machine().lower()),
        "arch": arch,
        "compiler": device.compiler,
        "kernels": [kernel_symbol(name, kernel) for kernel in kernels],
        "threads": run.threads,
        "shared_bytes": max(k.shared_bytes for k in kernels.values()),
        "tables": {
            n: {"offset": at, "elements": run.tables[n].size, "dtype": str(run.tables[n].dtype)}
            for n, at in table_offsets(run.tables).items()
        },
    }


def _device_code(
    lib: Path, kernels: Mapping[str, GpuKernel], name: str, arch: str
) -> nvrtc.DeviceCode:
    """Writes the source, PTX and cubin of the kernels into `lib`, which it makes."""
    from delrec_compile.compiler.codegen.cuda import cuda_text, require

    functions = {kernel_symbol(name, k): kernel.function for k, kernel in kernels.items()}
    source = cuda_text(functions, arch)
    device = nvrtc.find().compile(source, name, arch)
    require(functions, nvrtc.entries(device.ptx), "the PTX")
    require(functions, [f for f in functions if f.encode() in device.cubin], "the cubin")
    lib.mkdir()
    (lib / f"{name}.cu").write_text(source)
    (lib / f"{name}.ptx").write_text(device.ptx)
    (lib / f"{name}.cubin").write_bytes(device.cubin)
    return device


def _host_library(root: Path, name: str, library: Path) -> None:
    files = {"CUBIN": "cubin", "PTX": "ptx", "WEIGHTS": "weights"}
    defined = [f'-D{k}="{root.absolute() / "lib" / name}.{v}"' for k, v in files.items()]
    source = root / "src" / f"{name}_host.c"
    toolchain.run_cc(*FLAGS, *defined, f"-I{root / 'include'}", source, *LINK, "-o", library)
