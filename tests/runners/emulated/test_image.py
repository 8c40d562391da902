"""Programs as the emulator loads them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers import refusal

pytest.importorskip("ziglang")

from fixtures.programs import BOARD, NAMES, demo

from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.runners.emulated.image import EXECUTE, Image, read_image
from delrec_compile.system.chips import CORES
from delrec_compile.system.zig import compile_c, link_bare


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder, c = tmp_path_factory.mktemp("image"), CORES["cortex_m4"]
    thing = compile_c([demo(folder)], folder / "d.o", c.triple, c.cpu)
    return read_image(link_bare([thing], folder / "d.elf", BOARD, c.triple, c.cpu, keep=NAMES))


def test_a_program_has_segments_and_symbols(image: Image) -> None:
    assert image.machine == "EM_ARM"
    assert set(NAMES) <= set(image.symbols)
    code = next(s for s in image.segments if s.flags & EXECUTE)
    step = image.symbol("demo_step")
    assert step & 1  # Thumb
    assert code.address <= step < code.end
    assert image.thumb(step & ~1)
    with refusal(UnsupportedError, "has no symbol 'demo_stop'; did you mean 'demo_ste", 4):
        image.symbol("demo_stop")


def test_an_address_is_named_by_its_function(image: Image) -> None:
    start = image.symbol("demo_step") & ~1
    assert image.function(start + 2) == "demo_step"
    assert image.place(start + 2) == f"{start + 2:#x} in demo_step+0x2"
    assert image.place(0xF0000000) == "0xf0000000"


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    for path in (tmp_path / "junk", tmp_path / "none"):
        with refusal(InputError, "is not an ELF file", 3):
            read_image(path)
    here = Path(sys.executable).resolve()
    if read_kind(here) == 3:  # ET_DYN
        with refusal(InputError, r"is not a static program \(ET_DYN\)", 3):
            read_image(here)


def read_kind(path: Path) -> int:
    """e_type of an ELF file."""
    return int.from_bytes(path.read_bytes()[16:18], "little")
