"""delrec-compile inspect, targets and doctor."""

from __future__ import annotations

import json

from fixtures.command import cli, ok


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
    (nrf,) = [t for t in told["boards"] if t["name"] == "nrf52840"]
    assert (nrf["flash_kb"], nrf["ram_kb"], nrf["clock_mhz"]) == (1024, 256, 64)
    assert [t["name"] for t in told["platforms"]] == ["android", "macos", "windows"]
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
    assert findings["flite"]["fix"] == "apt-get install flite"
    assert not findings["espeak-ng"]["ok"]
    assert not findings["apache-tvm-ffi"]["ok"]
    assert "died with signal SIGSEGV" in findings["apache-tvm-ffi"]["detail"]
