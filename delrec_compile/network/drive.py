"""Random samples at which a network fires: a density is searched with the reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data.events import Events
from delrec_compile.data.generated import DENSITY, SAMPLES, STEPS, random_samples
from delrec_compile.network.classify import layer_spikes
from delrec_compile.network.model import Network

LOW, HIGH = 0.02, 0.10  # share of the hidden neurons that fire in a step
FAINT = 0.002  # of a layer: below it, it hardly fires
TINY = 1e-6  # stands for no spike, in logarithms
MOST = 0.5  # of the hidden neurons: up to here, inputs grow denser until every layer fires
GRID = (0.001, 0.003, 0.007, 0.015, 0.03, 0.06, DENSITY, 0.2, 0.35, 0.55, 0.75, 0.9, 0.99, 1.0)
REFINEMENTS = 5  # halvings between two neighbours of the grid
FEW, MANY_WEIGHTS = 2, 1 << 17  # samples of a trial of a network above this size
AFTER_DELAYS = 50  # steps after the longest delay


@dataclass(frozen=True)
class Drive:
    """Random samples, and how a network fires on them.

    density: share of the inputs that are active in a step. rates: share of the neurons of each
    population that fire in a step. rate: the same of all hidden neurons.
    """

    samples: Events
    density: float
    seed: int
    rates: tuple[float, ...]
    rate: float

    @property
    def fires(self) -> bool:
        """Whether any neuron fires."""
        return self.rate > 0

    @property
    def silent_layers(self) -> tuple[int, ...]:
        """Layers in which no neuron fires."""
        return tuple(i for i, rate in enumerate(self.rates) if rate == 0)

    def __str__(self) -> str:
        n, steps = self.samples.counts.shape[:2]
        plural = "" if n == 1 else "s"
        return (
            f"{n} random sample{plural} of {steps} steps, density {self.density:.3g}, "
            f"seed {self.seed}"
        )


def drive(
    network: Network,
    *,
    density: float | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
    steps: int | None = None,
) -> Drive:
    """Random samples on which 2 to 10 % of the hidden neurons fire, and every layer if one can.

    density: kept if it is given; else searched with the reference. steps: by default 100, or more
    where delays are long. Equal arguments give equal samples. `fires` is False where no density makes
    the network fire. Raises UsageError.
    """
    options: dict[str, Any] = {
        "samples": samples,
        "steps": steps or max(STEPS, network.max_delay + AFTER_DELAYS),
        "seed": seed,
        "max_input": network.max_input,
        "dt_ms": network.dt_ms,
        "real": network.real_input is not None,
    }

    def trial(density: float, count: int = samples) -> Drive:
        drawn = random_samples(network.inputs, density=density, **options)
        rates, rate = firing_rates(network, drawn.counts[:count])
        return Drive(drawn, density, seed, rates, rate)

    if density is not None:
        return trial(density)
    count = samples if network.parameters() < MANY_WEIGHTS else FEW
    return trial(_search(lambda d: trial(d, count)))


def _search(trial: Callable[[float], Drive]) -> float:
    """The density whose trial is best: along the grid from DENSITY, then between two of its values."""
    tried: list[Drive] = []
    below = above = None  # indices of neighbours: too few spikes, too many
    at = GRID.index(DENSITY)
    while 0 <= at < len(GRID) and (below is None or above is None):
        tried.append(trial(GRID[at]))
        if _good(tried[-1]):
            return GRID[at]
        if _wants_more(tried[-1]):
            below, at = at, at + 1
        else:
            above, at = at, at - 1
    if below is not None and above is not None:
        low, high = GRID[below], GRID[above]
        for _ in range(REFINEMENTS):
            middle = float(f"{math.sqrt(low * high):.3g}")
            tried.append(trial(middle))
            if _good(tried[-1]):
                break
            low, high = (middle, high) if _wants_more(tried[-1]) else (low, middle)
    return max(tried, key=_score).density


def _good(drive: Drive) -> bool:
    return LOW <= drive.rate <= HIGH and min(drive.rates) >= FAINT


def _wants_more(drive: Drive) -> bool:
    return drive.rate < LOW or (min(drive.rates) < FAINT and drive.rate <= MOST)


def _score(drive: Drive) -> tuple[int, bool, float]:
    """Layers that fire first, then the share of all neurons, then that of each layer."""
    firing = sum(rate >= FAINT for rate in drive.rates)
    off = sum(abs(math.log(max(rate, TINY) / np.clip(rate, LOW, HIGH))) for rate in drive.rates)
    return firing, LOW <= drive.rate <= HIGH, -off


def firing_rates(network: Network, counts: npt.NDArray[Any]) -> tuple[tuple[float, ...], float]:
    """Share of the neurons that fire in a step: of each population, and of all.

    counts: (n, steps, inputs).
    """
    rates = tuple(float(spikes.mean()) for spikes in layer_spikes(network, counts))
    sizes = [p.size for p in network.spiking]
    return rates, float(np.average(rates, weights=sizes))
