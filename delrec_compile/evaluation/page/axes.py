"""Ticks of axes and the text of numbers."""

from __future__ import annotations

import math

from delrec_compile.evaluation.page.figures import Tick

STEPS = (1, 2, 2.5, 5, 10)
KB = 1024


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 2.5, 5 x 10^k that divides `span` into at most `most` parts."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(power * s for s in STEPS if span / (power * s) <= most + 1e-9)


def values(low: float, high: float, most: int = 5) -> list[float]:
    """Round values from low to high, at most `most` + 1 of them."""
    step = nice_step(high - low, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def linear(
    low: float, high: float, most: int = 5, *, up: bool = False, whole: bool = False
) -> tuple[Tick, ...]:
    """Ticks of a linear axis. up: whether it grows upwards, so that percent are of the top. whole:
    whether its values are integers."""
    span = high - low or 1.0
    shown = [v for v in values(low, high, most) if not whole or v == int(v)]
    at = [(v - low) / span for v in shown]
    texts = [short(v) for v in shown]
    return tuple(
        Tick(round(100 * (1 - a if up else a), 3), t) for a, t in zip(at, texts, strict=True)
    )


def time_ticks(steps: int, dt_ms: float, most: int = 6) -> tuple[Tick, ...]:
    """Ticks in ms of an axis of `steps` steps, each as wide as another."""
    whole = steps * dt_ms
    return tuple(Tick(round(100 * v / whole, 3), short(v)) for v in values(0, whole, most))


class Log:
    """A logarithmic axis of whole decades around positive values."""

    def __init__(self, numbers: list[float]) -> None:
        positive = [n for n in numbers if n > 0] or [1.0]
        self.low = math.floor(math.log10(min(positive)))
        self.high = max(math.ceil(math.log10(max(positive))), self.low + 1)

    def at(self, value: float) -> float:
        """Percent of the axis, within it."""
        share = (math.log10(max(value, 1e-300)) - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def ticks(self, most: int = 7) -> tuple[Tick, ...]:
        """A tick at each decade, or at every second or third where there are many."""
        every = math.ceil((self.high - self.low + 1) / most)
        decades = range(self.low, self.high + 1, every)
        return tuple(Tick(self.at(10.0**k), short(10.0**k)) for k in decades)


def short(value: float) -> str:
    """A number of an axis: no more digits than it has."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 and value % 1e5 == 0:
        return f"{value / 1e6:g}M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    if count < KB:
        return f"{count:,.0f} B"
    if count < KB * KB:
        return f"{count / KB:,.1f} KB"
    return f"{count / KB / KB:,.2f} MB"


def time(us: float) -> str:
    """Microseconds in the unit that suits them."""
    if us < 1:
        return f"{us * 1000:,.0f} ns"
    return f"{us:,.3g} µs" if us < 1000 else f"{us / 1000:,.3g} ms"
