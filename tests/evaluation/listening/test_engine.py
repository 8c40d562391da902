"""The engine: artifacts and networks that can listen, and those that cannot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import pytest

from delrec_compile.errors import DataError, InputError, UnsupportedError
from delrec_compile.evaluation.listening import engine
from delrec_compile.evaluation.listening.listener import require_listener
from delrec_compile.network import checkpoint
from delrec_compile.network.taker import Taker


def test_an_artifact_listens_and_a_network_is_built(artifacts: dict[str, Path]) -> None:
    folder = artifacts["conv_delay_256"]
    assert engine.artifact_of(folder) == folder
    assert engine.artifact_of("conv_delay_256") is None
    listener = engine.open_listener(folder)
    assert (listener.step_ms, listener.ear.channels, listener.steps) == (10, 140, 80)


def test_a_built_network_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "kept"))
    network = str(tmp_path / "single.safetensors")
    checkpoint.save(cases.network("single"), network)
    made = engine.build_kept(network)
    before = Path(made, "manifest.json").stat().st_mtime_ns
    assert engine.build_kept(network) == made
    assert Path(made, "manifest.json").stat().st_mtime_ns == before


def test_what_is_neither(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    for name in ("a.txt", "missing"):
        with pytest.raises(InputError):
            engine.artifact_of(tmp_path / name)


def test_an_artifact_for_another_machine(
    artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = SimpleNamespace(is_gpu=False, runs_here=False, target="cortex_m4")
    found: Any = SimpleNamespace(manifest=manifest)
    monkeypatch.setattr(engine, "load_artifact", lambda _: found)
    with pytest.raises(UnsupportedError, match="built for cortex_m4"):
        engine.open_listener(artifacts["conv_delay_256"])


def test_networks_that_no_audio_fits() -> None:
    for taker, told in (
        (Taker(123, 20, 10.0), "123 inputs"),
        (Taker(140, 20, 10.0, real=True), "real values"),
    ):
        with pytest.raises(DataError, match=told):
            require_listener(taker)
    for taker, calls in ((Taker(140, 20, 0.5), 1), (Taker(140, 20, 10.0), 4)):
        with pytest.raises(UnsupportedError):
            require_listener(taker, calls)
    require_listener(Taker(700, 20, 1.0))
