"""The machine that an artifact's files are compiled for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delrec_compile.system.chips import MemoryMap

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.base import Kernel
from dataclasses import dataclass

Kernels = dict[str, "Kernel"]


@dataclass(frozen=True)
class BuildMachine:
    """llvm: TVM's target. triple: of the C compiler, empty for this machine. core: its emulator.

    memory: of a chip without an operating system.
    """

    llvm: dict[str, Any]
    triple: str
    core: str
    memory: MemoryMap | None = None
