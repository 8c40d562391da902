"""Glue and kernels are linked to a library that exports its entries and nothing else."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from delrec_compile.compiler.shared_library import library_name, link
from delrec_compile.system import toolchain
from delrec_compile.system.host import is_here

GLUE = """
#include "net.h"
int net_kernel(int x);
int net_step(int x) { return net_kernel(x); }
int net_hidden(int x) { return x; }
"""


def test_only_the_entries_are_exported(tmp_path: Path) -> None:
    if not is_here("x86_64"):
        pytest.skip("the library does not run on this machine")
    (tmp_path / "net.h").write_text("int net_step(int x);\nint net_hidden(int x);\n")
    (tmp_path / "net.c").write_text(GLUE)
    (tmp_path / "kernels.c").write_text("int net_kernel(int x) { return x + 1; }\n")
    toolchain.run_cc("-fPIC", "-c", tmp_path / "kernels.c", "-o", tmp_path / "kernels.o")
    link(tmp_path, "net", tmp_path / "libnet.so", "", entries=["step"])
    library = ctypes.CDLL(str(tmp_path / "libnet.so"))
    assert library.net_step(4) == 5
    for symbol in ("net_hidden", "net_kernel"):
        assert not hasattr(library, symbol)


@pytest.mark.parametrize(
    ("triple", "file"),
    [
        ("", "libone.so"),
        ("aarch64-linux-gnu.2.17", "libone.so"),
        ("aarch64-macos.11.0", "libone.dylib"),
        ("x86_64-windows-gnu", "one.dll"),
    ],
)
def test_a_library_is_named_as_its_system_names_it(triple: str, file: str) -> None:
    assert library_name("one", triple) == file
