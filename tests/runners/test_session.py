"""Sessions: steps, whole sequences, streams, refused input."""

from __future__ import annotations

import copy
import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import cases
import numpy as np
import pytest
from fixtures.manifests import typed
from fixtures.staged import artifact_here
from helpers import refusal

import delrec_compile
from delrec_compile.artifact import host_library
from delrec_compile.artifact.abi import BATCH
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DataError, InputError
from delrec_compile.evaluation import parity
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.runners.memory import aligned
from delrec_compile.runners.predict import run
from delrec_compile.runners.session import Session
from delrec_compile.system import toolchain

pytestmark = pytest.mark.usefixtures("children_here")


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


def test_a_library_without_the_call_for_a_batch_runs_stream_by_stream(artifacts, samples):
    """One of an older version."""
    x = samples.counts[:3].astype(np.float32)
    new, old = (Session(artifacts["conv_delay_256"], streams=3) for _ in range(2))
    assert new._entry[BATCH] is not None
    old._entry[BATCH] = None
    for _ in range(2):  # the states go on
        y = old.run(x)
        assert np.array_equal(y, new.run(x))
    assert np.abs(y[0] - y[1]).max() > 0


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
    with pytest.raises(DataError, match=r"\[steps, 140\] is required"):
        session.run(np.zeros((3, 139), np.float32))
    with pytest.raises(DataError, match=r"\[1, 140\] is required"):
        session.step(np.zeros(1, np.float32))


def test_null_pointers_are_refused_by_the_c_entry_points(artifacts):
    session = Session(artifacts["conv_delay_256"])
    null = ctypes.c_void_p(None)
    assert session._entry["step"](null, null, null) == -1
    assert session._entry["run"](session._state_at, null, ctypes.c_int32(1), null) == -1
    assert session.self_test()


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
        [*command, repository / "docs" / "example.c", library, rpath, "-o", program],
        check=True,
    )
    predicted = run(folder, samples.take([0, 33, 66]))
    classes, labels = predicted.classes, predicted.labels
    for index, wanted in zip((0, 33, 66), classes, strict=True):
        raw = samples.counts[index].astype("<f4").tobytes()
        out = subprocess.run([program], input=raw, capture_output=True, check=True).stdout
        assert out.decode().strip() == f"class {wanted} {labels[wanted]}"


ALONE = """
import json, sys

BLOCKED = {"onnx", "onnxruntime", "torch", "tvm", "tvm_ffi", "jinja2", "safetensors", "h5py", "scipy"}
BLOCKED |= {"elftools", "typer", "rich", "tomli_w", "unicorn"}


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed")


sys.meta_path.insert(0, Refuse())
import numpy as np

from delrec_compile import Session, load_artifact

artifact = load_artifact(sys.argv[1])
session = Session(artifact)
x = np.load(sys.argv[2])
y = session.run(x)
trace = session.trace(x[:, None])
assert session.self_test() and np.array_equal(trace.y[:, 0], y)
assert [s.shape[2] for s in trace.spikes] == list(artifact.manifest.neurons)
np.save(sys.argv[3], y)
own = [m for m in sys.modules if m.split(".")[0] == "delrec_compile"]
print(json.dumps([len(own), sorted(BLOCKED & set(sys.modules))]))
"""


def test_numpy_alone_runs_an_artifact(artifacts, samples, tmp_path):
    """As after `pip install --no-deps delrec-compile numpy`."""
    x = samples.counts[3].astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    files = [artifacts["conv_delay_256"], tmp_path / "x.npy", tmp_path / "y.npy"]
    line = [sys.executable, "-c", ALONE, *map(str, files)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules, blocked = json.loads(done.stdout)
    assert modules <= 16
    assert blocked == []
    want = Session(artifacts["conv_delay_256"]).run(x)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), want)


