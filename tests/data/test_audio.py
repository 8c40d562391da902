"""WAV files of any kind, and PCM: the same sound; what is none is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from fixtures.espeak import needs_espeak
from scipy.io import wavfile

from delrec_compile.data.audio import from_pcm, read_wav
from delrec_compile.errors import DataError


def tone(rate: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_rates_and_widths(rate: int, dtype: type, tmp_path: Path) -> None:
    wave = tone(rate)
    if dtype == np.uint8:
        stored = np.round(wave * 127 + 128)
    elif dtype == np.float32:
        stored = wave
    else:
        stored = np.round(wave * np.iinfo(dtype).max)
    both = np.stack([stored, stored], axis=1) if rate == 44_100 else stored
    wavfile.write(tmp_path / "a.wav", rate, both.astype(dtype))
    samples = read_wav(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    assert abs(len(samples) - 8_000) <= 1
    middle = slice(1_000, 7_000)  # the filter of another rate rings at the ends
    assert np.abs(samples[middle] - tone(16_000)[middle]).max() < 0.01


@needs_espeak
def test_a_stream_with_a_dummy_length(tmp_path: Path) -> None:
    stream = subprocess.run(["espeak-ng", "--stdout", "one"], capture_output=True, check=True)
    (tmp_path / "s.wav").write_bytes(stream.stdout)
    assert len(read_wav(tmp_path / "s.wav")) > 4_000


def test_pcm() -> None:
    assert from_pcm(b"\x00\x80\xff\x7f\x00\x40").tolist() == [-1, 32767 / 32768, 0.5]


def test_what_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(DataError, match=r"a\.wav"):
        read_wav(path)
    for raw, told in ((b"", "is empty"), (b"word", "no WAV file"), (b"RIFF" * 9, "no WAV file")):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=told):
            read_wav(path)
    wavfile.write(path, 16_000, np.zeros(0, np.int16))
    with pytest.raises(DataError, match="no samples"):
        read_wav(path)
    wavfile.write(path, 10, np.zeros(9, np.int16))
    with pytest.raises(DataError, match="10 samples per second"):
        read_wav(path)
    wavfile.write(path, 16_000, np.array([0, np.nan], np.float32))
    with pytest.raises(DataError, match="sample 1 is no finite number"):
        read_wav(path)
