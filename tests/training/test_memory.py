"""Memory that stays with the process between batches."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from delrec_compile.training import memory


def test_glibc_is_told_to_keep_blocks_of_some_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, int] = {}
    glibc = SimpleNamespace(mallopt=lambda name, value: told.update({name: value}))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: glibc)
    monkeypatch.setattr(sys, "platform", "linux")
    memory.keep()
    assert told == {-1: 256 << 20, -3: 32 << 20}


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_other_c_libraries_are_left_alone(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    monkeypatch.setattr(sys, "platform", platform)
    memory.keep()
