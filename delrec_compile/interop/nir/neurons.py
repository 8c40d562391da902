"""Neuron nodes of a NIR graph in steps: their differential equations discretised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.graph import kind
from delrec_compile.interop.nir.nodes import Shape, node_constant
from delrec_compile.interop.parts import Integrator, lif_of, neuron_of
from delrec_compile.network.model import Neuron
from delrec_compile.ops.cuba_lif import CubaLif

Constants = Callable[[str], F64]  # constants of a node by name


class NeuronReader:
    """dt: length of a step. method: `euler`, beta = 1 - dt/tau, or `exact`, beta = exp(-dt/tau)."""

    def __init__(self, dt: float, method: str) -> None:
        self.dt, self.method = dt, method

    def neuron(self, name: str, node: Any, shape: Shape, fires: str | None = None) -> Neuron:
        """The neurons: they fire above the threshold, and reset to a value.

        fires: `at` for those that fired at the next larger number before they were written.
        """
        what, of = kind(node), _constants(name, node, shape)
        size = int(np.prod(shape))
        if what == "Threshold":
            return lif_of(
                size,
                name,
                beta=0.0,
                fires=fires or "above",
                threshold=_level(of("threshold"), fires),
            )
        threshold, reset = of("v_threshold"), of("v_reset")
        if what == "IF":
            beta, gain = np.ones(1), of("r") * self.dt
        else:
            beta, gain = self.leak(name, of("tau" if what == "LIF" else "tau_mem"), of("r"))
            rest = of("v_leak")  # membranes are counted from it
            threshold, reset = threshold - rest, reset - rest
        own = {"beta": beta, "threshold": _level(threshold, fires), "v_reset": reset}
        if what != "CubaLIF":
            return lif_of(size, name, gain=gain, fires=fires or "above", **own)
        if self.method == "euler" and np.allclose(of("tau_syn"), self.dt, rtol=1e-6):
            return lif_of(size, name, gain=gain * of("w_in"), fires=fires or "above", **own)
        alpha, gain_i = self.leak(name, of("tau_syn"), of("w_in"), "tau_syn")
        own |= {"alpha": alpha, "gain_i": gain_i, "gain": gain}
        return neuron_of(CubaLif, size, name, fires=fires or "above", **own)

    def leak(self, name: str, tau: F64, r: F64, what: str = "tau") -> tuple[F64, F64]:
        """beta and gain of a step of tau dv/dt = -v + R I. Raises UnsupportedError."""
        if not (tau > 0).all():
            raise UnsupportedError(
                f"{name}: {what} is {tau.min():g}; positive numbers are required"
            )
        ratio = self.dt / tau
        if self.method == "euler" and ratio.max() > 1 + 1e-6:
            raise UnsupportedError(
                f"{name}: {what} is {tau.min():g}, shorter than a step of {self.dt:g}; take shorter "
                "steps (--dt-ms), or --method exact"
            )
        beta = np.maximum(1 - ratio, 0) if self.method == "euler" else np.exp(-ratio)
        return beta, (ratio if self.method == "euler" else -np.expm1(-ratio)) * r

    def integrator(self, name: str, node: Any, shape: Shape) -> Integrator:
        """Neurons that never fire, which are a readout. Raises UnsupportedError."""
        what, of = kind(node), _constants(name, node, shape)
        alpha: Any = None
        if what == "I":
            beta, gain = np.ones(1), of("r") * self.dt
        else:
            beta, gain = self.leak(name, of("tau" if what == "LI" else "tau_mem"), of("r"))
            if what == "CubaLI":
                alpha, gain_i = self.leak(name, of("tau_syn"), of("w_in"), "tau_syn")
                gain = gain * gain_i
            if np.any(of("v_leak")):
                raise UnsupportedError(f"{name}: v_leak of an output must be 0")
        constants = (beta, gain, np.zeros(1) if alpha is None else alpha)
        if any((own != own.flat[0]).any() for own in constants):
            raise UnsupportedError(
                f"{name}: outputs with different constants; one tau and one r are required"
            )
        share, factor, left = (float(own.flat[0]) for own in constants)
        return Integrator(share, factor, left or None)


def _constants(name: str, node: Any, shape: Shape) -> Constants:
    return lambda key: node_constant(name, node, key, shape)


def _level(threshold: F64, fires: str | None) -> F64:
    """The threshold; of neurons that fire at it, the float32 number after what was written."""
    if fires != "at":
        return threshold
    return np.asarray(np.nextafter(threshold.astype(np.float32), np.float32(np.inf)), np.float64)
