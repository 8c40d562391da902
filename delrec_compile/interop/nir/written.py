"""Neurons and readouts as NIR nodes.

A leak is that of Euler's method: tau = dt / (1 - beta), R = gain / (1 - beta). NIR's neurons fire above
their threshold: a neuron that fires at its threshold gets the number just below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Lif, Neuron, Readout, SynapticReadout
from delrec_compile.ops.cuba_lif import CubaLif

Shape = tuple[int, ...]


class NeuronWriter:
    """nir: the package. dt: a step in seconds."""

    def __init__(self, nir: Any, dt: float) -> None:
        self.nir, self.dt = nir, dt

    def neuron(self, name: str, neuron: Neuron, shape: Shape) -> Any:
        """The node. Raises UnsupportedError, with the name, for what NIR has no node for."""
        if not isinstance(neuron, Lif | CubaLif) or getattr(neuron, "is_refractory", False):
            what = "a refractory period" if isinstance(neuron, Lif) else neuron.kind
            raise UnsupportedError(
                f"{name}: NIR has no neurons with {what}; allowed: lif, cuba_lif"
            )
        if neuron.reset != "hard":
            raise UnsupportedError(
                f"{name}: resets '{neuron.reset}'; NIR's neurons only reset to a value"
            )
        level = np.float32(neuron.threshold)
        if neuron.fires == "at":
            level = np.nextafter(level, np.float32(-np.inf))
        own = {"v_threshold": _full(level, shape), "v_reset": _full(neuron.v_reset, shape)}
        beta, gain = _full(neuron.beta, shape), _full(neuron.gain, shape)
        if isinstance(neuron, CubaLif):
            return self._with_current(name, neuron, beta, gain, own)
        if (beta == 1).all():
            return self.nir.IF(r=gain / self.dt, **own)
        if (beta == 1).any():
            raise UnsupportedError(f"{name}: some neurons leak and some do not; NIR needs one kind")
        tau, r = self.dt / (1 - beta), gain / (1 - beta)
        return self.nir.LIF(tau=tau, r=r, v_leak=np.zeros(shape), **own)

    def _with_current(
        self, name: str, neuron: CubaLif, beta: F64, gain: F64, own: dict[str, F64]
    ) -> Any:
        alpha, gain_i = _full(neuron.alpha, beta.shape), _full(neuron.gain_i, beta.shape)
        if neuron.enters != "new":
            raise UnsupportedError(
                f"{name}: the old synaptic current enters the membrane, in NIR the new one does"
            )
        if (beta == 1).any() or (alpha == 1).any():
            raise UnsupportedError(f"{name}: cuba_lif without a leak; NIR's CubaLIF has two")
        return self.nir.CubaLIF(
            tau_syn=self.dt / (1 - alpha),
            tau_mem=self.dt / (1 - beta),
            r=gain / (1 - beta),
            v_leak=np.zeros(beta.shape),
            w_in=gain_i / (1 - alpha),
            **own,
        )

    def readout(self, name: str, readout: Readout, shape: Shape) -> Any:
        """The node; None for a readout without a membrane. Raises UnsupportedError."""
        if not readout.has_membrane:
            return None
        if readout.bias_on_output and readout.bias.any():
            raise UnsupportedError(f"{name}: counts with a bias have no node in NIR")
        if isinstance(readout, SynapticReadout):
            return self._with_two(name, readout, shape)
        beta = _full(readout.beta, shape)
        if (beta == 1).all():
            return self.nir.I(r=_full(1 / self.dt, shape))
        if (beta == 1).any():
            raise UnsupportedError(f"{name}: some outputs leak and some do not; NIR needs one kind")
        return self.nir.LI(tau=self.dt / (1 - beta), r=1 / (1 - beta), v_leak=np.zeros(shape))

    def _with_two(self, name: str, readout: SynapticReadout, shape: Shape) -> Any:
        leaks = np.all(np.asarray(readout.alpha) < 1) and np.all(np.asarray(readout.beta) < 1)
        if readout.enters != "new" or not leaks:
            raise UnsupportedError(
                f"{name}: a readout that takes its old synaptic current, or without a leak; CubaLI "
                "of NIR takes the new one, and has two leaks"
            )
        fall, leak = 1 - readout.alpha, 1 - readout.beta
        own = {
            "tau_syn": self.dt / fall,
            "w_in": 1 / fall,
            "tau_mem": self.dt / leak,
            "r": 1 / leak,
        }
        full = {key: _full(value, shape) for key, value in own.items()}
        return self.nir.CubaLI(**full, v_leak=np.zeros(shape))


def _full(value: Any, shape: Shape) -> F64:
    """float64 array of this shape from a number, or from one for each neuron."""
    array = np.asarray(value, np.float64)
    return np.full(shape, float(array)) if array.ndim == 0 else array.reshape(shape).copy()
