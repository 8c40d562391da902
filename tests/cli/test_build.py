"""delrec-compile build and export: files, output, and what a failure leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fixtures.command import COMMAND, ok, ok_here, refused
from fixtures.processes import gone

from delrec_compile.system.folders import stage_folder


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


def test_build_speaks_to_people(tmp_path, children_here):
    text = ok_here("build", "-o", tmp_path / "a", "--limit", 5)
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


def descendants(pid):
    """The numbers of the processes that a process started, and of those that these did."""
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(p) for p in own] + [p for child in own for p in descendants(child)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_build_ends_its_children_and_leaves_nothing(number, tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    process = subprocess.Popen(
        [*COMMAND, "build", "-o", str(out / "a")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "compiling" in line:
            break
    while not (children := descendants(process.pid)):
        time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert all(gone(child) for child in children)
    if number == signal.SIGKILL:  # what it left is removed by the next build
        assert process.returncode == -number
        with stage_folder(out / "a", wait=False):
            pass
    else:
        assert process.returncode == 128 + number
        assert ("interrupted" if number == signal.SIGINT else "ended by SIGTERM") in said
        assert list(temporary.iterdir()) == []
    assert list(out.iterdir()) == []
