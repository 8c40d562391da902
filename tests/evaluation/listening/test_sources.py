"""Sources: blocks of a file, PCM in any pieces, a microphone that fails or falls behind."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from delrec_compile.errors import DataError, DeviceError, ToolchainError
from delrec_compile.evaluation.listening import sources

PCM = np.random.default_rng(0).integers(-32768, 32767, 1_001).astype("<i2")


class Pieces(io.RawIOBase):
    """A pipe that gives an odd number of bytes at a time."""

    def __init__(self, raw: bytes) -> None:
        self.rest = raw

    def read1(self, most: int) -> bytes:
        given, self.rest = self.rest[: min(most, 7)], self.rest[min(most, 7) :]
        return given


def test_a_file_and_a_pipe_give_the_same_samples(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 16_000, PCM)
    for source in (sources.of_file(tmp_path / "a.wav"), sources.of_stream(Pieces(PCM.tobytes()))):  # type: ignore[arg-type]
        blocks = [samples for samples, _ in source.blocks]
        assert max(map(len, blocks)) <= sources.BLOCK
        assert np.array_equal(np.concatenate(blocks), PCM / np.float32(32768))
        source.close()


def test_half_a_sample_at_the_end_is_left_out() -> None:
    blocks = [b for b, _ in sources.of_stream(io.BytesIO(PCM.tobytes() + b"\x01")).blocks]
    assert np.array_equal(np.concatenate(blocks), PCM / np.float32(32768))


def test_pipes_without_pcm() -> None:
    for raw, told in ((b"", "is empty"), (b"\x01", "is empty"), (b"RIFF....WAVE", "is a WAV file")):
        with pytest.raises(DataError, match=told):
            list(sources.of_stream(io.BytesIO(raw)).blocks)


class NoDeviceError(Exception):
    """PortAudio's error."""


class Driver:
    """sounddevice where there is no sound card: what a test tells it to hear is heard."""

    PortAudioError = NoDeviceError

    def __init__(self, present: bool = True) -> None:
        self.present, self.closed, self.chosen = present, False, None

    def RawInputStream(  # noqa: N802
        self,
        *,
        device: Any,
        callback: Callable[..., None],
        finished_callback: Callable[[], None],
        **options: Any,
    ) -> Any:
        assert options == {"samplerate": 16_000, "blocksize": 160, "channels": 1, "dtype": "int16"}
        if not self.present:
            raise NoDeviceError("Error querying device -1")
        self.hear, self.end, self.chosen = callback, finished_callback, device
        return SimpleNamespace(start=lambda: None, close=self.close, latency=0.02)

    def close(self) -> None:
        self.closed = True


def test_a_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "sounddevice", driver)
    source = sources.of_microphone("3")
    assert (driver.chosen, source.live, source.device_ms) == (3, True, 20)
    for n in range(sources.WAITING + 2):  # nobody takes them: the last two are lost
        driver.hear(
            (PCM[:160] // (n + 1)).tobytes(), 160, None, SimpleNamespace(input_overflow=n == 1)
        )
    assert source.dropped == 3
    samples, arrived = next(source.blocks)
    assert np.array_equal(samples, PCM[:160] / np.float32(32768))
    assert arrived > 0
    source.close()
    assert driver.closed


def test_a_microphone_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, fine = Driver(), SimpleNamespace(input_overflow=False)
    monkeypatch.setitem(sys.modules, "sounddevice", driver)
    monkeypatch.setattr(sources, "GONE_S", 0.01)
    for ends in (driver_ends, lambda _: None):  # it says so, or nothing comes
        source = sources.of_microphone()
        driver.hear(PCM[:160].tobytes(), 160, None, fine)
        ends(driver)
        assert len(next(source.blocks)[0]) == 160
        with pytest.raises(DeviceError, match="no more samples"):
            next(source.blocks)


def driver_ends(driver: Driver) -> None:
    driver.end()


def test_without_microphone_or_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Driver(present=False))
    with pytest.raises(DeviceError, match=r"no microphone .*device -1.*--input"):
        sources.of_microphone()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ToolchainError, match=r"\[audio\]"):
        sources.of_microphone()


def test_without_portaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(ToolchainError, match="libportaudio2"):
        sources.of_microphone()
