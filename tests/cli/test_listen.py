"""The command `listen`: words of a file and of PCM, lines of JSON, refusals."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.espeak import needs_espeak
from scipy.io import wavfile

from benchmarks import listening
from delrec_compile.cli import app
from delrec_compile.errors import DataError, ToolchainError, UsageError


def run(*words: object) -> int:
    return app._exit_code(["listen", *map(str, words)])


@needs_espeak
def test_a_file_and_a_pipe(
    artifacts: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    artifact, path = artifacts["conv_delay_256"], tmp_path / "words.wav"
    said = listening.spoken(3)
    pcm = np.round(said.samples * 32767).astype("<i2")
    wavfile.write(path, 16_000, pcm)
    assert run(artifact, "--input", path) == 0
    *words, end = capsys.readouterr().out.splitlines()
    assert len(words) == 3
    assert "decided at" in words[0]
    assert end.startswith("3 words in")
    assert "real-time factor" in end
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(pcm.tobytes())))
    assert run(artifact, "-i", "-", "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["event"] for t in told] == ["word"] * 3 + ["end"]
    assert {t["schema"] for t in told} == {"delrec.listen/1"}
    assert [t["name"] in line for t, line in zip(told, words, strict=False)] == [True] * 3
    assert told[-1]["dropped"] == 0


def test_refusals(
    artifacts: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    artifact, path = artifacts["conv_delay_256"], tmp_path / "a.wav"
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    wavfile.write(path, 16_000, np.zeros(16_000, np.int16))
    for words, code, line in (
        ((artifact, "--input", path), DataError.exit_code, "no word was heard in 1.00 s"),
        ((artifact, "--input", tmp_path / "b.wav"), DataError.exit_code, "b.wav"),
        ((artifact, "--input", __file__), DataError.exit_code, "is no WAV file"),
        ((artifact,), ToolchainError.exit_code, "needs sounddevice"),
        ((artifact, "-i", path, "--microphone", "1"), UsageError.exit_code, "choose one"),
    ):
        assert run(*words) == code, line
        errors = capsys.readouterr().err
        assert line in errors
        assert len(errors.splitlines()) == 1
