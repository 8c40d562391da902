"""A program loaded into the emulator of its core."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from delrec_compile.errors import ToolchainError, UnsupportedError, did_you_mean
from delrec_compile.runners.emulated.machine import INSTALL_HINT, TIMEOUT_S, Machine
from delrec_compile.system.chips import MemoryMap

# core -> its emulator
HOW = {
    "cortex_m0plus": "emulated (unicorn, Cortex-M0; the M0+ has the same instructions)",
    "cortex_m3": "emulated (unicorn, Cortex-M3)",
    "cortex_m4": "emulated (unicorn, Cortex-M4F)",
    "cortex_m7": "emulated (unicorn, Cortex-M7F)",
    "cortex_m33": "emulated (unicorn, Cortex-M33F)",
    "cortex_m55": "emulated (unicorn, Cortex-M33F: code built without MVE only)",
    "aarch64": "emulated (unicorn, Cortex-A72)",
    "armv6": "emulated (unicorn, ARM1176)",
    "armv7": "emulated (unicorn, Cortex-A7)",
    "rv32imc": "emulated (unicorn, RV32)",
    "rv32imac": "emulated (unicorn, RV32)",
    "rv32imafc": "emulated (unicorn, RV32)",
    "riscv64": "emulated (unicorn, RV64)",
    "wasm32": "emulated (wasmtime; instructions are its fuel)",
}


OTHERS = {
    "cortex-a8": "Cortex-A8",
    "cortex-a9": "Cortex-A9",
    "cortex-a5": "Cortex-A9",
    "cortex-a15": "Cortex-A15",
    "generic": "Cortex-A8",
}


def how(core: str, cpu: str = "") -> str:
    """What runs code of a core. cpu: LLVM's name."""
    named = OTHERS.get(cpu) if core == "armv7" else None
    return f"emulated (unicorn, {named})" if named else HOW[core]


def open_machine(
    elf: Path,
    core: str,
    memory: MemoryMap | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    cpu: str = "",
) -> Machine:
    """Loads a static ELF, or a WebAssembly module, with its variables set as start-up code does.

    memory: flash (read, execute) and RAM (read, write), and nothing else, exist; without it the
    segments of the ELF do, and 64 MB of RAM. timeout_s: seconds one call may take. cpu: LLVM's name
    of one that the core's emulator should be.
    Raises UnsupportedError, ToolchainError, InputError, BudgetError.
    """
    if core not in HOW:
        raise UnsupportedError(
            f"no emulator for core '{core}'{did_you_mean(core, HOW)}; allowed: {', '.join(HOW)}"
        )
    module = "wasmtime" if core == "wasm32" else "unicorn"
    if importlib.util.find_spec(module) is None:
        raise ToolchainError(f"the emulator of {core} needs {module}; {INSTALL_HINT}")
    if core == "wasm32":
        from delrec_compile.runners.emulated.wasm import WasmMachine

        return WasmMachine(elf, timeout_s)
    from delrec_compile.runners.emulated.processor import Processor

    return Processor(elf, core, memory, timeout_s, cpu=cpu)
