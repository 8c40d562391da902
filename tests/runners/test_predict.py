"""Runners and inputs: what users call on artifacts and ONNX files."""

import ctypes
import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest

import delrec_compile
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.events import Events, save_samples
from delrec_compile.data.samples import batches, read_samples
from delrec_compile.errors import DataError, InputError, ModelError, ParityError
from delrec_compile.evaluation import parity
from delrec_compile.evaluation.proof import describe_difference, prove
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.runners.divergence import Divergence
from delrec_compile.runners.memory import aligned
from delrec_compile.runners.open import open_runner
from delrec_compile.runners.predict import run
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import toolchain


@pytest.fixture(scope="module")
def samples():
    return read_samples("samples")


def test_the_package_verbs_stay_functions():
    import delrec_compile.compiler.build
    import delrec_compile.runners.predict as _  # noqa: F401

    assert callable(delrec_compile.build)
    assert callable(delrec_compile.run)
    assert set(delrec_compile.__all__) <= set(dir(delrec_compile)) | set(delrec_compile.API)
    for name in delrec_compile.__all__:
        assert callable(getattr(delrec_compile, name)), name


def test_bundled_samples_are_a_hundred_five_of_each_class(samples):
    assert len(samples) == 100
    assert np.bincount(samples.labels).tolist() == [5] * 20
    assert samples.counts.shape == (100, 80, 140)


@pytest.mark.parametrize("name", checkpoint.BUNDLED)
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


def test_measured_accuracy_is_what_the_network_says_of_itself():
    for name, least in (("conv_delay_256", 0.85), ("dense_delay_256", 0.89)):
        network = checkpoint.load(name)
        assert network.notes["accuracy"]["test"] >= least
    assert checkpoint.load("conv_delay_256").recurrent_parameters() == 259


def test_reference_runner_agrees_with_torch(samples):
    network = checkpoint.load("conv_delay_256")
    _, x = next(batches(samples.take(range(8))))
    ours, theirs = ReferenceRunner(network).trace(x), TorchRunner(network).trace(x)
    assert np.array_equal(ours.y, theirs.y)
    for a, b in zip(ours.spikes, theirs.spikes, strict=True):
        assert a.any()
        assert np.array_equal(a, b)


def test_session_step_run_and_native_loop_agree(artifacts, samples):
    session = Session(artifacts["conv_delay_256"])
    x = samples.counts[3].astype(np.float32)
    whole = session.run(x)
    session.reset()
    parts = np.concatenate([session.run(x[:13]), session.run(x[13:13]), session.run(x[13:])])
    session.reset()
    steps = np.stack([session.step(row)[0].copy() for row in x])
    assert np.array_equal(whole, parts)
    assert np.array_equal(whole, steps)
    assert np.abs(whole).max() > 0


def test_session_reads_x_in_place_at_any_address(artifacts, samples):
    session = Session(artifacts["conv_delay_256"])
    x = samples.counts[0].astype(np.float32)
    want = session.run(x)
    for offset in range(1, 16):
        moved = aligned(x.size + offset, np.float32)[offset:].reshape(x.shape)
        moved[:] = x
        session.reset()
        assert np.array_equal(session.run(moved), want)


def test_streams_are_independent(artifacts, samples):
    one, two = Session(artifacts["conv_delay_256"]), Session(artifacts["conv_delay_256"])
    a, b = samples.counts[0].astype(np.float32), samples.counts[50].astype(np.float32)
    alone = one.run(a)
    one.reset()
    mixed = []
    for row_a, row_b in zip(a, b, strict=True):
        mixed.append(one.step(row_a)[0].copy())
        two.step(row_b)
    assert np.array_equal(alone, np.stack(mixed))


def test_nan_input_does_not_kill_a_neuron(artifacts, samples):
    """A NaN count adds nothing, and the stream goes on as if it had been 0."""
    session = Session(artifacts["conv_delay_256"])
    x = samples.counts[0].astype(np.float32)
    spoilt, zeroed = x.copy(), x.copy()
    spoilt[10, 7], zeroed[10, 7] = np.nan, 0
    want, y = session.run(zeroed), np.empty((len(x), session.y.shape[1]), np.float32)
    session.reset()
    session.run_in_place(spoilt, y)  # `run` refuses it, C cannot
    assert np.array_equal(y, want)


