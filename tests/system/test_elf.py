"""Sizes of ELF programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers import refusal

pytest.importorskip("ziglang")

from fixtures.programs import BOARD, big

from delrec_compile.errors import InputError
from delrec_compile.system.elf import elf_parts, libraries_needed, sizes


def test_sizes_are_those_of_the_sections(tmp_path: Path) -> None:
    found = sizes(big(tmp_path, BOARD))
    assert 6400 < found.flash < 6700
    assert found.ram == 1200
    assert found.stack == 2048
    assert not (tmp_path / "big.elf.ld").exists()
    (tmp_path / "junk").write_bytes(b"junk")
    for path in (tmp_path / "junk", tmp_path / "none"):
        with refusal(InputError, "is not an ELF file", 3):
            sizes(path)
        with refusal(InputError, "is not an ELF file", 3):
            elf_parts(path)


def test_the_parts_of_a_program(tmp_path: Path) -> None:
    """32-bit and 64-bit programs."""
    found = elf_parts(big(tmp_path, BOARD))
    assert 6400 <= found["code"] + found["constants"] < 7000
    assert found["variables"] >= 1200
    here = Path(sys.executable).resolve()
    parts = elf_parts(here)
    assert parts["file"] == here.stat().st_size
    assert 0 < parts["code"] < parts["file"]


def test_the_libraries_that_a_program_needs() -> None:
    names, versions = libraries_needed(Path(sys.executable).resolve())
    assert "libc.so.6" in names
    assert any(version.startswith("GLIBC_2.") for version in versions)
