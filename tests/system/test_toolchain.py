"""The C compiler: which one is used, and what is said when there is none."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash, InputError, ToolchainError
from delrec_compile.system import folders, toolchain


def program(folder: Path, name: str, text: str = "exit 0") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and no ziglang."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return folder


def test_no_compiler_is_said_with_the_cure(path: Path) -> None:
    with refusal(ToolchainError, r"no C compiler found .*pip install .*'\S*\[cross\]'", 5):
        toolchain.cc()


def test_the_order_of_choice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: name)
        assert toolchain.cc() == [sys.executable, "-P", "-m", "ziglang", "cc"]
    for name in ("clang", "gcc", "cc"):
        program(path, name)
        assert toolchain.cc() == [name]
    mine = program(path, "mine")
    monkeypatch.setenv("CC", f"{mine} -m64")
    assert toolchain.cc() == [str(mine), "-m64"]
    monkeypatch.setenv("CC", "absent-cc")
    assert toolchain.cc() == ["cc"]


def test_a_failing_compiler_is_a_crash_with_its_first_error(path: Path) -> None:
    program(
        path, "cc", "echo 'note: a' >&2; echo 'x.c:1: error: b' >&2; echo 'error: c' >&2; exit 1"
    )
    with refusal(CompilerCrash, r"^cc failed: x\.c:1: error: b$", 9):
        toolchain.run_cc("x.c")
    program(path, "gcc", "exit 0")
    (path / "cc").unlink()
    toolchain.run_cc("x.c")


def test_a_compiler_that_says_nothing_of_an_error(path: Path) -> None:
    program(path, "cc", "printf 'one\\ntwo\\n' >&2; exit 1")
    with refusal(CompilerCrash, "^cc failed: one", 9):
        toolchain.run_cc("x.c")


@pytest.mark.skipif(not toolchain.has_zig(), reason="the ziglang wheel is not installed")
def test_no_file_of_the_working_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a `ziglang` nor a module of the standard library that Zig's wrapper imports."""
    plants = [tmp_path / "ziglang/__main__.py", tmp_path / "subprocess.py", tmp_path / "json.py"]
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang/__init__.py").touch()
    for plant in plants:
        plant.write_text("raise SystemExit(f'{__file__} was run')")
    source = tmp_path / "x.c"
    source.write_text("int x(void) { return 3; }\n")
    monkeypatch.chdir(tmp_path)
    toolchain.run_cc("-c", source, "-o", tmp_path / "x.o", cross="aarch64-linux-gnu.2.17")
    toolchain.archive([tmp_path / "x.o"], tmp_path / "x.a", cross="aarch64-linux-gnu.2.17")
    assert (tmp_path / "x.o").read_bytes().startswith(b"\x7fELF")
    assert (tmp_path / "x.a").read_bytes().startswith(b"!<arch>")
    with refusal(CompilerCrash, "^zig cc failed: .*error", 9):
        toolchain.run_cc("-c", tmp_path / "absent.c", cross="aarch64-linux-gnu.2.17")


def test_a_full_disk_is_not_the_compilers_fault(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path, "cc", "echo 'ld: final link failed: No space left on device' >&2; exit 1")
    with refusal(InputError, "a disk is full: ld: final link failed: .*set TMPDIR", 3):
        toolchain.run_cc("x.c")
    program(path, "cc", "echo 'ar: reason: Success' >&2; exit 1")
    full = {tmp_path}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda p: usage._replace(free=0) if p in full else usage
    )
    with refusal(InputError, f"a disk is full: no space left in {tmp_path}", 3):
        toolchain.run_cc("x.c", "-o", tmp_path / "x.o")


def test_a_compiler_that_takes_too_long_is_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path, "cc", "exec /bin/sleep 60")
    monkeypatch.setenv("DELREC_TIMEOUT", "0.2")
    message = r"^cc took more than 0\.2 s and was stopped; allow more with DELREC_TIMEOUT=SECONDS$"
    with refusal(CompilerCrash, message, 9):
        toolchain.run_cc("x.c")


def test_the_temporary_files_of_a_compiler_are_removed_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    compiler = program(tmp_path, "cc", f'echo "$TMPDIR" > {said}; touch "$TMPDIR/ccleft.s"')
    monkeypatch.setenv("CC", str(compiler))
    toolchain.run_cc("-o", "nothing")
    folder = Path(said.read_text().strip())
    assert folder.name.startswith(folders.WORK)  # of a killed process, the next one removes it
    assert not folder.exists()


@pytest.mark.parametrize("name", ["quote'\"", "back\\slash", "a%b", "c#d$e:f", "plain, é"])
def test_zig_compiles_in_odd_folders(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang")
    folder = tmp_path / name
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "own.h").write_text("#define ONE 1\n")
    (folder / "one.c").write_text("#include <own.h>\nint one(void) { return ONE; }\n")
    monkeypatch.chdir(folder)
    for source, out in ((folder / "one.c", folder / "one.o"), ("../x/one.c", "../x/two.o")):
        here = str(source).replace("/x/", f"/{name}/"), str(out).replace("/x/", f"/{name}/")
        include = f"-I{folder / 'src'}"
        toolchain.run_cc(include, "-c", here[0], "-o", here[1], cross="aarch64-linux-gnu.2.17")
        assert Path(here[1]).read_bytes()[:4] == b"\x7fELF"
    with refusal(CompilerCrash, "unknown type|error: ", 9):
        (folder / "one.c").write_text("nothing\n")
        toolchain.run_cc("-c", folder / "one.c", "-o", folder / "no.o", cross="x86_64-linux-gnu")
