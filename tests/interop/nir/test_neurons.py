"""Neuron nodes in steps."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.nir_graphs import DT, cuba, lif

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.neurons import NeuronReader
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.lif import Lif


def test_a_synaptic_current_by_both_methods() -> None:
    made = NeuronReader(DT, "euler").neuron("c", cuba(3, 2 * DT, v_leak=-0.5), (3,))
    assert isinstance(made, CubaLif)
    assert (made.alpha, made.gain_i, made.beta, made.gain) == (0.5, 1.0, 0.75, 1.0)
    assert (made.threshold, made.v_reset, made.enters, made.fires) == (1.5, 0.5, "new", "above")
    exact = NeuronReader(DT, "exact").neuron("c", cuba(3, 2 * DT), (3,))
    assert isinstance(exact, CubaLif)
    assert (exact.alpha, exact.beta) == (np.float32(np.exp(-0.5)), np.float32(np.exp(-0.25)))
    assert exact.gain_i == np.float32(2 * (1 - np.exp(-0.5)))


def test_a_synaptic_current_of_one_step_is_none() -> None:
    made = NeuronReader(DT, "euler").neuron("c", cuba(3, DT), (3,))
    assert isinstance(made, Lif)
    assert made.gain == 2.0


def test_a_neuron_that_fired_at_its_threshold_does_so_again() -> None:
    below = float(np.nextafter(np.float32(1), np.float32(0)))
    made = NeuronReader(DT, "euler").neuron("l", lif(3, v_threshold=below), (3,), "at")
    assert isinstance(made, Lif)
    assert (made.threshold, made.fires) == (1.0, "at")


def test_a_readout_with_a_synaptic_current() -> None:
    made = NeuronReader(DT, "euler").integrator("c", _integrator(2 * DT), (3,))
    assert (made.beta, made.gain, made.alpha) == (0.75, 1.0, 0.5)
    made = NeuronReader(DT, "euler").integrator("c", _integrator(DT), (3,))
    assert (made.gain, made.alpha) == (2.0, None)


def _integrator(tau_syn: float) -> object:
    CubaLI = type("CubaLI", (), {})
    node = CubaLI()
    own = {"tau_syn": tau_syn, "tau_mem": 4 * DT, "r": 4.0, "w_in": 2.0, "v_leak": 0.0}
    for key, value in own.items():
        setattr(node, key, np.full(3, value))
    return node


def test_a_leak_is_that_of_the_method() -> None:
    own = NeuronReader(DT, "euler")
    beta, gain = own.leak("lif", np.array([4 * DT]), np.array([2.0]))
    assert (beta[0], gain[0]) == pytest.approx((0.75, 0.5))
    own.method = "exact"
    beta, gain = own.leak("lif", np.array([4 * DT]), np.array([2.0]))
    assert (beta[0], gain[0]) == pytest.approx((np.exp(-0.25), 2 * (1 - np.exp(-0.25))))
    for tau, method in ((0.0, "exact"), (-1.0, "exact"), (DT / 2, "euler")):
        own.method = method
        with pytest.raises(UnsupportedError, match="lif: tau is"):
            own.leak("lif", np.array([tau]), np.array([1.0]))
