"""The cochlea on audio that arrives in pieces: the same spikes however it is cut.

Its filters are those of `cochlea.Cochlea` as impulse responses, cut where they have rung out and before
the first sample after their millisecond. Samples are worked off in blocks of one step of the network,
always of the same size, so that no spike depends on the pieces, and memory is constant.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from delrec_compile.data.cochlea import (
    COMPRESSION,
    ENVELOPE_HZ,
    NOISE,
    RATE_HZ,
    TAIL_SAMPLES,
    UNITS,
    Cochlea,
    Fibres,
    Float,
)
from delrec_compile.data.front_end import FrontEnd, to_pcm
from delrec_compile.errors import UsageError

DECIMATION = RATE_HZ // ENVELOPE_HZ
AHEAD = DECIMATION - 1  # samples of its own millisecond that follow the moment of an envelope
BANDS = 14  # groups of neighbouring units, with responses of one length
LOST = 1e-3  # share of a response's energy that its cut may leave out behind it
LOST_IN_SUMS = 1e-5  # share of a band's energy that its shapes may leave out
LARGEST_COUNT = np.iinfo(np.uint8).max
DESIGN = 4 * TAIL_SAMPLES  # samples of the responses before they are cut


@dataclass(frozen=True)
class Band:
    """Responses of neighbouring units, which are alike: sums of a few shapes.

    shapes: (length, rank), newest sample last. shares: (rank, 2 * units), real and imaginary parts of
    each unit side by side.
    """

    shapes: Float
    shares: Float

    def respond(self, windows: Float) -> Float:
        """(steps, samples) that end AHEAD samples after each moment -> (steps, 2 * units)."""
        return np.asarray(windows[:, -len(self.shapes) :] @ self.shapes @ self.shares)


@functools.cache
def bands(units: int = UNITS) -> tuple[Band, ...]:
    """The filters, in the order of the units."""
    bank = Cochlea.build(DESIGN - TAIL_SAMPLES, units)
    return tuple(_band(bank, part) for part in np.array_split(np.arange(units), BANDS))


def _band(bank: Cochlea, units: npt.NDArray[np.int64]) -> Band:
    spectrum = np.zeros((len(units), DESIGN + 2 * bank.band), np.complex128)
    for row, unit in zip(spectrum, units, strict=True):
        row[bank.start[unit] :][: bank.band] = bank.response[unit]
    responses = 2 * np.fft.ifft(spectrum[:, bank.band : -bank.band], axis=1)
    before, after = responses[:, -AHEAD:], responses[:, :TAIL_SAMPLES]
    energy = np.cumsum(np.abs(after) ** 2, axis=1)
    length = int(np.argmax((energy > (1 - LOST) * energy[:, -1:]).all(axis=0))) + 1
    fade_in = np.sin(np.linspace(0, np.pi / 2, AHEAD + 2)[1:-1]) ** 2  # a hard edge would ring
    cut = np.concatenate([before * fade_in, after[:, :length]], axis=1)[:, ::-1]
    taps = np.stack([cut.real, cut.imag], axis=1).reshape(2 * len(units), -1).T
    shapes, size, shares = np.linalg.svd(taps, full_matrices=False)
    rank = int(np.argmax(np.cumsum(size**2) > (1 - LOST_IN_SUMS) * np.sum(size**2))) + 1
    return Band(
        np.ascontiguousarray(shapes[:, :rank], np.float32),
        np.ascontiguousarray(size[:rank, None] * shares[:rank], np.float32),
    )


class StreamingCochlea:
    """One stream of audio; `push` takes samples at 16 kHz in -1..1 and gives spikes per step.

    step_ms: length of a step. group: units that are summed to one channel. noise: of the fibres, as
    the training data has it with 1; drawn from `seed`. Raises UsageError.
    """

    def __init__(
        self,
        units: int = UNITS,
        *,
        step_ms: int = 10,
        group: int = 1,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        for name, value in (("units", units), ("step_ms", step_ms), ("group", group)):
            if value < 1:
                raise UsageError(f"{name} is {value}; at least 1 is required")
        if units % group or units < BANDS:
            raise UsageError(
                f"{units} units in groups of {group}; {BANDS} units or more, in groups of a divisor, "
                "are required"
            )
        self.units, self.channels, self.step_ms = units, units // group, step_ms
        self.step_samples = step_ms * DECIMATION
        self._bands, self._noise, self._seed = bands(units), np.float32(noise * NOISE), seed
        self.reset()

    def reset(self) -> None:
        """Starts afresh: silence so far, fibres at rest."""
        self._fibres = Fibres((self.units,))
        self._drawn = np.random.default_rng(self._seed)
        # the past that the longest response needs, and the block that is being filled
        self._past = max(len(band.shapes) for band in self._bands) - DECIMATION
        self._samples = np.zeros(self._past + self.step_samples, np.float32)
        view = np.lib.stride_tricks.sliding_window_view(self._samples, self._past + DECIMATION)
        self._windows = view[::DECIMATION]  # of the block: (step_ms, samples)
        self._filled = 0

    def push(self, samples: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Counts (steps, channels) of the steps that these samples complete; LARGEST_COUNT at most."""
        blocks = [self._counts(self._spikes()) for _ in self._blocks(samples)]
        return np.array(blocks, np.uint8).reshape(-1, self.channels)

    def spikes(self, samples: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Same as `push`, before the sums: (milliseconds, units)."""
        blocks = [self._spikes() for _ in self._blocks(samples)]
        return np.array(blocks, np.bool_).reshape(-1, self.units)

    def finish(self) -> npt.NDArray[np.uint8]:
        """Counts of the step that has begun, with silence to its end; then starts afresh."""
        missing = -self._filled % self.step_samples
        counts = self.push(np.zeros(missing, np.float32))
        self.reset()
        return counts

    def _blocks(self, samples: npt.ArrayLike) -> Iterator[None]:
        """Yields each time the block is full; then it moves into the past."""
        rest = np.asarray(samples, np.float32).ravel()
        while len(rest):
            at = self._past + self._filled
            taken = rest[: self.step_samples - self._filled]
            self._samples[at : at + len(taken)] = taken
            self._filled += len(taken)
            rest = rest[len(taken) :]
            if self._filled == self.step_samples:
                yield
                self._samples[: self._past] = self._samples[self.step_samples :].copy()
                self._filled = 0

    def _spikes(self) -> npt.NDArray[np.bool_]:
        """(step_ms, units) of the block."""
        windows = np.ascontiguousarray(self._windows)
        parts = np.concatenate([band.respond(windows) for band in self._bands], axis=1)
        np.square(parts, out=parts)
        drive = parts[:, 0::2] + parts[:, 1::2]
        np.sqrt(drive, out=drive)
        drive *= np.float32(COMPRESSION)
        np.log1p(drive, out=drive)
        if not self._noise:
            return self._fibres.fire(drive)
        noise = self._drawn.standard_normal(drive.shape, np.float32)
        return self._fibres.fire(drive, noise * self._noise)

    def _counts(self, spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        of_units = spikes.sum(axis=0, dtype=np.uint16).reshape(self.channels, -1)
        return np.asarray(np.minimum(of_units.sum(axis=1), LARGEST_COUNT), np.uint8)


class StreamingFrontEnd:
    """One stream of audio through a front end of whole numbers, whole steps at a time."""

    def __init__(self, front: FrontEnd) -> None:
        self.step_samples = front.block
        self._front, self._state = front, front.fresh()

    def push(self, samples: Float) -> npt.NDArray[np.uint8]:
        """Samples (block,) at 16 kHz in -1..1 -> counts (1, channels)."""
        return self._front.step(self._state, to_pcm(samples[None]))
