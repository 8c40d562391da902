"""A library of C sources for this machine."""

from __future__ import annotations

import ctypes
from pathlib import Path

from helpers import refusal

from delrec_compile.artifact.host_library import compile_library
from delrec_compile.errors import CompilerCrash


def test_sources_and_their_tests_are_one_library(tmp_path: Path) -> None:
    for folder in ("include", "src", "test"):
        (tmp_path / folder).mkdir()
    (tmp_path / "include/net.h").write_text("int net_step(void);\n")
    (tmp_path / "src/net.c").write_text('#include "net.h"\nint net_step(void) { return 3; }\n')
    (tmp_path / "test/net_trace.c").write_text("int net_trace(void) { return 4; }\n")
    (tmp_path / "test/main.c").write_text("#error not a part of the library\n")
    library = ctypes.CDLL(str(compile_library(tmp_path, "net", tmp_path)))
    assert (library.net_step(), library.net_trace()) == (3, 4)
    (tmp_path / "src/net.c").write_text("int net_step(void) { return wrong; }\n")
    with refusal(CompilerCrash, "failed: .*net.c.*wrong", 9):
        compile_library(tmp_path, "net", tmp_path)
