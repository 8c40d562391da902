"""delrec-compile run, check and bench."""

from __future__ import annotations

import json
from pathlib import Path

import cases
import h5py
import pytest
from fixtures.command import ok, ok_here, refused_here
from helpers import refusal

import delrec_compile
from delrec_compile.cli.app import _exit_code
from delrec_compile.cli.inputs import InputOptions
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import ParityError
from delrec_compile.evaluation.verdict import accept_silence

pytestmark = pytest.mark.usefixtures("children_here")


def test_export_run_check(tmp_path):
    file = tmp_path / "step.onnx"
    told = json.loads(ok("export", "-o", file, "--unroll", 4, "--json"))
    assert told["unroll"] == 4
    assert told["inputs"][0] == "x"
    told = json.loads(ok_here("run", file, "--limit", 20, "--json"))
    assert told["engine"] == "onnxruntime"
    assert len(told["classes"]) == 20
    assert told["accuracy"] > 0.5
    told = json.loads(ok_here("check", file, "--limit", 5, "--json"))
    assert (told["schema"], told["passed"]) == ("delrec.check/1", True)
    assert "accuracy" in ok_here("run", file, "--limit", 20)
    shown = ok_here("check", file, "--limit", 5)
    assert "onnxruntime" in shown
    assert shown.splitlines()[-1] == f"next: delrec-compile run {file}"
    assert "--force" in refused_here(3, "export", "-o", file)
    ok("export", "-o", file, "--force", "--form", "semantic")


def test_run_reads_h5_and_npz(artifacts, tmp_path):
    import numpy as np

    from delrec_compile.data.events import save_samples

    samples = read_samples("samples").take([4])
    save_samples(tmp_path / "w.npz", samples)
    step, channel = np.nonzero(samples.counts[0])
    counts = samples.counts[0][step, channel]
    times = np.repeat((step + 0.5) / 100.0, counts).astype(np.float32)
    units = np.repeat(channel * 5, counts).astype(np.uint16)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        kinds = {"spikes/times": (np.float32, times), "spikes/units": (np.uint16, units)}
        for name, (kind, value) in kinds.items():
            rows = file.create_dataset(name, (1,), h5py.vlen_dtype(kind))
            rows[0] = value
        file["labels"] = samples.labels.astype(np.uint16)
    folder = artifacts["conv_delay_256"]
    told = [
        json.loads(ok_here("run", folder, "-i", tmp_path / name, "--json"))
        for name in ("w.npz", "w.h5")
    ]
    assert told[0]["classes"] == told[1]["classes"]
    assert told[0]["spikes_per_step"] == told[1]["spikes_per_step"] > 0


def test_bench_json(artifacts):
    folder = artifacts["conv_delay_256"]
    told = json.loads(
        ok("bench", folder, "--rows", "ours_python, torch_eager", "--rounds", 3, "--json")
    )
    assert [r["name"] for r in told["rows"]] == ["ours", "ours_python", "torch_eager"]
    assert told["workload"]["form"] == "step"
    assert "did you mean 'onnxruntime'" in refused_here(2, "bench", folder, "--rows", "onnxruntim")


def test_the_next_command_is_of_the_same_artifact_and_samples(monkeypatch, capsys):
    from delrec_compile.cli import run as command
    from delrec_compile.evaluation import report
    from delrec_compile.evaluation.latency import bench as latency
    from delrec_compile.runners import open as opening

    monkeypatch.setattr(latency, "bench", lambda *_, **__: None)
    monkeypatch.setattr(latency, "runs_on_gpu", lambda _: False)
    monkeypatch.setattr(report, "bench_rows", lambda _: ())
    monkeypatch.setattr(report, "bench_line", lambda _: "")
    monkeypatch.setattr(command, "chosen", lambda *_: None)
    monkeypatch.setattr(opening, "taker_of", lambda *_: None)
    monkeypatch.setattr(opening, "artifact_taker", lambda *_: None)
    command._bench_here(Path("my out"), InputOptions(), (), None, "step", None, as_json=False)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == "next: delrec-compile inspect 'my out/network.safetensors'"
    parity = {
        "target": "x86_64",
        "spikes": {"compared": 1000, "differing": 0},
        "membrane": {"max_abs_error": 0.0},
        "accuracy": 0.85,
        "reference": "torch",
        "passed": True,
    }
    for path in ("out", "step.onnx"):
        command._print_parity(Path(path), parity, InputOptions("my.npz"), as_json=False)
        line = capsys.readouterr().out.splitlines()[-1]
        assert line == f"next: delrec-compile run {path} --input my.npz"


def test_classes_of_a_run_without_a_spike_are_no_accuracy(capsys):
    from delrec_compile.cli import run as command

    told = {"classes": (0, 0), "expected": (0, 1), "labels": (), "engine": "x", "steps": 5}
    for spikes, said in ((0.0, False), (0.5, True)):
        rest = {"accuracy": 0.5, "spikes_per_step": spikes}
        command._print_predictions(Path("out"), {**told, **rest})
        printed = capsys.readouterr().out
        assert ("accuracy 50.0%" in printed) == said
        assert ("warning: no neuron fired" in printed) != said


def test_silence_is_refused_after_it_is_printed(capsys):
    from delrec_compile.cli import run as command

    parity = {
        "target": "x86_64",
        "sequences": 8,
        "steps": 100,
        "spikes": {"compared": 1000, "differing": 0, "first": None},
        "membrane": {"max_abs_error": 0.0},
        "firing": {"fired": [0, 0]},
        "accuracy": None,
        "reference": "torch",
        "agrees": True,
        "passed": False,
    }
    for as_json in (True, False):
        with refusal(ParityError, "proves nothing; .*--allow-silent", 6):
            command._print_parity(Path("out"), parity, InputOptions(), as_json)
        assert capsys.readouterr().out
    command._print_parity(Path("out"), accept_silence(parity), InputOptions(), as_json=True)


@pytest.mark.parametrize("command", ["bench", "footprint", "bench --device", "check --device"])
def test_what_is_no_artifact_is_told_before_anything_else(command, capsys, tmp_path, monkeypatch):
    """No line on samples or on engines that are about to be timed."""
    monkeypatch.chdir(tmp_path)
    network = tmp_path / "mine.safetensors"
    delrec_compile.save(cases.network("dense"), network)
    verb, *device = command.split()
    line = [verb, network.name, *device, *("ssh://pi@board" for _ in device)]
    assert _exit_code(line) == 3
    out, err = capsys.readouterr()
    assert out == ""
    (error,) = err.splitlines()
    assert error.startswith(
        "error: mine.safetensors is a network; an artifact's folder is required"
    )