def test_c_sources_are_compiled_once_per_session(tmp_path, monkeypatch):
    """The artifact is opened, and its sources compiled, when a session is made, not later."""
    artifact = artifact_here(cases.network("single"), "portable_c", tmp_path)
    calls = []
    real = host_library.compile_library
    monkeypatch.setattr(host_library, "compile_library", lambda *a: calls.append(a) or real(*a))
    session = Session(artifact)
    session.trace(cases.counts(cases.CASES["single"], steps=4))
    assert session.self_test()
    assert len(calls) == 1


def test_an_artifact_of_another_kind_is_refused(tmp_path):
    gpu = Artifact(tmp_path, typed(form="cuda", library="lib/x.so"))
    with refusal(InputError, "is built for a GPU; use GpuSession", 3):
        Session(gpu)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/x.so").write_bytes(b"not a library")
    other = Artifact(tmp_path, typed(form="library", library="lib/x.so"))
    with refusal(InputError, "x.so does not load here", 3):
        Session(other)
    with refusal(DataError, "streams is 0; at least 1 is required", 3):
        Session(other, streams=0)


@pytest.mark.parametrize("elements", [1, 4000])
def test_a_state_that_is_not_the_librarys_is_refused(compiled, elements):
    artifact = compiled(cases.network("mixed")).artifact
    state = artifact.manifest.state
    edited = (*state[:-1], replace(state[-1], elements=elements, offset=elements // 2))
    manifest = replace(artifact.manifest, state=edited[-1:] if elements == 1 else edited)
    with refusal(InputError, "takes .* bytes in its library and .* in its manifest", 3):
        Session(Artifact(artifact.path, manifest))


def test_the_state_of_a_stream_comes_and_goes(compiled):
    session = compiled(cases.network("mixed"))
    x = cases.counts(cases.CASES["mixed"], steps=12)[:, 0]
    session.reset()
    session.run(x[:6])
    state = session.state()
    assert set(state) == {v.name for v in session.artifact.manifest.state}
    want = session.run(x[6:])
    session.reset()
    session.load_state(state)
    np.testing.assert_array_equal(session.run(x[6:]), want)
    with refusal(DataError, "the state has .*; needed: ", 3):
        session.load_state({})
    name = next(iter(state))
    with refusal(DataError, f"state '{name}' is .*; needed:", 3):
        session.load_state({**state, name: state[name][:-1]})
    with refusal(DataError, "stream 1 of 1", 3):
        session.state(1)
    float_name = next(n for n, v in state.items() if v.dtype == np.float32)
    for value in (np.nan, np.inf):
        broken = state[float_name].copy()
        broken[1] = value
        with refusal(DataError, rf"state '{float_name}'\[1\] is {value}; finite", 3):
            session.load_state({**state, float_name: broken})
    with refusal(DataError, "the state is a NoneType; needed: what `state` returns", 3):
        session.load_state(None)


def test_the_state_of_another_network_of_equal_shape_is_refused(compiled):
    artifact = compiled(cases.network("mixed")).artifact
    session = Session(artifact)
    for changed in ({"source_sha256": "0" * 64}, {"golden_sha256": "0" * 64}, {"target": "other"}):
        twin = Session(Artifact(artifact.path, replace(artifact.manifest, **changed)))
        with refusal(DataError, "the state is of .*, this session of another network or build", 3):
            twin.load_state(session.state())
    Session(artifact).load_state(copy.deepcopy(session.state()))
    session.load_state(dict(twin.state()))


def test_real_values_are_clipped_and_a_nan_is_refused(compiled: Callable[..., Session]) -> None:
    network = cases.network("real")
    session = compiled(network)
    x = cases.counts(cases.CASES["real"], steps=9)[:, 0]
    x[3, 2], x[4, 1] = np.inf, -50
    session.reset()
    y = session.run(x)
    session.reset()
    np.testing.assert_array_equal(session.run(np.clip(x, -1, 1)), y)
    x[5, 7] = np.nan
    with refusal(DataError, r"x\[5, 7\] is NaN; numbers are required", 3):
        session.run(x)
    with refusal(DataError, r"x\[7\] is NaN", 3):
        session.step(x[5])
