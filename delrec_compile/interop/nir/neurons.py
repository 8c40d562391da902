"""Neuron nodes of a NIR graph in steps: their differential equations discretised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.graph import kind
from delrec_compile.interop.nir.nodes import Shape, array, node_constant
from delrec_compile.interop.parts import Integrator, lif_of, neuron_of
from delrec_compile.network.model import Neuron
from delrec_compile.ops.cuba_lif import CubaLif

Constants = Callable[[str], F64]  # constants of a node by name
Filter = tuple[F64, F64]  # alpha, gain


class NeuronReader:
    """dt: length of a step. method: `euler`, beta = 1 - dt/tau, or `exact`, beta = exp(-dt/tau)."""

    def __init__(self, dt: float, method: str) -> None:
        self.dt, self.method = dt, method

    def neuron(
        self,
        name: str,
        node: Any,
        shape: Shape,
        fires: str | None = None,
        current: Filter | None = None,
    ) -> Neuron:
        """The neurons: they fire above the threshold, and reset to a value.

        fires: `at` for those that fired at the next larger number before they were written. current:
        alpha and gain of an integrator before them.
        """
        what, of = kind(node), _constants(name, node, shape)
        size = int(np.prod(shape))
        threshold: F64
        if what == "Threshold":
            threshold, beta, gain = of("threshold"), np.zeros(1), np.ones(1)
            reset = np.minimum(threshold - 1, 0)  # of no membrane
        else:
            threshold, reset = of("v_threshold"), of("v_reset")
            beta, gain, rest = self._membrane(name, what, of)
            threshold, reset = threshold - rest, reset - rest  # membranes are counted from it
        own: dict[str, Any] = {"beta": beta, "threshold": _level(threshold, fires)}
        own |= {"v_reset": reset, "gain": gain, "fires": fires or "above"}
        if what == "CubaLIF" and self._without_memory(of):
            own["gain"] = gain * of("w_in")
        elif what == "CubaLIF":
            current = self.leak(name, of("tau_syn"), of("w_in"), "tau_syn")
        if current is None:
            return lif_of(size, name, **own)
        alpha, gain_i = current
        return neuron_of(CubaLif, size, name, alpha=alpha, gain_i=gain_i, **own)

    def _membrane(self, name: str, what: str, of: Constants) -> tuple[F64, F64, F64]:
        """beta, gain and rest of a neuron with a membrane."""
        if what in ("IF", "I"):
            return np.ones(1), of("r") * self.dt, np.zeros(1)
        return *self.leak(name, of("tau_mem" if what.startswith("Cuba") else "tau"), of("r")), of(
            "v_leak"
        )

    def _without_memory(self, of: Constants) -> bool:
        """Whether a synaptic current is gone after a step."""
        return self.method == "euler" and np.allclose(of("tau_syn"), self.dt, rtol=1e-6)

    def filter(self, name: str, node: Any, shape: Shape) -> Filter:
        """alpha and gain of an integrator before neurons of this shape. Raises UnsupportedError."""

        def of(key: str) -> F64:
            own = array(getattr(node, key)).ravel()
            return own[:1] if (own == own[0]).all() else node_constant(name, node, key, shape)

        if kind(node) == "I":
            return np.ones(1), of("r") * self.dt
        return self.leak(name, of("tau"), of("r"))

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

    def integrator(
        self, name: str, node: Any, shape: Shape, current: Filter | None = None
    ) -> Integrator:
        """Neurons that never fire, which are a readout. Raises UnsupportedError.

        current: alpha and gain of an integrator before them.
        """
        what, of = kind(node), _constants(name, node, shape)
        beta, gain, rest = self._membrane(name, what, of)
        if np.any(rest):
            raise UnsupportedError(f"{name}: v_leak of an output must be 0")
        if what == "CubaLI":
            current = self.leak(name, of("tau_syn"), of("w_in"), "tau_syn")
        alpha, gain_i = (None, np.ones(1)) if current is None else current
        left = None if alpha is None or not np.any(alpha) else _one_of(alpha)
        return Integrator(_one_of(beta), _one_of(gain * gain_i), left)


def _one_of(values: F64) -> Any:
    """One number where all are the same."""
    return float(values.flat[0]) if (values == values.flat[0]).all() else values


def _constants(name: str, node: Any, shape: Shape) -> Constants:
    return lambda key: node_constant(name, node, key, shape)


def _level(threshold: F64, fires: str | None) -> F64:
    """The threshold; of neurons that fire at it, the float32 number after what was written."""
    if fires != "at":
        return threshold
    return np.asarray(np.nextafter(threshold.astype(np.float32), np.float32(np.inf)), np.float64)
