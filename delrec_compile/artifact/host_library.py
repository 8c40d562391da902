"""A shared library for this machine from the C sources of an artifact."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.system import toolchain
from delrec_compile.system.toolchain import FLAGS


def library_of(sources: Path, name: str, folder: Path) -> Path:
    """Compiles the C sources of an artifact, tests included, to a shared library in `folder`."""
    library = folder / f"lib{name}.so"
    files = sorted([*sources.glob("src/*.c"), *sources.glob(f"test/{name}_*.c")])
    include = [f"-I{sources / part}" for part in ("include", "src", "test")]
    toolchain.run_cc("-std=c99", "-O3", *FLAGS, *include, "-shared", *files, "-o", library)
    return library
