"""A static ELF file: the segments that it loads, and the names of its addresses."""

from __future__ import annotations

import bisect
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError, UnsupportedError, did_you_mean
from delrec_compile.system.elf import open_elf

WRITE, EXECUTE = 2, 1


@dataclass(frozen=True)
class Segment:
    """address: where the program uses it. load: where its bytes lie at reset. flags: of the ELF."""

    address: int
    load: int
    raw: bytes
    size: int
    flags: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class Image:
    """A program. symbols: name -> address; the lowest bit of an ARM function says Thumb."""

    path: Path
    machine: str
    segments: tuple[Segment, ...]
    symbols: dict[str, int]

    def symbol(self, name: str) -> int:
        if name not in self.symbols:
            near = did_you_mean(name, self.symbols)
            raise UnsupportedError(f"{self.path} has no symbol '{name}'{near}")
        return self.symbols[name]

    @functools.cached_property
    def _sorted(self) -> list[tuple[int, str]]:
        return sorted((address, name) for name, address in self.symbols.items())

    def place(self, address: int) -> str:
        """`0x8000123 in step+0x23`."""
        start, name = self._around(address)
        if not name or not any(s.address <= address < s.end for s in self.segments):
            return f"{address:#x}"
        return f"{address:#x} in {name}+{address - (start & ~1):#x}"

    def function(self, address: int) -> str:
        return self._around(address)[1]

    def thumb(self, address: int) -> bool:
        """Whether the function around an address of an ARM program is Thumb code."""
        return bool(self._around(address)[0] & 1)

    def _around(self, address: int) -> tuple[int, str]:
        """The nearest symbol that starts at or before an address."""
        at = bisect.bisect_right(self._sorted, (address | 1, "\U0010ffff")) - 1
        return self._sorted[at] if at >= 0 else (0, "")


def read_image(path: Path) -> Image:
    """A static ELF program. Raises InputError for another kind of file."""
    with open_elf(path) as elf:
        segments = tuple(
            Segment(s["p_vaddr"], s["p_paddr"], s.data(), s["p_memsz"], s["p_flags"])
            for s in elf.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_memsz"]
        )
        symbols = _symbols(elf.get_section_by_name(".symtab"))
        machine, kind = elf["e_machine"], elf["e_type"]
    if kind != "ET_EXEC" or not segments:
        raise InputError(
            f"{path} is not a static program ({kind}); link it with system.zig.link_bare"
        )
    return Image(path, machine, segments, symbols)


def _symbols(table: Any) -> dict[str, int]:
    """Addresses of the functions and variables in a symbol table."""
    return {
        s.name: s["st_value"]
        for s in (table.iter_symbols() if table else ())
        if s["st_info"]["type"] in {"STT_FUNC", "STT_OBJECT", "STT_NOTYPE"}
        and s["st_shndx"] not in {"SHN_UNDEF", "SHN_ABS"}
        and s.name[:1] not in {"", "$", "."}
    }
