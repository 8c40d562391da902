"""WAV files of any kind, and PCM: the same sound; what is none is refused."""

from __future__ import annotations

import math
import os
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak
from scipy.io import wavfile
from scipy.signal import resample_poly

from delrec_compile.data.audio import Wav, from_pcm
from delrec_compile.errors import DataError


def read_wav(path: Path) -> np.ndarray:
    return np.concatenate([*Wav.open(path).pieces()])


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


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100])
def test_pieces_are_the_whole(rate: int, tmp_path: Path) -> None:
    sound = np.random.default_rng(0).standard_normal((3 * rate + 17, 2)).astype(np.float32)
    wavfile.write(tmp_path / "a.wav", rate, sound)
    common = math.gcd(rate, 16_000)
    whole = resample_poly(sound.mean(axis=1), 16_000 // common, rate // common)
    pieces = [*Wav.open(tmp_path / "a.wav").pieces()]
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)


def test_24_bits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-(2**23), 2**23, 999)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 16_000, 0, "NONE", ""))
        file.writeframes(b"".join(int(v).to_bytes(3, "little", signed=True) for v in values))
    assert np.array_equal(read_wav(tmp_path / "a.wav"), (values / 2**23).astype(np.float32))


@needs_espeak
def test_a_stream_with_a_dummy_length(tmp_path: Path) -> None:
    stream = subprocess.run(["espeak-ng", "--stdout", "one"], capture_output=True, check=True)
    (tmp_path / "s.wav").write_bytes(stream.stdout)
    assert len(read_wav(tmp_path / "s.wav")) > 4_000


def test_pcm() -> None:
    assert from_pcm(b"\x00\x80\xff\x7f\x00\x40").tolist() == [-1, 32767 / 32768, 0.5]


def test_what_is_no_audio(tmp_path: Path) -> None:
    path, pipe = tmp_path / "a.wav", tmp_path / "pipe"
    os.mkfifo(pipe)
    for named, told in ((path, "no such file"), (tmp_path, "a directory"), (pipe, "--input -")):
        with pytest.raises(DataError, match=told):
            read_wav(named)
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
