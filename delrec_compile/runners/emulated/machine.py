"""The protocol of an emulated chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from delrec_compile.system.extras import install

INSTALL_HINT = install("emu")

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Call:
    """A finished call.

    result: C int that it returned. instructions: instructions executed, callees included; 0 while
    they are not counted.
    stack_bytes: deepest byte written below the stack pointer at the call.
    """

    result: int
    instructions: int
    stack_bytes: int


class Machine(Protocol):
    """A program loaded into an emulated chip. Memory lasts from call to call.

    counting: whether instructions are counted, which takes unicorn most of a call; wasmtime always
    counts them.
    """

    counting: bool

    def alloc(self, size: int, align: int = 64) -> int:
        """Address of `size` zeroed bytes of RAM. Raises BudgetError when the RAM is full."""
        ...

    def address(self, symbol: str) -> int:
        """Address of a variable of the program. Raises UnsupportedError for an unknown symbol."""
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
