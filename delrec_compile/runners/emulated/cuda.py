"""The GPU driver without a GPU: the generated CUDA source compiled for this CPU, as it stands.

Threads of a block are fibers; a barrier or a warp's vote switches between them. It runs the
text of the kernels, not the PTX or the cubin compiled from it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from delrec_compile.system import toolchain

HOW = "emulated (CUDA source on this CPU, no GPU)"
TIMEOUT_S = 300.0
CAPABILITY = (75, 76)  # attributes of a device: the major and the minor number
TEMPLATE = "cuda_emulator.cc.in"
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-w", "-shared")


def write_driver(source: Path, kernels: Sequence[str], folder: Path) -> Path:
    """A shared library with the entry points of libcuda that runs the kernels of a .cu file."""
    import jinja2

    text = (resources.files("delrec_compile.targets") / TEMPLATE).read_text()
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text)
    file, library = folder / "cuda_emulator.cc", folder / "libdelrec_cuda.so"
    file.write_text(template.render(file=str(source.absolute()), kernels=list(kernels)))
    toolchain.run_cxx(*FLAGS, file, "-o", library)
    return library


def set_order(driver: ctypes.CDLL, seed: int) -> None:
    """Sets the order of threads: 0 is their own, any other number shuffles them."""
    driver.delrec_emulator_order(ctypes.c_uint(seed))


@dataclass(frozen=True)
class Gpu:
    """arch: such as sm_90. cuda: the newest version of CUDA that the driver knows, such as 13.0."""

    name: str
    arch: str
    cuda: str


def first_gpu() -> Gpu | None:
    """The first GPU; None without a GPU or a driver."""
    try:
        cu = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if cu.cuInit(0) != 0 or cu.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    if cu.cuDeviceGetName(name, 256, device) != 0:
        return None
    version = ctypes.c_int()
    cu.cuDriverGetVersion(ctypes.byref(version))
    parts = []
    for attribute in CAPABILITY:
        part = ctypes.c_int()
        cu.cuDeviceGetAttribute(ctypes.byref(part), attribute, device)
        parts.append(str(part.value))
    known = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode(), f"sm_{''.join(parts)}", known)


def gpu() -> str | None:
    """The name of the first GPU; None without a GPU or a driver."""
    found = first_gpu()
    return found.name if found else None
