"""The form `sources`: kernels apart from what only tests need, and a program for a chip."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from fixtures.staged import artifact_here

from delrec_compile.compiler.glue import SOURCES


def test_every_template_is_written_and_tests_lie_apart(tmp_path: Path) -> None:
    m = artifact_here(cases.network("mixed"), "portable_c", tmp_path).manifest
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    templates = {file.format(name="mixed") for file in SOURCES}
    kernels = {"src/mixed_kernel.c", "test/mixed_trace.c"}
    assert written == {*templates, *kernels, "network.safetensors"}
    assert (m.library, m.image) == (None, None)
    assert "mixed_kernel_trace" not in (tmp_path / "src" / "mixed_kernel.c").read_text()


def test_a_chip_has_a_program(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    m = artifact_here(cases.network("mixed"), "cortex_m3", tmp_path).manifest
    assert (m.image, m.core) == ("test/mixed.elf", "cortex_m3")
    assert m.flash_bytes > m.ram_bytes > 0
