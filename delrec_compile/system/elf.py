"""Sizes and sections of ELF programs."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import CompilerCrash, InputError, ToolchainError


def elf_parts(file: Path) -> dict[str, int]:
    """Bytes of a 64-bit ELF file: in all, of code, of constants, of variables.

    Raises CompilerCrash for another kind of file.
    """
    raw = file.read_bytes()
    if raw[:6] != b"\x7fELF\x02\x01":
        raise CompilerCrash(f"{file} is no 64-bit little-endian ELF file")
    at, size, count = struct.unpack_from("<40xQ10xHH", raw)
    parts = {"file": len(raw), "code": 0, "constants": 0, "variables": 0}
    for k in range(count):
        flags, length = struct.unpack_from("<8xQ16xQ", raw, at + k * size)
        write, alloc, execute = (bool(flags & bit) for bit in (1, 2, 4))
        if alloc:
            parts["code" if execute else "variables" if write else "constants"] += length
    return parts


@dataclass(frozen=True)
class Sizes:
    """Bytes of a linked program. flash: code, constants and the first values of variables.

    ram: variables, without the stack. stack: what the linker keeps free for it.
    """

    flash: int
    ram: int
    stack: int


def sizes(elf: Path) -> Sizes:
    """What a linked ELF takes, read from its sections. Raises InputError, ToolchainError."""
    if importlib.util.find_spec("elftools") is None:
        raise ToolchainError("pyelftools is missing; pip install 'delrec-compile[emu]'")
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with elf.open("rb") as file:
            sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2]  # ALLOC
            found = [(s.name, s["sh_type"], *_extent(s), s["sh_flags"] & 1) for s in sections]
    except (OSError, ELFError) as error:
        raise InputError(f"{elf} is no ELF file: {error}") from error
    constant = [s for s in found if not s[4]]
    initial = sum(s[3] - s[2] for s in found if s[4] and s[1] != "SHT_NOBITS")
    return Sizes(
        _span(constant) + initial,
        _span([s for s in found if s[4] and s[0] != ".stack"]),
        _span([s for s in found if s[0] == ".stack"]),
    )


def _extent(section: Any) -> tuple[int, int]:
    start = int(section["sh_addr"])
    return start, start + int(section["sh_size"])


def _span(sections: Sequence[tuple[str, str, int, int, int]]) -> int:
    """Bytes from the first to the last, gaps included."""
    full = [s for s in sections if s[3] > s[2]]
    return max(s[3] for s in full) - min(s[2] for s in full) if full else 0
