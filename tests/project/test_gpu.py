"""`python -m benchmarks.gpu`: its flow in the emulator, what its budget leaves out, and its verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import work
from delrec_compile.bundled import NETWORKS
from delrec_compile.errors import CompilerCrash, InputError, ParityError
from delrec_compile.evaluation.baselines.registry import GPU_ROWS
from delrec_compile.evaluation.latency.result import Bench, BenchRow
from delrec_compile.runners.emulated import cuda

GPU = {"name": "H200", "arch": "sm_90", "cuda": "13.0"}
ABOUT = {"how": "device (H200)", "emulated": False, "gpu": GPU}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a GPU: its artifacts, and `gpu.json` beside them."""
    if cuda.gpu() is not None:
        pytest.skip("this machine has a GPU")
    folder = tmp_path_factory.mktemp("gpu")
    line = ["--json", str(folder / "gpu.json"), "--artifacts", str(folder / "built")]
    assert command.main(line) == 0
    return folder


def test_without_a_gpu_a_small_share_is_emulated(place: Path) -> None:
    told = json.loads((place / "gpu.json").read_text())
    assert told["schema"] == "delrec.gpu/1"
    assert (told["passed"], told["failed"], told["times"]) == (True, {}, [])
    assert (told["emulated"], told["gpu"]) == (True, None)
    assert told["how"].startswith("emulated")
    assert told["skipped"] == {"times": "no GPU here: an emulator's time says nothing"}
    assert set(told["versions"]) >= {"torch", "apache-tvm", "nvidia-cuda-nvrtc-cu12"}
    of = [(row["network"], row["numeric"], row["same"]) for row in told["bundled"]]
    assert of == [("conv_delay_256", n, True) for n in command.NUMERICS]
    assert {row["how"] for row in told["bundled"]} == {cuda.HOW}
    drawn = {(row["network"], row["numeric"]) for row in told["random"] if row["fired"]}
    assert drawn == {(n, m) for n in ("drawn_0", "graph_0") for m in command.NUMERICS}
    assert told["summary"]["networks"] == 3
    assert told["summary"]["values_compared"] > 90_000
    assert told["summary"]["networks_differing"] == 0
    assert told["seconds"] <= told["budget_s"]


def test_built_artifacts_need_no_tvm(place: Path, tmp_path: Path) -> None:
    for package in ("tvm", "tvm_ffi"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('it is not installed')")
    code = (
        "import json, sys; from benchmarks.gpu import work; "
        "print(json.dumps(work.bundled('conv_delay_256', 'int8', sys.argv[1], None, 1)))"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    line = [sys.executable, "-c", code, str(place / "built")]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["same"]
    assert row["build_s"] < 5


def test_a_bit_that_differs_fails(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "differing", lambda *_: 1)
    rows = work.random([0], False, str(place / "built"), 20, 1)
    assert [row["differing"] for row in rows] == [1, 1]
    run = started()
    run.part("random", "random", 1.0, lambda _: rows)
    assert run.code == ParityError.exit_code
    assert run.summary()["networks_differing"] == 2
    assert json.loads(run.text())["passed"] is False


def started(budget_s: float = 400.0) -> command.Run:
    return command.Run(budget_s, ABOUT, lambda _: None)


def raising(error: Exception) -> Callable[[float], Any]:
    def work(_: float) -> Any:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CompilerCrash("it died"), CompilerCrash.exit_code),
        (InputError("no such file"), CompilerCrash.exit_code),
        (ParityError("the self-test fails"), ParityError.exit_code),
    ],
)
def test_a_part_that_fails_leaves_the_others(error: Exception, code: int) -> None:
    run = started()
    run.part("one", "bundled", 1.0, raising(error))
    run.part("two", "bundled", 1.0, lambda _: [{"network": "n", "build_s": 1.0}])
    assert [*run.result["failed"]] == ["one"]
    assert str(error) in run.result["failed"]["one"]
    assert [row["network"] for row in run.result["bundled"]] == ["n"]
    assert run.code == code


def test_what_the_budget_leaves_out_is_named() -> None:
    run = started(budget_s=2 * command.LEAST_S)
    run.part("late", "bundled", 0.4, raising(AssertionError()))
    run.part("in time", "bundled", 1.0, lambda seconds: [{"network": "n", "seconds": seconds}])
    assert [*run.result["skipped"]] == ["late"]
    assert run.result["bundled"][0]["seconds"] <= run.budget_s

    def too_long(seconds: float) -> Any:
        run.start -= seconds
        raise CompilerCrash(f"it took longer than {seconds:g} s")

    run.part("ended", "times", 1.0, too_long)
    assert "was used up" in run.result["skipped"]["ended"]
    assert run.code == 0


def test_on_a_gpu_every_network_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any, float]] = []

    def bench(path: Path, *, rows: Any, rounds: int, limit_s: float) -> Bench:
        assert rounds == command.ROUNDS
        asked.append((path.name, rows, limit_s))
        return Bench((BenchRow("ours@1", 1.0, 0.1, 1.0),), {}, {"torch_compile@1": "no compiler"})

    monkeypatch.setattr(command, "bench", bench)
    run = started()
    command.measure(run, command.WHOLE, tmp_path)
    assert [name for name, _, _ in asked][:4] == [
        "conv_delay_256-float32",
        "conv_delay_256-int8",
        "conv_delay_256-float32",
        "dense_delay_256-float32",
    ]
    assert len(asked) == 3 * len(command.WHOLE.networks) == len(run.result["times"])
    assert {"ours", *(n for _, rows, _ in asked for n in rows)} == set(GPU_ROWS)
    assert [rows for _, rows, _ in asked if "torch_compile" in rows] == [command.TIMED[2][1]] * len(
        NETWORKS
    )
    assert 190 < asked[0][2] <= 200
    assert asked[-1][2] > 390
    assert run.summary()["engines_timed"] == len(asked)


def test_a_folder_is_needed_to_build_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--build-only"])
    assert "add --artifacts FOLDER" in capsys.readouterr().err


def test_the_version_of_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 580.159.04, 143771 MiB\n")
    program.chmod(0o755)
    monkeypatch.setattr(cuda, "first_gpu", lambda: cuda.Gpu(**GPU))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    told = work.about()
    assert (told["driver"], told["gpu"], told["emulated"]) == ("580.159.04, 143771 MiB", GPU, False)
    monkeypatch.setenv("PATH", "")
    assert work.about()["driver"] == ""
