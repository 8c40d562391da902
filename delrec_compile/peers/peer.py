"""What every engine of the benchmark is: take inputs, run them, show the outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import UnsupportedError
from delrec_compile.integer import IntegerNetwork
from delrec_compile.network import ConvDelay, DenseDelay, Network, Recurrence

F32 = NDArray[np.float32]
FORMS = ("step", "sequence", "batch")


@dataclass(frozen=True)
class Workload:
    """What is run: `steps` steps of `batch` streams, all from a fresh state.

    form: `step`, the inputs come one step at a time, so nothing may be computed over time;
    `sequence` and `batch`, all steps are there at the start.
    """

    form: str
    batch: int
    steps: int

    @property
    def hoists(self) -> bool:
        return self.form != "step"


class Peer:
    """An engine with a network loaded, in one of its forms.

    `take` brings the inputs into the engine's own layout; it is not timed. `run` starts from a fresh
    state and computes every step; it is what is timed. network, whole: what it computes, where that
    is not the network of the benchmark.
    """

    name = ""
    form = ""
    network: Network | None = None
    whole: IntegerNetwork | None = None

    def take(self, x: F32) -> None:
        """x: (T, batch, inputs)."""
        raise NotImplementedError

    def run(self) -> None:
        raise NotImplementedError

    def read(self) -> F32:
        """Outputs of the last run: (T, batch, outputs)."""
        raise NotImplementedError

    def outputs(self, x: F32) -> F32:
        """x: (T, batch, inputs) -> (T, batch, outputs)."""
        self.take(x)
        self.run()
        return self.read()


def known(recurrence: Recurrence) -> None:
    """Raises UnsupportedError for a recurrence that has no form written for the engines here."""
    if not isinstance(recurrence, ConvDelay | DenseDelay):
        raise UnsupportedError(f"no form of this engine is written for '{recurrence.kind}'")


def written(network: Network) -> bool:
    """Whether every recurrence has a form written for the engines here."""
    try:
        for _, r in network.recurrences():
            known(r)
    except UnsupportedError:
        return False
    return True


def recurrent_weight(recurrence: Recurrence) -> F32:
    """The kernel (K,) or the matrix (N, N)."""
    known(recurrence)
    return next(iter(recurrence.weights.values()))


def leak_over_time(beta: float, steps: int) -> F32:
    """(T, T): row t holds beta ** (t - s), the readout's membrane as one product over time."""
    age = np.arange(steps)[:, None] - np.arange(steps)
    with np.errstate(under="ignore"):
        kept = np.where(age >= 0, np.power(float(beta), np.maximum(age, 0)), 0.0)
    kept[kept < np.finfo(np.float32).tiny] = 0.0  # denormals are slow, and add nothing
    return kept.astype(np.float32)
