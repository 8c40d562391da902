"""Instruction sets, for the emulator: registers, modes, lengths of instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from unicorn import (
    UC_ARCH_ARM,
    UC_ARCH_ARM64,
    UC_ARCH_RISCV,
    UC_MODE_ARM,
    UC_MODE_MCLASS,
    UC_MODE_RISCV32,
    UC_MODE_RISCV64,
    UC_MODE_THUMB,
    arm64_const,
    arm_const,
    riscv_const,
)

FPU_ON = 0xF << 20  # coprocessors 10 and 11, as in CPACR


@dataclass(frozen=True)
class Isa:
    """An instruction set. machine: e_machine of its ELF files. word: bytes of a register. arguments:
    registers of the first arguments.

    setup: registers written at reset, as start-up code does to switch the FPU on.
    """

    machine: str
    arch: int
    mode: int
    model: int
    word: int
    arguments: tuple[int, ...]
    stack: int
    link: int
    pc: int
    count: Callable[[bytes], int]
    setup: dict[int, int] = field(default_factory=dict)


def count_thumb(code: bytes) -> int:
    """Instructions in a run of Thumb code: the first half-word tells 2 bytes from 4."""
    at = count = 0
    while at < len(code):
        at += 4 if code[at + 1] >> 3 >= 0b11101 else 2
        count += 1
    return count


def count_words(code: bytes) -> int:
    return len(code) // 4


def count_riscv(code: bytes) -> int:
    """Instructions in a run of RISC-V code: compressed ones end in other bits than 11."""
    at = count = 0
    while at < len(code):
        at += 4 if code[at] & 3 == 3 else 2
        count += 1
    return count


def _arm(mode: int, model: int, fpu: bool) -> Isa:
    r = arm_const
    setup = {r.UC_ARM_REG_C1_C0_2: FPU_ON, r.UC_ARM_REG_FPEXC: 0x40000000} if fpu else {}
    return Isa(
        "EM_ARM",
        UC_ARCH_ARM,
        mode,
        model,
        4,
        (r.UC_ARM_REG_R0, r.UC_ARM_REG_R1, r.UC_ARM_REG_R2, r.UC_ARM_REG_R3),
        r.UC_ARM_REG_SP,
        r.UC_ARM_REG_LR,
        r.UC_ARM_REG_PC,
        count_thumb if mode & UC_MODE_THUMB else count_words,
        setup,
    )


def _m(model: int, fpu: bool = True) -> Isa:
    return _arm(UC_MODE_THUMB | UC_MODE_MCLASS, model, fpu)


def _arm64() -> Isa:
    r = arm64_const
    return Isa(
        "EM_AARCH64",
        UC_ARCH_ARM64,
        UC_MODE_ARM,
        r.UC_CPU_ARM64_A72,
        8,
        tuple(r.UC_ARM64_REG_X0 + i for i in range(8)),
        r.UC_ARM64_REG_SP,
        r.UC_ARM64_REG_LR,
        r.UC_ARM64_REG_PC,
        count_words,
        {r.UC_ARM64_REG_CPACR_EL1: 3 << 20},
    )


def _riscv(mode: int, model: int, word: int) -> Isa:
    r = riscv_const
    return Isa(
        "EM_RISCV",
        UC_ARCH_RISCV,
        mode,
        model,
        word,
        tuple(r.UC_RISCV_REG_A0 + i for i in range(8)),
        r.UC_RISCV_REG_SP,
        r.UC_RISCV_REG_RA,
        r.UC_RISCV_REG_PC,
        count_riscv,
        {r.UC_RISCV_REG_MSTATUS: 1 << 13},  # FS: initial
    )


ISAS = {
    "cortex_m0plus": _m(arm_const.UC_CPU_ARM_CORTEX_M0, fpu=False),
    "cortex_m3": _m(arm_const.UC_CPU_ARM_CORTEX_M3, fpu=False),
    "cortex_m4": _m(arm_const.UC_CPU_ARM_CORTEX_M4),
    "cortex_m7": _m(arm_const.UC_CPU_ARM_CORTEX_M7),
    "cortex_m33": _m(arm_const.UC_CPU_ARM_CORTEX_M33),
    "cortex_m55": _m(arm_const.UC_CPU_ARM_CORTEX_M33),
    "armv6": _arm(UC_MODE_ARM, arm_const.UC_CPU_ARM_1176, fpu=True),
    "armv7": _arm(UC_MODE_ARM, arm_const.UC_CPU_ARM_CORTEX_A7, fpu=True),
    "aarch64": _arm64(),
    "rv32imc": _riscv(UC_MODE_RISCV32, riscv_const.UC_CPU_RISCV32_ANY, 4),
    "rv32imac": _riscv(UC_MODE_RISCV32, riscv_const.UC_CPU_RISCV32_ANY, 4),
    "rv32imafc": _riscv(UC_MODE_RISCV32, riscv_const.UC_CPU_RISCV32_ANY, 4),
    "riscv64": _riscv(UC_MODE_RISCV64, riscv_const.UC_CPU_RISCV64_ANY, 8),
}

# other CPUs of a core, by LLVM's names: code is run on what it was built for, not on more
CPUS = {
    "cortex-a8": arm_const.UC_CPU_ARM_CORTEX_A8,
    "cortex-a9": arm_const.UC_CPU_ARM_CORTEX_A9,
    "cortex-a5": arm_const.UC_CPU_ARM_CORTEX_A9,  # neither divides
    "cortex-a15": arm_const.UC_CPU_ARM_CORTEX_A15,
    "generic": arm_const.UC_CPU_ARM_CORTEX_A8,
}


def isa_of(core: str, cpu: str = "") -> Isa:
    """The instruction set of a core, with the CPU that LLVM calls so where the emulator has it."""
    isa = ISAS[core]
    return replace(isa, model=CPUS[cpu]) if core == "armv7" and cpu in CPUS else isa
