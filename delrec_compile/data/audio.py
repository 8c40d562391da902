"""Audio as the cochlea takes it: one channel at 16 kHz in -1..1, from WAV files and from raw PCM."""

from __future__ import annotations

import warnings
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data.cochlea import RATE_HZ, Float
from delrec_compile.data.hdf5 import existing_file
from delrec_compile.data.limits import require_room
from delrec_compile.errors import DataError

RATES = (1_000, 768_000)  # Hz that a WAV file may have
FULL_SCALE = 32_768  # of 16 bits
GROWTH = 64  # bytes in memory for a byte of the file, resampling included


def read_wav(path: str | Path) -> Float:
    """The samples of a WAV file of any rate, width and number of channels.

    Channels are averaged; another rate is resampled by a polyphase filter. Raises DataError.
    """
    from scipy.io import wavfile

    path = Path(path)
    existing_file(path)
    if not path.stat().st_size:
        raise DataError(f"{path} is empty; a WAV file is required")
    require_room(path, path.stat().st_size * GROWTH, "its samples")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chunks that are no samples, lengths of streams
            rate, samples = wavfile.read(path)
    except Exception as error:  # scipy has several for damaged files
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path} is no WAV file that can be read ({why}); convert it: "
            f"ffmpeg -i {path.name} -ar {RATE_HZ} -ac 1 speech.wav"
        ) from error
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"{path} has {rate} samples per second; {RATES[0]} to {RATES[1]} are taken")
    if not samples.size:
        raise DataError(f"{path} has no samples; a WAV file with sound is required")
    return resampled(_mono(path, samples), rate)


def resampled(samples: Float, rate: int) -> Float:
    """`samples` at 16 kHz, by scipy's polyphase filter."""
    if rate == RATE_HZ:
        return samples
    from scipy.signal import resample_poly

    common = gcd(rate, RATE_HZ)
    return np.asarray(resample_poly(samples, RATE_HZ // common, rate // common), np.float32)


def from_pcm(raw: bytes) -> Float:
    """Samples of 16-bit little-endian PCM, of an even number of bytes."""
    return np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(FULL_SCALE)


def _mono(path: Path, samples: npt.NDArray[Any]) -> Float:
    """(n,) in -1..1. Raises DataError for samples that are no numbers."""
    kind = samples.dtype
    values: npt.NDArray[Any] = samples.astype(np.float32)
    if kind == np.uint8:
        values = (values - 128) / 128
    elif kind.kind == "i":
        values /= float(np.iinfo(kind).max) + 1
    mono = values if values.ndim == 1 else values.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: sample {int(np.isfinite(mono).argmin())} is no finite number")
    return np.asarray(mono, np.float32)
