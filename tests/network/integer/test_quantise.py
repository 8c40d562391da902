"""Quantising: what is refused, calibration, and how near the integer forms are."""

from __future__ import annotations

from typing import Any

import cases
import numpy as np
import pytest
from fixtures.bundled import OF_SAMPLES
from helpers import refusal

from delrec_compile.aliases import Numeric
from delrec_compile.data.events import Events
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.evaluation.parity import compare
from delrec_compile.evaluation.verdict import Parity
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.checkpoint import describe
from delrec_compile.network.integer.quantise import check_calibration, quantise
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.runners.reference import ReferenceRunner


@pytest.mark.parametrize("name", cases.FLOAT_ONLY)
def test_what_has_no_integer_form_is_refused_by_name(name: str) -> None:
    message = f"population 'l0' has a '{name}' neuron model, which int8 .*--numeric float32"
    with refusal(UnsupportedError, message, 4):
        quantise(cases.network(name), "int8")


def against(name: str, numeric: str, calibrated: bool) -> Parity:
    """Parity of every second bundled sample; the others calibrate."""
    network, samples = checkpoint.load(name), read_samples("samples")
    others = samples.take(np.arange(1, len(samples), 2)) if calibrated else None
    runner: Any = quantise(network, numeric, others)
    return compare(network, ReferenceRunner(runner), samples.take(np.arange(0, len(samples), 2)))


# shares of the neurons' steps that differ in int16, and calibrated in int8, and classes of 50 in int16;
# two layers of recurrence between channels pass a flipped spike on
BOUNDS = dict.fromkeys(OF_SAMPLES, (1e-3, 8e-3, 0)) | {"channel_conv_delay_320": (5e-3, 1e-2, 1)}


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_int16_keeps_the_spikes_of_the_bundled_networks(name: str) -> None:
    seen = against(name, "int16", calibrated=False)
    spikes, _, classes = BOUNDS[name]
    assert seen.spikes_differing < spikes * seen.spikes_compared
    assert seen.classes_differing <= classes


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_calibration_brings_int8_nearer(name: str) -> None:
    plain, calibrated = (against(name, "int8", c) for c in (False, True))
    assert calibrated.spikes_differing < 0.9 * plain.spikes_differing
    assert calibrated.spikes_differing < BOUNDS[name][1] * calibrated.spikes_compared
    assert calibrated.classes_differing <= 2


def test_the_mean_error_goes_into_the_bias() -> None:
    """Samples that are all ones: the current is right to half a unit of the membrane."""
    network = cases.network("feed_forward")
    ones = np.ones((2, 20, network.inputs), np.uint8)
    samples = Events(ones, np.zeros(2, np.int64), None, None, 10.0)
    layer, want = quantise(network, "int8", samples).layers[0], network.layers[0]
    weight = layer.projections[0].synapses.weights
    whole = (weight.sum(axis=1, dtype=np.int64) << layer.fraction) + layer.bias
    unit = np.ldexp(layer.scale, -layer.fraction)
    error = whole * unit - want.weight.astype(float).sum(axis=1) - want.bias
    assert (np.abs(error) <= 0.51 * unit).all()


def test_calibrating_twice_gives_the_same_network() -> None:
    network, samples = checkpoint.load("dense_delay_256"), read_samples("samples")
    one, two = (describe(quantise(network, "int8", samples.take(range(20)))) for _ in range(2))
    assert one[1] == two[1]
    for key, value in one[0].items():
        np.testing.assert_array_equal(value, two[0][key])


@pytest.mark.parametrize("bits", [0, 7, 15])
def test_real_inputs_leave_weights_their_bits(bits: int) -> None:
    """A unit of a membrane is one of an input times a weight, or less, at any number of bits."""
    r = np.random.default_rng(bits)
    layer = Layer(r.normal(size=(9, 40)), r.normal(size=9), Lif(0.9))
    readout = LeakyReadout(r.normal(size=(3, 9)), r.normal(size=3), 0.9)
    most = 1 if bits < 15 else 0.5
    network = Network((layer,), readout, max_input=most, input_bits=bits)
    x = r.uniform(-1, 1, (40, 4, 40)).astype(np.float32) * most
    samples = Events(x.transpose(1, 0, 2), np.zeros(4, np.int64), None, None, 10.0)
    for known in (None, samples):
        first = quantise(network, "int8", known).populations[0]
        synapses = first.projections[0].synapses
        assert synapses.shift == first.fraction - bits >= 0
        error = synapses.weights * first.scale[:, None] - layer.weight
        assert np.abs(error).max() < (0.1 if bits == 15 else 0.05), "of weights of about 1"


def test_the_mean_of_real_inputs_goes_into_the_bias_by_their_values() -> None:
    network = cases.network("real")
    steady = np.full((2, 20, network.inputs), 0.75, np.float32)
    samples = Events(steady, np.zeros(2, np.int64), None, None, 10.0)
    layer, want = quantise(network, "int8", samples).layers[0], network.layers[0]
    synapses = layer.projections[0].synapses
    whole = (synapses.weights.sum(axis=1, dtype=np.int64) * 96 << synapses.shift) + layer.bias
    unit = np.ldexp(layer.scale, -layer.fraction)
    error = whole * unit - 0.75 * want.weight.astype(float).sum(axis=1) - want.bias
    back = layer.projections[1].synapses.weights * layer.scale[:, None]
    assert (np.abs(error) <= 0.51 * unit + np.abs(back - want.recurrence.weight).sum(axis=1)).all()


def test_calibration_brings_graphs_nearer() -> None:
    """Patches of convolutions, delays of each synapse, several projections into a population."""
    network = cases.network("graph_maps")
    x = cases.counts(cases.CASES["graph_maps"], batch=16, steps=60)
    others = x[:, 8:].transpose(1, 0, 2).astype(np.uint8)
    samples = Events(others, np.zeros(8, np.int64), None, None, 10.0)
    want = ReferenceRunner(network).trace(x[:, :8]).spikes
    differing = []
    for known in (None, samples):
        runner: Any = quantise(network, "int8", known)
        have = ReferenceRunner(runner).trace(x[:, :8]).spikes
        differing.append(sum(int((a != b).sum()) for a, b in zip(want, have, strict=True)))
    assert differing[1] < 0.8 * differing[0]


def test_only_integers_are_calibrated() -> None:
    check_calibration(Numeric.INT8, "samples")
    check_calibration(Numeric.FLOAT32, None)
    with refusal(UsageError, "float32 is not calibrated: omit calibrate", 2):
        check_calibration(Numeric.FLOAT32, "samples")
