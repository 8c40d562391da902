"""Opening programs in emulators: unknown cores, missing packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from delrec_compile.errors import ToolchainError, UnsupportedError
from delrec_compile.runners.emulated.open import open_machine


def test_unknown_cores_and_missing_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="'cortex_m5'; did you mean 'cortex_m"):
        open_machine(tmp_path, "cortex_m5")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for core, package in (("cortex_m4", "unicorn"), ("wasm32", "wasmtime")):
        with pytest.raises(ToolchainError, match=rf"{package}; pip install .*'\S*\[emu\]"):
            open_machine(tmp_path, core)
