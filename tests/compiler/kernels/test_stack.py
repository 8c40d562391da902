"""Temporary arrays of kernels: bounded on the stack, in the state beyond it, the same bits."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here
from fixtures.traces import same

from delrec_compile.artifact.abi import Header
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.kernels import stack
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.registry import make_readout
from delrec_compile.runners.memory import pointer
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.chips import MemoryMap, Region
from delrec_compile.targets.schedule import Schedule

SMALL_STACK = 64 * 1024


def kernel(bytes_of_arrays: int) -> Any:
    return SimpleNamespace(stack=bytes_of_arrays, arrays={"uint8": bytes_of_arrays})


def test_many_steps_shrink_until_they_fit() -> None:
    schedule, made = Schedule(16, 8, "compress", chunk=32, tile=8), []

    def make(name: str, of: Schedule, workspace: stack.Workspace) -> Any:
        made.append((name, of.chunk))
        return kernel(100 + 300 * of.chunk if name == "sequence" else 400)

    kernels = stack.fitted(schedule, 3500, make)
    assert list(kernels) == ["run", "trace", "sequence"]
    assert kernels["sequence"].stack <= 3500
    assert made[-1] == ("sequence", 11)
    assert list(stack.fitted(schedule, 1000, make)) == ["run", "trace"]
    assert stack.fitted(schedule, None, make)["sequence"].stack == 9700


def test_what_one_step_needs_beyond_the_limit_lies_in_the_state() -> None:
    seen = []

    def make(name: str, of: Schedule, workspace: stack.Workspace) -> Any:
        seen.append(dict(workspace))
        return kernel({"run": 300, "trace": 500}[name])

    stack.fitted(Schedule(1, 8, "branch"), 400, make)
    assert seen == [{}, {}, {"uint8": 500}, {"uint8": 500}]


@pytest.mark.parametrize(
    ("limit", "moved"),
    [
        (450, {"uint8": 100}),
        (399, {"int32": 100}),
        (99, {"int32": 100, "uint8": 100}),
        (0, {"int32": 100, "uint8": 100}),
    ],
)
def test_the_state_takes_the_fewest_bytes(limit: int, moved: dict[str, int]) -> None:
    def make(name: str, of: Schedule, workspace: stack.Workspace) -> Any:
        arrays = {"uint8": 100, "int32": 100}
        left = {d: n for d, n in arrays.items() if d not in workspace}
        size = sum(n * np.dtype(d).itemsize for d, n in left.items())
        return SimpleNamespace(stack=size, arrays=arrays, workspace=dict(workspace))

    kernels = stack.fitted(Schedule(1, 8, "branch"), limit, make)
    assert all(k.workspace == moved and k.stack <= limit for k in kernels.values())


def test_a_chip_has_what_its_profile_reserves() -> None:
    region = Region(0, 1 << 20)
    assert stack.limit_of("sources", MemoryMap("chip", region, region, 4096)) == 3072
    assert stack.limit_of("sources", MemoryMap("chip", region, region, 0)) == 0
    assert stack.limit_of("cuda") is None


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
@pytest.mark.parametrize(
    ("name", "numeric"),
    [
        ("all_kinds", "float32"),
        ("mixed", "float32"),
        ("recurrent_maps", "float32"),
        ("mixed", "int8"),
    ],
)
def test_arrays_in_the_state_change_no_bit(
    name: str, numeric: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "LIMITS", stack.FRAMES)  # nothing may lie on the stack
    network, x = cases.network(name), cases.counts(cases.CASES[name])
    artifact = artifact_here(network, target, tmp_path, numeric=numeric)
    members = [v.name for v in artifact.manifest.state if v.name.startswith("work_")]
    assert members
    integer = None if numeric == "float32" else quantise(network, numeric)
    want = TorchRunner(network).trace(x) if integer is None else ReferenceRunner(integer).trace(x)
    same(Session(artifact).trace(x), want)
    assert not set(members) & set(Session(artifact).state())


def wide(neurons: int) -> Network:
    """A layer of so many neurons, of which the last ones fire first."""
    weight = np.linspace(0, 1, neurons * 3).reshape(neurons, 3).round(3)
    readout = make_readout("leaky", np.eye(2, neurons), np.zeros(2), 0.5)
    last = np.array(readout.weight)
    last[0, -1] = 1
    readout = make_readout("leaky", last, np.zeros(2), 0.5)
    return Network((Layer(weight, np.zeros(neurons), Lif(0.5)),), readout, name="wide")


def in_a_thread(call: Callable[[], int]) -> int:
    """The result of a call on a stack of 64 KB."""
    results, before = [], threading.stack_size(SMALL_STACK)
    try:
        thread = threading.Thread(target=lambda: results.append(call()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return int(results[0])


@pytest.fixture(scope="module")
def of_many_neurons(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact_here(wide(65_600), "x86_64", tmp_path_factory.mktemp("many"))


def check_entries(artifact: Artifact, x: np.ndarray) -> None:
    """All entries run on a small stack, and give the outputs of PyTorch."""
    m, session = artifact.manifest, Session(artifact)
    assert m.stack_bytes <= SMALL_STACK - 4096
    text = (artifact.path / "include" / f"{m.name}.h").read_text()
    assert Header.parse(text, m.name).constants["STACK_BYTES"] == m.stack_bytes
    steps, entry = ctypes.c_int32(len(x)), session._entry
    y = np.zeros((len(x), m.outputs), np.float32)
    spikes = np.zeros((len(x), sum(m.neurons)), np.uint8)
    call = (session._state_at, pointer(x), steps, pointer(y))
    assert in_a_thread(entry["self_test"]) == 0
    assert in_a_thread(lambda: entry["trace"](*call, pointer(spikes))) == 0
    traced = y.copy()
    session.reset()
    assert in_a_thread(lambda: entry["run"](*call)) == 0
    np.testing.assert_array_equal(y, traced)
    assert spikes.any()


def test_a_layer_of_many_neurons_runs_on_a_small_stack(of_many_neurons: Artifact) -> None:
    x = (np.random.default_rng(0).random((9, 3)) < 0.7).astype(np.float32)
    check_entries(of_many_neurons, x)
    want = TorchRunner(wide(65_600)).trace(x[:, None])
    same(Session(of_many_neurons).trace(x[:, None]), want)
    assert want.spikes[0][..., -1].any()


def test_a_chunk_of_steps_runs_on_a_small_stack(tmp_path: Path) -> None:
    network = cases.network("wide")
    artifact = artifact_here(network, "x86_64", tmp_path)
    check_entries(artifact, cases.counts(cases.CASES["wide"])[:, 0])


def test_a_front_end_counts_as_an_entry_of_its_own() -> None:
    kernels = {"run": kernel(100)}
    bare = stack.stack_bytes(kernels, "sources", 0)
    assert bare == 1_128
    assert stack.stack_bytes(kernels, "sources", 0, (64, 40)) == bare + 64
    assert stack.stack_bytes(kernels, "sources", 64, (64, 40)) == bare + 64, "one after the other"
    assert stack.stack_bytes(kernels, "sources", 0, (64, 740)) == bare + 704
