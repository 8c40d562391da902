"""The command `listen`: words of a file and of PCM, lines of JSON, refusals."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak
from scipy.io import wavfile

from benchmarks import listening
from delrec_compile.cli import app
from delrec_compile.errors import DataError, DeviceError, ToolchainError, UsageError
from delrec_compile.evaluation.listening import sources
from delrec_compile.evaluation.listening.sources import Source


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


class Microphone:
    """Loud noise for half a second at a time, and then `end`: an interrupt, or an unplugged cable."""

    def __init__(self, level: float, end: BaseException) -> None:
        self.level, self.end = level, end

    def __call__(self, _device: str | None) -> Source:
        return Source(self.blocks(), live=True, device_ms=20.0)

    def blocks(self) -> Iterator[tuple[np.ndarray, float]]:
        noise = np.random.default_rng(0).standard_normal((200, 160)).astype(np.float32)
        for n, block in enumerate(noise):
            yield block * np.float32(self.level if n // 50 % 2 else 1e-4), time.perf_counter()
        raise self.end


def test_a_microphone_ends(
    artifacts: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = DeviceError("the microphone gives no more samples")
    for level, end, code, told in (
        (0.1, KeyboardInterrupt(), 0, None),
        (0.0001, KeyboardInterrupt(), 0, "note: the microphone: no word was heard in 2.00 s"),
        (0.1, gone, DeviceError.exit_code, "gives no more samples"),
        (0.1, app.Ended(15), 143, "SIGTERM"),
    ):
        monkeypatch.setattr(sources, "of_microphone", Microphone(level, end))
        assert run(artifacts["conv_delay_256"], "--json") == code
        out, err = capsys.readouterr()
        told_end = json.loads(out.splitlines()[-1])
        assert (told_end["event"], told_end["audio_s"]) == ("end", 2.0)
        assert told_end["words"] == (1 if level == 0.1 else 0)
        assert (told in err) if told else not err


def test_on_a_terminal_a_line_tells_the_word_so_far(
    artifacts: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sources, "of_microphone", Microphone(0.1, KeyboardInterrupt()))
    with os.fdopen(ours, "rb", 0) as screen, os.fdopen(theirs, "w") as terminal:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            assert run(artifacts["conv_delay_256"]) == 0
        assert "1.43 s" in screen.read(1 << 16).decode()
    assert capsys.readouterr().out.count("decided at") == 1  # not above the line: it is a pipe


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
