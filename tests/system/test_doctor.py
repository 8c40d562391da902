"""What is missing here, and the line that installs it."""

from __future__ import annotations

import importlib.metadata
import shutil

import pytest

from delrec_compile import targets
from delrec_compile.errors import CompilerCrash
from delrec_compile.system import child, doctor


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
    assert found["apache-tvm-ffi"].fix.startswith("pip install 'apache-tvm-ffi")
    assert found["emulator"].fix == "pip install 'delrec-compile[emu]'"
    assert found["RPC"].fix == "pip install 'delrec-compile[rpc]'"
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
