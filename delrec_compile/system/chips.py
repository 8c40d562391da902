"""Cores and memory maps of chips, as their compilers name them."""

from __future__ import annotations

from dataclasses import dataclass

KB = 1024


@dataclass(frozen=True)
class Region:
    """Bytes [origin, origin + size) of the address space."""

    origin: int
    size: int

    @property
    def end(self) -> int:
        return self.origin + self.size


@dataclass(frozen=True)
class MemoryMap:
    """A chip's memory. stack: bytes at the top of the RAM that the linker keeps free."""

    name: str
    flash: Region
    ram: Region
    stack: int = 1024


@dataclass(frozen=True)
class Core:
    """A core, as Zig names it. cpu: with its FPU, without which Zig assumes soft float."""

    triple: str
    cpu: str


def _cortex_m(cpu: str, fpu: str = "") -> Core:
    abi = "eabihf" if fpu else "eabi"
    return Core(f"thumb-freestanding-{abi}", cpu + fpu)


CORES = {
    "x86_64": Core("x86_64-linux-musl", "x86_64"),
    "aarch64": Core("aarch64-linux-musl", "cortex_a72"),
    "armv6": Core("arm-linux-musleabihf", "arm1176jzf_s"),
    "armv7": Core("arm-linux-musleabihf", "cortex_a7"),
    "cortex_m0plus": _cortex_m("cortex_m0plus"),
    "cortex_m3": _cortex_m("cortex_m3"),
    "cortex_m4": _cortex_m("cortex_m4", "+vfp4d16sp"),
    "cortex_m7": _cortex_m("cortex_m7", "+fp_armv8d16sp"),
    "cortex_m33": _cortex_m("cortex_m33", "+fp_armv8d16sp+dsp"),
    "cortex_m55": _cortex_m("cortex_m55", "+mve_fp+fp_armv8d16sp"),
    "cortex_m85": _cortex_m("cortex_m85", "+mve_fp+fp_armv8d16sp"),
    "rv32imc": Core("riscv32-freestanding-none", "generic_rv32+m+c"),
    "rv32imac": Core("riscv32-freestanding-none", "generic_rv32+m+a+c"),
    "rv32imafc": Core("riscv32-freestanding-none", "generic_rv32+m+a+c+f"),
    "riscv64": Core("riscv64-freestanding-none", "generic_rv64+m+a+c+f+d"),
    "wasm32": Core("wasm32-freestanding", "generic+bulk_memory"),
}
