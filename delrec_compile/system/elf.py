"""Sizes and sections of ELF programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from delrec_compile.errors import InputError

WRITE, ALLOC, EXECUTE = 1, 2, 4  # flags of a section


@dataclass(frozen=True)
class Section:
    """A section that takes memory. stored: whether the file holds its bytes."""

    name: str
    start: int
    size: int
    write: bool
    execute: bool
    stored: bool

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True)
class Sizes:
    """Bytes of a linked program. flash: code, constants and the initial values of variables.

    ram: variables, without the stack. stack: bytes that the linker reserves for it.
    """

    flash: int
    ram: int
    stack: int


@contextlib.contextmanager
def open_elf(path: Path) -> Iterator[ELFFile]:
    """An ELF file, open for reading. Raises InputError for another kind of file."""
    try:
        with path.open("rb") as file:
            yield ELFFile(file)
    except (OSError, ELFError) as error:
        raise InputError(f"{path} is not an ELF file: {error}") from error


def sections(path: Path) -> list[Section]:
    """The sections of an ELF file that take memory. Raises InputError."""
    with open_elf(path) as elf:
        return [
            Section(
                s.name,
                s["sh_addr"],
                s["sh_size"],
                bool(s["sh_flags"] & WRITE),
                bool(s["sh_flags"] & EXECUTE),
                s["sh_type"] != "SHT_NOBITS",
            )
            for s in elf.iter_sections()
            if s["sh_flags"] & ALLOC
        ]


def elf_parts(path: Path) -> dict[str, int]:
    """Bytes of an ELF file: `file`, and of its `code`, `constants` and `variables`.

    Raises InputError.
    """
    parts = {"code": 0, "constants": 0, "variables": 0}
    for s in sections(path):
        parts["code" if s.execute else "variables" if s.write else "constants"] += s.size
    return {"file": path.stat().st_size, **parts}


def sizes(path: Path) -> Sizes:
    """Memory that a linked ELF program takes. Raises InputError."""
    every = sections(path)
    initial = sum(s.size for s in every if s.write and s.stored)
    return Sizes(
        _span([s for s in every if not s.write]) + initial,
        _span([s for s in every if s.write and s.name != ".stack"]),
        _span([s for s in every if s.name == ".stack"]),
    )


def _span(parts: Sequence[Section]) -> int:
    """Bytes from the first to the last section, gaps included."""
    full = [s for s in parts if s.size]
    return max(s.end for s in full) - min(s.start for s in full) if full else 0


# values of the attributes of 32-bit ARM, and LLVM's names of the features
ARM_ATTRIBUTES: dict[str, dict[int, tuple[str, ...]]] = {
    "TAG_CPU_ARCH": {
        **dict.fromkeys((6, 7), ("v6",)),
        8: ("v6t2",),
        9: ("v6k",),
        **dict.fromkeys((10, 13), ("v7",)),
        **dict.fromkeys((11, 12), ("v6m",)),
        **dict.fromkeys((14, 15), ("v8",)),
        **dict.fromkeys((16, 17), ("v8m",)),
    },
    "TAG_FP_ARCH": {
        **dict.fromkeys((1, 2), ("vfp2sp",)),
        3: ("vfp3",),
        4: ("vfp3d16sp",),
        5: ("vfp4",),
        6: ("vfp4d16sp",),
        7: ("fp-armv8",),
        8: ("fp-armv8d16sp",),
    },
    "TAG_ADVANCED_SIMD_ARCH": {1: ("neon",), 2: ("neon", "vfp4"), 3: ("neon", "fp-armv8")},
    "TAG_DIV_USE": {2: ("hwdiv-arm",)},
}


def arm_features(path: Path) -> set[str]:
    """What the attributes of a 32-bit ARM file say that its code needs; empty for other machines.

    Raises InputError.
    """
    with open_elf(path) as elf:
        section = elf.get_section_by_name(".ARM.attributes")
        if section is None:
            return set()
        found = (
            ARM_ATTRIBUTES.get(attribute.tag, {}).get(attribute.value, ())
            for part in section.iter_subsections()
            for scope in part.iter_subsubsections()
            for attribute in scope.iter_attributes()
            if isinstance(attribute.value, int)
        )
        return {feature for features in found for feature in features}


def libraries_needed(path: Path) -> tuple[set[str], set[str]]:
    """Names of the libraries that an ELF library loads, and versions of their symbols that it takes.

    Raises InputError.
    """
    with open_elf(path) as elf:
        dynamic = elf.get_section_by_name(".dynamic")
        tags = dynamic.iter_tags("DT_NEEDED") if dynamic else ()
        needed = {str(tag.needed) for tag in tags}
        table = elf.get_section_by_name(".gnu.version_r")
        versions = {str(v.name) for _, own in (table.iter_versions() if table else ()) for v in own}
    return needed, versions
