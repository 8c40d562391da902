"""Pictures of a training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fixtures.training import run
from helpers import refusal

from delrec_compile.errors import ToolchainError
from delrec_compile.training import plots


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "net.safetensors"
    result = run(heads=2)
    made = plots.draw(result.history, result.network, out)
    assert [p.name for p in made] == ["net.curves.png", "net.delays.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in made)
    for recurrence in ("none", "conv2d"):
        plain = run(recurrence=recurrence)
        assert len(plots.draw(plain.history, plain.network, out)) == 1
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with refusal(ToolchainError, r"pip install .*'\S*\[plots\]'", 5):
        plots.available()
