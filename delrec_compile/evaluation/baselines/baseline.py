"""The interface of every engine in the benchmark: take inputs, run them, show the outputs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import ConvDelay, DenseDelay, Lif, Network, Synapses
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import CONSTANTS

FORMS = ("step", "sequence", "batch")


@dataclass(frozen=True)
class Workload:
    """The work of a run: `steps` steps of `batch` streams, all from a fresh state.

    form: `step`, the inputs come one step at a time, so nothing may be computed over time;
    `sequence` and `batch`, all steps are there at the start.
    """

    form: str
    batch: int
    steps: int

    @property
    def hoists(self) -> bool:
        return self.form != "step"


class Baseline(ABC):
    """An engine with a network loaded, in one of its forms.

    `take` brings the inputs into the engine's own layout; it is not timed. `run` starts from a fresh
    state and computes every step; it is what is timed. network, integer_network: the one it
    computes, where that is not the network of the benchmark.
    """

    name = ""
    form = ""
    network: Network | None = None
    integer_network: IntegerNetwork | None = None

    @abstractmethod
    def take(self, x: F32) -> None:
        """x: (T, batch, inputs)."""

    @abstractmethod
    def run(self) -> None: ...

    @abstractmethod
    def read(self) -> F32:
        """Outputs of the last run: (T, batch, outputs)."""

    def outputs(self, x: F32) -> F32:
        """x: (T, batch, inputs) -> (T, batch, outputs)."""
        self.take(x)
        self.run()
        return self.read()

    def time_run(self) -> int:
        """Nanoseconds of this thread's CPU time that a run takes."""
        start = time.thread_time_ns()
        self.run()
        return time.thread_time_ns() - start

    def timed(self, samples: Sequence[F32]) -> int:
        """The same of a run on each of the samples, in their order."""
        spent = 0
        for x in samples:
            self.take(x)
            spent += self.time_run()
        return spent


class BasicLif(NamedTuple):
    """Constants of a neuron as the engines here have it."""

    beta: float
    threshold: float
    v_reset: float


def basic_lif(lif: Lif) -> BasicLif:
    """Raises UnsupportedError for a neuron that has no form written for the engines here."""
    numbers = [getattr(lif, name) for name in CONSTANTS]
    if not lif.is_default or lif.has_gain:
        raise UnsupportedError(
            "no form of this engine is written for neurons with a gain, a soft reset, a threshold "
            "to exceed or constants of their own"
        )
    return BasicLif(*(float(n) for n in numbers))


def delays(recurrence: Synapses) -> NDArray[np.int32]:
    """(N,). Raises UnsupportedError for a recurrence without a form written for the engines here."""
    one = isinstance(recurrence, ConvDelay | DenseDelay) and recurrence.line.heads == 1
    if not one or not isinstance(recurrence, ConvDelay | DenseDelay):
        heads = "with several heads" if isinstance(recurrence, ConvDelay) else ""
        what = f"'{recurrence.kind}' {heads}".strip()
        raise UnsupportedError(f"no form of this engine is written for {what}")
    return recurrence.delay


def require_supported(network: Network) -> None:
    """Raises UnsupportedError for what has no form written for the engines here."""
    if network.graph:
        raise UnsupportedError("no form of this engine is written for a graph of populations")
    if isinstance(network.readout.beta, np.ndarray):
        raise UnsupportedError("no form of this engine is written for outputs with a leak each")
    if not isinstance(network.readout, LeakyReadout):
        raise UnsupportedError(
            f"no form of this engine is written for a {network.readout.kind} readout"
        )
    for layer in network.layers:
        if layer.maps is not None:
            raise UnsupportedError("no form of this engine is written for a convolution of inputs")
        basic_lif(layer.lif)
        if layer.recurrence is not None:
            delays(layer.recurrence)


def is_supported(network: Network) -> bool:
    """Whether everything has a form written for the engines here."""
    try:
        require_supported(network)
    except UnsupportedError:
        return False
    return True


def recurrent_weight(recurrence: Synapses) -> F32:
    """The kernel (K,) or the matrix (N, N)."""
    delays(recurrence)
    return next(iter(recurrence.weights.values()))


def leak_over_time(beta: float, steps: int) -> F32:
    """(T, T): row t holds beta ** (t - s), the readout's membrane as one product over time."""
    age = np.arange(steps)[:, None] - np.arange(steps)
    with np.errstate(under="ignore"):
        kept = np.where(age >= 0, np.power(float(beta), np.maximum(age, 0)), 0.0)
    kept[kept < np.finfo(np.float32).tiny] = 0.0  # denormals are slow, and add nothing
    return kept.astype(np.float32)
