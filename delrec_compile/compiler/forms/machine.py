"""The machine that an artifact's files are compiled for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.system.chips import MemoryMap
from delrec_compile.targets.profile import Target

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.base import Kernel

Kernels = dict[str, "Kernel"]


def kernel_symbol(name: str, kernel: str) -> str:
    """C symbol of a kernel. name: prefix of the artifact's symbols."""
    return f"{name}_kernel_{kernel}"


@dataclass(frozen=True)
class BuildMachine:
    """llvm: TVM's target. triple: the C compiler's, empty for this machine. core: its emulator.

    memory: a chip's, None where there is an operating system.
    """

    llvm: dict[str, Any]
    triple: str
    core: str
    memory: MemoryMap | None = None

    @property
    def is_elf(self) -> bool:
        """Whether its objects are ELF, and its assembler that of GNU or Clang."""
        return "linux" in (self.triple or sys.platform)

    @property
    def cpu(self) -> str:
        """The CPU as Zig names it, where its code differs from that of the machine's oldest."""
        name = str(self.llvm.get("mcpu", ""))
        arm32 = self.triple.startswith("arm-") and name != "generic"
        return name.replace("-", "_") if arm32 else ""

    @classmethod
    def of(cls, profile: Target, llvm: dict[str, Any]) -> BuildMachine:
        """The machine of a profile. llvm: TVM's target for its CPU."""
        memory = profile.memory.map if profile.memory else None
        return cls(llvm, profile.triple, profile.core, memory)
