"""What is missing here, and the line that installs it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from delrec_compile import targets
from delrec_compile.errors import CompilerCrash
from delrec_compile.system import child, doctor, versions
from delrec_compile.system.extras import install


def test_every_finding_is_ok_or_has_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "call", lambda *_, **__: None)
    findings = doctor.doctor()
    assert len({f.name for f in findings}) == len(findings)
    for f in findings:
        assert f.ok == (f.fix == ""), f
        assert f.detail
        assert f.needed_for
    assert {f.name for f in findings if f.ok} >= {"torch", "apache-tvm", "apache-tvm-ffi"}


def test_an_empty_machine_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = {f.name: f for f in doctor.doctor()}
    assert found["torch"].fix == "pip install torch"
    assert found["torch"].state == "missing"
    assert found["emulator"].state == "optional"
    assert found["apache-tvm-ffi"].fix.startswith("pip install 'apache-tvm-ffi")
    assert found["emulator"].fix == install("emu")
    assert found["RPC"].fix == install("rpc")
    assert found["Dask"].fix == install("cluster")
    assert found["qemu"].fix == "apt-get install qemu-system-arm"
    assert found["ssh"].fix == "apt-get install openssh-client"
    assert {"zig", "qemu"} <= set(doctor.missing(targets.load("cortex_m55")))


def test_a_broken_tvm_ffi_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> None:
        raise CompilerCrash("died with signal SIGSEGV")

    monkeypatch.setattr(child, "call", dies)
    finding = doctor._tvm_ffi()
    assert not finding.ok
    assert "SIGSEGV" in finding.detail
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.1.15")
    assert "0.1.15 crashes" in doctor._tvm_ffi().detail


def test_a_wrong_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.1")
    wrong = doctor._package("onnx")
    assert (wrong.ok, wrong.state) == (False, "missing")
    assert wrong.detail.startswith("0.1; ")
    assert wrong.fix.startswith("pip install 'onnx")
    assert "0.1; " in doctor._zig().detail
    assert "unicorn 0.1; " in doctor._emulator().detail
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0+cpu")
    assert doctor._package("torch").ok


def test_every_dependency_is_looked_at() -> None:
    base = {required.name for extra, required in versions.requirements() if not extra}
    assert {*doctor.PACKAGES, "apache-tvm-ffi"} == base


def test_a_wrong_version_of_an_extra_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._other_versions() == []
    real = importlib.metadata.version
    old = {"matplotlib": "3.1", "nir": "0.9"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: old.get(name) or real(name))
    found = {f.name: f for f in doctor._other_versions()}
    assert found["matplotlib"].needed_for == "the extra [plots]"
    assert found["matplotlib"].fix == "pip install 'matplotlib>=3.8'"
    assert set(found) == set(old)


def test_a_probe_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(child, "call", lambda *_, **__: None)
    monkeypatch.setattr(shutil, "which", fails)
    monkeypatch.setenv("DELREC_TIMEOUT", "soon")
    found = {f.name: f for f in doctor.doctor()}
    assert found["espeak"].detail == "RuntimeError: first second"
    assert not found["espeak"].ok
    assert found["DELREC_TIMEOUT"].fix == "unset DELREC_TIMEOUT"


def test_a_broken_compiler_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._compiler().ok
    assert doctor._chosen_compilers() == []
    monkeypatch.setenv("CC", "nosuch -m64")
    assert doctor._compiler().ok
    (chosen,) = doctor._chosen_compilers()
    assert (chosen.name, chosen.fix, chosen.required) == ("CC", "unset CC", False)
    for odd in ("'open quote", "cc 'open", "  "):
        monkeypatch.setenv("CC", odd)
        assert doctor._compiler().ok
        assert [f.name for f in doctor._chosen_compilers()] == (["CC"] if odd.strip() else [])
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'error: no headers' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    found = doctor._compiler()
    assert not found.ok
    assert "no headers" in found.detail


def test_places_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert doctor._temporary().ok
    monkeypatch.setenv("TMPDIR", "/nosuch")
    assert "TMPDIR is '/nosuch'" in doctor._temporary().detail
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC))
    assert "mounted noexec" in doctor._temporary().detail
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert doctor._home().ok
    monkeypatch.setenv("HOME", "/nosuch")
    assert "HOME is '/nosuch', which is no folder" in doctor._home().detail
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"delrec-compile-{os.getuid()}"))
    assert not doctor._home().ok

    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert doctor._temporary().detail == "no folder can be written"
