"""Audio as the cochlea takes it: one channel at 16 kHz in -1..1, from WAV files and from raw PCM."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data.cochlea import RATE_HZ, Float
from delrec_compile.data.limits import require_room
from delrec_compile.errors import DataError

RATES = (1_000, 768_000)  # Hz that a WAV file may have
FULL_SCALE = 32_768  # of 16 bits
GROWTH = 4  # bytes in memory for a byte of a file that is read whole
PIECE_S = 1.0
REACH = 10  # samples, of the lower rate, on each side of one that a resampled sample depends on


@dataclass(frozen=True)
class Wav:
    """A WAV file of any rate, width and number of channels. samples: (frames,) or (frames, channels),
    on disk until they are used.
    """

    path: Path
    rate: int
    samples: npt.NDArray[Any]

    @classmethod
    def open(cls, path: str | Path) -> Wav:
        """Raises DataError for what is no WAV file with samples."""
        path = Path(path)
        _require_file(path)
        try:
            rate, samples = _read(path)
        except Exception as error:  # scipy has several for damaged files
            why = " ".join(str(error).split()) or type(error).__name__
            raise DataError(
                f"{path} is no WAV file that can be read ({why}); convert it: "
                f"ffmpeg -i {path.name} -ar {RATE_HZ} -ac 1 speech.wav"
            ) from error
        if not RATES[0] <= rate <= RATES[1]:
            raise DataError(
                f"{path} has {rate} samples per second; {RATES[0]} to {RATES[1]} are taken"
            )
        if not samples.size:
            raise DataError(f"{path} has no samples; a WAV file with sound is required")
        return cls(path, rate, samples)

    def pieces(self) -> Iterator[Float]:
        """The sound at 16 kHz, about a second at a time.

        Channels are averaged; another rate is resampled by scipy's polyphase filter, with the same
        result as of the whole. Raises DataError for samples that are no finite numbers.
        """
        common = gcd(self.rate, RATE_HZ)
        up, down = RATE_HZ // common, self.rate // common
        length = down * max(1, int(PIECE_S * self.rate) // down)
        if self.rate == RATE_HZ:
            yield from (self._mono(at, at + length) for at in range(0, len(self.samples), length))
            return
        from scipy.signal import firwin, resample_poly

        higher = max(up, down)  # resample_poly's own filter, which is made once
        taps = firwin(2 * REACH * higher + 1, 1 / higher, window=("kaiser", 5.0))
        beside = down * -(-(REACH * higher // up + 1) // down)
        for start in range(0, len(self.samples), length):
            first = max(0, start - beside)
            sound = self._mono(first, start + length + beside)
            sound = resample_poly(sound, up, down, window=taps.astype(np.float32))
            wanted = sound[(start - first) * up // down :][: length * up // down]
            yield np.asarray(wanted, np.float32)

    def _mono(self, first: int, end: int) -> Float:
        """(n,) in -1..1."""
        part = self.samples[first:end]
        values: npt.NDArray[Any] = part.astype(np.float32)
        if part.dtype == np.uint8:
            values = (values - 128) / 128
        elif part.dtype.kind == "i":
            values /= float(np.iinfo(part.dtype).max) + 1
        mono = values if values.ndim == 1 else values.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            at = first + int(np.isfinite(mono).argmin())
            raise DataError(f"{self.path}: sample {at} is no finite number")
        return np.asarray(mono, np.float32)


def _require_file(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such file; name a WAV file")
    if path.is_dir():
        raise DataError(f"{path} is a directory; name one of the WAV files in it")
    if not path.is_file():
        raise DataError(
            f"{path} is no regular file; give raw PCM of 16 bits, 16 kHz, mono on the pipe: --input -"
        )
    if not path.stat().st_size:
        raise DataError(f"{path} is empty; a WAV file is required")


def _read(path: Path) -> tuple[int, npt.NDArray[Any]]:
    """Rate and samples, mapped into memory where their width and the file's length allow it."""
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # chunks that are no samples, lengths of streams
        try:
            rate, samples = wavfile.read(path, mmap=True)
        except ValueError:  # 24 bits; a length that the file does not have
            require_room(path, path.stat().st_size * GROWTH, "its samples")
            rate, samples = wavfile.read(path)
    return int(rate), samples


def from_pcm(raw: bytes) -> Float:
    """Samples of 16-bit little-endian PCM, of an even number of bytes."""
    return np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(FULL_SCALE)