def test_session_refuses_wrong_shapes(artifacts):
    session = Session(artifacts["conv_delay_256"])
    with pytest.raises(DataError, match=r"\[steps, 140\] is needed"):
        session.run(np.zeros((3, 139), np.float32))
    with pytest.raises(DataError, match=r"\[1, 140\] is needed"):
        session.step(np.zeros(1, np.float32))


def test_null_pointers_are_refused_by_the_c_entry_points(artifacts):
    session = Session(artifacts["conv_delay_256"])
    null = ctypes.c_void_p(None)
    assert session._entry["step"](null, null, null) == -1
    assert session._entry["run"](session._state_at, null, ctypes.c_int32(1), null) == -1
    assert session.self_test()


def test_run_gives_classes_and_accuracy(artifacts, samples, tmp_path):
    few = samples.take(range(10))
    answers = run(artifacts["conv_delay_256"], few)
    right = np.array(answers.classes) == few.labels
    assert answers.accuracy == right.mean()
    assert answers.labels[0] == "zero"
    save_samples(tmp_path / "few.npz", few)
    assert run(
        artifacts["conv_delay_256"] / "model.onnx", read_samples(tmp_path / "few.npz")
    ).classes == (answers.classes)


def test_samples_of_another_size_are_refused(artifacts, samples):
    narrow = Events(samples.counts[:, :, :70], samples.labels, samples.keys, None, 10.0)
    with pytest.raises(DataError, match="70 channels, the network takes 140"):
        run(artifacts["conv_delay_256"], narrow)


