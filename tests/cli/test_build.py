"""delrec-compile build and export: files, output, and what a failure leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from fixtures.command import COMMAND, ok, refused


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
