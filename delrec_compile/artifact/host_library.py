"""A shared library for this machine from the C sources of an artifact."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.system import toolchain
from delrec_compile.system.toolchain import FLAGS


def compile_library(sources: Path, name: str, folder: Path) -> Path:
    """The shared library in `folder` of an artifact's C sources, tests included."""
    library = folder / f"lib{name}.so"
    files = sorted([*sources.glob("src/*.c"), *sources.glob(f"test/{name}_*.c")])
    include = [f"-I{sources / part}" for part in ("include", "src", "test")]
    toolchain.run_cc("-std=c99", "-O3", *FLAGS, *include, "-shared", *files, "-o", library)
    return library
