"""The form `library`: shared and static library and their header; elsewhere, a program too."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile import targets
from delrec_compile.compiler.forms import library
from delrec_compile.network import checkpoint
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import child
from delrec_compile.system.toolchain import run_cc

HERE = "compiler.forms.test_library"
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


@pytest.mark.parametrize(
    ("target", "folder"), [("x86_64", 'a "b" \\n, 1%s\té'), ("arm_cpu", "a, é")]
)
def test_tables_are_embedded_from_any_folder(
    target: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The assembler reads a path with whatever a folder of temporary files may be called."""
    pytest.importorskip("ziglang")
    odd = tmp_path / folder
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    tables: list[np.ndarray] = []
    whole = library.table_file

    def noting(of_kernel: dict[str, np.ndarray]) -> bytes:
        tables.extend(of_kernel.values())
        return whole(of_kernel)

    monkeypatch.setattr(library, "table_file", noting)
    artifact = artifact_here(cases.network("mixed"), target, tmp_path / "a")
    assert artifact.library is not None
    raw = artifact.library.read_bytes()
    assert sum(table.nbytes for table in tables) > 2_000
    assert all(table.tobytes() in raw for table in tables)
    static = artifact.path / str(artifact.manifest.static_library)
    assert b"delrec-work-" not in raw + static.read_bytes(), "it would differ from build to build"
    if targets.load(target).runs_here:
        x = cases.counts(cases.CASES["mixed"])
        want = TorchRunner(cases.network("mixed")).trace(x)
        np.testing.assert_array_equal(Session(artifact).trace(x).y, want.y)


def test_for_another_machine_there_is_a_program_for_its_emulator(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    m = artifact_here(cases.network("mixed"), "arm_cpu", tmp_path).manifest
    assert (m.image, m.core) == ("test/mixed.elf", "aarch64")
    assert (tmp_path / "test" / "mixed.elf").read_bytes()[:4] == b"\x7fELF"


def mapped_rows(path: str) -> list[dict[str, int]]:
    """Of each part of a mapped file that nothing writes: kB by their names in smaps."""
    rows: list[dict[str, int]] = []
    own = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            own = words[-1] == path and "w" not in words[1]
            rows += [{}] if own else []
        elif own and words[-1] == "kB":
            rows[-1][words[0][:-1]] = int(words[1])
    return rows


def read_and_look(path: str, name: str, other: bool = True) -> list[dict[str, int]]:
    """The parts of a library whose self-test has read all tables here and in another process."""
    assert getattr(ctypes.CDLL(path), f"{name}_self_test")() == 0
    return (
        child.call(f"{HERE}:read_and_look", path=path, name=name, other=False)
        if other
        else (mapped_rows(path))
    )


@pytest.mark.skipif(sys.platform != "linux", reason="maps are read from /proc")
def test_weights_are_pages_of_the_file_that_processes_share(tmp_path: Path) -> None:
    """Read-only, file-backed, never copied; where two processes read them, in memory once."""
    name = "conv_delay_256"
    artifact = artifact_here(checkpoint.load(name), "x86_64", tmp_path)
    assert artifact.library is not None
    with artifact.library.open("rb") as file:
        os.fsync(file.fileno())  # what is not on its disk yet counts as written to
    rows = read_and_look(str(artifact.library), name)
    tables = max(rows, key=lambda row: row["Size"])
    assert tables["Private_Dirty"] == tables["Shared_Dirty"] == tables["Anonymous"] == 0
    assert tables["Shared_Clean"] * 1024 > 0.8 * artifact.manifest.library_bytes
