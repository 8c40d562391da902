"""Cores and memory maps of chips, in the words of their compilers."""

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
    """A core in the words of its tools.

    triple, cpu: Zig's; cpu names the FPU, without which Zig means soft float.
    system: a system cross compiler and its flags, used only when asked for.
    """

    triple: str
    cpu: str
    system: tuple[str, ...] = ()


def _m(cpu: str, zig_fpu: str = "", *gnu: str) -> Core:
    triple = "thumb-freestanding-eabihf" if zig_fpu else "thumb-freestanding-eabi"
    gcc = ("arm-none-eabi-gcc", "-mthumb", f"-mcpu={cpu}", *gnu)
    return Core(triple, cpu.replace("-", "_") + zig_fpu, gcc)


HARD = "-mfloat-abi=hard"

CORES = {
    "x86_64": Core("x86_64-linux-musl", "x86_64"),
    "aarch64": Core("aarch64-linux-musl", "cortex_a72", ("aarch64-linux-gnu-gcc",)),
    "armv7": Core("arm-linux-musleabihf", "cortex_a7", ("arm-linux-gnueabihf-gcc",)),
    "cortex_m0plus": _m("cortex-m0plus"),
    "cortex_m3": _m("cortex-m3"),
    "cortex_m4": _m("cortex-m4", "+vfp4d16sp", HARD, "-mfpu=fpv4-sp-d16"),
    "cortex_m7": _m("cortex-m7", "+fp_armv8d16sp", HARD, "-mfpu=fpv5-sp-d16"),
    "cortex_m33": _m("cortex-m33", "+fp_armv8d16sp", HARD, "-mfpu=fpv5-sp-d16"),
    "cortex_m55": _m("cortex-m55", "+mve_fp+fp_armv8d16sp", HARD),
    "rv32imac": Core("riscv32-freestanding-none", "generic_rv32+m+a+c"),
    "rv32imafc": Core("riscv32-freestanding-none", "generic_rv32+m+a+c+f"),
    "riscv64": Core("riscv64-freestanding-none", "generic_rv64+m+a+c+f+d"),
    "wasm32": Core("wasm32-freestanding", "generic+bulk_memory"),
}
