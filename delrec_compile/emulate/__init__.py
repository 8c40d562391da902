"""Functions of a program for another chip, run here, with exact counts of instructions.

Run this in a child (`delrec_compile.child.call`): the emulator is native code, under the GPL.
Instructions are not cycles: flash wait states, caches and dual issue are not modelled.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from delrec_compile.errors import ToolchainError, UnsupportedError, did_you_mean
from delrec_compile.system.chips import MemoryMap

MEND = "pip install 'delrec-compile[emu]'"
TIMEOUT_S = 60.0
# core -> what executes it
HOW = {
    "cortex_m0plus": "emulated (unicorn, Cortex-M0; the M0+ has the same instructions)",
    "cortex_m3": "emulated (unicorn, Cortex-M3)",
    "cortex_m4": "emulated (unicorn, Cortex-M4F)",
    "cortex_m7": "emulated (unicorn, Cortex-M7F)",
    "cortex_m33": "emulated (unicorn, Cortex-M33F)",
    "cortex_m55": "emulated (unicorn, Cortex-M33F: code built without MVE only)",
    "aarch64": "emulated (unicorn, Cortex-A72)",
    "armv7": "emulated (unicorn, Cortex-A7)",
    "rv32imac": "emulated (unicorn, RV32)",
    "rv32imafc": "emulated (unicorn, RV32)",
    "riscv64": "emulated (unicorn, RV64)",
    "wasm32": "emulated (wasmtime; instructions are its fuel)",
}


@dataclass(frozen=True)
class Call:
    """What one call did.

    result: the C int it returned. instructions: executed, callees included. stack_bytes: the
    deepest byte written below the stack pointer it was called with.
    """

    result: int
    instructions: int
    stack_bytes: int


class Machine(Protocol):
    """A program loaded into an emulated chip. Memory lasts from call to call."""

    def alloc(self, size: int, align: int = 64) -> int:
        """Address of `size` zeroed bytes of RAM. Raises BudgetError when the RAM is full."""
        ...

    def address(self, symbol: str) -> int:
        """Where a variable of the program lies. Raises UnsupportedError for an unknown symbol."""
        ...

    def write(self, address: int, raw: bytes) -> None:
        """Raises DeviceError outside of memory."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """Raises DeviceError outside of memory."""
        ...

    def call(self, symbol: str, *arguments: int) -> Call:
        """Calls a function of integers and addresses, by the C rules of the chip.

        Raises UnsupportedError for an unknown symbol; DeviceError, with the place in the program,
        when it crashes, leaves its memory, overruns its stack or takes too long.
        """
        ...


def open_machine(
    elf: Path, core: str, memory: MemoryMap | None = None, *, timeout_s: float = TIMEOUT_S
) -> Machine:
    """Loads a static ELF, or a WebAssembly module, with its variables set as start-up code does.

    memory: flash (read, execute) and RAM (read, write), and nothing else, exist; without it the
    segments of the ELF do, and 64 MB of RAM. timeout_s: seconds one call may take.
    Raises UnsupportedError, ToolchainError, InputError, BudgetError.
    """
    if core not in HOW:
        raise UnsupportedError(
            f"no emulator for core '{core}'{did_you_mean(core, HOW)}; allowed: {', '.join(HOW)}"
        )
    module = "wasmtime" if core == "wasm32" else "unicorn"
    for name in (module, "elftools"):
        if importlib.util.find_spec(name) is None:
            raise ToolchainError(f"the emulator of {core} needs {name}; {MEND}")
    if core == "wasm32":
        from delrec_compile.emulate.wasm import WasmMachine

        return WasmMachine(elf, timeout_s)
    from delrec_compile.emulate.processor import Processor

    return Processor(elf, core, memory, timeout_s)
