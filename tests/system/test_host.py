"""This machine: its architecture and its processor."""

from __future__ import annotations

import platform

import pytest

from delrec_compile.system import host


@pytest.mark.parametrize(
    ("name", "machine"), [("AMD64", "x86_64"), ("arm64", "aarch64"), ("riscv64", "riscv64")]
)
def test_architectures_have_one_name(
    name: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: name)
    assert host.is_here(machine)
    assert host.is_here("any")
    assert not host.is_here("pdp11")


def test_results_are_labelled_with_the_machine() -> None:
    label = host.machine()
    assert label["cpu"] == host.cpu_name() != ""
    assert label["python"] == platform.python_version()
