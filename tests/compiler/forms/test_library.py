"""The form `library`: shared and static library and their header; elsewhere, a program too."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from fixtures.staged import artifact_here

from delrec_compile.system.toolchain import run_cc

USE = '#include "mixed.h"\nint main(void) { return mixed_state_bytes() < 1; }\n'


def test_the_static_library_holds_the_same_entries(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "x86_64", tmp_path)
    m = artifact.manifest
    assert artifact.library == tmp_path / "lib" / "libmixed.so"
    assert m.library_bytes == artifact.library.stat().st_size
    assert (m.static_library, m.image, m.core) == ("lib/libmixed.a", None, None)
    (tmp_path / "use.c").write_text(USE)
    include = f"-I{tmp_path / 'include'}"
    run_cc(include, tmp_path / "use.c", tmp_path / m.static_library, "-o", tmp_path / "use")


def test_for_another_machine_there_is_a_program_for_its_emulator(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    m = artifact_here(cases.network("mixed"), "arm_cpu", tmp_path).manifest
    assert (m.image, m.core) == ("test/mixed.elf", "aarch64")
    assert (tmp_path / "test" / "mixed.elf").read_bytes()[:4] == b"\x7fELF"
