"""A 700-channel cochlea: gammatone filters, adaptation, leaky integrate-and-fire fibres.

Unit 0 has the HIGHEST frequency, as in the Spiking Heidelberg Digits (the base of the cochlea
comes first). Filters are applied in the frequency domain to a band around each centre, so the
envelope comes out at 1 kHz; filter shapes after Slaney 1993 (scipy.signal.gammatone).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

RATE_HZ = 16_000  # of the audio
ENVELOPE_HZ = 1_000  # of the envelope and of the spikes
UNITS = 700
LOWEST_HZ, HIGHEST_HZ = 80.0, 7_000.0
TAIL_SAMPLES = 1_024  # room for the filters to ring out

COMPRESSION = 200.0
GAIN = 220.0
MEMBRANE_S = 0.004
RECOVERY_S = 0.05
DEPLETION = 0.6
REFRACTORY_STEPS = 2
NOISE = 0.05


def centre_frequencies(units: int = UNITS) -> npt.NDArray[np.float64]:
    """(units,) Hz, evenly spaced on the ERB-rate scale (Glasberg & Moore 1990), highest first."""
    lowest, highest = (21.4 * np.log10(4.37e-3 * f + 1) for f in (LOWEST_HZ, HIGHEST_HZ))
    erb_rate = np.linspace(highest, lowest, units)
    return np.asarray((10 ** (erb_rate / 21.4) - 1) / 4.37e-3, np.float64)


@dataclass(frozen=True)
class Cochlea:
    """The filter bank for audio of `samples` samples at 16 kHz; make one with `build`."""

    samples: int
    band: int  # FFT bins per filter = envelope samples
    start: npt.NDArray[np.int64]  # (units,) first bin in the padded spectrum
    response: npt.NDArray[np.complex64]  # (units, band)

    @property
    def steps(self) -> int:
        """Envelope samples (milliseconds) per utterance."""
        return self.samples * ENVELOPE_HZ // RATE_HZ

    @classmethod
    def build(cls, samples: int = RATE_HZ, units: int = UNITS) -> Cochlea:
        from scipy.fft import next_fast_len
        from scipy.signal import freqz, gammatone

        decimation = RATE_HZ // ENVELOPE_HZ
        band = int(next_fast_len(-(-(samples + TAIL_SAMPLES) // decimation)))
        size = band * decimation
        centres = centre_frequencies(units)
        start = np.round(centres / RATE_HZ * size).astype(np.int64) - band // 2
        response = np.zeros((units, band), np.complex64)
        for unit, centre in enumerate(centres):
            bins = np.arange(start[unit], start[unit] + band)
            inside = (bins >= 0) & (bins <= size // 2)
            b, a = gammatone(centre, "iir", fs=RATE_HZ)
            response[unit, inside] = freqz(b, a, worN=2 * np.pi * bins[inside] / size)[1]
        return cls(samples, band, start + band, response)

    def envelope(self, wave: Float) -> Float:
        """(samples,) audio -> (steps, units) envelope."""
        from scipy.fft import ifft, rfft

        spectrum = np.pad(rfft(wave, self.band * RATE_HZ // ENVELOPE_HZ), self.band)
        bands = np.lib.stride_tricks.sliding_window_view(spectrum, self.band)[self.start]
        bands *= self.response
        analytic = ifft(bands, axis=1, overwrite_x=True)[:, : self.steps]
        power = np.square(analytic.real) + np.square(analytic.imag)
        envelope = np.sqrt(power, out=power) * np.float32(2 * ENVELOPE_HZ / RATE_HZ)
        return np.asarray(envelope.T, np.float32)

    def spikes(self, waves: Float, noise: Float) -> npt.NDArray[np.bool_]:
        """Audio (B, samples) and noise (B, steps, units) -> spikes (B, steps, units)."""
        drive = np.stack([np.log1p(self.envelope(wave) * COMPRESSION) for wave in waves], axis=1)
        return fire(drive, np.swapaxes(noise, 0, 1) * np.float32(NOISE)).swapaxes(0, 1)


class Fibres:
    """State of the fibres after the last step: store, membrane and refractory time of each.

    A store q scales the drive, is used up by it, and refills:
    x = drive * q, dq/dt = (1 - q - depletion * x * q) / recovery.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._store = np.ones(shape, np.float32)
        self._membrane = np.zeros(shape, np.float32)
        self._resting = np.zeros(shape, np.uint8)  # a bit for each step until a spike is possible

    def fire(self, drive: Float, noise: Float | None = None) -> npt.NDArray[np.bool_]:
        """Adaptation, then leaky integrate-and-fire with a refractory time; all (steps, ...)."""
        dt = 1 / ENVELOPE_HZ
        leak, step_gain = np.float32(np.exp(-dt / MEMBRANE_S)), np.float32(dt * GAIN)
        refill, depletion = np.float32(dt / RECOVERY_S), np.float32(DEPLETION)
        store, membrane, resting = self._store, self._membrane, self._resting
        used, change = np.empty_like(store), np.empty_like(store)
        spikes = np.empty(drive.shape, np.bool_)
        for t in range(len(drive)):
            np.multiply(drive[t], store, out=used)
            np.multiply(used, store, out=change)
            change *= depletion
            change += store
            np.subtract(1, change, out=change)
            change *= refill
            store += change
            membrane *= leak
            used *= step_gain
            membrane += used
            if noise is not None:
                membrane += noise[t]
            spike = np.greater_equal(membrane, 1, out=spikes[t])
            np.greater(spike.view(np.uint8), resting, out=spike)
            resting >>= 1
            np.copyto(membrane, 0, where=spike)
            np.copyto(resting, 1 << (REFRACTORY_STEPS - 1), where=spike)
        return spikes


def fire(drive: Float, noise: Float) -> npt.NDArray[np.bool_]:
    """Spikes of fibres at rest before the first step; all (steps, B, units)."""
    return Fibres(drive.shape[1:]).fire(drive, noise)
