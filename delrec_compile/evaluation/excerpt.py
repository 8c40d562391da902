"""The part of the samples that an emulator runs: what lasts a minute or so, with spikes in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events
from delrec_compile.data.samples import BATCH
from delrec_compile.evaluation.verdict import Parity
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.runners.emulated.pace import Paced
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner

SECONDS = 60.0  # of a check in an emulator that no option limits
LEAST = 20  # steps of a sample, however slow they are
TIMED = 8  # steps that show how slow they are


@dataclass(frozen=True)
class Excerpt:
    """Samples that run. start: number of their first among all. remark: what is left out."""

    samples: Events
    start: int = 0
    remark: str = ""

    def told(self, parity: Parity) -> Parity:
        """The parity of the excerpt, its sequence by its number among all samples, and the remark."""
        at = parity.first
        if at is not None:
            at = replace(at, sequence=at.sequence + self.start)
        return replace(parity, first=at, remark=self.remark)


def excerpt(
    network: Network | IntegerNetwork,
    runner: Runner,
    samples: Events,
    *,
    whole: bool = False,
    counted: bool = True,
) -> Excerpt:
    """The samples, or where `runner` is an emulator those that it runs in about SECONDS.

    They are whole samples, else the first steps of one, LEAST or more; the first of them is one in
    which a neuron of the reference fires, and it lasts until one has. whole: nothing is left out.
    counted: instructions are counted, of as many steps as half of the time allows.
    """
    if not isinstance(runner, Paced):
        return Excerpt(samples)
    sequences, steps = len(samples), samples.steps
    if not counted:
        runner.every = steps
    if whole:
        return Excerpt(samples)
    pace = runner.pace(_busiest(samples))
    if not counted:
        pace = replace(pace, counting=0.0)
    fitting, every = pace.plan(sequences * steps, SECONDS, min(LEAST, steps))
    if counted:
        runner.every = every
    if fitting == sequences * steps:
        return Excerpt(samples)
    start, fires = _first_firing(network, samples)
    n, cut = max(1, fitting // steps), min(steps, max(fitting, fires))
    start = min(start, sequences - n)
    part = samples.take(range(start, start + n))
    if cut < steps:  # a class after so few steps is no prediction
        part = replace(part, counts=part.counts[:, :cut], labels=None)
    return Excerpt(part, start, _remark(samples, n, cut))


def _busiest(samples: Events) -> F32:
    """The TIMED steps with the most input in one of the first samples: (T, 1, inputs)."""
    busy = np.abs(samples.counts[:BATCH]).sum(axis=2, dtype=np.float64)
    n = min(TIMED, samples.steps)
    total = np.pad(np.cumsum(busy, axis=1), ((0, 0), (1, 0)))
    windows = total[:, n:] - total[:, :-n]
    sample, at = np.unravel_index(int(windows.argmax()), windows.shape)
    return np.ascontiguousarray(samples.counts[sample, at : at + n, None], np.float32)


def _first_firing(network: Network | IntegerNetwork, samples: Events) -> tuple[int, int]:
    """The first sample in which a neuron fires, and the steps until then; (0, 0) where none does."""
    reference = ReferenceRunner(network)
    for number, counts in enumerate(samples.counts):
        spikes = reference.trace(np.ascontiguousarray(counts[:, None], np.float32)).spikes
        fired = np.any([s.any(axis=(1, 2)) for s in spikes], axis=0)
        if fired.any():
            return number, int(fired.argmax()) + 1
    return 0, 0


def _remark(samples: Events, sequences: int, steps: int) -> str:
    """A line on what ran."""
    cut = f", the first {steps} of {samples.steps} steps" if steps < samples.steps else ""
    return (
        f"{sequences} of {len(samples)} samples{cut}: what an emulator runs in about a minute; "
        f"--limit {len(samples)} runs all"
    )