def test_unknown_kinds_of_input(tmp_path):
    with pytest.raises(DataError, match=r"allowed: \.h5"):
        read_samples(tmp_path / "samples.wav")
    with pytest.raises(InputError, match="not an artifact"):
        open_runner(tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        open_runner(tmp_path / "none.onnx")


def test_a_planted_fault_is_found_at_its_place(artifacts, samples):
    """A neuron with other weights in the reference: parity fails and says where first."""
    network = checkpoint.load("conv_delay_256")
    weight = network.layers[1].weight.copy()
    weight[17] += 0.25
    layers = (network.layers[0], type(network.layers[1])(weight, *_rest(network.layers[1])))
    moved = delrec_compile.Network(layers, network.readout, labels=network.labels)
    found = parity.check(artifacts["conv_delay_256"], samples.take(range(10)), network=moved)
    assert not found.passed
    assert found.spikes_differing > 0
    assert found.first is not None
    assert (found.first.layer, found.first.neuron) == (1, 17)
    assert "layer 1, neuron 17" in describe_difference(found.as_dict())


def _rest(layer):
    return layer.bias, layer.lif, layer.recurrence


def test_differences_within_float_error_are_explained_only_off_the_grid():
    """The rule of parity: margin explains a first difference, unless sums are exact."""
    network = checkpoint.load("conv_delay_256")
    spikes = np.zeros((2, 1, 256), np.uint8)
    other = spikes.copy()
    other[1, 0, 5] = 1

    y = np.zeros((2, 1, 20), np.float32)
    membranes = [np.full((2, 1, 256), 1.0 - 1e-6), np.zeros((2, 1, 256))]
    for strict, passed in ((False, True), (True, False)):
        tally = parity._ParityCounter(network, strict)
        tally.add(0, Trace(y, (spikes, spikes)), Trace(y, (other, spikes)), membranes, np.zeros(1))
        verdict = tally.verdict("x", 1, 2)
        assert verdict.spikes_differing == 1
        assert verdict.first == Divergence(0, 1, 0, 5, pytest.approx(1e-6, rel=0.1))
        assert verdict.passed is passed
    membranes[0][:] = 0.5
    tally = parity._ParityCounter(network, False)
    tally.add(0, Trace(y, (spikes, spikes)), Trace(y, (other, spikes)), membranes, np.zeros(1))
    assert not tally.verdict("x", 1, 2).passed


def test_unrolled_artifact_and_onnx_equal_single_steps(tmp_path, samples):
    network = checkpoint.load("conv_delay_256")
    artifact = delrec_compile.build(network, out=tmp_path / "k8", unroll=8)
    session = Session(artifact)
    assert session.x.shape == (8, 140)
    x = samples.counts[7].astype(np.float32)
    calls = np.concatenate([session.step(x[t : t + 8]).copy() for t in range(0, 80, 8)])
    session.reset()
    assert np.array_equal(calls, session.run(x))
    few = samples.take(range(6))
    for path in (artifact.path, artifact.path / "model.onnx"):
        assert parity.check(path, few).passed
    export(network, tmp_path / "k3.onnx", unroll=3)
    assert parity.check(tmp_path / "k3.onnx", few).max_abs_error == 0.0


def test_check_finds_the_network_of_an_onnx_file_or_asks(tmp_path, samples):
    network = checkpoint.load("conv_delay_256")
    export(network, tmp_path / "step.onnx")
    assert parity.check(tmp_path / "step.onnx", samples.take([0])).passed
    from dataclasses import replace

    export(replace(network, dt_ms=5.0), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="--network"):
        parity.check(tmp_path / "other.onnx", samples.take([0]))


def test_the_c_example_of_the_docs_gives_the_same_class(artifacts, samples, tmp_path, repository):
    folder = artifacts["conv_delay_256"]
    program = tmp_path / "example"
    command = [
        *toolchain.cc(),
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O2",
        "-I",
        folder / "include",
    ]
    library = folder / "lib" / "libconv_delay_256.so"
    rpath = f"-Wl,-rpath,{folder / 'lib'}"
    subprocess.run(
        [*command, repository / "docs" / "example.c", library, "-lm", rpath, "-o", program],
        check=True,
    )
    classes = run(folder, samples.take([0, 33, 66])).classes
    for index, wanted in zip((0, 33, 66), classes, strict=True):
        raw = samples.counts[index].astype("<f4").tobytes()
        out = subprocess.run([program], input=raw, capture_output=True, check=True).stdout
        assert out.decode().strip() == f"class {wanted}"


def test_code_for_another_cpu_is_noticed_not_died_of(artifacts, tmp_path):
    """A library whose self-test meets an instruction that the CPU lacks: built, but not run."""
    from delrec_compile.evaluation.proof import runs_here

    folder = tmp_path / "copy"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    entries = "".join(
        f"int conv_delay_256_{e}(void) {{ __builtin_trap(); }}\n"
        for e in ("reset", "step", "run", "trace", "self_test")
    )
    size = "int conv_delay_256_state_bytes(void) { return 64; }\n"
    reset = "int conv_delay_256_reset(void *s) { return s == 0; }\n"
    source = tmp_path / "lib.c"
    source.write_text(
        size + reset + entries.replace("int conv_delay_256_reset(void) { __builtin_trap(); }\n", "")
    )
    library = folder / "lib" / "libconv_delay_256.so"
    subprocess.run([*toolchain.cc(), "-shared", "-fPIC", "-O1", source, "-o", library], check=True)
    _sign(folder, library)
    assert runs_here(load_artifact(folder)) is False
    assert runs_here(load_artifact(artifacts["conv_delay_256"])) is True


def test_prove_writes_what_it_measured_and_fails_loudly(artifacts, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    proof = prove(load_artifact(folder), limit=4, timed=False)
    assert all(c["passed"] for c in proof.checks)
    assert '"delrec.measured/1"' in (folder / "measured.json").read_text()
    with pytest.raises(ParityError, match="differs from PyTorch"):
        _prove_against_another_network(folder)


def _prove_against_another_network(folder):
    """The manifest is made to fit a network with one other weight."""
    network = checkpoint.load("conv_delay_256")
    bias = network.layers[0].bias.copy()
    bias[3] += 0.5
    layers = (type(network.layers[0])(network.layers[0].weight, bias, network.layers[0].lif),)
    moved = delrec_compile.Network((*layers, network.layers[1]), network.readout)
    _sign(folder, checkpoint.save(moved, folder / "network.safetensors"))
    prove(load_artifact(folder), limit=4, timed=False)


def _sign(folder, file):
    """Makes the manifest fit a changed file."""
    manifest = json.loads((folder / "manifest.json").read_text())
    name = str(file.relative_to(folder))
    manifest["files"][name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
