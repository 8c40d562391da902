"""delrec-compile inspect, targets and doctor."""

from __future__ import annotations

import json
import tarfile

import cases
import numpy as np
import onnx
import pytest
from fixtures.command import cli, ok
from fixtures.manifests import folder_of
from fixtures.plain_steps import CELL, written

from delrec_compile.cli import show
from delrec_compile.errors import CheckpointError
from delrec_compile.network.onnx_step.export import model_of


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


def test_inspect_shows_what_commands_take(tmp_path, monkeypatch, capsys):
    network = cases.network("conv3")
    onnx.save(model_of(network), tmp_path / "step.onnx")
    written(CELL, tmp_path / "cell.onnx")
    np.savez(tmp_path / "s.npz", counts=np.ones((1, 2, 3), np.uint8))
    folder_of(tmp_path / "net", {"src/net.c": b"int a;\n"})
    with tarfile.open(tmp_path / "net.tar.gz", "w:gz") as file:
        file.add(tmp_path / "net", "net")
    monkeypatch.chdir(tmp_path)
    for name, words in (
        ("step.onnx", ("an ONNX step exported", "past_l0_v", "portable", " run step.onnx")),
        ("cell.onnx", ("an ONNX step of another source", "present_h", "--dry-run")),
        ("net", ("an artifact", "portable_c", "src/net.c", "check net")),
        ("net.tar.gz", ("a packed artifact", "portable_c")),
        ("s.npz", ("1",)),
    ):
        show.inspect(name, as_json=False)
        text = capsys.readouterr().out
        assert all(word in text for word in words), text
        show.inspect(name, as_json=True)
        assert json.loads(capsys.readouterr().out)["schema"].startswith("delrec.")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(CheckpointError, match=r"is text; a \.safetensors network"):
        show.inspect("a.txt", as_json=False)
