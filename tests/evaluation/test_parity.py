"""Parity: bundled networks in every engine, planted faults, differences that are explained."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import cases
import numpy as np
import pytest
from fixtures.bundled import OF_SAMPLES
from fixtures.here import calls_here
from helpers import refusal

import delrec_compile
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import InputError, ModelError
from delrec_compile.evaluation import parity
from delrec_compile.evaluation.proof import describe_difference
from delrec_compile.evaluation.verdict import accept_silence
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.onnx_step.export import export
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_bundled_networks_in_every_engine(name, artifacts, samples):
    """0 differing spikes of 4 or 5 million, bit-equal membranes, equal classes; artifact, ONNX."""
    folder, neurons = artifacts[name], sum(layer.size for layer in checkpoint.load(name).layers)
    for path in (folder, folder / "model.onnx"):
        found = parity.check(path, samples)
        assert found.spikes_compared == 100 * 80 * neurons
        assert found.spikes_differing == 0
        assert found.max_abs_error == 0.0
        assert found.classes_differing == 0
        assert found.passed
        assert found.accuracy >= 0.8


def test_a_planted_fault_is_found_at_its_place(artifacts, samples):
    """A neuron with other weights in the reference: parity fails and says where first."""
    network = checkpoint.load("conv_delay_256")
    weight = network.layers[1].weight.copy()
    weight[17] += 0.25
    layers = (network.layers[0], type(network.layers[1])(weight, *_rest(network.layers[1])))
    moved = delrec_compile.Network(layers, network.readout, labels=network.labels)
    path, some = artifacts["conv_delay_256"], samples.take(range(10))
    with refusal(InputError, "was made of another network .* omit --network, or build that", 3):
        parity.check(path, some, network=moved)
    built = load_artifact(path)
    found = parity.compare_artifact(built, moved, artifact_runner(built), some)
    assert not found.passed
    assert found.spikes_differing > 0
    assert found.first is not None
    assert (found.first.layer, found.first.neuron) == (1, 17)
    assert "layer 1, neuron 17" in describe_difference(found.as_dict())


def _rest(layer):
    return layer.bias, layer.lif, layer.recurrence


def test_check_finds_the_network_of_an_onnx_file_or_asks(tmp_path, samples):
    network = checkpoint.load("conv_delay_256")
    export(network, tmp_path / "step.onnx")
    assert parity.check(tmp_path / "step.onnx", samples.take([0])).passed
    export(replace(network, dt_ms=5.0), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="--network"):
        parity.check(tmp_path / "other.onnx", samples.take([0]))
    with pytest.raises(InputError, match="exported from"):
        parity.check(tmp_path / "step.onnx", "random", network=cases.network("mixed"))


def _events(network, counts):
    x = np.broadcast_to(np.uint8(counts), (2, 20, network.inputs))
    return Events(x, np.zeros(2, np.int64), None, None, network.dt_ms)


def test_a_check_without_a_spike_does_not_pass():
    """Equal silence is no proof, in float32 and in int8."""
    network = cases.network("feed_forward")
    lower = tuple(replace(x, bias=np.full_like(x.bias, -1.0)) for x in network.layers)
    dead = snap(replace(network, layers=lower))
    whole = quantise(dead, "int8")
    quiet = _events(network, 0)
    for found in (
        parity.compare(dead, ReferenceRunner(dead), quiet),
        parity.compare_integer(whole, dead, ReferenceRunner(whole), quiet),
    ):
        assert (found.agrees, found.silent, found.passed) == (True, True, False)
        told = found.as_dict()
        assert "proves nothing" in describe_difference(told)
        assert accept_silence(told)["passed"]
    told = parity.compare(network, ReferenceRunner(network), _events(network, 1)).as_dict()
    assert told["passed"]
    assert all(told["firing"]["fired"])


def test_a_population_that_differs_is_named_and_the_class_is_of_the_first_readout():
    network, case = cases.network("graph_shared"), cases.CASES["graph_shared"]
    x = cases.counts(case, batch=2, steps=20)
    want = TorchRunner(network).trace(x)
    spikes = [s.copy() for s in want.spikes]
    spikes[2][4, 1, 3] ^= 1
    second = np.array([0, 0, 0, 0, 100, 100], np.float32)  # of the second readout

    class Other:
        name = "other"

        def trace(self, _):
            return Trace(want.y + second, tuple(spikes))

    samples = Events(x.transpose(1, 0, 2).astype(np.uint8), None, None, None, network.dt_ms)
    found = parity.compare(network, Other(), samples)
    assert found.classes_differing == 0
    first = found.first
    assert (first.population, first.sequence, first.step, first.neuron) == ("second", 1, 4, 3)
    assert "population 'second', neuron 3" in describe_difference(found.as_dict())


def test_a_comparison_has_the_name_that_it_is_given():
    network = cases.network("feed_forward")
    runner, samples = ReferenceRunner(network), _events(network, 1)
    assert parity.compare(network, runner, samples).target == runner.name
    assert parity.compare(network, runner, samples, target="a chip").target == "a chip"
    whole = quantise(network, "int8")
    runner = ReferenceRunner(whole)
    assert parity.compare_integer(whole, network, runner, samples).target == runner.name
    found = parity.compare_integer(whole, network, runner, samples, target="a chip")
    assert (found.target, found.reference) == ("a chip", "integer")


def test_one_bit_of_an_integer_output_is_a_difference():
    """No spike differs, and the classes are the same: the outputs alone tell."""
    network = cases.network("feed_forward")
    whole, samples = quantise(network, "int8"), _events(network, 1)

    class Other:
        name = "other"

        def trace(self, x):
            want = ReferenceRunner(whole).trace(x)
            return Trace(np.nextafter(want.y, np.float32(np.inf)), want.spikes)

    found = parity.compare_integer(whole, network, Other(), samples)
    assert (found.spikes_differing, found.classes_differing) == (0, 0)
    assert not found.agrees


@pytest.mark.parametrize("limit", [None, 1])
def test_an_artifact_is_checked_whole_where_a_limit_is_given(limit, tmp_path, monkeypatch):
    network = cases.network("feed_forward")
    given = []

    def compared(artifact, own, runner, samples, progress, **options):
        given.append((own, len(samples), options))

    for name in ("load_artifact", "artifact_runner"):
        monkeypatch.setattr(parity, name, lambda *_: None)
    monkeypatch.setattr(parity, "_of_artifact", lambda *_: network)
    monkeypatch.setattr(parity, "compare_artifact", compared)
    parity.check(tmp_path, _events(network, 1), limit=limit)
    assert given == [(network, limit or 2, {"whole": limit is not None, "counted": False})]


def test_the_network_is_that_of_the_artifact_or_the_same(tmp_path):
    network = cases.network("feed_forward")
    checkpoint.save(network, tmp_path / "network.safetensors")
    for given in (None, replace(network, name="another")):
        own = parity._of_artifact(tmp_path, given)
        assert checkpoint.digest(own) == checkpoint.digest(network)


def test_a_network_that_is_given_counts_more_than_that_of_the_file(tmp_path):
    network, other = cases.network("feed_forward"), cases.network("three_layers")
    path = checkpoint.save(network, tmp_path / "net.safetensors")
    samples = _events(network, 1)
    for given, layers in ((None, 2), (other, 3)):
        found = parity.check(path, samples, network=given)
        assert found.passed
        assert len(found.as_dict()["firing"]["fired"]) == layers


def test_accuracy_is_of_the_labels_that_there_are():
    network = cases.network("three_layers")
    runner, samples = ReferenceRunner(network), _events(network, 1)
    assert parity.compare(network, runner, replace(samples, labels=None)).accuracy is None
    own = runner.trace(samples.counts.transpose(1, 0, 2).astype(np.float32)).y.sum(0).argmax(1)
    for label, accuracy in ((own[0], 1.0), ((own[0] + 1) % network.outputs, 0.0)):
        labels = np.full(2, label, np.int64)
        found = parity.compare(network, runner, replace(samples, labels=labels))
        assert found.accuracy == accuracy


def test_the_excerpt_of_an_integer_artifact_is_of_its_integers(monkeypatch):
    network = cases.network("feed_forward")
    whole, samples, asked = quantise(network, "int8"), _events(network, 1), []
    real = parity.excerpt

    def excerpt(net, *arguments, **options):
        asked.append(net)
        return real(net, *arguments, **options)

    monkeypatch.setattr(parity, "excerpt", excerpt)
    manifest = SimpleNamespace(target="a chip")
    for integer, net in ((whole, whole), (None, network)):
        artifact = SimpleNamespace(manifest=manifest, integer=integer)
        found = parity.compare_artifact(artifact, network, ReferenceRunner(net), samples)
        assert found.reference == ("integer" if integer else "torch")
        assert found.target == "a chip"
        assert found.passed
    assert asked == [whole, network]


@pytest.mark.parametrize("numeric", ["float32", "int8"])
def test_an_artifact_and_its_step_are_checked_as_one_by_one(numeric, tmp_path):
    network = cases.network("feed_forward")
    with calls_here():
        delrec_compile.build(network, out=tmp_path / "out", numeric=numeric)
    samples, path = _events(network, 1), tmp_path / "out"
    ours, onnx = parity.check_with_step(path, network, samples, limit=1)
    assert ours == parity.check(path, samples, limit=1)
    assert onnx == parity.check(path / "model.onnx", samples, limit=1)
    assert ours.passed
    assert onnx.passed
    assert ours.sequences == onnx.sequences == 1
    kinds = "torch" if numeric == "float32" else "integer", "onnxruntime"
    assert (ours.reference, onnx.target) == kinds


def test_large_networks_run_in_small_batches_of_the_same_counts(monkeypatch):
    network = cases.network("feed_forward")
    neurons = sum(p.size for p in network.spiking)
    x = np.random.default_rng(2).integers(0, 3, (35, 12, network.inputs)).astype(np.uint8)
    samples = Events(x, None, None, None, network.dt_ms)
    assert parity.batch_of(network, 12) == 64
    whole = parity.compare(network, ReferenceRunner(network), samples)
    monkeypatch.setattr(parity, "HELD", neurons * 12 * 20)
    assert parity.batch_of(network, 12) == 20
    assert parity.batch_of(network, 1200) == parity.LEAST_BATCH
    done = []
    runner = ReferenceRunner(network)
    again = parity.compare(network, runner, samples, progress=lambda at, _: done.append(at))
    assert (again, done) == (whole, [20, 35])


def test_the_margin_of_a_difference_is_that_of_the_reference():
    network, case = cases.network("feed_forward"), cases.CASES["feed_forward"]
    x = cases.counts(case, batch=2, steps=12)
    reference = TorchRunner(network)
    want = reference.trace(x)
    spikes = [s.copy() for s in want.spikes]
    spikes[0][7, 1, 2] ^= 1

    class Other:
        name = "other"

        def trace(self, _):
            return Trace(want.y, tuple(spikes))

    samples = Events(x.transpose(1, 0, 2).astype(np.uint8), None, None, None, network.dt_ms)
    first = parity.compare(network, Other(), samples).first
    threshold = float(network.layers[0].lif.threshold)
    assert first.margin == abs(float(reference.membranes[0][7, 1, 2]) - threshold)
