"""The compiled library: the same bits as PyTorch on every case, CPU level and calling pattern."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable

import cases
import numpy as np
import pytest
from conftest import Compile, runs
from fixtures.traces import same

from delrec_compile.errors import DataError
from delrec_compile.network.grid import grids
from delrec_compile.network.model import ConvDelay, Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.runners.memory import aligned, pointer
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner

LEVELS = ("x86-64-v3", "x86-64-v2")


@pytest.mark.parametrize("name", cases.EXACT)
def test_the_library_equals_torch(name: str, compiled: Compile) -> None:
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=2)
    session = compiled(network)
    same(session.trace(x), TorchRunner(network).trace(x))
    assert session.self_test()


def test_off_the_grid_the_library_stays_close(compiled: Compile) -> None:
    network, x = cases.network("off_grid"), cases.counts(cases.CASES["off_grid"])
    have, want = compiled(network).trace(x), TorchRunner(network).trace(x)
    np.testing.assert_allclose(have.y, want.y, atol=1e-5)
    for p, q in zip(have.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(p, q)
    assert compiled(network).self_test()


@pytest.mark.parametrize("cpu", LEVELS)
@pytest.mark.parametrize("name", ["both_layers", "wide", "one_neuron", "odd_lif"])
def test_every_cpu_level_gives_the_same_bits(name: str, cpu: str, compiled: Compile) -> None:
    if not runs(cpu):
        pytest.skip(f"{cpu} code does not run on this machine")
    network, x = cases.network(name), cases.counts(cases.CASES[name])
    same(compiled(network, cpu=cpu).trace(x), TorchRunner(network).trace(x))


@pytest.mark.parametrize("form", ["portable", "semantic"])
def test_unrolled_calls_equal_single_steps(
    form: str, compiled: Compile, in_onnx: Callable[..., OnnxRunner]
) -> None:
    network, x = cases.network("three_layers"), cases.counts(cases.CASES["three_layers"])[:63, 0]
    want = compiled(network).run(x)
    session = compiled(network, unroll=7)
    rows = [session.step(x[t : t + 7]).copy() for t in range(0, 63, 7)]
    np.testing.assert_array_equal(np.concatenate(rows), want)
    np.testing.assert_array_equal(in_onnx("three_layers", form, 7).trace(x[:, None]).y[:, 0], want)


def test_any_address_of_x_and_y_will_do(compiled: Compile) -> None:
    network, x = cases.network("wide"), cases.counts(cases.CASES["wide"])[:, 0]
    session = compiled(network)
    want = session.run(x)
    for offset in (1, 3, 7):
        at = aligned(x.size + offset, np.float32)[offset:].reshape(x.shape)
        at[:] = x
        y = aligned(want.size + offset, np.float32)[offset:]
        session.reset()
        entry = session._entry["run"]
        assert entry(session._state_at, pointer(at), ctypes.c_int32(len(x)), pointer(y)) == 0
        np.testing.assert_array_equal(y.reshape(want.shape), want)


def call(session: Session, name: str, *, state: int | None, steps: int = 1) -> int:
    x, y = aligned(64, np.float32), aligned(64, np.float32)
    spikes = aligned(256, np.uint8)
    arguments = [ctypes.c_void_p(state), pointer(x)]
    if name == "step":
        return int(session._entry["step"](*arguments, pointer(y)))
    arguments += [ctypes.c_int32(steps), pointer(y)]
    if name == "trace":
        arguments.append(pointer(spikes))
    return int(session._entry[name](*arguments))


@pytest.mark.parametrize("name", ["step", "run", "trace"])
def test_unusable_arguments_are_refused_not_read(name: str, compiled: Compile) -> None:
    session = compiled(cases.network("conv3"))
    at = session._state.ctypes.data
    assert call(session, name, state=at) == 0
    assert call(session, name, state=None) == -1
    assert call(session, name, state=at + 4) == -1
    if name != "step":
        assert call(session, name, state=at, steps=0) == 0
        assert call(session, name, state=at, steps=-1) == -1
        assert call(session, name, state=at, steps=2**31 - 1) == -1


def test_a_snapshot_is_a_copy_of_the_bytes(compiled: Compile) -> None:
    session = compiled(cases.network("mixed"))
    x = cases.counts(cases.CASES["mixed"])[:, 0]
    session.run(x[:30])
    kept = session._state.copy()
    want = session.run(x[30:])
    session._state[:] = kept
    np.testing.assert_array_equal(session.run(x[30:]), want)


def test_the_clock_may_turn_over(compiled: Compile) -> None:
    network, x = cases.network("conv3"), cases.counts(cases.CASES["conv3"])[:, 0]
    session = compiled(network)
    want = session.run(x)
    session.reset()
    state = session.artifact.manifest.state
    at = 0
    for variable in state:
        at = -(-at // 64) * 64
        if variable.name == "clock":
            session._state[at : at + 4].view(np.int32)[:] = (1 << 30) - 20
        at += variable.elements * 4
    np.testing.assert_array_equal(session.run(x), want)


def leaky(beta: float, weight: float, n: int = 64) -> Network:
    """Neurons that never fire, driven by their own input: m = beta * v + weight * x."""
    layer = Layer(weight * np.eye(n), np.zeros(n), Lif(beta, threshold=1e30))
    return Network((layer,), LeakyReadout(np.zeros((n, n)), np.zeros(n), beta), name=f"leaky_{n}")


@pytest.mark.parametrize("weight", [1.0, 0.1234567], ids=["units", "float32"])
@pytest.mark.parametrize("cpu", [None, "x86-64-v3"])
def test_the_leak_is_rounded_before_the_sum(
    cpu: str | None, weight: float, compiled: Compile
) -> None:
    """A fused multiply-add on `beta * v` would show in the last bit of some membrane."""
    if cpu is not None and not runs(cpu):
        pytest.skip(f"{cpu} code does not run on this machine")
    network = leaky(0.7310586, weight)
    assert (grids(network)[0] is None) == (weight != 1.0)
    session = compiled(network, cpu=cpu)
    rng = np.random.default_rng(5)
    x = rng.integers(0, 30, size=(50, network.inputs)).astype(np.float32)
    session.run(x)
    have = session._state[: network.inputs * 4].view(np.float32)
    state, fused = network.reset(), np.zeros(network.inputs)
    for row in x:
        _, state = network.step(row[None], state)
        fused = np.float32(np.float64(np.float32(0.7310586)) * fused + np.float32(weight) * row)
    np.testing.assert_array_equal(have, state["l0_v"][0])
    assert (fused != state["l0_v"][0]).any()


@pytest.mark.parametrize("unroll", [1, 3])
def test_bound_calls_give_the_outputs_of_run(unroll: int, compiled: Compile) -> None:
    session = compiled(cases.network("mixed"), unroll=unroll)
    counts = cases.counts(cases.CASES["mixed"])[:30, 0]
    x = counts.reshape(-1, unroll, counts.shape[1]).copy()
    y = np.full((len(x), unroll, session.y.shape[1]), 9, np.float32)
    for call in session.bind(x, y):
        assert call() == 0
    session.reset()
    np.testing.assert_array_equal(y.reshape(30, -1), session.run(counts))
    for wrong in (x.astype(np.float64), x[:, :, 1:], x[::2]):
        with pytest.raises(DataError, match=r"x has shape .*; needed: a contiguous"):
            session.bind(wrong, y)
    with pytest.raises(DataError, match="y has shape"):
        session.bind(x, y[:, :, 1:])


@pytest.mark.parametrize("value", [0.5, 40_000, -1, float("nan"), float("inf")])
def test_what_is_no_count_is_refused(value: float, compiled: Compile) -> None:
    network = leaky(0.5, 1.0, 4)
    session = compiled(network)
    x = np.zeros((3, 4), np.float32)
    x[2, 1] = value
    for call in (session.run, lambda x: session.step(x[2:]), lambda x: session.trace(x[:, None])):
        with pytest.raises(
            DataError, match="x contains a value that is not a count; expected integers"
        ):
            call(x)


def test_a_single_neuron_gains_nothing_from_its_padding(compiled: Compile) -> None:
    """A kernel wider than the layer: taps that fall outside add nothing."""
    kernel = np.array([3.0, -2.0, 0.5, -2.0, 3.0])
    layer = Layer(np.ones((1, 1)), np.zeros(1), Lif(0.5), ConvDelay(kernel, np.array([2])))
    network = Network((layer,), LeakyReadout(np.ones((1, 1)), np.zeros(1), 0.5), name="padded")
    x = np.array([1, 0, 0, 0, 1, 1, 0, 2] * 8, np.float32).reshape(-1, 1, 1)
    same(compiled(network).trace(x), TorchRunner(network).trace(x))


def test_only_the_c_entry_points_are_exported(compiled: Compile) -> None:
    library = compiled(cases.network("mixed")).artifact.library
    out = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout
    defined = {line.split()[-1] for line in out.splitlines() if " T " in line}
    undefined = {line.split()[-1] for line in out.splitlines() if re.search(r"^\s+[Uw] ", line)}
    entries = ("reset", "step", "run", "trace", "state_bytes", "self_test", "run_batch")
    assert defined == {f"mixed_{e}" for e in (*entries, "decide", "label", "state_check")}
    assert not [name for name in undefined if "tvm" in name.lower()]
    assert {name.split("@")[0] for name in undefined if "GLIBC" in name} <= {
        "memset",
        "memcpy",
        "__stack_chk_fail",
        "__cxa_finalize",
    }
