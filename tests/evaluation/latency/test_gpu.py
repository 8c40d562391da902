"""The benchmark on a GPU: what needs none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import DeviceError, ParityError
from delrec_compile.evaluation.latency import gpu
from delrec_compile.evaluation.latency.result import spread
from delrec_compile.network import checkpoint
from delrec_compile.runners.runner import Trace
from delrec_compile.runners.torch_runner import TorchRunner


def test_rows_have_the_spread_of_every_other_benchmark() -> None:
    times = {"ours": [1.0, 1.2, 1.1, 9.0], "torch_graph": [10.0, 11.0, 12.0, 13.0]}
    ours, graph = gpu._rows(64, times)
    assert (ours.name, graph.name) == ("ours@64", "torch_graph@64")
    assert ours.spread == spread(times["ours"])
    assert ours.spread != pytest.approx((9.0 - 1.0) / 1.15)  # not the range
    assert graph.ratio_to_ours == pytest.approx(11.5 / 1.15)


def test_a_batch_repeats_the_samples() -> None:
    counts = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    x = gpu._batch(Events(counts, np.zeros(2, np.int64), None, None, 10.0), 5)
    assert x.shape == (3, 5, 4)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[:, 4], counts[0])
    np.testing.assert_array_equal(x[:, 3], counts[1])


class Device:
    """A GPU that computes what PyTorch does, `off` beside it."""

    name, how, off = "gpu", "device (a GPU)", 0.0

    def __init__(self, folder: str) -> None:
        self.artifact = SimpleNamespace(integer=None)
        self.runner = TorchRunner(checkpoint.load(f"{folder}/network.safetensors"))
        self.streams = 0

    def restart(self, streams: int) -> None:
        self.streams = streams

    def run(self, x: F32) -> F32:
        assert x.shape[1] == self.streams
        return self.runner.trace(x).y + self.off

    def trace(self, x: F32) -> Trace:
        return self.runner.trace(x)


@pytest.fixture
def on_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`on_device(rows)`: `measure` of a small network on such a device."""
    monkeypatch.setattr(gpu, "GpuSession", Device)
    monkeypatch.setattr(gpu, "BATCHES", (1, 3))
    monkeypatch.setattr(gpu, "SLICE_S", 0.0)
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "0")
    checkpoint.save(cases.network("conv3"), tmp_path / "network.safetensors")
    counts = cases.counts(cases.CASES["conv3"], batch=2, steps=9).swapaxes(0, 1).astype(np.uint8)
    samples = tmp_path / "samples.npz"
    save_samples(samples, Events(counts, np.zeros(2, np.int64), None, None, 10.0))
    return lambda rows, **more: gpu.measure(str(tmp_path), str(samples), rows, 2, **more)


def names(told: dict[str, Any]) -> list[str]:
    return [row["name"] for row in told["rows"]]


def test_each_batch_is_timed_and_compared(
    on_device: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = on_device([])
    timed = [row for row in told["rows"] if row["skipped"] is None]
    assert names({"rows": timed}) == ["ours@1", "ours@3"]
    assert all(row["us_per_step"] > 0 for row in timed)
    workload = told["workload"]
    assert (workload["batch"], workload["steps"]) == ([1, 3], 9)
    assert workload["device"] == "device (a GPU)"
    assert workload["max_abs_difference"] == {"ours@1": 0.0, "ours@3": 0.0}
    assert 0 < workload["hidden_rate"] < 1
    monkeypatch.setattr(Device, "off", 1.0)
    with refusal(ParityError, r"bench: ours computes different outputs \(off by 1\)", 6):
        on_device([])


def test_rows_that_are_asked_for_are_timed_beside_ours(
    on_device: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gpu.engines_for

    def three(session: Any, network: Any, x: F32, wanted: list[str], end: float) -> Any:
        ours = real(session, network, x, [], end)[0]["ours"]
        made = ("ours", *(n for n in ("ours_host", "torch_graph") if n in wanted))
        return dict.fromkeys(made, ours), {n: "no compiler" for n in wanted if n not in made}

    monkeypatch.setattr(gpu, "engines_for", three)
    monkeypatch.setattr(gpu, "BATCHES", (2,))
    told = on_device([])
    assert names(told)[:3] == ["ours@2", "ours_host@2", "torch_graph@2"]
    assert {r["name"]: r["skipped"] for r in told["rows"][3:]} == {
        "torch_eager@2": "no compiler",
        "torch_compile@2": "no compiler",
    }
    assert names(on_device(["torch_graph", "numpy"])) == ["ours@2", "torch_graph@2"]
    assert names(on_device(["ours"])) == names(on_device([])), "no others: all"


def test_a_time_limit_names_what_it_leaves_out(
    on_device: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = on_device([], seconds=0.0)
    assert names(told) == [f"{n}@{batch}" for batch in (1, 3) for n in gpu.GPU_ROWS]
    assert {row["skipped"] for row in told["rows"]} == {gpu.TIME_IS_OVER}
    runs: list[int] = []
    engine = gpu.TimedRun(lambda: runs.append(1), lambda: np.zeros(1, np.float32))
    monkeypatch.setattr(gpu, "SLICE_S", 0.0)
    assert len(gpu._interleave({"ours": engine}, 9, 1, end=0.0)["ours"]) == gpu.FEWEST
    assert len(gpu._interleave({"ours": engine}, 9, 1)["ours"]) == 9


def test_a_queue_of_runs_is_no_longer_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs return before they are computed, at no cost: what counts is when one can be read."""
    queued: list[int] = []
    longest: list[int] = []

    def read() -> F32:
        longest.append(len(queued))
        time.sleep(0.002 * len(queued))
        queued.clear()
        return np.zeros(1, np.float32)

    monkeypatch.setattr(gpu, "SLICE_S", 0.01)
    times = gpu._interleave({"ours": gpu.TimedRun(lambda: queued.append(1), read)}, 2, 1)
    assert max(longest) <= 5
    assert min(times["ours"]) >= 2000


def test_the_emulator_is_not_timed(
    on_device: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Device, "name", "emulated")
    with refusal(DeviceError, "no GPU here, so there is nothing to time", 8):
        on_device([])
