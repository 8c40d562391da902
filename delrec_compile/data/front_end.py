"""The front end for microcontrollers: sound in, spikes out, in whole numbers from end to end.

A block of PCM and a state -> counts of spikes for one time step of a network. Per channel, per sample n
of PCM x (int16), all `>>` of negative numbers rounding down:

    d[n] = (x[n] - x[n-2]) << FRACTION                        zeros at 0 Hz and at half the rate
    u[n] = (b d[n] + a1 u[n-1] - a2 u[n-2] + half) >> Q       two all-pole resonators of the channel's
    v[n] = (c u[n] + a1 v[n-1] - a2 v[n-2] + half) >> Q       frequency, of gain 1 there: an all-pole
                                                              gammatone of order 2 (Lyon 1997)
    e    = e + (max(v[n], 0) >> E)                            half-wave rectified, summed over 1 ms

and per millisecond, from its e:

    l = log2(e + 2^FLOOR) - FLOOR, straight between powers of 2, in units of 2^-LOG
    w = l (1 - p)                                             what the depletion p leaves of it
    p = p + (DEPLETES w (1 - p) - p) / 50                     back to 0 in 50 ms; p in units of 2^-15
    m = m - (m >> LEAK) + w                                   leaky membrane
    if m >= THRESHOLD: a spike, m = min(m - THRESHOLD, THRESHOLD)

Products are of 32 x 32 bits, their sums of 64, everything that is kept of 32. `FrontEnd.bounds` has the
largest size that each filter's state can reach for any PCM: below 2^31.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.errors import DataError
from delrec_compile.system.fields import parse_json

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint8]
State = dict[str, I32]

RATE_HZ = 16_000
FRAME = 16  # samples of a millisecond
Q = 28  # bits after the point of the coefficients
HALF = 1 << (Q - 1)
FRACTION = 14  # bits after the point of a filter's state
E = 8  # bits that the envelope drops
FLOOR = 14
LOG = 10
DEPLETES = 13  # 0.41 per octave: of units of 2^-LOG to those of 2^-15
RECOVERY = 655  # 2^15 / 50 ms
LEAK = 2
ONE = 1 << 15
LARGEST = 2.0**31
KIND = "cochlea"

# members of the state of a stream, in order: (values, dtype), None for one of each channel
STATE: dict[str, int | None] = {
    "samples": 2,  # x[n-1], x[n-2]
    **dict.fromkeys(("u1", "u2", "v1", "v2", "depleted", "membrane")),
}


@dataclass(frozen=True)
class FrontEnd:
    """Its parameters. Raises DataError.

    channels: filters, at frequencies evenly spaced on the ERB-rate scale (Glasberg & Moore 1990) from
    highest_hz, channel 0, to lowest_hz. width: of their bands, in ERB. threshold: of the membrane, in
    units of 2^-LOG octaves. step_ms: length of a block.
    """

    channels: int = 64
    lowest_hz: float = 100.0
    highest_hz: float = 7_000.0
    width: float = 1.0
    threshold: int = 6_144
    step_ms: int = 10

    def __post_init__(self) -> None:
        for name, low, high in (
            ("channels", 1, 1_024),
            ("lowest_hz", 50, self.highest_hz),
            ("highest_hz", self.lowest_hz, 7_500),
            ("width", 0.25, 4),
            ("threshold", 1, 1 << 24),
            ("step_ms", 1, 255),
        ):
            if not low <= getattr(self, name) <= high:
                raise DataError(
                    f"front end: {name} is {getattr(self, name):g}; allowed: {low:g} to {high:g}"
                )

    @classmethod
    def parse(cls, text: str) -> FrontEnd:
        """The front end that a JSON text describes. Raises DataError."""
        try:
            return cls.from_json(parse_json(text))
        except ValueError as error:
            raise DataError(f"front end: its description is no JSON ({error})") from error

    @classmethod
    def from_json(cls, data: Any) -> FrontEnd:
        """The front end that `to_json` described. Raises DataError."""
        known = {f.name: type(f.default) for f in fields(cls)}
        if not isinstance(data, Mapping) or data.get("kind") != KIND:
            raise DataError(f"front end: a description of kind '{KIND}' is required")
        own = {name: value for name, value in data.items() if name != "kind"}
        for name, value in own.items():
            if name not in known or not isinstance(value, known[name] | int):
                raise DataError(
                    f"front end: '{name}' is {value!r}; numbers are allowed for: {', '.join(known)}"
                )
        return cls(**own)

    @property
    def block(self) -> int:
        """Samples of a step."""
        return self.step_ms * FRAME

    @property
    def stack(self) -> int:
        """Bytes of the arrays of the compiled step: the changes of a block."""
        return -(-self.block * 4 // 64) * 64

    @property
    def products(self) -> int:
        """Multiply-accumulates of a step: three in each of two filters, and three per millisecond."""
        return self.channels * self.step_ms * (6 * FRAME + 3)

    @cached_property
    def centres(self) -> npt.NDArray[np.float64]:
        """(channels,) Hz."""
        lowest, highest = (
            21.4 * np.log10(4.37e-3 * f + 1) for f in (self.lowest_hz, self.highest_hz)
        )
        erb_rate = np.linspace(highest, lowest, self.channels)
        return np.asarray((10 ** (erb_rate / 21.4) - 1) / 4.37e-3, np.float64)

    @cached_property
    def coefficients(self) -> dict[str, I32]:
        """b, c, a1, a2: (channels,) in units of 2^-Q."""
        # a gammatone of order 2 has an equivalent rectangular bandwidth of pi/2 times its own
        bandwidth = 24.7 * (4.37e-3 * self.centres + 1) * self.width * 2 / np.pi
        radius = np.exp(-2 * np.pi * bandwidth / RATE_HZ)
        angle = 2 * np.pi * self.centres / RATE_HZ
        a1, a2, z = 2 * radius * np.cos(angle), radius**2, np.exp(-1j * angle)
        c = np.abs(1 - a1 * z + a2 * z**2)
        values = {"b": c / np.abs(1 - z**2), "c": c, "a1": a1, "a2": a2}
        return {name: np.rint(v * 2.0**Q).astype(np.int32) for name, v in values.items()}

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Largest sizes of u and of v that any PCM can cause, over all channels, roundings included.

        A linear filter's output is at most its input's size times the sum of its impulse response's.
        """
        from scipy.signal import lfilter

        slowest = np.sqrt(self.coefficients["a2"].max() / 2.0**Q)
        rung_out = int(-45 / np.log(slowest))  # steps: to 2^-64
        impulse, most = np.eye(1, rung_out)[0], 32_768.0 * 2**FRACTION
        sizes = []
        for b, c, a1, a2 in zip(*(v / 2.0**Q for v in self.coefficients.values()), strict=True):
            poles = [1.0, -a1, a2]
            first = lfilter([1.0], poles, impulse)
            u_sound, u_rounding = lfilter([b, 0.0, -b], poles, impulse), 0.5 * _size(first)
            v_rounding = 0.5 * _size(lfilter([c], poles, first)) + u_rounding
            v_sound = lfilter([c], poles, u_sound)
            sizes.append((_size(u_sound) * most + u_rounding, _size(v_sound) * most + v_rounding))
        u, v = np.max(sizes, axis=0).tolist()
        return u, v

    def check(self) -> FrontEnd:
        """The front end itself. Raises DataError where PCM can overflow a filter."""
        if max(self.bounds) >= LARGEST:
            raise DataError(
                f"front end: its filters reach {max(self.bounds):.3g}, over the 2^31 of their state; "
                "a larger width or fewer low frequencies are required"
            )
        return self

    def fresh(self, streams: int = 1) -> State:
        """The state before the first sample: zeros (streams, values) int32."""
        sizes = {name: self.channels if of is None else of for name, of in STATE.items()}
        return {name: np.zeros((streams, size), np.int32) for name, size in sizes.items()}

    def step(self, state: State, pcm: I16) -> Counts:
        """One block (streams, block) -> counts (streams, channels); the state is overwritten."""
        b, c, a1, a2 = (v.astype(np.int64) for v in self.coefficients.values())
        u1, u2, v1, v2 = (state[name].astype(np.int64) for name in ("u1", "u2", "v1", "v2"))
        x = np.concatenate([state["samples"][:, ::-1], pcm], axis=1).astype(np.int64)
        d = (x[:, 2:] - x[:, :-2]) << FRACTION
        counts = np.zeros(u1.shape, np.uint8)
        for frame in np.split(d, self.step_ms, axis=1):
            e = np.zeros_like(u1)
            for now in frame.T[:, :, None]:
                u1, u2 = (b * now + a1 * u1 - a2 * u2 + HALF) >> Q, u1
                v1, v2 = (c * u1 + a1 * v1 - a2 * v2 + HALF) >> Q, v1
                e += np.maximum(v1, 0) >> E
            counts += self._fire(state, e)
        kept = {"samples": x[:, :-3:-1], "u1": u1, "u2": u2, "v1": v1, "v2": v2}
        for name, values in kept.items():
            state[name][...] = values
        return counts

    def _fire(self, state: State, e: I64) -> npt.NDArray[np.bool_]:
        """Spikes of a millisecond with envelope e: (streams, channels)."""
        p, m = (state[name].astype(np.int64) for name in ("depleted", "membrane"))
        left = ONE - p
        w = (loudness(e) * left) >> 15
        p += ((DEPLETES * ((w * left) >> 15) - p) * RECOVERY) >> 15
        m += w - (m >> LEAK)
        spikes = m >= self.threshold
        m = np.where(spikes, np.minimum(m - self.threshold, self.threshold), m)
        state["depleted"][...], state["membrane"][...] = p, m
        return spikes

    def encode(self, pcm: I16) -> Counts:
        """Utterances (n, samples), each from a fresh start -> counts (n, steps, channels).

        Samples after the last whole step are left out.
        """
        state, steps = self.fresh(len(pcm)), pcm.shape[1] // self.block
        blocks = (pcm[:, t * self.block :][:, : self.block] for t in range(steps))
        counts = [self.step(state, block) for block in blocks]
        return (
            np.stack(counts, axis=1) if counts else np.zeros((len(pcm), 0, self.channels), np.uint8)
        )

    def to_json(self) -> dict[str, Any]:
        """The object that a network's file holds."""
        return {"kind": KIND, **asdict(self)}


def to_pcm(waves: npt.NDArray[np.float32]) -> I16:
    """Samples in -1..1 as int16, clipped."""
    return np.clip(np.rint(waves * ONE), -ONE, ONE - 1).astype(np.int16)


def _size(response: npt.NDArray[np.float64]) -> float:
    return float(np.abs(response).sum())


def loudness(e: I64) -> I64:
    """log2(e + 2^FLOOR) - FLOOR in units of 2^-LOG, straight between powers of 2."""
    v, octaves = e + (1 << FLOOR), np.zeros_like(e)
    for bits in (8, 4, 2, 1):
        above = v >= 1 << (FLOOR + bits)
        v, octaves = np.where(above, v >> bits, v), octaves + bits * above
    return (octaves << LOG) + ((v - (1 << FLOOR)) >> (FLOOR - LOG))
