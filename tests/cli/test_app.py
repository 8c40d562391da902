"""The command line, as a user types it: results, JSON, exit codes, manners."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from fixtures.command import COMMAND, cli, ok, refused

from delrec_compile.data.samples import read_samples


def test_build_is_the_whole_path(tmp_path):
    told = json.loads(
        ok("build", "--target", "x86_64", "-o", tmp_path / "a", "--limit", 10, "--json")
    )
    assert told["schema"] == "delrec.build/1"
    assert told["target"] == "x86_64"
    assert told["check"]["spikes"] == {
        "compared": 10 * 80 * 512,
        "differing": 0,
        "sequences_explained_by_margin": 0,
        "first": None,
    }
    assert told["check"]["passed"] is True
    assert told["onnxruntime"]["passed"] is True
    assert told["latency"]["how"] == "native"
    assert told["latency"]["us_per_step"] > 0
    for file in (
        "manifest.json",
        "measured.json",
        "report.md",
        "model.onnx",
        "network.safetensors",
    ):
        assert file in told["files"]
    assert (tmp_path / "a.tar.gz").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.tar.gz"]
    said = refused(3, "build", "-o", tmp_path / "a")
    assert "--force" in said


def test_build_speaks_to_people(tmp_path):
    text = ok("build", "-o", tmp_path / "a", "--limit", 5)
    for part in ("259", "99.6% fewer", "parity with PyTorch", "latency", "ONNX Runtime", "next: "):
        assert part in text
    assert text.strip().splitlines()[-1].startswith("next: delrec-compile bench")
    report = (tmp_path / "a" / "report.md").read_text()
    assert "| x86_64 | 204,800 | 0 | 0 |" in report


def test_export_run_check(tmp_path):
    file = tmp_path / "step.onnx"
    told = json.loads(ok("export", "-o", file, "--unroll", 4, "--json"))
    assert told["unroll"] == 4
    assert told["inputs"][0] == "x"
    told = json.loads(ok("run", file, "--limit", 20, "--json"))
    assert told["engine"] == "onnxruntime"
    assert len(told["classes"]) == 20
    assert told["accuracy"] > 0.5
    told = json.loads(ok("check", file, "--limit", 5, "--json"))
    assert (told["schema"], told["passed"]) == ("delrec.check/1", True)
    assert "accuracy" in ok("run", file, "--limit", 20)
    assert "onnxruntime" in ok("check", file, "--limit", 5)
    assert "--force" in refused(3, "export", "-o", file)
    ok("export", "-o", file, "--force", "--form", "semantic")


def test_run_reads_h5_and_npz(artifacts, tmp_path):
    import h5py
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
        json.loads(ok("run", folder, "-i", tmp_path / name, "--json")) for name in ("w.npz", "w.h5")
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
    assert "did you mean 'onnxruntime'" in refused(2, "bench", folder, "--rows", "onnxruntim")


def test_inspect_targets_doctor():
    told = json.loads(ok("inspect", "--json"))
    assert told["recurrent_parameters"] == 259
    assert told["saving"] > 0.99
    assert told["exact"] is True
    assert told["onnx"]["inputs"][0] == "x"
    assert "past_l1_hist" in ok("inspect", "dense_delay_256")
    told = json.loads(ok("inspect", "conv_delay_320_2_heads", "--json"))
    assert len(told["layers"][0]["beta"]) == 320
    assert told["layers"][0]["threshold"] == 1.0
    assert told["parameters"] == 156_208
    told = json.loads(ok("targets", "--json"))
    ready = {t["name"]: t["ready"] for t in told["targets"]}
    assert all(ready.values())
    assert set(ready) >= {"arm_cpu", "arm_cpu_v7", "portable_c", "x86_64"}
    assert "x86_64" in ok("targets")
    done = cli("doctor", "--json")
    assert done.returncode in (0, 5)
    assert {f["name"] for f in json.loads(done.stdout)["findings"]} > {"torch", "C compiler"}


def test_doctor_finds_what_is_missing(tmp_path):
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    (tmp_path / "tvm.py").write_text(dies)
    bare = {"PATH": str(tmp_path), "CC": "", "PYTHONPATH": str(tmp_path)}
    done = cli("doctor", "--json", env=bare)
    assert done.returncode == 5
    findings = {f["name"]: f for f in json.loads(done.stdout)["findings"]}
    assert findings["espeak-ng"]["fix"] == "apt-get install espeak-ng"
    assert not findings["espeak-ng"]["ok"]
    assert not findings["apache-tvm-ffi"]["ok"]
    assert "died with signal SIGSEGV" in findings["apache-tvm-ffi"]["detail"]


def test_data_and_train(tmp_path, tiny_data):
    told = json.loads(ok("data", "info", tiny_data / "tiny_train.h5", "--json"))
    assert told["utterances"] > 0
    net = tmp_path / "net.safetensors"
    arguments = ("train", tiny_data, "--hidden", 16, "--epochs", 2, "-o", net)
    told = json.loads(ok(*arguments, "--json"))
    assert set(told["accuracy"]) == {"valid", "test"}
    assert told["recurrent_parameters"] == 3 + 16
    assert len(told["history"]) == 2
    assert "--force" in refused(3, *arguments)
    assert "network" in ok("inspect", net)
    assert "odd number of taps" in refused(2, *arguments, "--force", "--kernel", 4)


def test_a_training_writes_only_where_it_can(tmp_path, tiny_data):
    arguments = ("train", tiny_data, "--hidden", 8, "--epochs", 1)
    for name in ("net.unfinished", "run.1", "net"):
        said = refused(2, *arguments, "-o", tmp_path / name)
        assert "a name that ends in .safetensors is needed" in said
    for name in ("net.safetensors", "net.epochs.csv"):
        (tmp_path / name).mkdir()
        said = refused(3, *arguments, "-o", tmp_path / "net.safetensors", "--force")
        assert f"{name}: it is a folder; name a file" in said
        (tmp_path / name).rmdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_training_leaves_out_is_said(tmp_path, tiny_data):
    options = ("--set", "channels=2", "--set", "steps=5", "--plots", "--json")
    arguments = ("train", tiny_data, "--recurrence", "conv2d", "--hidden", 8, "--epochs", 1)
    done = cli(*arguments, *options, "-o", tmp_path / "net.safetensors")
    assert done.returncode == 0, done.stderr
    assert "note: spikes after 0.05 s (5 steps of 10 ms) are left out" in done.stderr
    assert "note: no net.delays.png: the network has no delays of its own" in done.stderr
    assert [Path(f).name for f in json.loads(done.stdout)["files"]] == [
        "net.epochs.csv",
        "net.curves.png",
    ]
    assert not (tmp_path / "net.delays.png").exists()


def test_data_info_says_what_a_training_leaves_out(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, kind in (("times", "f4"), ("units", "u2")):
            rows = file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(kind))
            rows[0] = [0, 1, 2, 3]
        file["labels"] = [0]
    done = cli("data", "info", tmp_path / "a.h5", "--json")
    told = json.loads(done.stdout)
    assert (told["window_s"], told["outside"]) == (0.8, 0.75)
    assert "note: 75.0% of the spikes come after 0.8 s, up to 3 s" in done.stderr


def test_options_of_a_training_come_from_a_file_too(tmp_path, tiny_data):
    config, net = tmp_path / "c.toml", tmp_path / "net.safetensors"
    config.write_text('recurrence = "dense"\nhidden = 8\nepochs = 5\nsurrogate = "triangle"\n')
    arguments = ("train", tiny_data, "--config", config, "--epochs", 1, "-o", net)
    told = json.loads(ok(*arguments, "--plots", "--json"))
    assert told["recurrent_parameters"] == 8 * 8 + 8
    assert len(told["history"]) == 1
    names = [Path(f).name for f in told["files"]]
    assert names == ["net.epochs.csv", "net.curves.png", "net.delays.png"]
    assert all(Path(f).exists() for f in told["files"])
    config.write_text("hiden = 8")
    before = sorted(tmp_path.iterdir())
    assert "did you mean 'hidden'" in refused(2, *arguments, "--force")
    assert "allowed: csv, jsonl, none" in refused(2, *arguments[:2], "-o", net, "--log", "txt")
    assert sorted(tmp_path.iterdir()) == before


def test_claims_of_a_folder(tmp_path, tiny_data):
    arguments = ("claims", tiny_data, "--variants", "conv_delay", "--quick", "--no-latency")
    arguments += ("--cache", tmp_path / "cache", "--markdown", tmp_path / "claims.md")
    told = json.loads(ok(*arguments, "--json"))
    assert told["schema"] == "delrec.claims/1"
    (row,) = told["rows"]
    assert (row["kind"], row["seeds"], row["recurrent_parameters"]) == ("conv_delay", 1, 259)
    assert row["saving"] == pytest.approx(1 - 259 / 65792)
    assert told["trained"] == 1
    assert "0 trainings" in ok(*arguments)
    assert "| conv_delay | 259 | 99.6 % |" in (tmp_path / "claims.md").read_text()
    assert "unknown variant 'convdelay'" in refused(
        2, "claims", tiny_data, "--variants", "convdelay"
    )


def test_missing_espeak_is_exit_5(tmp_path):
    said = refused(5, "data", "synth", tmp_path / "d", env={"PATH": str(tmp_path)})
    assert "apt-get install espeak-ng" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (4, ("build", "--target", "x86_65"), "did you mean 'x86_64'?"),
        (4, ("build", "--numeric", "int4"), "allowed: float32"),
        (4, ("build", "--cpu", "zenver4"), "unknown CPU"),
        (4, ("build", "--unroll", "0"), "at least 1"),
        (3, ("build", "missing.safetensors"), "no such file"),
        (3, ("inspect", "conv_delay_265"), "did you mean 'conv_delay_256'?"),
        (4, ("export", "--form", "foreign"), "allowed: portable, semantic"),
        (3, ("run", "nothing"), "no such file"),
        (3, ("data", "info", "nothing.h5"), "no such file"),
    ],
)
def test_bad_input_is_one_line(code, arguments, words, tmp_path):
    assert words in refused(code, *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_exit_2():
    for arguments in (("bild",), ("build", "--nope"), ("run",)):
        done = cli(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert cli().returncode == 2


def test_debug_shows_the_traceback(tmp_path):
    done = cli("--debug", "inspect", "missing.safetensors", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_no_write_permission_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    said = refused(3, "build", "-o", tmp_path / "file" / "out")
    assert "cannot write" in said
    said = refused(3, "export", "-o", tmp_path / "file" / "step.onnx")
    assert "cannot write" in said


def test_interrupt_is_130_and_leaves_nothing(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "build", "-o", str(tmp_path / "a")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "compiling" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_help_is_fast_and_imports_nothing_heavy():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        ok("--help")
        times.append(time.perf_counter() - start)
    bare = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import typer"], check=True)
        bare.append(time.perf_counter() - start)
    assert statistics.median(times) < 4 * statistics.median(bare)
    heavy = ("torch", "tvm", "onnx", "numpy", "rich")
    code = f"import sys, delrec_compile.cli.app; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
